// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What the searches of searchkernels.h share: sixteen groups with their weights, one per lane, rounding and comparing.
#pragma once

#include "core/compute/simd/ggmlkernels.h"

namespace ql::simd::QL_ISA {
namespace {

/// Value i and its weight in every group.
struct SearchLanes {
    float x[SearchRule::kMostValues * kLanes];
    float w[SearchRule::kMostValues * kLanes];
    int size;

    SearchLanes(const float* values, const float* weights, int n) : size(n)
    {
        for (int b = 0; b < kLanes; ++b) {
            for (int i = 0; i < n; ++i) {
                x[i * kLanes + b] = values[b * n + i];
                w[i * kLanes + b] = weights[b * n + i];
            }
        }
    }
    QL_INLINE Floats at(int i) const { return load(x + i * kLanes); }
    QL_INLINE Floats weightAt(int i) const { return load(w + i * kLanes); }
};

/// Half to even within [lowest, highest]; `lowest` for NaN.
QL_INLINE Floats roundWithin(Floats y, Floats lowest, Floats highest)
{
    const Floats shift = splat(12582912.0f);
    return (min(max(y, lowest), highest) + shift) - shift;
}

QL_INLINE Floats largestOf(const SearchLanes& groups)
{
    Floats largest = splat(0.0f);
    for (int i = 0; i < groups.size; ++i) {
        const Floats v = groups.at(i);
        largest = select(lessThan(abs(largest), abs(v)), v, largest);
    }
    return largest;
}

QL_INLINE void storeCodes(const SearchLanes& groups, int i, Floats code, SearchedGroups* out)
{
    const Ints whole = truncate(code);
    alignas(64) int32_t lanes[kLanes];
    store(lanes, whole);
    for (int b = 0; b < kLanes; ++b)
        out->codes[b * groups.size + i] = uint8_t(lanes[b]);
}

/// Keeps the better of what was found and a candidate with these moments; tells where it was better.
QL_INLINE Ints keepBetter(Floats product, Floats square, Floats& scale, Floats& best)
{
    const Ints better = lessThan(splat(0.0f), square) & lessThan(best * square, product * product);
    const Floats next = divide(product, square);
    scale = select(better, next, scale);
    best = select(better, next * product, best);
    return better;
}

} // namespace
} // namespace ql::simd::QL_ISA
