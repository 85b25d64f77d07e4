// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// TensorStats and Histogram: one pass over a tensor, mergeable; NaN and Inf are counted and left out of the sums.
#pragma once

#include <cstdint>
#include <vector>

namespace ql {

struct TensorStats {
    uint64_t count = 0;
    uint64_t zeros = 0;
    uint64_t nans = 0;
    uint64_t infs = 0;
    int64_t firstNonFinite = -1; ///< index in matrix order, -1 when all are finite
    double min = 0;              ///< over finite values; 0 when there are none
    double max = 0;
    double mean = 0;
    double m2 = 0; ///< sum of (x - mean)^2
    double m3 = 0;
    double m4 = 0;

    uint64_t finite() const { return count - nans - infs; }
    double absMax() const;
    double variance() const;  ///< population: m2 / finite
    double standardDeviation() const;
    double skewness() const;  ///< m3 / n / sigma^3; 0 for a constant
    double kurtosis() const;  ///< m4 / n / sigma^4, 3 for a normal distribution; 0 for a constant
    /// Merges the moments of another part (Chan, Golub, LeVeque; Pebay 2008). `offset` is the index of its first value.
    void merge(const TensorStats& other, int64_t offset = 0);
};

/// Statistics of an array; sums in double, blocks of fixed size merged as a tree, so threads do not change the result.
TensorStats computeStats(const float* x, int64_t count);

/// Counts of equal bins over [lo, hi]; hi itself belongs to the last bin.
struct Histogram {
    double lo = 0;
    double hi = 0;
    std::vector<uint64_t> counts;
    uint64_t below = 0; ///< finite values under lo
    uint64_t above = 0;
    uint64_t nonFinite = 0;

    double binWidth() const { return counts.empty() ? 0 : (hi - lo) / double(counts.size()); }
    uint64_t total() const; ///< inside the range
    /// Factor of binOf: bins / (hi - lo) in f32, kept finite; 0 for an empty range.
    float binsPerUnit() const;
    /// Bin of x: floor((x - lo) * binsPerUnit()) in f32, clamped to the last bin; -1 outside.
    int binOf(float x) const;
    void add(const float* x, int64_t count);
    void merge(const Histogram& other); ///< same range and bins
};

/// Absmax, mean square and error per output channel, for the channels plot and table.
struct ChannelStats {
    std::vector<float> absMax;
    std::vector<float> scale; ///< median over the channel's groups
    std::vector<double> meanSquare;
    std::vector<double> meanSquaredError;
};

} // namespace ql
