// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/quant/tensorpass.h"

#include "core/quant/cliplimits.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace ql {

namespace {

constexpr int64_t kTileValues = 256 * 1024;

void reportValues(const TensorView& tensor, const JobControl& job, int64_t done)
{
    const double share = double(done) / double(tensor.count());
    job.report(uint64_t(share * double(tensor.byteSize())), tensor.byteSize());
}

} // namespace

Status forEachTile(const TensorView& tensor, const JobControl& job,
                   const std::function<void(std::span<const float> values)>& visit)
{
    std::vector<float> tile(size_t(std::min(kTileValues, tensor.count())));
    for (int64_t first = 0; first < tensor.count(); first += kTileValues) {
        if (job.cancelled())
            return cancelledError();
        const int64_t n = std::min(kTileValues, tensor.count() - first);
        QL_CHECK(tensor.readFlat(first, n, tile.data()));
        visit(std::span(tile).first(size_t(n)));
        reportValues(tensor, job, first + n);
    }
    return {};
}

Status forEachRow(const TensorView& tensor, const JobControl& job,
                  const std::function<void(std::span<const float> row, int64_t index)>& visit)
{
    if (tensor.count() == 0)
        return {};
    const int64_t rowsPerTile = std::clamp<int64_t>(kTileValues / tensor.cols(), 1, tensor.rows());
    std::vector<float> tile(size_t(rowsPerTile * tensor.cols()));
    for (int64_t first = 0; first < tensor.rows(); first += rowsPerTile) {
        const int64_t n = std::min(rowsPerTile, tensor.rows() - first);
        QL_CHECK(tensor.readRows(first, n, tile.data()));
        for (int64_t i = 0; i < n; ++i) {
            if (job.cancelled())
                return cancelledError();
            visit(std::span(tile).subspan(size_t(i * tensor.cols()), size_t(tensor.cols())), first + i);
        }
        reportValues(tensor, job, (first + n) * tensor.cols());
    }
    return {};
}

uint32_t PatternCounts::orderedBits(float value)
{
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

float PatternCounts::fromOrderedBits(uint32_t bits)
{
    return std::bit_cast<float>(bits >> 31 ? bits & 0x7fffffffu : ~bits);
}

void PatternCounts::add(std::span<const float> values)
{
    for (const float v : values) {
        if (std::isfinite(v)) {
            ++m_counts[orderedBits(v) >> kDroppedBits];
            ++m_total;
        }
    }
}

void PatternCounts::add(float value, uint64_t n)
{
    m_counts[orderedBits(value) >> kDroppedBits] += n;
    m_total += n;
}

void PatternCounts::merge(const PatternCounts& other)
{
    for (size_t i = 0; i < m_counts.size(); ++i)
        m_counts[i] += other.m_counts[i];
    m_total += other.m_total;
}

float PatternCounts::representative(uint32_t pattern, bool exact)
{
    const uint32_t ordered = pattern << kDroppedBits;
    const bool negative = ordered >> 31 == 0;
    const uint32_t exactBits = negative ? (1u << kDroppedBits) - 1 : 0;
    return fromOrderedBits(ordered | (exact ? exactBits : 1u << (kDroppedBits - 1)));
}

Result<ClipLimits> TensorPasses::range()
{
    ClipLimits range;
    QL_CHECK(forEachTile(m_tensor, m_job, [&](std::span<const float> values) {
        const ClipLimits part = finiteRange(values);
        range = {std::min(range.lo, part.lo), std::max(range.hi, part.hi)};
    }));
    return range;
}

Result<PatternCounts> TensorPasses::patterns()
{
    PatternCounts counts;
    QL_CHECK(forEachTile(m_tensor, m_job, [&](std::span<const float> values) { counts.add(values); }));
    return counts;
}

Result<std::vector<uint64_t>> TensorPasses::klHistogram(float absMax)
{
    std::vector<uint64_t> histogram(kKlBins);
    QL_CHECK(forEachTile(m_tensor, m_job,
                         [&](std::span<const float> values) { addKlHistogram(values, absMax, histogram); }));
    return histogram;
}

Result<std::vector<uint64_t>> TensorPasses::groupKlHistogram(int64_t groupSize)
{
    std::vector<uint64_t> histogram(kKlBins);
    QL_CHECK(forEachRow(m_tensor, m_job, [&](std::span<const float> row, int64_t) {
        for (size_t first = 0; first < row.size(); first += size_t(groupSize)) {
            const auto values = row.subspan(first, std::min(size_t(groupSize), row.size() - first));
            addKlHistogram(values, largestMagnitude(finiteRange(values)), histogram);
        }
    }));
    return histogram;
}

} // namespace ql
