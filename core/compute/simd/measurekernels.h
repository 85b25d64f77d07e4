// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The fused kernels: quantize, reconstruct and compare groups without writing anything unless asked; see lanes.h.
#pragma once

#include "core/compute/simd/coders.h"
#include "core/compute/simd/occupancy.h"

namespace ql::simd::QL_ISA {
namespace {

/// Error sums of a few thousand values in f32 lanes, moved to double before they lose digits.
struct ErrorLanes {
    Floats square = splat(0.0f), hatSquare = splat(0.0f), dot = splat(0.0f), squaredError = splat(0.0f),
           absError = splat(0.0f), error = splat(0.0f), largest = splat(0.0f);

    QL_INLINE void add(Floats x, Floats hat)
    {
        const Floats e = hat - x;
        const Floats magnitude = abs(e);
        square = square + x * x;
        hatSquare = hatSquare + hat * hat;
        dot = dot + x * hat;
        squaredError = squaredError + e * e;
        absError = absError + magnitude;
        error = error + e;
        largest = max(largest, magnitude);
    }
    QL_INLINE void restart() { square = hatSquare = dot = squaredError = absError = error = splat(0.0f); }
};

struct ErrorTotals {
    LaneSums square, hatSquare, dot, squaredError, absError, error;

    QL_INLINE void add(ErrorLanes lanes)
    {
        square.add(lanes.square);
        hatSquare.add(lanes.hatSquare);
        dot.add(lanes.dot);
        squaredError.add(lanes.squaredError);
        absError.add(lanes.absError);
        error.add(lanes.error);
    }
    void addTo(ErrorSums* sums, Floats largest) const
    {
        sums->square += square.total();
        sums->hatSquare += hatSquare.total();
        sums->dot += dot.total();
        sums->squaredError += squaredError.total();
        sums->absError += absError.total();
        sums->error += error.total();
        const float worst = maxLane(largest);
        sums->maxAbsError = worst > sums->maxAbsError ? worst : sums->maxAbsError;
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
    ErrorTotals totals;
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
                x.template prefetchNext<1>(groups * groupSize, i);
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
                totals.add(lanes);
                lanes.restart();
                sinceFlush = 0;
            }
        }
    }
    totals.add(lanes);
    totals.addTo(sums, lanes.largest);
    occupancy.addTo(sums->occupancy);
}

template <Element kElement>
struct MeasureUniform {
    static void run(Reader<kElement> x, int64_t groups, int64_t groupSize, const GroupGrid& grid, const Outputs& out,
                    ErrorSums* sums)
    {
        UniformCoder coder{grid, {}, {}, {}, {}, {}};
        const bool write = out.codes || out.values;
        if (grid.levels <= 16)
            write ? measureGroups<kElement, true, true>(x, groups, groupSize, coder, out, sums)
                  : measureGroups<kElement, true, false>(x, groups, groupSize, coder, out, sums);
        else
            write ? measureGroups<kElement, false, true>(x, groups, groupSize, coder, out, sums)
                  : measureGroups<kElement, false, false>(x, groups, groupSize, coder, out, sums);
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
    template <bool kFolded>
    static void runWith(Reader<kElement> x, int64_t groups, int64_t groupSize, const GroupGrid& grid,
                        const LookupCode& code, const Outputs& out, ErrorSums* sums)
    {
        const LookupCoder<kFolded> coder(grid, code);
        out.codes || out.values ? measureGroups<kElement, true, true>(x, groups, groupSize, coder, out, sums)
                                : measureGroups<kElement, true, false>(x, groups, groupSize, coder, out, sums);
    }
    static void run(Reader<kElement> x, int64_t groups, int64_t groupSize, const GroupGrid& grid, const LookupCode& code,
                    const Outputs& out, ErrorSums* sums)
    {
        code.folded ? runWith<true>(x, groups, groupSize, grid, code, out, sums)
                    : runWith<false>(x, groups, groupSize, grid, code, out, sums);
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
