// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ggml's searches for the scales of sixteen groups, one per lane; additions keep the order of core/quant/ggmlsearch.cpp,
// so the results are its to the bit. See lanes.h.
#pragma once

#include "core/compute/simd/searchlanes.h"

namespace ql::simd::QL_ISA {
namespace {

void searchSigned(const SearchLanes& groups, const SearchRule& search, SearchedGroups* out)
{
    const Floats zero = splat(0.0f), half = splat(search.top);
    const Floats lowest = zero - half, highest = half - splat(1.0f);
    const Floats largest = largestOf(groups);
    const Ints usable = ~lessThan(abs(largest), splat(1e-15f));
    const auto fit = [&](Floats inverse, Floats& product, Floats& square) {
        product = square = zero;
        for (int i = 0; i < groups.size; ++i) {
            const Floats v = groups.at(i), w = groups.weightAt(i);
            const Floats l = roundWithin(inverse * v, lowest, highest);
            product = product + w * v * l;
            square = square + w * l * l;
        }
    };
    Floats inverse = divide(lowest, largest), product, square;
    fit(inverse, product, square);
    Floats scale = select(lessThan(zero, square), divide(product, square), zero);
    Floats best = scale * product;
    for (int step = -9; step <= 9; ++step) {
        if (step == 0)
            continue;
        const Floats candidate = divide(splat(-(search.top + 0.1f * float(step))), largest);
        fit(candidate, product, square);
        inverse = select(keepBetter(product, square, scale, best), candidate, inverse);
    }
    store(out->scale, select(usable, scale, zero));
    store(out->minimum, zero);
    for (int i = 0; i < groups.size; ++i) {
        const Floats code = half + roundWithin(inverse * groups.at(i), lowest, highest);
        storeCodes(groups, i, select(usable, code, zero), out);
    }
}

void searchAffine(const SearchLanes& groups, const SearchRule& search, SearchedGroups* out)
{
    const Floats zero = splat(0.0f), top = splat(search.top);
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
    const auto errorOf = [&](Floats scale, Floats least, const float* codes) {
        Floats error = zero;
        for (int i = 0; i < groups.size; ++i) {
            const Floats difference = scale * load(codes + i * kLanes) + least - groups.at(i);
            error = error + groups.weightAt(i) * (search.absolute ? abs(difference) : difference * difference);
        }
        return error;
    };
    float codes[SearchRule::kMostValues * kLanes];
    for (int i = 0; i < groups.size; ++i)
        store(codes + i * kLanes, codeOf(i, steps, minimum));
    Floats scale = divide(splat(1.0f), steps), best = errorOf(scale, minimum, codes);
    Floats keptInverse = steps, keptFrom = minimum;
    for (int k = 0; k <= search.last; ++k) {
        const Floats inverse = divide(splat(search.first + search.step * float(k) + search.top), highest - minimum);
        Floats sumL = zero, sumLL = zero, sumXL = zero;
        for (int i = 0; i < groups.size; ++i) {
            const Floats l = codeOf(i, inverse, minimum), weighted = groups.weightAt(i) * l;
            store(codes + i * kLanes, l);
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
        const Floats error = errorOf(nextScale, nextMinimum, codes);
        const Ints better = usable & lessThan(zero, determinant) & lessThan(error, best);
        best = select(better, error, best);
        scale = select(better, nextScale, scale);
        keptInverse = select(better, inverse, keptInverse);
        keptFrom = select(better, minimum, keptFrom);
        minimum = select(better, nextMinimum, minimum);
    }
    store(out->scale, select(usable, scale, zero));
    store(out->minimum, minimum);
    for (int i = 0; i < groups.size; ++i)
        storeCodes(groups, i, select(usable, codeOf(i, keptInverse, keptFrom), zero), out);
}

void searchTable(const SearchLanes& groups, const LookupCode& table, SearchedGroups* out)
{
    const Floats zero = splat(0.0f);
    const GroupGrid none;
    LookupCoder<false, true> coder(none, table);
    const Floats largest = largestOf(groups);
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
    Floats scale = select(lessThan(zero, square), divide(product, square), zero);
    Floats best = scale * product;
    for (int t = -7; t <= 7; ++t) {
        fit(divide(splat(float(t) - 127.0f), largest), product, square);
        keepBetter(product, square, scale, best);
    }
    const Ints usable = isFinite(scale) & ~lessThan(abs(largest), splat(1e-15f));
    store(out->scale, select(usable, scale, zero));
    store(out->minimum, zero);
}

void searchGroups(const float* x, const float* weights, const SearchRule& search, const LookupCode* table,
                  SearchedGroups* out)
{
    const SearchLanes groups(x, weights, search.size);
    if (search.kind == SearchRule::Signed)
        searchSigned(groups, search, out);
    else if (search.kind == SearchRule::Affine)
        searchAffine(groups, search, out);
    else
        searchTable(groups, *table, out);
}

} // namespace
} // namespace ql::simd::QL_ISA
