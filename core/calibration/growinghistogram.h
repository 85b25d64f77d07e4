// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// GrowingHistogram: exact counts of values whose range is not known beforehand. Bin i holds [i w, (i + 1) w) with w a
// power of two; when the range outgrows the bins, neighbours merge and w doubles. What comes out depends on the values
// alone, not on their order. A value; not shared between threads.
#pragma once

#include "core/stats/statistics.h"

#include <cstdint>
#include <span>
#include <vector>

namespace ql {

class GrowingHistogram
{
public:
    static constexpr int64_t kMostBins = 4096;

    /// Makes room: from now on every value in [min, max] (finite) has its bin.
    void cover(float min, float max);
    /// Counts the finite ones of covered `values` into `table`, which has bins() entries; for threads, each with its own.
    void count(std::span<const float> values, std::span<uint32_t> table) const;
    void add(std::span<const uint32_t> table);
    size_t bins() const { return m_counts.size(); }
    /// w is the smallest power of two that is at least the spacing of floats at the largest magnitude and needs at most
    /// kMostBins bins. Empty when nothing was covered.
    Histogram result() const;

private:
    bool m_empty = true;
    float m_min = 0, m_max = 0;
    int m_exponent = 0;  ///< w = 2^m_exponent
    int64_t m_first = 0; ///< i of the first bin
    std::vector<uint64_t> m_counts;
};

} // namespace ql
