// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The fused kernels: quantize, reconstruct and compare groups without writing anything unless asked; see lanes.h.
#pragma once

#include "core/compute/simd/coders.h"
#include "core/compute/simd/occupancy.h"

namespace ql::simd::QL_ISA {
namespace {

/// Error sums of a few hundred values in f32 lanes, moved to double before they lose digits.
struct ErrorLanes {
    Floats square = splat(0.0f), hatSquare = splat(0.0f), dot = splat(0.0f), squaredError = splat(0.0f),
           absError = splat(0.0f), error = splat(0.0f), largest = splat(0.0f);

    QL_INLINE void add(Floats x, Floats hat)
    {
        const Floats e = hat - x;
        const Floats magnitude = abs(e);
        square = multiplyAdd(x, x, square);
        hatSquare = multiplyAdd(hat, hat, hatSquare);
        dot = multiplyAdd(x, hat, dot);
        squaredError = multiplyAdd(e, e, squaredError);
        absError = absError + magnitude;
        error = error + e;
        largest = max(largest, magnitude);
    }
    QL_INLINE void moveTo(ErrorSums* sums)
    {
        addToDoubles(sums->square, square);
        addToDoubles(sums->hatSquare, hatSquare);
        addToDoubles(sums->dot, dot);
        addToDoubles(sums->squaredError, squaredError);
        addToDoubles(sums->absError, absError);
        addToDoubles(sums->error, error);
        square = hatSquare = dot = squaredError = absError = error = splat(0.0f);
    }
};

/// Runs `coder` over all groups, whose size is a multiple of 16.
template <Element kElement, bool kSmall, bool kWrite, class Coder>
QL_INLINE void measureGroups(Reader<kElement> x, int64_t groups, int64_t groupSize, Coder coder, const Outputs& out,
                             ErrorSums* sums)
{
    constexpr int64_t kRun = 8 * kLanes; // four-bit counters take 15 vectors at most
    uint8_t* codes = out.codes;
    float* values = out.values;
    ErrorLanes lanes;
    Occupancy<kSmall> occupancy;
    int64_t sinceFlush = 0;
    for (int64_t g = 0; g < groups; ++g) {
        coder.enter(g);
        const int64_t groupEnd = (g + 1) * groupSize;
        for (int64_t i = g * groupSize; i < groupEnd;) {
            const int64_t end = i + kRun < groupEnd ? i + kRun : groupEnd;
            sinceFlush += end - i;
            for (; i < end; i += kLanes) {
                const Floats v = x.at(i);
                Ints index;
                const Floats hat = coder.reconstruct(v, index);
                x.prefetchAt(i + groups * groupSize, 0);
                occupancy.add(index);
                lanes.add(v, hat);
                if constexpr (kWrite) {
                    if (codes)
                        storeBytes(codes + i, index);
                    if (values)
                        store(values + i, hat);
                }
            }
            occupancy.endRun();
            if (sinceFlush >= 32 * kLanes) {
                lanes.moveTo(sums);
                sinceFlush = 0;
            }
        }
    }
    lanes.moveTo(sums);
    const float worst = maxLane(lanes.largest);
    sums->maxAbsError = worst > sums->maxAbsError ? worst : sums->maxAbsError;
    occupancy.addTo(sums->occupancy);
}

template <Element kElement, bool kSmall, class Coder>
void measureWith(Reader<kElement> x, int64_t groups, int64_t groupSize, const Coder& coder, const Outputs& out,
                 ErrorSums* sums)
{
    if (out.codes || out.values)
        measureGroups<kElement, kSmall, true>(x, groups, groupSize, coder, out, sums);
    else
        measureGroups<kElement, kSmall, false>(x, groups, groupSize, coder, out, sums);
}

template <Element kElement>
struct MeasureUniform {
    template <bool kClamp>
    static void runWith(Reader<kElement> x, int64_t groups, int64_t groupSize, const GroupGrid& grid,
                        const Outputs& out, ErrorSums* sums)
    {
        const UniformCoder<false, kClamp> coder(grid);
        if (grid.levels <= 16)
            measureWith<kElement, true>(x, groups, groupSize, coder, out, sums);
        else
            measureWith<kElement, false>(x, groups, groupSize, coder, out, sums);
    }
    static void run(Reader<kElement> x, int64_t groups, int64_t groupSize, const GroupGrid& grid, const Outputs& out,
                    ErrorSums* sums)
    {
        grid.clamp ? runWith<true>(x, groups, groupSize, grid, out, sums)
                   : runWith<false>(x, groups, groupSize, grid, out, sums);
    }
};

void measureUniform(Source x, int64_t groups, int64_t groupSize, const GroupGrid& grid, const Outputs& out,
                    ErrorSums* sums)
{
    dispatch<MeasureUniform, int64_t, int64_t, const GroupGrid&, const Outputs&, ErrorSums*>(x, groups, groupSize, grid,
                                                                                            out, sums);
}

template <Element kElement>
struct MeasureLookup {
    template <bool kFolded, bool kClamp>
    static void runWith(Reader<kElement> x, int64_t groups, int64_t groupSize, const GroupGrid& grid,
                        const LookupCode& code, const Outputs& out, ErrorSums* sums)
    {
        measureWith<kElement, true>(x, groups, groupSize, LookupCoder<kFolded, kClamp>(grid, code), out, sums);
    }
    static void run(Reader<kElement> x, int64_t groups, int64_t groupSize, const GroupGrid& grid, const LookupCode& code,
                    const Outputs& out, ErrorSums* sums)
    {
        const auto chosen = code.folded ? grid.clamp ? runWith<true, true> : runWith<true, false>
                            : grid.clamp ? runWith<false, true>
                                         : runWith<false, false>;
        chosen(x, groups, groupSize, grid, code, out, sums);
    }
};

void measureLookup(Source x, int64_t groups, int64_t groupSize, const GroupGrid& grid, const LookupCode& code,
                   const Outputs& out, ErrorSums* sums)
{
    dispatch<MeasureLookup, int64_t, int64_t, const GroupGrid&, const LookupCode&, const Outputs&, ErrorSums*>(
        x, groups, groupSize, grid, code, out, sums);
}

} // namespace
} // namespace ql::simd::QL_ISA
