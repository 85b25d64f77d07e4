// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/compute/cpupasses.h"

#include "core/base/checked.h"
#include "core/compute/tilereduce.h"
#include "core/quant/cliplimits.h"

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

/// One table per thread at most: each worker takes a contiguous share of the tensor, and integer counts do not care.
template <class Table, class Add>
Result<std::vector<Table>> countShares(ThreadPool& pool, const TensorView& tensor, int64_t unit, const JobControl& job,
                                       const Table& empty, Add add)
{
    const int64_t units = ceilDiv(tensor.count(), unit);
    const int64_t shares = std::clamp<int64_t>(units, 1, int64_t(pool.threadCount()));
    std::vector<Table> tables(size_t(shares), empty);
    ByteProgress progress(tensor, job);
    const auto countShare = [&](int64_t share) -> Status {
        const int64_t first = share * units / shares * unit;
        const int64_t end = std::min(tensor.count(), (share + 1) * units / shares * unit);
        TileSource source(tensor);
        const auto onTile = [&](ValueRange tile) -> Status {
            QL_TRY(const float* x, source.floats(tile));
            add(std::span(x, size_t(tile.count)), tables[size_t(share)]);
            return {};
        };
        return forEachTileOf({first, end - first}, unit, job, progress, onTile);
    };
    QL_CHECK(runTasks(pool, shares, job, countShare));
    return tables;
}

std::vector<uint64_t> sumOf(const std::vector<std::vector<uint64_t>>& tables)
{
    std::vector<uint64_t> sum(tables.front().size());
    for (const auto& table : tables) {
        for (size_t i = 0; i < sum.size(); ++i)
            sum[i] += table[i];
    }
    return sum;
}

} // namespace

CpuPasses::CpuPasses(CpuBackend& backend, ThreadPool& pool, const TensorView& tensor,
                     std::shared_ptr<const HalfCounts> counts, const JobControl& job)
    : TensorPasses(tensor, job), m_backend(backend), m_pool(pool), m_counts(std::move(counts))
{
}

Result<ClipLimits> CpuPasses::range()
{
    if (m_range)
        return *m_range;
    if (m_counts) {
        const std::vector<float>& x = m_counts->values();
        m_range = x.empty() ? ClipLimits{} : ClipLimits{std::min(0.0f, x.front()), std::max(0.0f, x.back())};
        return *m_range;
    }
    QL_TRY(const TensorStats stats, m_backend.statistics(tensor(), job()));
    m_range = ClipLimits{std::min(0.0f, float(stats.min)), std::max(0.0f, float(stats.max))};
    return *m_range;
}

Result<PatternCounts> CpuPasses::patterns()
{
    if (m_counts) {
        PatternCounts all;
        for (size_t i = 0; i < m_counts->values().size(); ++i)
            all.add(m_counts->values()[i], m_counts->counts()[i]);
        return all;
    }
    const auto add = [](std::span<const float> x, PatternCounts& counts) { counts.add(x); };
    QL_TRY(auto tables, countShares(m_pool, tensor(), 4096, job(), PatternCounts(), add));
    for (size_t i = 1; i < tables.size(); ++i)
        tables[0].merge(tables[i]);
    return std::move(tables[0]);
}

Result<std::vector<uint64_t>> CpuPasses::klHistogram(float absMax)
{
    const std::vector<uint64_t> empty(static_cast<size_t>(kKlBins));
    const auto add = [&](std::span<const float> x, std::vector<uint64_t>& bins) { addKlHistogram(x, absMax, bins); };
    if (m_counts) {
        // The bins of addKlHistogram().
        std::vector<uint64_t> all = empty;
        const float perBin = float(kKlBins) / absMax;
        for (size_t i = 0; i < m_counts->values().size() && std::isfinite(perBin); ++i) {
            const float bin = std::abs(m_counts->values()[i]) * perBin;
            all[bin < float(kKlBins) ? size_t(bin) : size_t(kKlBins - 1)] += m_counts->counts()[i];
        }
        return all;
    }
    QL_TRY(const auto tables, countShares(m_pool, tensor(), 4096, job(), empty, add));
    return sumOf(tables);
}

Result<std::vector<uint64_t>> CpuPasses::groupKlHistogram(int64_t groupSize)
{
    const std::vector<uint64_t> empty(static_cast<size_t>(kKlBins));
    const int64_t cols = tensor().cols();
    const auto add = [&](std::span<const float> x, std::vector<uint64_t>& bins) {
        for (int64_t row = 0; row < int64_t(x.size()); row += cols) {
            for (int64_t first = 0; first < cols; first += groupSize) {
                const auto values = x.subspan(size_t(row + first), size_t(std::min(groupSize, cols - first)));
                addKlHistogram(values, largestMagnitude(finiteRange(values)), bins);
            }
        }
    };
    QL_TRY(const auto tables, countShares(m_pool, tensor(), cols, job(), empty, add));
    return sumOf(tables);
}

} // namespace ql
