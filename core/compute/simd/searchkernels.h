// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ggml's searches for the scales of sixteen groups, one per lane; additions keep the order of core/quant/ggmlsearch.cpp,
// so the results are its to the bit. See lanes.h.
#pragma once

#include "core/compute/simd/signedsearch.h"

namespace ql::simd::QL_ISA {
namespace {

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
