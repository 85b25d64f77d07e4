// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/quant/cliplimits.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace ql {

namespace {

std::vector<float> finiteValues(std::span<const float> values, bool magnitudes)
{
    std::vector<float> kept;
    kept.reserve(values.size());
    for (const float v : values) {
        if (std::isfinite(v))
            kept.push_back(magnitudes ? std::abs(v) : v);
    }
    return kept;
}

float quantile(std::vector<float>& values, double share)
{
    const QuantilePosition at = quantilePosition(share, values.size());
    const auto lower = values.begin() + int64_t(at.rank);
    std::nth_element(values.begin(), lower, values.end());
    if (at.fraction == 0)
        return *lower;
    return interpolate(*lower, *std::min_element(lower + 1, values.end()), at.fraction);
}

ClipLimits percentileLimits(const Scheme& scheme, std::span<const float> values)
{
    const bool symmetric = scheme.symmetry == Symmetry::Symmetric;
    std::vector<float> kept = finiteValues(values, symmetric);
    if (kept.empty())
        return {};
    if (symmetric) {
        const float limit = quantile(kept, scheme.clipParameter / 100);
        return {-limit, limit};
    }
    const double tail = (1 - scheme.clipParameter / 100) / 2;
    const float lo = quantile(kept, tail);
    const float hi = quantile(kept, 1 - tail);
    return {std::min(lo, 0.0f), std::max(hi, 0.0f)};
}

ClipLimits mseLimits(const GroupQuantizer& group, std::span<const float> values, ClipLimits range)
{
    ClipLimits best = range;
    float lowest = INFINITY;
    for (const float ratio : sweepRatios()) {
        const ClipLimits limits = scaledLimits(range, ratio);
        const float error = group.squaredError(values, group.fromLimits(limits));
        if (error < lowest) {
            lowest = error;
            best = limits;
        }
    }
    return best;
}

ClipLimits klLimits(const Scheme& scheme, std::span<const float> values, ClipLimits range)
{
    const auto finite = std::count_if(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
    if (finite < kKlBins)
        return range;
    std::vector<uint64_t> histogram(kKlBins);
    addKlHistogram(values, largestMagnitude(range), histogram);
    return scaledLimits(range, float(klRatio(histogram, klLevels(scheme))));
}

} // namespace

std::span<const float> sweepRatios()
{
    static constexpr std::array<float, 64> ratios = [] {
        std::array<float, 64> all{};
        for (int i = 0; i < 64; ++i)
            all[size_t(i)] = float(64 - i) / 64.0f;
        return all;
    }();
    return ratios;
}

ClipLimits finiteRange(std::span<const float> values)
{
    ClipLimits range;
    for (const float v : values) {
        if (std::isfinite(v)) {
            range.lo = std::min(range.lo, v);
            range.hi = std::max(range.hi, v);
        }
    }
    return range;
}

ClipLimits scaledLimits(ClipLimits range, float ratio)
{
    return {range.lo * ratio, range.hi * ratio};
}

float largestMagnitude(ClipLimits range)
{
    return std::max(-range.lo, range.hi);
}

QuantilePosition quantilePosition(double share, uint64_t count)
{
    const double position = std::clamp(share, 0.0, 1.0) * double(count - 1);
    const double rank = std::floor(position);
    return {uint64_t(rank), position - rank};
}

float interpolate(float lower, float upper, double fraction)
{
    return float(double(lower) + fraction * (double(upper) - double(lower)));
}

void Moments::add(std::span<const float> values)
{
    for (const float v : values) {
        if (std::isfinite(v)) {
            ++count;
            sum += double(v);
            sumSquare += double(v) * double(v);
        }
    }
}

ClipLimits sigmaLimits(const Moments& moments, double sigmas, ClipLimits range)
{
    if (moments.count == 0)
        return {};
    const double mean = moments.sum / double(moments.count);
    const double variance = std::max(0.0, moments.sumSquare / double(moments.count) - mean * mean);
    const double reach = sigmas * std::sqrt(variance);
    const double lo = std::clamp(mean - reach, double(range.lo), 0.0);
    const double hi = std::clamp(mean + reach, 0.0, double(range.hi));
    return {float(lo), float(hi)};
}

ClipLimits chooseLimits(const GroupQuantizer& group, std::span<const float> values)
{
    const Scheme& scheme = group.scheme();
    if (scheme.clip == ClipMethod::Percentile)
        return percentileLimits(scheme, values);
    const ClipLimits range = finiteRange(values);
    switch (scheme.clip) {
    case ClipMethod::Mse:
        return mseLimits(group, values, range);
    case ClipMethod::Kl:
        return klLimits(scheme, values, range);
    case ClipMethod::Ratio:
        return scaledLimits(range, float(scheme.clipParameter));
    case ClipMethod::Absolute: {
        const float limit = float(scheme.clipParameter);
        return {std::max(range.lo, -limit), std::min(range.hi, limit)};
    }
    case ClipMethod::Sigma: {
        Moments moments;
        moments.add(values);
        return sigmaLimits(moments, scheme.clipParameter, range);
    }
    case ClipMethod::MinMax:
    case ClipMethod::Percentile:
    case ClipMethod::Output: // never gets here: TensorQuantizer::prepare refuses it
        break;
    }
    return range;
}

ClipLimits chooseLimits(const Scheme& scheme, std::span<const float> values)
{
    return chooseLimits(GroupQuantizer(scheme), values);
}

} // namespace ql
