// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// OpenClBackend: what a scheme needs to know of the whole tensor first.
#include "core/quant/doublequant.h"
#include "core/quant/schemetable.h"
#include "kernels/openclprivate.h"

#include <algorithm>

namespace ql
{
namespace
{

/// Whether everything tensor-wide follows from the range of the values (and from group scales).
bool rangeSuffices(const Scheme& scheme)
{
    const bool shared = scheme.granularity == Granularity::Tensor;
    switch (scheme.clip) {
    case ClipMethod::MinMax:
    case ClipMethod::Ratio:
    case ClipMethod::Absolute:
        return true;
    case ClipMethod::Kl:
        return scheme.granularity == Granularity::Channel;
    default:
        return !shared;
    }
}

/// The parameters that core derives for a tensor of this shape from a stand-in with the same range.
Result<TensorParameters> fromRange(const TensorView& tensor, const Scheme& scheme, ClipLimits range)
{
    Scheme plain = scheme;
    plain.doubleQuant = false;
    std::vector<float> values(size_t(std::max(16, traits(scheme.format).blockSize)));
    values[0] = range.lo;
    values[1] = range.hi;
    const int64_t cols = int64_t(values.size());
    QL_TRY(const auto small, TensorQuantizer::prepare(TensorView::fromFloats(std::move(values), 1, cols), plain));
    TensorParameters p = small.parameters();
    p.scheme = scheme;
    p.rows = tensor.rows();
    p.cols = tensor.cols();
    switch (scheme.keepsFloat() ? Granularity::Channel : scheme.granularity) {
    case Granularity::Tensor:
        p.groupSize = tensor.count();
        break;
    case Granularity::Channel:
        p.groupSize = tensor.cols();
        break;
    case Granularity::Group:
        p.groupsPerRow = ceilDiv(tensor.cols(), p.groupSize);
        break;
    }
    return p;
}

} // namespace

Result<ClipLimits> OpenClBackend::rangeOf(const TensorView& tensor, const JobControl& job)
{
    QL_TRY(const TensorStats stats, statistics(tensor, job));
    return ClipLimits{std::min(0.0f, float(stats.min)), std::max(0.0f, float(stats.max))};
}

Result<TensorParameters> OpenClBackend::prepare(const TensorView& tensor, const Scheme& scheme, const JobControl& job)
{
    const auto onFallback = [&] { return d->fallback->prepare(tensor, scheme, job); };
    QL_CHECK(applicable(scheme, tensor.rows(), tensor.cols()));
    std::string reason = d->tooSmall(tensor.count());
    if (reason.empty() && !rangeSuffices(scheme))
        reason = "these limits need order statistics of the whole tensor, which C++ counts";
    if (reason.empty() && scheme.importance)
        reason = "searches weighted by importance run in C++";
    if (!reason.empty())
        return d->guarded<Result<TensorParameters>>(reason, onFallback, onFallback);
    ClipLimits range;
    if (scheme.granularity == Granularity::Tensor || scheme.scaleType == ScaleType::E4M3) {
        QL_TRY(range, rangeOf(tensor, job));
    }
    QL_TRY(TensorParameters p, fromRange(tensor, scheme, range));
    if (!scheme.doubleQuant)
        return p;
    TensorParameters single = p;
    single.scheme.doubleQuant = false;
    const QuantPlan plan = QuantPlan::make(single, 0, p.rows);
    const auto onDevice = [&]() -> Result<TensorParameters> {
        DoubleQuantBuilder builder;
        const PlanBuffers buffers(*d, plan, single);
        const auto enqueue = [&](Tile& tile) {
            tile.values.resize(tileGroups(tile, plan));
            const ClMemory& scales = tile.scratch(0, tile.values.size() * sizeof(float));
            ClLaunch launch(
                d->device->kernel("quantize.cl", "group_scales", TilePass::sourceType(tensor), plan.options));
            groupArguments(launch, tile, plan);
            launch.arg(buffers.book).arg(scales).run(tile.queue(), size_t(tile.items), d->device->traits().localSize);
            tile.read(scales, tile.values.size() * sizeof(float), tile.values.data());
        };
        const auto collect = [&](Tile& tile) {
            for (const float scale : tile.values)
                builder.add(scale);
        };
        QL_CHECK(d->pass(tensor, "scales " + plan.options, plan, job, enqueue, collect));
        p.scaleOffset = builder.offset();
        p.scaleScales = builder.blockScales();
        return p;
    };
    return d->guarded<Result<TensorParameters>>(plan.unsupported, onDevice, onFallback);
}

} // namespace ql
