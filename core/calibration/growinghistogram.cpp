// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/calibration/growinghistogram.h"

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

constexpr int kMantissaBits = 24;
constexpr int kSmallestExponent = -149; ///< of a subnormal float

/// log2 of the spacing of floats at this magnitude. Finer bins would hold nothing more, and indices stay below 2^24.
int spacingExponent(float magnitude)
{
    if (magnitude == 0)
        return kSmallestExponent;
    int exponent = 0;
    std::frexp(magnitude, &exponent);
    return std::max(exponent - kMantissaBits, kSmallestExponent);
}

/// floor(value / 2^exponent); exact, because the product of a float and a power of two always fits a double.
int64_t indexAt(float value, int exponent)
{
    return int64_t(std::floor(std::ldexp(double(value), -exponent)));
}

} // namespace

void GrowingHistogram::cover(float min, float max)
{
    if (!m_empty && min >= m_min && max <= m_max)
        return;
    m_min = m_empty ? min : std::min(m_min, min);
    m_max = m_empty ? max : std::max(m_max, max);
    const int finest = spacingExponent(std::max(std::abs(m_min), std::abs(m_max)));
    int exponent = m_empty ? finest : std::max(m_exponent, finest);
    while (indexAt(m_max, exponent) - indexAt(m_min, exponent) >= kMostBins)
        ++exponent;
    const int64_t first = indexAt(m_min, exponent);
    std::vector<uint64_t> counts(size_t(indexAt(m_max, exponent) - first + 1));
    for (size_t i = 0; i < m_counts.size(); ++i)
        counts[size_t(((m_first + int64_t(i)) >> std::min(exponent - m_exponent, 62)) - first)] += m_counts[i];
    m_empty = false;
    m_exponent = exponent;
    m_first = first;
    m_counts = std::move(counts);
}

void GrowingHistogram::count(std::span<const float> values, std::span<uint32_t> table) const
{
    const double scale = std::ldexp(1.0, -m_exponent);
    for (const float value : values) {
        if (!std::isfinite(value))
            continue;
        const double position = double(value) * scale;
        const auto truncated = static_cast<int32_t>(position);
        ++table[size_t(truncated - (position < truncated ? 1 : 0) - m_first)];
    }
}

void GrowingHistogram::add(std::span<const uint32_t> table)
{
    for (size_t i = 0; i < m_counts.size(); ++i)
        m_counts[i] += table[i];
}

Histogram GrowingHistogram::result() const
{
    Histogram histogram;
    if (m_empty)
        return histogram;
    histogram.lo = std::ldexp(double(m_first), m_exponent);
    histogram.hi = std::ldexp(double(m_first + int64_t(m_counts.size())), m_exponent);
    histogram.counts = m_counts;
    return histogram;
}

} // namespace ql
