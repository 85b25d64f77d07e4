// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// OpenClBackend: measuring, clip sweep and quantizing.
#include "core/quant/schemetable.h"
#include "kernels/openclprivate.h"

#include <algorithm>

namespace ql
{
namespace
{

// As in measure.cl, quantize.cl and sweep.cl.
constexpr size_t kSums = 9;
constexpr size_t kParams = 4;
constexpr size_t kRatios = 64;

void addBundle(ErrorMetrics& all, const double* s)
{
    all.sumSquare += s[0];
    all.sumHatSquare += s[1];
    all.sumDot += s[2];
    all.sumSquaredError += s[3];
    all.sumAbsError += s[4];
    all.sumError += s[5];
    all.maxAbsError = std::max(all.maxAbsError, s[6]);
    all.finite += uint64_t(s[7]);
    all.clipped += uint64_t(s[8]);
}

/// Adds codes and group parameters of a slice.
void append(QuantizedTensor& q, const Tile& tile, size_t groups)
{
    q.codes.insert(q.codes.end(), tile.bytes.begin(), tile.bytes.begin() + tile.count);
    q.blocks.insert(q.blocks.end(), reinterpret_cast<const std::byte*>(tile.blocks.data()),
                    reinterpret_cast<const std::byte*>(tile.blocks.data() + tile.blocks.size()));
    // A per-tensor scheme has one group, however many pieces it ran in.
    const size_t kept = q.groupsPerRow ? groups : (q.scales.empty() ? 1 : 0);
    for (size_t g = 0; g < kept; ++g) {
        const float* p = tile.values.data() + g * kParams;
        q.scales.push_back(p[0]);
        if (q.scheme.symmetry == Symmetry::Asymmetric)
            q.zeros.push_back(int32_t(p[1]));
        if (traits(q.scheme.format).hasMinimum)
            q.mins.push_back(p[2]);
        if (q.scheme.doubleQuant)
            q.scaleCodes.push_back(uint8_t(p[3]));
    }
}

void appendScaleScales(QuantizedTensor& q, const TensorParameters& p)
{
    constexpr int64_t block = 256;
    const int64_t first = q.firstRow * p.groupsPerRow / block;
    const int64_t last = ceilDiv((q.firstRow + q.rows) * p.groupsPerRow, block);
    q.scaleScales.assign(p.scaleScales.begin() + first, p.scaleScales.begin() + last);
    q.scaleOffset = p.scaleOffset;
}

} // namespace

Result<ErrorMetrics> OpenClBackend::measure(const TensorView& tensor, const Scheme& scheme, const JobControl& job)
{
    const auto onFallback = [&] { return d->fallback->measure(tensor, scheme, job); };
    if (const std::string small = d->tooSmall(tensor.count()); !small.empty())
        return d->guarded<Result<ErrorMetrics>>(small, onFallback, onFallback);
    QL_TRY(const TensorParameters parameters, prepare(tensor, scheme, job));
    const QuantPlan plan = QuantPlan::make(parameters, 0, tensor.rows());
    const auto onDevice = [&]() -> Result<ErrorMetrics> {
        ErrorMetrics all;
        all.count = uint64_t(tensor.count());
        all.occupancy.assign(plan.levels, 0);
        const PlanBuffers buffers(*d, plan, parameters);
        const auto enqueue = [&](Tile& tile) {
            tile.sums.resize(size_t(tile.items) * kSums);
            tile.counts.resize(size_t(tile.items) * plan.levels);
            const ClMemory& sums = tile.scratch(0, tile.sums.size() * sizeof(double));
            const ClMemory& counts = tile.scratch(1, tile.counts.size() * sizeof(cl_uint));
            ClLaunch launch(d->device->kernel("measure.cl", "measure", TilePass::sourceType(tensor), plan.options));
            groupArguments(launch, tile, plan);
            launch.arg(plan.key1)
                .arg(plan.key2)
                .arg(buffers.book)
                .arg(buffers.blockScales)
                .arg(plan.levels)
                .arg(sums)
                .arg(counts)
                .run(tile.queue(), size_t(tile.items), d->device->traits().localSize);
            tile.read(sums, tile.sums.size() * sizeof(double), tile.sums.data());
            tile.read(counts, tile.counts.size() * sizeof(cl_uint), tile.counts.data());
        };
        const auto collect = [&](Tile& tile) {
            for (size_t bundle = 0; bundle < size_t(tile.items); ++bundle) {
                addBundle(all, tile.sums.data() + bundle * kSums);
                for (size_t level = 0; level < plan.levels; ++level)
                    all.occupancy[level] += tile.counts[bundle * plan.levels + level];
            }
        };
        QL_CHECK(d->pass(tensor, "measure " + plan.options, plan, job, enqueue, collect));
        all.bytes = storedBytes(scheme, tensor.rows(), tensor.cols());
        all.bitsPerWeight = 8.0 * double(all.bytes) / double(all.count);
        return all;
    };
    return d->guarded<Result<ErrorMetrics>>(plan.unsupported, onDevice, onFallback);
}

Result<ClipSweep> OpenClBackend::clipSweep(const TensorView& tensor, const Scheme& scheme, const JobControl& job)
{
    const auto onFallback = [&] { return d->fallback->clipSweep(tensor, scheme, job); };
    std::string reason = d->tooSmall(tensor.count());
    if (reason.empty() && !traits(scheme.format).choosesClip)
        reason = "the format fixes its limits";
    if (!reason.empty())
        return d->guarded<Result<ClipSweep>>(reason, onFallback, onFallback);
    // Min-max parameters: of the tensor-wide facts a sweep needs only the range and the E4M3 factor.
    Scheme plain = scheme;
    plain.clip = ClipMethod::MinMax;
    plain.doubleQuant = false;
    QL_TRY(const TensorParameters parameters, prepare(tensor, plain, job));
    ClipLimits range;
    if (parameters.groupsPerRow == 0) {
        QL_TRY(range, rangeOf(tensor, job));
    }
    const QuantPlan plan = QuantPlan::makeSweep(parameters, range);
    const auto onDevice = [&]() -> Result<ClipSweep> {
        ClipSweep all{{sweepRatios().begin(), sweepRatios().end()}, std::vector<double>(kRatios), 0};
        double finite = 0;
        const PlanBuffers buffers(*d, plan, parameters);
        const auto enqueue = [&](Tile& tile) {
            tile.sums.resize(size_t(tile.items) * (kRatios + 1));
            const ClMemory& sums = tile.scratch(0, tile.sums.size() * sizeof(double));
            ClLaunch launch(d->device->kernel("sweep.cl", "sweep", TilePass::sourceType(tensor), plan.options));
            groupArguments(launch, tile, plan);
            launch.arg(buffers.book).arg(sums).run(tile.queue(), size_t(tile.items), d->device->traits().localSize);
            tile.read(sums, tile.sums.size() * sizeof(double), tile.sums.data());
        };
        const auto collect = [&](Tile& tile) {
            for (size_t bundle = 0; bundle < size_t(tile.items); ++bundle) {
                const double* sums = tile.sums.data() + bundle * (kRatios + 1);
                for (size_t k = 0; k < kRatios; ++k)
                    all.mse[k] += sums[k];
                finite += sums[kRatios];
            }
        };
        QL_CHECK(d->pass(tensor, "sweep " + plan.options, plan, job, enqueue, collect));
        for (double& mse : all.mse)
            mse = finite > 0 ? mse / finite : 0;
        all.best = size_t(std::min_element(all.mse.begin(), all.mse.end()) - all.mse.begin());
        return all;
    };
    return d->guarded<Result<ClipSweep>>(plan.unsupported, onDevice, onFallback);
}

Result<QuantizedTensor> OpenClBackend::quantizeRows(const TensorView& tensor, const TensorParameters& parameters,
                                                    int64_t firstRow, int64_t rows, const JobControl& job)
{
    const auto onFallback = [&] { return d->fallback->quantizeRows(tensor, parameters, firstRow, rows, job); };
    std::string reason = d->tooSmall(rows * tensor.cols());
    QuantPlan plan;
    if (reason.empty()) {
        plan = QuantPlan::make(parameters, firstRow, rows);
        reason = plan.unsupported;
    }
    const auto onDevice = [&]() -> Result<QuantizedTensor> {
        QuantizedTensor q;
        q.scheme = parameters.scheme;
        q.firstRow = firstRow;
        q.rows = rows;
        q.cols = parameters.cols;
        q.groupSize = parameters.groupSize;
        q.groupsPerRow = parameters.groupsPerRow;
        q.globalScale = parameters.globalScale;
        const PlanBuffers buffers(*d, plan, parameters);
        const auto enqueue = [&](Tile& tile) {
            tile.bytes.resize(size_t(tile.count));
            tile.values.resize(tileGroups(tile, plan) * kParams);
            const ClMemory& codes = tile.scratch(0, tile.bytes.size());
            const ClMemory& params = tile.scratch(1, tile.values.size() * sizeof(float));
            ClLaunch launch(d->device->kernel("quantize.cl", "quantize", TilePass::sourceType(tensor), plan.options));
            groupArguments(launch, tile, plan);
            launch.arg(plan.key1)
                .arg(plan.key2)
                .arg(buffers.book)
                .arg(buffers.blockScales)
                .arg(buffers.codes)
                .arg(codes)
                .arg(params)
                .run(tile.queue(), size_t(tile.items), d->device->traits().localSize);
            d->packBlocks(tile, plan, parameters, codes, params);
            tile.read(codes, tile.bytes.size(), tile.bytes.data());
            tile.read(params, tile.values.size() * sizeof(float), tile.values.data());
        };
        const auto collect = [&](Tile& tile) { append(q, tile, tileGroups(tile, plan)); };
        QL_CHECK(d->pass(tensor, "quantize " + plan.options, plan, job, enqueue, collect));
        if (parameters.scheme.doubleQuant)
            appendScaleScales(q, parameters);
        return q;
    };
    return d->guarded<Result<QuantizedTensor>>(reason, onDevice, onFallback);
}

} // namespace ql
