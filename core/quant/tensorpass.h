// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Passes over a whole tensor in tiles, for schemes that need to know all of it before any row can be quantized.
#pragma once

#include "core/base/jobcontrol.h"
#include "core/quant/groupquant.h"
#include "core/tensor/tensorview.h"

#include <functional>

namespace ql {

/// All values in matrix order, in tiles of at most 256 Ki. Cancelled; read errors.
Status forEachTile(const TensorView& tensor, const JobControl& job,
                   const std::function<void(std::span<const float> values)>& visit);
/// Whole rows, as many at a time as fit 256 Ki values (at least one).
Status forEachRow(const TensorView& tensor, const JobControl& job,
                  const std::function<void(std::span<const float> row, int64_t index)>& visit);

/// Counts of the upper 20 bits of every finite value, in ascending order of value: sign, exponent and 11 fraction bits.
/// Exact quantiles and the error of any per-tensor grid follow from it, whatever the range of the data.
class PatternCounts
{
public:
    static constexpr int kDroppedBits = 12;
    static constexpr uint32_t kPatterns = 1u << (32 - kDroppedBits);

    PatternCounts() : m_counts(kPatterns) {}
    void add(std::span<const float> values);
    uint64_t total() const { return m_total; }
    uint64_t count(uint32_t pattern) const { return m_counts[pattern]; }
    /// The value in the middle of a pattern; with `exact`, the one whose dropped bits are 0 (all of F16 and BF16).
    static float representative(uint32_t pattern, bool exact);

    /// Bits of `value` as an unsigned number that ascends with it.
    static uint32_t orderedBits(float value);
    static float fromOrderedBits(uint32_t bits);

private:
    std::vector<uint64_t> m_counts;
    uint64_t m_total = 0;
};

/// Limits of the one group of a per-tensor scheme. Percentiles are exact; the MSE search weighs patterns (see above),
/// first over sweepRatios(), then by golden section around the best and a parabola through its neighbourhood.
Result<ClipLimits> tensorLimits(const TensorView& tensor, const GroupQuantizer& group, const JobControl& job);
/// Range of all finite values.
Result<ClipLimits> tensorRange(const TensorView& tensor, const JobControl& job);
/// The one ratio that KL gives to all groups of a grouped scheme: of the histogram of |x| / group absmax.
Result<float> groupKlRatio(const TensorView& tensor, const Scheme& scheme, const JobControl& job);

} // namespace ql
