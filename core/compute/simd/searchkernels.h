// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ggml's searches for the scales of sixteen groups, one per lane; additions keep the order of core/quant/ggmlsearch.cpp,
// so the results are its to the bit. See lanes.h.
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

FoundLanes searchAffine(const GroupLanes& groups, const GroupSearch& search, uint8_t* codes)
{
    const Floats zero = splat(0.0f), top = splat(float(search.top));
    Floats minimum = groups.at(0), highest = minimum;
    Floats sumW = groups.weightAt(0), sumX = sumW * minimum;
    for (int i = 1; i < groups.size; ++i) {
        const Floats v = groups.at(i), w = groups.weightAt(i);
        minimum = min(v, minimum);
        highest = max(v, highest);
        sumW = sumW + w;
        sumX = sumX + w * v;
    }
    minimum = min(minimum, zero);
    const Floats range = highest - minimum, steps = divide(top, range);
    const Ints usable = lessThan(zero, range) & isFinite(steps);
    const auto codeOf = [&](int i, Floats inverse, Floats from) {
        return roundWithin(inverse * (groups.at(i) - from), zero, top);
    };
    const auto errorOf = [&](Floats scale, Floats least, const float* chosen) {
        Floats error = zero;
        for (int i = 0; i < groups.size; ++i) {
            const Floats difference = scale * load(chosen + i * kLanes) + least - groups.at(i);
            error = error + groups.weightAt(i) * (search.grid.absolute ? abs(difference) : difference * difference);
        }
        return error;
    };
    float chosen[kMostSearched * kLanes];
    for (int i = 0; i < groups.size; ++i)
        store(chosen + i * kLanes, codeOf(i, steps, minimum));
    Floats scale = divide(splat(1.0f), steps), best = errorOf(scale, minimum, chosen);
    Floats keptInverse = steps, keptFrom = minimum;
    for (int k = 0; k <= search.grid.last; ++k) {
        const Floats inverse =
            divide(splat(search.grid.first + search.grid.step * float(k) + float(search.top)), highest - minimum);
        Floats sumL = zero, sumLL = zero, sumXL = zero;
        for (int i = 0; i < groups.size; ++i) {
            const Floats l = codeOf(i, inverse, minimum), weighted = groups.weightAt(i) * l;
            store(chosen + i * kLanes, l);
            sumL = sumL + weighted;
            sumLL = sumLL + weighted * l;
            sumXL = sumXL + weighted * groups.at(i);
        }
        const Floats determinant = sumW * sumLL - sumL * sumL;
        Floats nextScale = divide(sumW * sumXL - sumX * sumL, determinant);
        Floats nextMinimum = divide(sumLL * sumX - sumL * sumXL, determinant);
        const Ints above = lessThan(zero, nextMinimum);
        nextScale = select(above, divide(sumXL, sumLL), nextScale);
        nextMinimum = select(above, zero, nextMinimum);
        const Floats error = errorOf(nextScale, nextMinimum, chosen);
        const Ints better = usable & lessThan(zero, determinant) & lessThan(error, best);
        best = select(better, error, best);
        scale = select(better, nextScale, scale);
        keptInverse = select(better, inverse, keptInverse);
        keptFrom = select(better, minimum, keptFrom);
        minimum = select(better, nextMinimum, minimum);
    }
    for (int i = 0; i < groups.size; ++i)
        storeCode(codes, i, usable, codeOf(i, keptInverse, keptFrom));
    return {select(usable, scale, zero), minimum};
}

FoundLanes searchTable(const GroupLanes& groups, const LookupCode& table)
{
    const Floats zero = splat(0.0f);
    const GroupGrid none;
    LookupCoder<false, true> coder(none, table);
    const Floats largest = largestOf(groups.x, groups.size);
    const auto fit = [&](Floats inverse, Floats& product, Floats& square) {
        coder.inverse = inverse;
        product = square = zero;
        for (int i = 0; i < groups.size; ++i) {
            const Floats v = groups.at(i);
            const Floats q = coder.levelOf(v);
            const Floats weighted = groups.weightAt(i) * q;
            product = product + weighted * v;
            square = square + weighted * q;
        }
    };
    Floats product, square;
    fit(divide(splat(1.0f), divide(largest, splat(127.0f))), product, square);
    Floats scale = quotientOrZero(product, square);
    Floats best = scale * product;
    for (int t = -7; t <= 7; ++t) {
        fit(divide(splat(float(t) - 127.0f), largest), product, square);
        keepBetter(product, square, scale, best);
    }
    return {select(isFinite(scale) & isLarge(largest), scale, zero), zero};
}

/// `table` for GroupSearch::Table only, which writes no codes.
FoundLanes searchLanes(const GroupLanes& groups, const GroupSearch& search, const LookupCode* table, uint8_t* codes)
{
    switch (search.kind) {
    case GroupSearch::Signed:
        return searchSigned(groups, float(search.top), codes);
    case GroupSearch::Descent:
        return descendSigned(groups, float(search.top), codes);
    case GroupSearch::Affine:
        return searchAffine(groups, search, codes);
    default:
        return searchTable(groups, *table);
    }
}

void searchGroups(const float* x, const float* weights, const GroupSearch& search, const LookupCode* table,
                  SearchedGroups* out)
{
    const int size = int(search.size);
    float lanes[kMostSearched * kLanes], weightLanes[kMostSearched * kLanes];
    uint8_t codes[kMostSearched * kLanes];
    interleave([&](int b) { return x + b * size; }, size, lanes);
    interleave([&](int b) { return weights + b * size; }, size, weightLanes);
    const FoundLanes found = searchLanes({lanes, weightLanes, size}, search, table, codes);
    store(out->scale, found.scale);
    store(out->minimum, found.minimum);
    for (int i = 0; i < size && search.kind != GroupSearch::Table; ++i) {
        for (int b = 0; b < kLanes; ++b)
            out->codes[b * size + i] = codes[i * kLanes + b];
    }
}

} // namespace
} // namespace ql::simd::QL_ISA
