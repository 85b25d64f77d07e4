// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The searches of searchkernels.h for a scale alone: candidates around the largest magnitude, and changing one code after
// the other. See lanes.h.
#pragma once

#include "core/compute/simd/searchlanes.h"

namespace ql::simd::QL_ISA {
namespace {

constexpr int kMostSearched = int(GroupSearch::kMostValues);

/// sum w x l and sum w l^2.
struct MomentLanes {
    Floats product = splat(0.0f), square = product;

    /// `wx`: w * x.
    QL_INLINE void add(Floats w, Floats wx, Floats l)
    {
        product = product + wx * l;
        square = square + w * l * l;
    }
};

FoundLanes searchSigned(const GroupLanes& groups, float top, uint8_t* codes)
{
    const Floats zero = splat(0.0f), half = splat(top);
    const Floats lowest = zero - half, highest = half - splat(1.0f);
    const Floats largest = largestOf(groups.x, groups.size);
    const Ints usable = isLarge(largest);
    float weighted[kMostSearched * kLanes];
    for (int i = 0; i < groups.size; ++i)
        store(weighted + i * kLanes, groups.weightAt(i) * groups.at(i));
    const auto fit = [&](Floats inverse) {
        MomentLanes sums;
        for (int i = 0; i < groups.size; ++i)
            sums.add(groups.weightAt(i), load(weighted + i * kLanes), roundWithin(inverse * groups.at(i), lowest, highest));
        return sums;
    };
    Floats inverse = divide(lowest, largest);
    const MomentLanes first = fit(inverse);
    Floats scale = quotientOrZero(first.product, first.square);
    Floats best = scale * first.product;
    for (int step = -9; step <= 9; ++step) {
        if (step == 0)
            continue;
        const Floats candidate = divide(splat(-(top + 0.1f * float(step))), largest);
        const MomentLanes sums = fit(candidate);
        inverse = select(keepBetter(sums.product, sums.square, scale, best), candidate, inverse);
    }
    for (int i = 0; i < groups.size; ++i)
        storeCode(codes, i, usable, half + roundWithin(inverse * groups.at(i), lowest, highest));
    return {select(usable, scale, zero), zero};
}

/// Changes one code after the other where that lowers the error, at most five times around; see ggmlsearch.cpp.
template <bool kSquaresStayPositive>
QL_INLINE void descend(const GroupLanes& groups, Floats lowest, Floats highest, float* chosen, MomentLanes& sums)
{
    const Floats zero = splat(0.0f);
    bool changed = true;
    for (int round = 0; round < 5 && changed; ++round) {
        Ints anywhere = splat(0);
        for (int i = 0; i < groups.size; ++i) {
            const Floats x = groups.at(i), w = groups.weightAt(i), wx = w * x, old = load(chosen + i * kLanes);
            MomentLanes rest = sums;
            rest.product = rest.product - wx * old;
            rest.square = rest.square - w * old * old;
            Ints better = lessThan(zero, rest.product);
            if constexpr (kSquaresStayPositive)
                better = better & lessThan(zero, rest.square);
            const Floats code = roundWithin(divide(x * rest.square, rest.product), lowest, highest);
            better = better & ~isZero(code - old);
            rest.add(w, wx, code);
            better = better & lessThan(zero, rest.square) &
                     lessThan(sums.product * sums.product * rest.square, rest.product * rest.product * sums.square);
            store(chosen + i * kLanes, select(better, code, old));
            sums.product = select(better, rest.product, sums.product);
            sums.square = select(better, rest.square, sums.square);
            anywhere = anywhere | better;
        }
        changed = any(anywhere);
    }
}

/// Rounds x * inverse, descends from there and writes the codes less `lowest`. Returns the scale.
template <bool kSquaresStayPositive>
QL_INLINE Floats descendFrom(const GroupLanes& groups, Floats inverse, Floats lowest, Floats highest, Ints usable,
                             uint8_t* codes)
{
    float chosen[kMostSearched * kLanes];
    MomentLanes sums;
    for (int i = 0; i < groups.size; ++i) {
        const Floats l = roundWithin(inverse * groups.at(i), lowest, highest), w = groups.weightAt(i);
        store(chosen + i * kLanes, l);
        sums.add(w, w * groups.at(i), l);
    }
    descend<kSquaresStayPositive>(groups, lowest, highest, chosen, sums);
    for (int i = 0; i < groups.size; ++i)
        storeCode(codes, i, usable, load(chosen + i * kLanes) - lowest);
    return select(usable, quotientOrZero(sums.product, sums.square), splat(0.0f));
}

FoundLanes descendSigned(const GroupLanes& groups, float top, uint8_t* codes)
{
    const Floats lowest = splat(-top), highest = splat(top - 1);
    const Floats largest = largestOf(groups.x, groups.size);
    return {descendFrom<false>(groups, divide(lowest, largest), lowest, highest, isLarge(largest), codes), splat(0.0f)};
}

Floats searchPositive(const GroupLanes& groups, float top, uint8_t* codes)
{
    const Floats zero = splat(0.0f), most = splat(top);
    Floats highest = zero;
    for (int i = 0; i < groups.size; ++i)
        highest = max(groups.at(i), highest);
    const auto errorOf = [&](Floats inverse) {
        const Floats scale = divide(splat(1.0f), inverse);
        Floats error = zero;
        for (int i = 0; i < groups.size; ++i) {
            const Floats difference = groups.at(i) - scale * roundWithin(inverse * groups.at(i), zero, most);
            error = error + groups.weightAt(i) * difference * difference;
        }
        return error;
    };
    Floats inverse = divide(most, highest), best = errorOf(inverse);
    for (int step = -4; step <= 4; ++step) {
        if (step == 0)
            continue;
        const Floats candidate = divide(splat(0.1f * float(step) + top), highest), error = errorOf(candidate);
        const Ints better = lessThan(error, best);
        best = select(better, error, best);
        inverse = select(better, candidate, inverse);
    }
    return descendFrom<true>(groups, inverse, zero, most, isLarge(highest), codes);
}

} // namespace
} // namespace ql::simd::QL_ISA
