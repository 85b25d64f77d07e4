// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Group ranges, what lies outside a range, and plain decoding; see lanes.h.
#pragma once

#include "core/compute/simd/statskernels.h"

namespace ql::simd::QL_ISA {
namespace {

template <Element kElement>
struct Ranges {
    static float run(Reader<kElement> x, int64_t groups, int64_t groupSize, const GroupRanges& out)
    {
        Ints anything = splat(0);
        for (int64_t g = 0; g < groups; ++g) {
            const int64_t end = (g + 1) * groupSize;
            Ints largest = splat(0);
            if (out.lo) {
                Floats lo = splat(0.0f);
                Floats hi = splat(0.0f);
                for (int64_t i = g * groupSize; i < end; i += kLanes) {
                    const Floats v = x.at(i);
                    lo = min(lo, v);
                    hi = max(hi, v);
                    largest = max(largest, bits(abs(v)));
                }
                out.lo[g] = minLane(lo);
                out.hi[g] = maxLane(hi);
            } else {
                for (int64_t i = g * groupSize; i < end; i += kLanes)
                    largest = max(largest, bits(abs(x.at(i))));
            }
            anything = max(anything, largest);
            out.absMax[g] = laneOf(asFloats(splat(maxLane(largest))), 0);
        }
        const int32_t worst = maxLane(anything);
        return worst < kInfinityBits ? laneOf(asFloats(splat(worst)), 0) : __builtin_inff();
    }
};

float ranges(Source x, int64_t groups, int64_t groupSize, const GroupRanges& out)
{
    return dispatch<Ranges, int64_t, int64_t, const GroupRanges&>(x, groups, groupSize, out);
}

template <Element kElement>
struct Outside {
    static uint64_t run(Reader<kElement> x, int64_t count, float inverse, float zero, float lo, float hi)
    {
        const Floats low = splat(lo);
        const Floats high = splat(hi);
        uint64_t total = 0;
        for (int64_t i = 0; i < count;) {
            Ints outside = splat(0);
            for (const int64_t end = i + (1 << 20) < count ? i + (1 << 20) : count; i < end; i += kLanes) {
                const Floats y = x.at(i) * splat(inverse) + splat(zero);
                outside = plusOneWhere(plusOneWhere(outside, y, high), low, y);
            }
            total += sumLanes(outside);
        }
        return total;
    }
};

uint64_t countOutside(Source x, int64_t count, float inverse, float zero, float lo, float hi)
{
    return dispatch<Outside>(x, count, inverse, zero, lo, hi);
}

template <Element kElement>
struct Decode {
    static void run(Reader<kElement> x, int64_t count, float* out)
    {
        for (int64_t i = 0; i < count; i += kLanes) {
            x.prefetchAt(i, kAhead);
            store(out + i, x.at(i));
        }
    }
};

void toFloat(Source x, int64_t count, float* out)
{
    dispatch<Decode>(x, count, out);
}

} // namespace
} // namespace ql::simd::QL_ISA
