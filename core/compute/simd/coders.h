// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What a value becomes: steps of a uniform grid, or levels looked up in registers; see lanes.h.
#pragma once

#include "core/compute/simd/lanesums.h"

namespace ql::simd::QL_ISA {
namespace {

/// Rounds to integer steps within the group's bounds, ties to even.
struct UniformCoder {
    const GroupGrid& grid;
    Floats scale, inverse, lowest, highest;
    Ints base;
    // Adding and subtracting 1.5 * 2^23 rounds to an integer, whose bits are then the low bits of the sum.
    static constexpr float kRounder = 12582912.0f;
    static constexpr int32_t kRounderBits = 0x4B400000;

    QL_INLINE void enter(int64_t g)
    {
        scale = splat(grid.scale[g]);
        inverse = splat(grid.inverse[g]);
        lowest = splat(grid.lowest[g]);
        highest = splat(grid.highest[g]);
        base = splat(kRounderBits + int32_t(grid.lowest[g]));
    }
    QL_INLINE Floats quantized(Floats x) const
    {
        const Floats rounder = splat(kRounder);
        return ((min(max(x * inverse, lowest), highest) + rounder) - rounder) * scale;
    }
    QL_INLINE Floats reconstruct(Floats x, Ints& index) const
    {
        const Floats rounder = splat(kRounder);
        const Floats sum = min(max(x * inverse, lowest), highest) + rounder;
        index = bits(sum) - base;
        return (sum - rounder) * scale;
    }
};

/// Looks the level up in registers; see LookupCode.
template <bool kFolded>
struct LookupCoder {
    const GroupGrid& grid;
    Floats perUnit, offset, limit, level, lastBucket;
    Ints firstLow, firstHigh;
    Floats scale, inverse;

    LookupCoder(const GroupGrid& g, const LookupCode& code)
        : grid(g), perUnit(splat(code.perUnit)), offset(splat(code.offset)), limit(load(code.limit)),
          level(load(code.level)), lastBucket(splat(kFolded ? 15.0f : 31.0f)), firstLow(loadInts(code.first)),
          firstHigh(loadInts(code.first + kLanes)), scale(splat(0.0f)), inverse(splat(0.0f))
    {
    }
    QL_INLINE void enter(int64_t g)
    {
        scale = splat(grid.scale[g]);
        inverse = splat(grid.inverse[g]);
    }
    QL_INLINE Floats reconstruct(Floats x, Ints& index) const
    {
        const Floats y = x * inverse;
        if constexpr (kFolded) {
            const Floats magnitude = abs(y);
            const Ints bucket = truncate(min(magnitude * perUnit, lastBucket));
            const Ints first = lookup16(firstLow, bucket);
            const Ints step = plusOneWhere(first, magnitude, lookup16(limit, first));
            const Ints sign = signMask(y);
            index = splat(7) + ((step ^ sign) - sign);
        } else {
            const Ints bucket = truncate(max(min(y * perUnit + offset, lastBucket), splat(0.0f)));
            const Ints first = lookup32(firstLow, firstHigh, bucket);
            index = plusOneWhere(first, y, lookup16(limit, first));
        }
        return lookup16(level, index) * scale;
    }
    QL_INLINE Floats quantized(Floats x) const
    {
        Ints index;
        return reconstruct(x, index);
    }
};

} // namespace
} // namespace ql::simd::QL_ISA
