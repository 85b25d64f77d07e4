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
    /// `n` times the same finite value.
    void add(float value, uint64_t n);
    void merge(const PatternCounts& other);
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

/// The passes over a whole tensor that schemes may need. This is the reference; a backend overrides what it can do
/// faster, with the same results to the bit.
class TensorPasses
{
public:
    /// `tensor` and `job` must outlive this.
    TensorPasses(const TensorView& tensor, const JobControl& job) : m_tensor(tensor), m_job(job) {}
    virtual ~TensorPasses() = default;

    const TensorView& tensor() const { return m_tensor; }
    const JobControl& job() const { return m_job; }
    /// Range of all finite values.
    virtual Result<ClipLimits> range();
    virtual Result<PatternCounts> patterns();
    /// klHistogram of the tensor over [0, absMax].
    virtual Result<std::vector<uint64_t>> klHistogram(float absMax);
    /// Sum of the klHistograms of all groups, each over its own magnitude.
    virtual Result<std::vector<uint64_t>> groupKlHistogram(int64_t groupSize);

private:
    const TensorView& m_tensor;
    const JobControl& m_job;
};

/// Limits of the one group of a per-tensor scheme. Percentiles are exact; the MSE search weighs patterns (see above),
/// first over sweepRatios(), then by golden section around the best.
Result<ClipLimits> tensorLimits(TensorPasses& passes, const GroupQuantizer& group);
/// The one ratio that KL gives to all groups of a grouped scheme: of the histogram of |x| / group absmax.
Result<float> groupKlRatio(TensorPasses& passes, const Scheme& scheme);

} // namespace ql
