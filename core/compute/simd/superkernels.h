// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Superblocks, sixteen at a time, one per lane. The arithmetic is that of core/quant/superblock.cpp, to the bit; see
// lanes.h.
#pragma once

#include "core/compute/simd/superlanes.h"

namespace ql::simd::QL_ISA {
namespace {

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
