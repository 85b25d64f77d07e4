// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/compute/countedtensor.h"
#include "core/compute/cpubackend.h"
#include "core/compute/fusedquantizer.h"
#include "core/compute/tilereduce.h"
#include "core/quant/cliplimits.h"
#include "core/quant/schemetable.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace ql {
namespace {

/// Squared error per ratio; finite values.
struct SweepSums {
    std::array<double, 64> errors{};
    uint64_t finite = 0;

    void merge(const SweepSums& other)
    {
        for (size_t i = 0; i < errors.size(); ++i)
            errors[i] += other.errors[i];
        finite += other.finite;
    }
};

/// The sweep as the reference defines it, over whole rows.
void sweepRows(const GroupQuantizer& group, const TensorParameters& p, ClipLimits tensorRange, std::span<const float> x,
               SweepSums& out)
{
    // Sums of f32 squares stay short: a per-tensor grid is summed in runs.
    constexpr int64_t kRun = 1024;
    const bool perTensor = p.groupsPerRow == 0;
    const int64_t length = perTensor ? int64_t(x.size()) : p.cols;
    const int64_t size = perTensor ? kRun : p.groupSize;
    for (int64_t row = 0; row < int64_t(x.size()); row += length) {
        for (int64_t first = 0; first < length; first += size) {
            const auto values = x.subspan(size_t(row + first), size_t(std::min(size, length - first)));
            const ClipLimits range = perTensor ? tensorRange : finiteRange(values);
            for (size_t i = 0; i < out.errors.size(); ++i) {
                const GroupParameters grid = group.fromLimits(scaledLimits(range, sweepRatios()[i]));
                out.errors[i] += double(group.squaredError(values, grid));
            }
            out.finite += uint64_t(std::count_if(values.begin(), values.end(), [](float v) { return std::isfinite(v); }));
        }
    }
}

ClipSweep asSweep(std::span<const double> errors, uint64_t finite)
{
    ClipSweep sweep;
    for (size_t i = 0; i < errors.size(); ++i) {
        sweep.ratios.push_back(double(sweepRatios()[i]));
        sweep.mse.push_back(finite ? errors[i] / double(finite) : 0);
        if (sweep.mse[i] < sweep.mse[sweep.best])
            sweep.best = i;
    }
    return sweep;
}

} // namespace

Result<ClipSweep> CpuBackend::clipSweep(const TensorView& tensor, const Scheme& scheme, const JobControl& job)
{
    if (!traits(scheme.format).choosesClip)
        return Error{ErrorCode::Unsupported,
                     std::string(traits(scheme.format).label) + " fixes its own range: there is no clip limit to choose",
                     {}};
    Scheme plain = scheme;
    plain.clip = ClipMethod::MinMax;
    plain.clipParameter = 0;
    plain.rounding = Rounding::Nearest;
    plain.doubleQuant = false;
    QL_TRY(const TensorParameters parameters, prepare(tensor, plain, job));
    QL_TRY(const auto counts, countsFor(tensor, plain, job));
    if (counts) {
        QL_TRY(const std::vector<double> errors, sweepCounts(*m_kernels, *counts, parameters, *m_pool, job));
        return asSweep(errors, counts->finite());
    }
    ClipLimits range;
    if (parameters.groupsPerRow == 0) {
        QL_TRY(const TensorStats stats, statistics(tensor, job));
        range = {float(std::min(stats.min, 0.0)), float(std::max(stats.max, 0.0))};
    }
    const auto fused = m_kernels ? FusedQuantizer::create(*m_kernels, parameters) : std::nullopt;
    const GroupQuantizer group(plain, parameters.globalScale);
    const int64_t unit = fused ? fused->unit() : tensor.cols();
    QL_TRY(const SweepSums sums, reduceTiles(*m_pool, tensor, unit, job, SweepSums{}, [&] {
        return [&, scratch = std::make_shared<FusedScratch>()](TileSource& source, ValueRange, ValueRange tile,
                                                               SweepSums& out) -> Status {
            if (fused) {
                QL_TRY(const simd::Source x, source.values(tile));
                out.finite += fused->sweep(x, tile, range, *scratch, out.errors.data());
            } else {
                QL_TRY(const float* x, source.floats(tile));
                sweepRows(group, parameters, range, std::span(x, size_t(tile.count)), out);
            }
            return {};
        };
    }));
    return asSweep(sums.errors, sums.finite);
}

} // namespace ql
