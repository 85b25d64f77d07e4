// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Superblocks, sixteen at a time, one per lane. The arithmetic is that of core/quant/superblock.cpp, to the bit; see
// lanes.h.
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

/// Scales and minima of all sub-blocks; codes of the searches.
void searchSubBlocks(const float* const* importance, const SuperBlockRule& rule, const LookupCode* table,
                     SuperLanes& lanes, uint8_t* codes)
{
    constexpr int values = SuperBlocks::kValues;
    float weights[kMostSearched * kLanes], columns[kMostSearched * kLanes];
    Floats spread = splat(0.0f);
    if (rule.weights == SuperBlockRule::ImportanceAndSpread) {
        for (int i = 0; i < values; ++i)
            spread = spread + load(lanes.x + i * kLanes) * load(lanes.x + i * kLanes);
        spread = divide(spread, splat(float(values))) * splat(rule.spread);
    }
    for (int g = 0; g < lanes.groups; ++g) {
        const int first = g * lanes.size;
        if (importance)
            interleave([&](int b) { return importance[b] + first; }, lanes.size, columns);
        const float* x = lanes.x + first * kLanes;
        store(lanes.sum + g * kLanes, weigh(rule.weights, x, lanes.size, columns, spread, weights));
        const FoundLanes found = searchLanes({x, weights, lanes.size}, rule.search, table, codes + first * kLanes);
        store(lanes.scale + g * kLanes, found.scale);
        store(lanes.minimum + g * kLanes, splat(0.0f) - found.minimum);
        store(lanes.storedMinimum + g * kLanes, splat(0.0f));
    }
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

/// A sub-block as it is reconstructed.
struct SubBlock {
    Floats scale, minimum;
    Floats storedScale;
};

/// Codes once more with the scales as stored, and the error; `step(sub-block, value, code)` changes the code that the
/// search left and returns its level.
template <class Step>
QL_INLINE void finishSuper(const SuperLanes& lanes, float clipLo, float clipHi, SuperBlocks* out, ErrorSums* sums, Step step)
{
    const Floats zero = splat(0.0f);
    ErrorLanes errors;
    Ints clipped = splat(0);
    for (int g = 0; g < lanes.groups; ++g) {
        const Floats storedMinimum = load(lanes.storedMinimum + g * kLanes);
        SubBlock sub;
        sub.storedScale = load(lanes.storedScale + g * kLanes);
        sub.scale = lanes.scaleFactor * sub.storedScale;
        sub.minimum = zero - lanes.minimumFactor * storedMinimum;
        storeBytes(out->scales + g * kLanes, truncate(sub.storedScale));
        storeBytes(out->minimums + g * kLanes, truncate(storedMinimum));
        Floats inverse = divide(splat(1.0f), sub.scale);
        inverse = select(isFinite(inverse), inverse, zero);
        for (int i = g * lanes.size; i < (g + 1) * lanes.size; ++i) {
            const Floats v = load(lanes.x + i * kLanes);
            Ints code = loadBytes(out->codes + i * kLanes);
            const Floats level = step(sub, v, code);
            storeBytes(out->codes + i * kLanes, code);
            errors.add(v, sub.scale * level + sub.minimum);
            const Floats y = (v - sub.minimum) * inverse;
            clipped = plusOneWhere(plusOneWhere(clipped, y, splat(clipHi)), splat(clipLo), y);
        }
        errors.moveTo(sums);
    }
    const float worst = maxLane(errors.largest);
    sums->maxAbsError = worst > sums->maxAbsError ? worst : sums->maxAbsError;
    out->clipped = sumLanes(clipped);
    store(out->scale, lanes.scaleFactor);
    store(out->minimum, lanes.minimumFactor);
}

void encodeSuper(const float* const* x, const float* const* importance, const SuperBlockRule& rule, float clipLo,
                 float clipHi, const LookupCode* table, SuperBlocks* out, ErrorSums* sums)
{
    const Floats zero = splat(0.0f);
    SuperLanes lanes;
    lanes.size = int(rule.search.size);
    lanes.groups = SuperBlocks::kValues / lanes.size;
    interleave([&](int b) { return x[b]; }, SuperBlocks::kValues, lanes.x);
    searchSubBlocks(importance, rule, table, lanes, out->codes);
    const Ints kept = shareScales(rule, lanes);
    if (rule.sharing == SuperBlockRule::Table) {
        const GroupGrid none;
        LookupCoder<false, true> coder(none, *table);
        coder.inverse = splat(1.0f);
        finishSuper(lanes, clipLo, clipHi, out, sums, [&](const SubBlock& sub, Floats v, Ints& code) {
            const Floats scale = lanes.unrounded * sub.storedScale;
            const Floats y = select(isZero(scale), zero, divide(splat(1.0f), scale)) * v;
            return coder.levelOf(select(isNumber(y), y, zero), code);
        });
        return;
    }
    const Floats lowest = splat(float(rule.lowest)), highest = splat(float(rule.highest));
    finishSuper(lanes, clipLo, clipHi, out, sums, [&](const SubBlock& sub, Floats v, Ints& code) {
        const Ints without = isZero(sub.scale);
        const Floats level = roundWithin(divide(v - sub.minimum, sub.scale), lowest, highest);
        code = (truncate(level - lowest) & ~without) | (code & without & kept);
        return asNumbers(code) + lowest;
    });
}

} // namespace
} // namespace ql::simd::QL_ISA
