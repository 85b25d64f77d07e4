// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Vector kernels of CpuBackend: one table of functions per instruction set, chosen at run time. Every table gives the
// same scales, codes and values, and adds sums over 16 lanes in the same order; fused multiply-add, where there is any,
// is for error sums only, which agree to about 1e-7.
#pragma once

#include "core/compute/simd/ggmlblocks.h"

#include <cstdint>

namespace ql::simd {

enum class Isa : uint8_t { Baseline, Avx2, Avx512 };
enum class Element : uint8_t { F32, F16, BF16 };

/// Values as they are stored; need not be aligned.
struct Source {
    const void* data = nullptr;
    Element element = Element::F32;

    Source advanced(int64_t values) const
    {
        return {static_cast<const char*>(data) + values * (element == Element::F32 ? 4 : 2), element};
    }
};

/// Power sums of a block of finite values around `shift`.
struct BlockMoments {
    bool finite = true; ///< false: a NaN or Inf was seen and nothing else is valid
    float lo = 0, hi = 0, shift = 0;
    uint64_t zeros = 0;
    double s1 = 0, s2 = 0, s3 = 0, s4 = 0;
};

/// Where a histogram's bins lie; `tables` holds kHistogramTables arrays of `bins` counters.
struct BinRange {
    float lo = 0, hi = 0, perUnit = 0;
    int bins = 0;
};
inline constexpr int kHistogramTables = 4;

/// Ranges of consecutive groups of one size.
struct GroupRanges {
    float* lo = nullptr; ///< min(0, smallest); null: only absMax is wanted
    float* hi = nullptr; ///< max(0, largest)
    float* absMax = nullptr;
};

/// Parameters of consecutive groups, one entry per group.
struct GroupGrid {
    const float* scale = nullptr;
    const float* inverse = nullptr;
    const float* lowest = nullptr;  ///< uniform grids: first step, -zero point for asymmetric ones
    const float* highest = nullptr; ///< uniform grids: last step
    int levels = 16;                ///< uniform grids: at most 256
    bool clamp = true;              ///< false: no value lies so far out that its step must be cut
};

/// From limits to scales; see GroupQuantizer::fromLimits.
struct GridRule {
    enum Rounding : uint8_t { None, F16, Bf16 };
    bool asymmetric = false;
    Rounding rounding = None;
    float divisor = 1;               ///< Codebook::maxMagnitude
    float lowest = 0, highest = 0;   ///< first and last step of a symmetric grid; 0 and 2^b - 1 for an asymmetric one
};
struct GridOutput {
    float* scale = nullptr;
    float* inverse = nullptr;
    float* lowest = nullptr; ///< may be null, with highest
    float* highest = nullptr;
};

/// A code of at most 16 levels that is looked up: y falls in bucket rint(y * perUnit), -15..15, numbered modulo 32. Each
/// bucket holds at most one decision limit, so that index = first[bucket] + (y > limit[first[bucket]]).
struct LookupCode {
    bool folded = false; ///< 16 buckets of |y| give the magnitude m; index = 7 + m or 7 - m
    float perUnit = 0;
    int32_t first[32] = {};
    float limit[16] = {}; ///< above limit[i] the index is i + 1
    float level[16] = {};

    float reach() const { return 15.0f / perUnit; } ///< beyond it, y must be clamped
};

/// Sums over the values of some groups, lane by lane; added up once at the end.
struct ErrorSums {
    static constexpr int kLanes = 16;
    double square[kLanes] = {};       ///< x^2
    double hatSquare[kLanes] = {};    ///< x^ ^2
    double dot[kLanes] = {};          ///< x x^
    double squaredError[kLanes] = {}; ///< e^2
    double absError[kLanes] = {};
    double error[kLanes] = {};
    float maxAbsError = 0;
    uint64_t occupancy[256] = {};

    static double total(const double (&lanes)[kLanes])
    {
        double sum = 0;
        for (const double lane : lanes)
            sum += lane;
        return sum;
    }
};

/// Values that a histogram's range leaves out.
struct OutsideCounts {
    uint64_t below = 0, above = 0, nonFinite = 0;
};

/// Where fused kernels also write; null members are skipped.
struct Outputs {
    uint8_t* codes = nullptr; ///< level index of each value
    float* values = nullptr;  ///< reconstruction
};

/// Counts and group sizes are multiples of 16; tails are for the caller.
struct Kernels {
    Isa isa;
    const char* name;
    double (*sum)(const float* x, int64_t count);
    /// At most kMomentBlock values.
    void (*moments)(Source x, int64_t count, BlockMoments* out);
    /// Counts what lies inside the range in `tables`, and what does not.
    void (*histogram)(Source x, int64_t count, const BinRange& range, uint32_t* tables, OutsideCounts* outside);
    /// Ranges of groups; returns the largest magnitude of all, Inf when a value is NaN or Inf.
    float (*ranges)(Source x, int64_t groups, int64_t groupSize, const GroupRanges& out);
    void (*measureUniform)(Source x, int64_t groups, int64_t groupSize, const GroupGrid& grid, const Outputs& out,
                           ErrorSums* sums);
    void (*measureLookup)(Source x, int64_t groups, int64_t groupSize, const GroupGrid& grid, const LookupCode& code,
                          const Outputs& out, ErrorSums* sums);
    /// Values whose x * inverse + zero lies outside [lo, hi].
    uint64_t (*countOutside)(Source x, int64_t count, float inverse, float zero, float lo, float hi);
    /// Limits lo <= 0 <= hi of `count` groups to their grids.
    void (*makeGrid)(const GridRule& rule, const float* lo, const float* hi, int64_t count, const GridOutput& out);
    /// Squared error of one group at each of `candidates` grids, a multiple of 4; `exact`: GroupQuantizer::squaredError
    /// to the bit, else to about 1e-7.
    void (*sweepUniform)(const float* x, int64_t count, int candidates, const GroupGrid& grid, bool exact, float* errors);
    void (*sweepLookup)(const float* x, int64_t count, int candidates, const GroupGrid& grid, const LookupCode& code,
                        bool exact, float* errors);
    /// Sixteen GGML blocks of finite f32 values; `table` for GgmlRule::Table only.
    void (*encodeGgml)(const void* x, const GgmlRule& rule, const LookupCode* table, GgmlBlocks* out, ErrorSums* sums);
    /// Sixteen groups of finite values and weights that follow each other; `table` for GroupSearch::Table only.
    void (*searchGroups)(const float* x, const float* weights, const GroupSearch& search, const LookupCode* table,
                         SearchedGroups* out);
    /// Sixteen superblocks of finite f32 values of at most 1e9; `importance` of their columns (at most 1e15) where the
    /// rule weighs by it, `table` for GroupSearch::Table. Clipped beyond [clipLo, clipHi].
    void (*encodeSuper)(const float* const* x, const float* const* importance, const SuperBlockRule& rule, float clipLo,
                        float clipHi, const LookupCode* table, SuperBlocks* out, ErrorSums* sums);
    void (*toFloat)(Source x, int64_t count, float* out);
};
inline constexpr int64_t kMomentBlock = 4096;

/// The best table for this processor.
const Kernels& kernels();
/// The table of one instruction set, null when this processor or build lacks it.
const Kernels* kernelsFor(Isa isa);

} // namespace ql::simd
