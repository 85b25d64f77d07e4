// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What the searches of searchkernels.h share: sixteen groups with their weights, one per lane, rounding and comparing.
#pragma once

#include "core/compute/simd/ggmlkernels.h"

namespace ql::simd::QL_ISA {
namespace {

/// Value i of sixteen groups and its weights at x + 16 i and w + 16 i.
struct GroupLanes {
    const float* x;
    const float* w;
    int size;

    QL_INLINE Floats at(int i) const { return load(x + i * kLanes); }
    QL_INLINE Floats weightAt(int i) const { return load(w + i * kLanes); }
};

/// What a search finds besides the codes, which it writes as bytes, code i of group b at codes[i * 16 + b].
struct FoundLanes {
    Floats scale, minimum;
};

/// to[i * 16 + b] = from(b)[i]
template <class Rows>
QL_INLINE void interleave(const Rows& from, int count, float* to)
{
    for (int b = 0; b < kLanes; ++b) {
        const float* row = from(b);
        for (int i = 0; i < count; ++i)
            to[i * kLanes + b] = row[i];
    }
}

QL_INLINE Floats squareRoot(Floats x)
{
    QL_EACH {
#if QL_LANES_512
        x.p[k] = (PartF)_mm512_sqrt_ps((__m512)x.p[k]);
#elif QL_LANES_256
        x.p[k] = (PartF)_mm256_sqrt_ps((__m256)x.p[k]);
#else
        for (int i = 0; i < kPartLanes; ++i)
            x.p[k][i] = __builtin_sqrtf(x.p[k][i]);
#endif
    }
    return x;
}

/// -1 where x is 0.
QL_INLINE Ints isZero(Floats x)
{
    Ints r;
    QL_EACH r.p[k] = x.p[k] == PartF{};
    return r;
}
/// -1 where x is no NaN.
QL_INLINE Ints isNumber(Floats x)
{
    Ints r;
    QL_EACH r.p[k] = x.p[k] == x.p[k];
    return r;
}
QL_INLINE bool any(Ints mask)
{
    PartI all = mask.p[0];
    for (int k = 1; k < kParts; ++k)
        all |= mask.p[k];
    int32_t found = 0;
    for (int i = 0; i < kPartLanes; ++i)
        found |= all[i];
    return found != 0;
}

/// Half to even within [lowest, highest]; `lowest` for NaN.
QL_INLINE Floats roundWithin(Floats y, Floats lowest, Floats highest)
{
    const Floats shift = splat(12582912.0f);
    return (min(max(y, lowest), highest) + shift) - shift;
}

QL_INLINE Floats largestOf(const float* x, int count)
{
    Floats largest = splat(0.0f);
    for (int i = 0; i < count; ++i) {
        const Floats v = load(x + i * kLanes);
        largest = select(lessThan(abs(largest), abs(v)), v, largest);
    }
    return largest;
}

/// -1 where ggml does not take the largest magnitude for 0.
QL_INLINE Ints isLarge(Floats largest)
{
    return ~lessThan(abs(largest), splat(1e-15f));
}

QL_INLINE Floats quotientOrZero(Floats a, Floats b)
{
    const Floats zero = splat(0.0f);
    return select(lessThan(zero, b), divide(a, b), zero);
}

QL_INLINE void storeCode(uint8_t* codes, int i, Ints usable, Floats code)
{
    storeBytes(codes + i * kLanes, truncate(select(usable, code, splat(0.0f))));
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
