// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What a value becomes: steps of a uniform grid, or levels looked up in registers; see lanes.h.
#pragma once

#include "core/compute/simd/lanesums.h"

namespace ql::simd::QL_ISA {
namespace {

// Adding 1.5 * 2^23 rounds to an integer, ties to even, whose bits are then the low bits of the sum.
constexpr float kRounder = 12582912.0f;
constexpr int32_t kRounderBits = 0x4B400000;

/// Rounds to integer steps within the group's bounds, ties to even. kMagnitude: x >= 0 and only levelOf() is used.
/// Without kClamp no value may round to a step outside the bounds.
template <bool kMagnitude, bool kClamp>
struct UniformCoder {
    static constexpr bool kMagnitudes = kMagnitude;
    const GroupGrid& grid;
    Floats scale, inverse, lowest, highest;
    Ints base;

    explicit QL_INLINE UniformCoder(const GroupGrid& g)
        : grid(g), scale(splat(0.0f)), inverse(scale), lowest(scale), highest(scale), base(splat(0))
    {
    }
    QL_INLINE void enter(int64_t g)
    {
        scale = splat(grid.scale[g]);
        inverse = splat(grid.inverse[g]);
        if constexpr (kClamp) {
            lowest = splat(grid.lowest[g]);
            highest = splat(grid.highest[g]);
        }
        base = splat(kRounderBits + int32_t(grid.lowest[g]));
    }
    QL_INLINE Floats scaled(Floats x) const
    {
        Floats y = x * inverse;
        if constexpr (kClamp && !kMagnitude)
            y = max(y, lowest);
        if constexpr (kClamp)
            y = min(y, highest);
        return y;
    }
    /// In units of the scale.
    QL_INLINE Floats levelOf(Floats x) const { return roundEven(scaled(x)); }
    QL_INLINE Floats reconstruct(Floats x, Ints& index) const
    {
        const Floats sum = scaled(x) + splat(kRounder);
        index = bits(sum) - base;
        return (sum - splat(kRounder)) * scale;
    }
};

/// Looks the level up in registers; see LookupCode. Without kClamp every |x| * inverse is within its reach.
template <bool kFolded, bool kClamp>
struct LookupCoder {
    static constexpr bool kMagnitudes = false;
    const GroupGrid& grid;
    Floats perUnit, limit, level;
    Ints firstLow, firstHigh;
    Floats scale, inverse;

    QL_INLINE LookupCoder(const GroupGrid& g, const LookupCode& code)
        : grid(g), perUnit(splat(code.perUnit)), limit(load(code.limit)), level(load(code.level)),
          firstLow(loadInts(code.first)), firstHigh(loadInts(code.first + kLanes)), scale(splat(0.0f)), inverse(scale)
    {
    }
    QL_INLINE void enter(int64_t g)
    {
        scale = splat(grid.scale[g]);
        inverse = splat(grid.inverse[g]);
    }
    QL_INLINE Ints bucketOf(Floats y) const
    {
        Floats position = y * perUnit;
        if constexpr (kClamp)
            position = min(position, splat(15.0f));
        if constexpr (kClamp && !kFolded)
            position = max(position, splat(-15.0f));
        return bits(position + splat(kRounder));
    }
    QL_INLINE Floats levelOf(Floats x, Ints& index) const
    {
        const Floats y = x * inverse;
        if constexpr (kFolded) {
            const Floats magnitude = abs(y);
            const Ints first = lookup16(firstLow, bucketOf(magnitude));
            const Ints step = plusOneWhere(first, magnitude, lookup16(limit, first));
            const Ints sign = signMask(y);
            index = splat(7) + ((step ^ sign) - sign);
        } else {
            const Ints first = lookup32(firstLow, firstHigh, bucketOf(y));
            index = plusOneWhere(first, y, lookup16(limit, first));
        }
        return lookup16(level, index);
    }
    QL_INLINE Floats levelOf(Floats x) const
    {
        Ints index;
        return levelOf(x, index);
    }
    QL_INLINE Floats reconstruct(Floats x, Ints& index) const { return levelOf(x, index) * scale; }
};

} // namespace
} // namespace ql::simd::QL_ISA
