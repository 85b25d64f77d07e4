// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/compute/streams.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace ql {
namespace {

constexpr int64_t kLanes = 16;

/// Moments around the block's mean from power sums around a shift that is almost the mean.
TensorStats statsOf(const simd::BlockMoments& block, int64_t count)
{
    const double n = double(count);
    const double d = block.s1 / n;
    TensorStats stats;
    stats.count = uint64_t(count);
    stats.zeros = block.zeros;
    stats.min = double(block.lo);
    stats.max = double(block.hi);
    stats.mean = double(block.shift) + d;
    stats.m2 = block.s2 - n * d * d;
    stats.m3 = block.s3 - 3 * d * block.s2 + 2 * n * d * d * d;
    stats.m4 = block.s4 - 4 * d * block.s3 + 6 * d * d * block.s2 - 3 * n * d * d * d * d;
    return stats;
}

/// Whether f32 sums were good enough: the powers well inside its range, and no single value that makes up the fourth
/// moment, whose rounding would show.
bool accurate(const simd::BlockMoments& block)
{
    if (!block.finite || block.hi == block.lo)
        return block.finite;
    const float reach = std::max(block.hi - block.shift, block.shift - block.lo);
    const double square = double(reach) * double(reach);
    return reach > 1e-6f && reach < 1e8f && square * square < 0.25 * block.s4;
}

} // namespace

void decodeValues(const simd::Kernels& kernels, simd::Source x, int64_t count, float* out)
{
    const int64_t whole = count - count % kLanes;
    kernels.toFloat(x, whole, out);
    if (whole == count)
        return;
    std::array<std::byte, kLanes * sizeof(float)> stored{};
    std::array<float, kLanes> values;
    const auto rest = x.advanced(whole);
    const size_t bytesPerValue = x.element == simd::Element::F32 ? 4 : 2;
    std::memcpy(stored.data(), rest.data, size_t(count - whole) * bytesPerValue);
    kernels.toFloat({stored.data(), x.element}, kLanes, values.data());
    std::copy_n(values.data(), count - whole, out + whole);
}

TensorStats streamStats(const simd::Kernels& kernels, simd::Source x, int64_t count)
{
    TensorStats all;
    std::array<float, size_t(simd::kMomentBlock)> scalar;
    for (int64_t first = 0; first < count; first += simd::kMomentBlock) {
        const int64_t n = std::min(simd::kMomentBlock, count - first);
        const simd::Source block = x.advanced(first);
        simd::BlockMoments moments;
        if (n % kLanes == 0)
            kernels.moments(block, n, &moments);
        if (n % kLanes == 0 && accurate(moments)) {
            if (moments.hi == moments.lo)
                moments.shift = moments.hi, moments.s1 = moments.s2 = moments.s3 = moments.s4 = 0;
            all.merge(statsOf(moments, n), first);
        } else {
            decodeValues(kernels, block, n, scalar.data());
            all.merge(computeStats(scalar.data(), n), first);
        }
    }
    return all;
}

StreamHistogram::StreamHistogram(const simd::Kernels& kernels, float lo, float hi, int bins) : m_kernels(kernels)
{
    m_histogram.lo = double(lo);
    m_histogram.hi = double(hi);
    m_histogram.counts.resize(size_t(bins));
    m_range = {lo, hi, m_histogram.binsPerUnit(), bins};
    m_tables.resize(size_t(bins) * simd::kHistogramTables);
}

void StreamHistogram::add(simd::Source x, int64_t count)
{
    const int64_t whole = count - count % kLanes;
    m_kernels.histogram(x, whole, m_range, m_tables.data(), &m_outside);
    std::array<float, size_t(kLanes)> tail;
    decodeValues(m_kernels, x.advanced(whole), count - whole, tail.data());
    m_histogram.add(tail.data(), count - whole);
    m_sinceFlush += count;
    if (m_sinceFlush > (int64_t(1) << 30))
        flush();
}

void StreamHistogram::flush()
{
    for (size_t i = 0; i < m_tables.size(); ++i)
        m_histogram.counts[i % m_histogram.counts.size()] += m_tables[i];
    std::fill(m_tables.begin(), m_tables.end(), 0);
    m_sinceFlush = 0;
}

Histogram StreamHistogram::finish()
{
    flush();
    m_histogram.below += m_outside.below;
    m_histogram.above += m_outside.above;
    m_histogram.nonFinite += m_outside.nonFinite;
    return std::move(m_histogram);
}

} // namespace ql
