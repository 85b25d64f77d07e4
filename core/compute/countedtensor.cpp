// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/compute/countedtensor.h"

#include "core/compute/fusedquantizer.h"
#include "core/compute/tiles.h"
#include "core/quant/cliplimits.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace ql {
namespace {

/// Quantizes values with one scale, on kernels where the scheme has them.
class GridApplier
{
public:
    GridApplier(const simd::Kernels& kernels, const TensorParameters& parameters)
        : m_fused(FusedQuantizer::create(kernels, parameters)), m_group(parameters.scheme, parameters.globalScale)
    {
    }
    const GroupQuantizer& group() const { return m_group; }

    void reconstruct(const std::vector<float>& x, const GroupParameters& p, FusedScratch& scratch,
                     std::vector<float>& out) const
    {
        out.resize(x.size());
        if (m_fused) {
            m_fused->reconstruct(x.data(), int64_t(x.size()), p, scratch, out.data());
            return;
        }
        for (size_t i = 0; i < x.size(); ++i)
            out[i] = m_group.value(m_group.nearestLevel(x[i], p), p);
    }

private:
    std::optional<FusedQuantizer> m_fused;
    GroupQuantizer m_group;
};

/// Eight partial sums: the compiler may not reorder one long sum by itself.
double weightedSquaredError(const HalfCounts& counts, const std::vector<float>& hat)
{
    const std::vector<float>& x = counts.values();
    std::array<double, 8> sums{};
    for (size_t i = 0; i < x.size(); ++i) {
        const double e = double(hat[i]) - double(x[i]);
        sums[i % 8] += double(counts.counts()[i]) * (e * e);
    }
    double total = 0;
    for (const double sum : sums)
        total += sum;
    return total;
}

} // namespace

ErrorMetrics measureCounts(const simd::Kernels& kernels, const HalfCounts& counts, const TensorParameters& parameters)
{
    const GridApplier grid(kernels, parameters);
    const GroupParameters& p = parameters.tensorGroup;
    FusedScratch scratch;
    std::vector<float> hat;
    grid.reconstruct(counts.values(), p, scratch, hat);
    ErrorMetrics metrics;
    metrics.count = counts.total();
    metrics.finite = counts.finite();
    metrics.occupancy.resize(grid.group().levelCount());
    for (size_t i = 0; i < hat.size(); ++i) {
        const uint64_t n = counts.counts()[i];
        const double weight = double(n);
        const double x = double(counts.values()[i]);
        const double e = double(hat[i]) - x;
        metrics.sumSquare += weight * (x * x);
        metrics.sumHatSquare += weight * (double(hat[i]) * double(hat[i]));
        metrics.sumDot += weight * (x * double(hat[i]));
        metrics.sumSquaredError += weight * (e * e);
        metrics.sumAbsError += weight * std::abs(e);
        metrics.sumError += weight * e;
        metrics.maxAbsError = std::max(metrics.maxAbsError, std::abs(e));
        metrics.occupancy[size_t(grid.group().nearestLevel(counts.values()[i], p))] += n;
        metrics.clipped += grid.group().clips(counts.values()[i], p) ? n : 0;
    }
    return metrics;
}

Result<std::vector<double>> sweepCounts(const simd::Kernels& kernels, const HalfCounts& counts,
                                        const TensorParameters& parameters, ThreadPool& pool, const JobControl& job)
{
    const GridApplier grid(kernels, parameters);
    const auto ratios = sweepRatios();
    std::vector<double> errors(ratios.size());
    if (counts.values().empty())
        return errors;
    const ClipLimits range{std::min(0.0f, counts.values().front()), std::max(0.0f, counts.values().back())};
    constexpr int64_t kTasks = 8;
    const int64_t each = int64_t(ratios.size()) / kTasks;
    QL_CHECK(runTasks(pool, kTasks, job, [&](int64_t task) -> Status {
        FusedScratch scratch;
        std::vector<float> hat;
        for (size_t i = size_t(task * each); i < size_t((task + 1) * each); ++i) {
            const GroupParameters p = grid.group().fromLimits(scaledLimits(range, ratios[i]));
            grid.reconstruct(counts.values(), p, scratch, hat);
            errors[i] = weightedSquaredError(counts, hat);
        }
        return {};
    }));
    return errors;
}

} // namespace ql
