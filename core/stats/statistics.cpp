// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/stats/statistics.h"

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

/// Values whose moments are taken around their own mean before blocks are merged.
constexpr int64_t kBlock = 4096;

TensorStats blockStats(const float* x, int64_t count)
{
    TensorStats stats;
    stats.count = uint64_t(count);
    double sum = 0;
    double lo = HUGE_VAL;
    double hi = -HUGE_VAL;
    for (int64_t i = 0; i < count; ++i) {
        if (!std::isfinite(x[i])) {
            ++(std::isnan(x[i]) ? stats.nans : stats.infs);
            if (stats.firstNonFinite < 0)
                stats.firstNonFinite = i;
            continue;
        }
        const double value = x[i];
        stats.zeros += value == 0;
        sum += value;
        lo = std::min(lo, value);
        hi = std::max(hi, value);
    }
    if (stats.finite() == 0)
        return stats;
    stats.min = lo;
    stats.max = hi;
    stats.mean = sum / double(stats.finite());
    for (int64_t i = 0; i < count; ++i) {
        if (!std::isfinite(x[i]))
            continue;
        const double d = x[i] - stats.mean;
        const double d2 = d * d;
        stats.m2 += d2;
        stats.m3 += d2 * d;
        stats.m4 += d2 * d2;
    }
    return stats;
}

} // namespace

double TensorStats::absMax() const
{
    return std::max(std::abs(min), std::abs(max));
}

double TensorStats::variance() const
{
    return finite() == 0 ? 0 : m2 / double(finite());
}

double TensorStats::standardDeviation() const
{
    return std::sqrt(variance());
}

double TensorStats::skewness() const
{
    const double deviation = standardDeviation();
    return deviation > 0 ? m3 / double(finite()) / (deviation * deviation * deviation) : 0;
}

double TensorStats::kurtosis() const
{
    const double v = variance();
    return v > 0 ? m4 / double(finite()) / (v * v) : 0;
}

void TensorStats::merge(const TensorStats& other, int64_t offset)
{
    if (firstNonFinite < 0 && other.firstNonFinite >= 0)
        firstNonFinite = offset + other.firstNonFinite;
    const double na = double(finite());
    const double nb = double(other.finite());
    count += other.count;
    zeros += other.zeros;
    nans += other.nans;
    infs += other.infs;
    if (nb == 0)
        return;
    if (na == 0) {
        min = other.min;
        max = other.max;
        mean = other.mean;
        m2 = other.m2;
        m3 = other.m3;
        m4 = other.m4;
        return;
    }
    min = std::min(min, other.min);
    max = std::max(max, other.max);
    const double n = na + nb;
    const double delta = other.mean - mean;
    const double share = delta / n;
    const double cross = delta * share * na * nb;
    m4 += other.m4 + cross * share * share * (na * na - na * nb + nb * nb) +
          6 * share * share * (na * na * other.m2 + nb * nb * m2) + 4 * share * (na * other.m3 - nb * m3);
    m3 += other.m3 + cross * share * (na - nb) + 3 * share * (na * other.m2 - nb * m2);
    m2 += other.m2 + cross;
    mean += share * nb;
}

TensorStats computeStats(const float* x, int64_t count)
{
    TensorStats all;
    for (int64_t first = 0; first < count; first += kBlock)
        all.merge(blockStats(x + first, std::min(kBlock, count - first)), first);
    return all;
}

} // namespace ql
