// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// FusedQuantizer: one prepared scheme on vector kernels. Same codes and scales as TensorQuantizer to the bit, error sums
// to about 1e-7; what the kernels cannot take (NaN, Inf, magnitudes near the ends of f32) goes to the reference.
// Immutable; each thread brings its own FusedScratch.
#pragma once

#include "core/compute/lookupcode.h"
#include "core/compute/tiles.h"
#include "core/quant/groupquant.h"
#include "core/quant/quantizer.h"

#include <array>
#include <optional>

namespace ql {

/// Buffers of one thread.
struct FusedScratch {
    /// Per group of a batch: its range, the limits chosen, the grid.
    std::vector<float> lo, hi, absMax, limitLo, limitHi, scale, inverse, lowest, highest;
    std::vector<float> padded;  ///< groups filled up to whole vectors
    std::vector<float> decoded; ///< groups as f32
    std::vector<uint8_t> levels, scaleCodes;
    std::vector<float> values;
    /// Per candidate of the clip search.
    std::array<float, 64> ratioLo, ratioHi, ratioScale, ratioInverse, ratioLowest, ratioHighest, ratioError;

    void reserveGroups(int64_t groups);
};

/// Where a range also goes, from its first value and group on; null members are skipped.
struct FusedOutput {
    uint8_t* codes = nullptr;
    float* values = nullptr;
    float* scales = nullptr;
    int32_t* zeros = nullptr;
    uint8_t* scaleCodes = nullptr; ///< double quantization
};

class FusedQuantizer
{
public:
    /// Nothing where the scheme has no vector path.
    static std::optional<FusedQuantizer> create(const simd::Kernels& kernels, const TensorParameters& parameters);

    /// Ranges given to measure() and sweep() begin at multiples of this many values and end there or with the tensor.
    int64_t unit() const;
    /// Quantizes, reconstructs and compares; adds to `metrics` (bytes and bits per weight are left alone).
    void measure(simd::Source x, ValueRange range, FusedScratch& scratch, const FusedOutput& out,
                 ErrorMetrics& metrics) const;
    /// Per-tensor schemes: `count` finite values as this one grid reconstructs them.
    void reconstruct(const float* x, int64_t count, const GroupParameters& p, FusedScratch& scratch, float* out) const;
    /// Adds the squared error of every group at every ratio of sweepRatios() to errors[64]; per-tensor schemes need the
    /// tensor's range. Returns how many values are finite.
    uint64_t sweep(simd::Source x, ValueRange range, ClipLimits tensorRange, FusedScratch& scratch,
                   double* errors) const;

private:
    FusedQuantizer(const simd::Kernels& kernels, const TensorParameters& parameters);
    /// Consecutive groups of one size; `firstValue` and `firstGroup` count from the range's beginning.
    struct Segment {
        simd::Source x;
        int64_t groups = 0, size = 0, firstValue = 0, firstGroup = 0;
        int64_t tensorGroup = 0; ///< number of the first group in the whole tensor; for double quantization only

        int64_t count() const { return groups * size; }
        int64_t padded() const { return (size + 15) / 16 * 16; }
    };
    template <class Work>
    void forEachBatch(simd::Source x, ValueRange range, Work work) const;
    void measureBatch(const Segment& s, FusedScratch& scratch, const FusedOutput& out, simd::ErrorSums& sums,
                      ErrorMetrics& metrics) const;
    void measureByReference(const Segment& s, FusedScratch& scratch, const FusedOutput& out,
                            ErrorMetrics& metrics) const;
    uint64_t sweepBatch(const Segment& s, ClipLimits tensorRange, FusedScratch& scratch, double* errors) const;
    simd::Source wholeVectors(const Segment& s, FusedScratch& scratch) const;
    const float* groupFloats(const Segment& s, simd::Source x, int64_t group, FusedScratch& scratch) const;
    bool findRanges(const Segment& s, simd::Source x, FusedScratch& scratch) const;
    void chooseGrid(const Segment& s, simd::Source x, FusedScratch& scratch) const;
    void quantizeScales(const Segment& s, const float* lo, const float* hi, FusedScratch& scratch) const;
    void clipRanges(const Segment& s, simd::Source x, FusedScratch& scratch) const;
    void searchGrid(const Segment& s, simd::Source x, int64_t group, FusedScratch& scratch) const;
    void sweepGroup(const float* x, int64_t size, ClipLimits range, bool exact, FusedScratch& scratch) const;
    void makeGrid(const float* lo, const float* hi, int64_t count, const simd::GridOutput& out) const;
    void runKernel(const Segment& s, simd::Source x, FusedScratch& scratch, const FusedOutput& out,
                   simd::ErrorSums& sums) const;
    void writeOutputs(const Segment& s, const FusedScratch& scratch, const FusedOutput& out) const;
    bool mustClamp(const Segment& s, const FusedScratch& scratch) const;
    uint64_t countClipped(const Segment& s, simd::Source x, const FusedScratch& scratch) const;

    const simd::Kernels* m_kernels;
    TensorParameters m_parameters;
    GroupQuantizer m_group;
    simd::GridRule m_rule;
    bool m_vectorGrid = false; ///< scales come from the makeGrid kernel
    std::optional<simd::LookupCode> m_lookup;
    std::array<uint8_t, 256> m_codes{};
};

} // namespace ql
