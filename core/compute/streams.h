// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Statistics and histograms of values with vector kernels; the same figures as computeStats() and Histogram::add().
#pragma once

#include "core/compute/simd/kernels.h"
#include "core/stats/statistics.h"

namespace ql {

/// `count` values as f32.
void decodeValues(const simd::Kernels& kernels, simd::Source x, int64_t count, float* out);

/// Within 1e-6 of computeStats(): exact counts and range, moments from f32 sums over short runs.
TensorStats streamStats(const simd::Kernels& kernels, simd::Source x, int64_t count);

/// Counts like Histogram::add(), in private tables that finish() adds up.
class StreamHistogram
{
public:
    StreamHistogram(const simd::Kernels& kernels, float lo, float hi, int bins);
    /// At most 2^31 values at a time.
    void add(simd::Source x, int64_t count);
    Histogram finish();

private:
    const simd::Kernels& m_kernels;
    Histogram m_histogram;
    simd::BinRange m_range;
    std::vector<uint32_t> m_tables;
    simd::OutsideCounts m_outside;
    int64_t m_sinceFlush = 0;
    void flush();
};

} // namespace ql
