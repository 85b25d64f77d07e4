// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// OpenClBackend: statistics and histograms.
#include "core/base/checked.h"
#include "kernels/openclprivate.h"

#include <algorithm>
#include <limits>

namespace ql
{
namespace
{

// As in statistics.cl.
constexpr int64_t kBlock = 4096;
constexpr size_t kStats = 11;
constexpr int64_t kBlocksPerGroup = 16;
// As in histogram.cl.
constexpr size_t kExtraBins = 4;

TensorStats fromBlock(const double* s, int64_t count)
{
    TensorStats stats;
    stats.count = uint64_t(count);
    stats.zeros = uint64_t(s[1]);
    stats.nans = uint64_t(s[2]);
    stats.infs = uint64_t(s[3]);
    stats.firstNonFinite = int64_t(s[4]);
    if (stats.finite() == 0)
        return stats;
    stats.min = s[5];
    stats.max = s[6];
    stats.mean = s[7];
    stats.m2 = s[8];
    stats.m3 = s[9];
    stats.m4 = s[10];
    return stats;
}

} // namespace

Result<TensorStats> OpenClBackend::statistics(const TensorView& tensor, const JobControl& job)
{
    const auto onDevice = [&]() -> Result<TensorStats> {
        TensorStats all;
        const int64_t items = ceilDiv(tensor.count(), kBlock * kBlocksPerGroup);
        const auto enqueue = [&](Tile& tile) {
            tile.sums.resize(size_t(ceilDiv(tile.count, kBlock)) * kStats);
            const ClMemory& out = tile.scratch(0, tile.sums.size() * sizeof(double));
            ClLaunch(d->device->kernel("statistics.cl", "statistics", TilePass::sourceType(tensor)))
                .arg(tile.source())
                .arg(tile.base())
                .arg(cl_ulong(tile.count))
                .arg(cl_uint(kBlocksPerGroup))
                .arg(out)
                .run(tile.queue(), size_t(tile.items), d->device->traits().localSize);
            tile.read(out, tile.sums.size() * sizeof(double), tile.sums.data());
        };
        const auto collect = [&](Tile& tile) {
            for (int64_t first = 0; first < tile.count; first += kBlock) {
                const double* block = tile.sums.data() + size_t(first / kBlock) * kStats;
                all.merge(fromBlock(block, std::min(kBlock, tile.count - first)), tile.first + first);
            }
        };
        const auto firstValue = [&](int64_t item) { return std::min(item * kBlock * kBlocksPerGroup, tensor.count()); };
        QL_CHECK(d->pass(tensor, "statistics", {items, firstValue}, job, enqueue, collect));
        return all;
    };
    return d->guarded<Result<TensorStats>>(d->tooSmall(tensor.count()), onDevice,
                                           [&] { return d->fallback->statistics(tensor, job); });
}

Result<Histogram> OpenClBackend::histogram(const TensorView& tensor, float lo, float hi, int bins,
                                           const JobControl& job)
{
    const auto onDevice = [&]() -> Result<Histogram> {
        Histogram all;
        all.lo = lo;
        all.hi = hi;
        all.counts.assign(size_t(bins), 0);
        const size_t tables = d->device->traits().wide ? 4 : 1;
        const size_t stride = size_t(bins) + kExtraBins;
        // Counts do not depend on how values are divided, so a few large shares keep the tables few.
        const size_t groups = size_t(d->device->traits().facts.computeUnits) * 4;
        const auto enqueue = [&](Tile& tile) {
            tile.counts.resize(groups * tables * stride);
            const ClMemory& out = tile.scratch(0, tile.counts.size() * sizeof(cl_uint));
            const cl_ulong perGroup = cl_ulong(ceilDiv(tile.count, int64_t(groups)));
            ClLaunch(d->device->kernel("histogram.cl", "histogram", TilePass::sourceType(tensor)))
                .arg(tile.source())
                .arg(tile.base())
                .arg(cl_ulong(tile.count))
                .arg(perGroup)
                .arg(lo)
                .arg(hi)
                .arg(all.binsPerUnit())
                .arg(cl_int(bins))
                .arg(out)
                .run(tile.queue(), groups, d->device->traits().localSize);
            tile.read(out, tile.counts.size() * sizeof(cl_uint), tile.counts.data());
        };
        const auto collect = [&](Tile& tile) {
            for (size_t table = 0; table < groups * tables; ++table) {
                const cl_uint* counts = tile.counts.data() + table * stride;
                for (size_t bin = 0; bin < size_t(bins); ++bin)
                    all.counts[bin] += counts[bin];
                all.below += counts[bins];
                all.above += counts[bins + 1];
                all.nonFinite += counts[bins + 2];
            }
        };
        const auto firstValue = [&](int64_t item) { return std::min(item * kBlock, tensor.count()); };
        QL_CHECK(d->pass(tensor, "histogram", {ceilDiv(tensor.count(), kBlock), firstValue}, job, enqueue, collect));
        return all;
    };
    return d->guarded<Result<Histogram>>(d->tooSmall(tensor.count()), onDevice,
                                         [&] { return d->fallback->histogram(tensor, lo, hi, bins, job); });
}

} // namespace ql
