// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What superkernels.h computes on: sixteen superblocks, one per lane, and the factors that their scales share; see lanes.h.
#pragma once

#include "core/compute/simd/searchkernels.h"

namespace ql::simd::QL_ISA {
namespace {

constexpr int kMostSubBlocks = SuperBlocks::kMostGroups;

QL_INLINE Ints loadBytes(const uint8_t* x)
{
#if QL_LANES_512
    return {{(PartI)_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)))}};
#else
    typedef uint8_t PartB __attribute__((vector_size(kPartLanes)));
    Ints r;
    QL_EACH {
        PartB bytes;
        memcpy(&bytes, x + k * kPartLanes, sizeof bytes);
        r.p[k] = __builtin_convertvector(bytes, PartI);
    }
    return r;
#endif
}

QL_INLINE Floats asNumbers(Ints x)
{
    Floats r;
    QL_EACH r.p[k] = __builtin_convertvector(x.p[k], PartF);
    return r;
}

/// Sixteen superblocks on their way: value i at x + 16 i, what is known of sub-block g at [g * 16].
struct SuperLanes {
    float x[SuperBlocks::kValues * kLanes];
    int size, groups;                                                       ///< of and in a superblock
    float scale[kMostSubBlocks * kLanes], minimum[kMostSubBlocks * kLanes]; ///< found; minima >= 0
    float sum[kMostSubBlocks * kLanes];                                     ///< of weights
    float storedScale[kMostSubBlocks * kLanes], storedMinimum[kMostSubBlocks * kLanes];
    Floats scaleFactor = splat(0.0f), minimumFactor = scaleFactor; ///< f16
    Floats unrounded = scaleFactor;                                ///< scaleFactor before, of tables
};

/// Weights of sub-block values `x`; `importance` of their columns may be null. Returns their sum.
QL_INLINE Floats weigh(SuperBlockRule::Weights rule, const float* x, int size, const float* importance, Floats spread,
                       float* weights)
{
    const Floats zero = splat(0.0f);
    Floats rms = zero;
    if (rule == SuperBlockRule::MagnitudeAndRms) {
        for (int i = 0; i < size; ++i)
            rms = rms + load(x + i * kLanes) * load(x + i * kLanes);
        rms = squareRoot(divide(rms, splat(float(size))));
    }
    Floats sum = zero;
    for (int i = 0; i < size; ++i) {
        const Floats v = load(x + i * kLanes);
        Floats weight;
        if (rule == SuperBlockRule::Square)
            weight = v * v;
        else if (rule == SuperBlockRule::Importance)
            weight = load(importance + i * kLanes);
        else if (rule == SuperBlockRule::ImportanceAndSpread)
            weight = load(importance + i * kLanes) * squareRoot(spread + v * v);
        else
            weight = rms + abs(v);
        store(weights + i * kLanes, weight);
        sum = sum + weight;
    }
    return sum;
}

/// The f16 factor that values >= 0 are multiples of, and the multiples.
Floats sharePositive(const SuperBlockRule& rule, const SuperLanes& lanes, const float* x, float* stored)
{
    const Floats zero = splat(0.0f), top = splat(float(rule.scaleHighest));
    if (rule.sharing == SuperBlockRule::PositiveSearched) {
        uint8_t codes[kMostSubBlocks * kLanes];
        const Floats factor = searchPositive({x, lanes.sum, lanes.groups}, float(rule.scaleHighest), codes);
        for (int g = 0; g < lanes.groups; ++g)
            store(stored + g * kLanes, asNumbers(loadBytes(codes + g * kLanes)));
        return roundSignedToHalf(factor);
    }
    Floats largest = zero;
    for (int g = 0; g < lanes.groups; ++g)
        largest = max(load(x + g * kLanes), largest);
    const Floats inverse = quotientOrZero(top, largest);
    for (int g = 0; g < lanes.groups; ++g)
        store(stored + g * kLanes, roundWithin(inverse * load(x + g * kLanes), zero, top));
    return roundSignedToHalf(divide(largest, top));
}

/// The factor for which the largest scale is stored as the lowest one.
void shareSigned(const SuperBlockRule& rule, SuperLanes& lanes)
{
    const Floats zero = splat(0.0f), lowest = splat(float(rule.scaleLowest)), highest = splat(float(rule.scaleHighest));
    const Floats largest = largestOf(lanes.scale, lanes.groups);
    const bool table = rule.sharing == SuperBlockRule::Table;
    lanes.unrounded = divide(largest, lowest);
    const Floats inverse = table ? divide(splat(1.0f), lanes.unrounded) : divide(lowest, largest);
    const Ints usable = isFinite(inverse) & ~isZero(largest);
    for (int g = 0; g < lanes.groups; ++g) {
        const Floats stored = roundWithin(inverse * load(lanes.scale + g * kLanes), lowest, highest);
        store(lanes.storedScale + g * kLanes, select(usable, stored, table ? zero : lowest));
    }
    lanes.scaleFactor = roundSignedToHalf(table ? lanes.unrounded : select(usable, divide(splat(1.0f), inverse), zero));
}

/// The factor searched as the scales were.
void shareSearched(const SuperBlockRule& rule, SuperLanes& lanes)
{
    uint8_t codes[kMostSubBlocks * kLanes];
    lanes.scaleFactor =
        roundSignedToHalf(searchSigned({lanes.scale, lanes.sum, lanes.groups}, float(-rule.scaleLowest), codes).scale);
    for (int g = 0; g < lanes.groups; ++g)
        store(lanes.storedScale + g * kLanes, asNumbers(loadBytes(codes + g * kLanes) + splat(rule.scaleLowest)));
}

/// Returns -1 where the block is not too small to keep.
Ints shareScales(const SuperBlockRule& rule, SuperLanes& lanes)
{
    if (rule.sharing == SuperBlockRule::SignedSearched) {
        shareSearched(rule, lanes);
    } else if (rule.sharing == SuperBlockRule::Signed || rule.sharing == SuperBlockRule::Table) {
        shareSigned(rule, lanes);
    } else {
        lanes.scaleFactor = sharePositive(rule, lanes, lanes.scale, lanes.storedScale);
        if (rule.search.kind == GroupSearch::Affine)
            lanes.minimumFactor = sharePositive(rule, lanes, lanes.minimum, lanes.storedMinimum);
    }
    if (!rule.zeroWhenTiny)
        return splat(-1);
    const Ints kept = isLarge(largestOf(lanes.scale, lanes.groups));
    lanes.scaleFactor = select(kept, lanes.scaleFactor, splat(0.0f));
    for (int g = 0; g < lanes.groups; ++g) {
        float* stored = lanes.storedScale + g * kLanes;
        store(stored, select(kept, load(stored), splat(0.0f)));
    }
    return kept;
}

} // namespace
} // namespace ql::simd::QL_ISA
