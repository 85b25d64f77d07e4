// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Reductions over sixteen lanes, in an order that is the same on every instruction set; see lanes.h.
#pragma once

#include "core/compute/simd/lanememory.h"

namespace ql::simd::QL_ISA {
namespace {

#if QL_LANES_512
constexpr int kDoubleLanes = 8;
#elif QL_LANES_256
constexpr int kDoubleLanes = 4;
#else
constexpr int kDoubleLanes = 2;
#endif
typedef double PartD __attribute__((vector_size(kDoubleLanes * 8)));

/// Half of a part as doubles.
template <int kHalf>
QL_INLINE PartD halfToDouble(PartF x)
{
#if QL_LANES_512
    return (PartD)_mm512_cvtps_pd(_mm512_extractf32x8_ps((__m512)x, kHalf));
#elif QL_LANES_256
    return (PartD)_mm256_cvtps_pd(_mm256_extractf128_ps((__m256)x, kHalf));
#else
    return PartD{x[2 * kHalf], x[2 * kHalf + 1]};
#endif
}

/// Sums in double, one per lane, so that long sums of short f32 sums stay exact to about 1e-7.
struct LaneSums {
    PartD half[2 * kParts] = {};

    QL_INLINE void add(Floats x)
    {
        QL_EACH {
            half[2 * k] += halfToDouble<0>(x.p[k]);
            half[2 * k + 1] += halfToDouble<1>(x.p[k]);
        }
    }
    double total() const
    {
        double t = 0;
        for (int i = 0; i < kLanes; ++i)
            t += half[i / kDoubleLanes][i % kDoubleLanes];
        return t;
    }
};

/// a * b + c, rounded once where the instruction set can: for sums only, never for codes or values.
QL_INLINE Floats multiplyAdd(Floats a, Floats b, Floats c)
{
#if QL_LANES_512
    return {{(PartF)_mm512_fmadd_ps((__m512)a.p[0], (__m512)b.p[0], (__m512)c.p[0])}};
#elif QL_LANES_256
    QL_EACH c.p[k] = (PartF)_mm256_fmadd_ps((__m256)a.p[k], (__m256)b.p[k], (__m256)c.p[k]);
    return c;
#else
    return c + a * b;
#endif
}
/// c - a * b, likewise.
QL_INLINE Floats subtractProduct(Floats a, Floats b, Floats c)
{
    return multiplyAdd(splat(0.0f) - a, b, c);
}

/// sums[lane] += x[lane]
QL_INLINE void addToDoubles(double* sums, Floats x)
{
    typedef double LooseD __attribute__((vector_size(kDoubleLanes * 8), aligned(1), may_alias));
    LooseD* halves = reinterpret_cast<LooseD*>(sums);
    QL_EACH {
        halves[2 * k] += halfToDouble<0>(x.p[k]);
        halves[2 * k + 1] += halfToDouble<1>(x.p[k]);
    }
}

QL_INLINE double totalOf(Floats x)
{
    LaneSums sums;
    sums.add(x);
    return sums.total();
}

QL_INLINE float laneOf(Floats x, int lane)
{
    return x.p[lane / kPartLanes][lane % kPartLanes];
}
QL_INLINE int32_t laneOf(Ints x, int lane)
{
    return x.p[lane / kPartLanes][lane % kPartLanes];
}

/// Lane i of the result: `op` of the lanes whose number is i modulo 8, 4, 2 and 1, in turn.
template <class Lanes, class Part, class Op>
QL_INLINE auto foldLanes(Lanes x, Part, Op op)
{
    for (int half = kParts / 2; half > 0; half /= 2) {
        for (int k = 0; k < half; ++k)
            x.p[k] = op(x.p[k], x.p[k + half]);
    }
    Part v = x.p[0];
#if QL_LANES_512
    v = op(v, __builtin_shuffle(v, PartI{8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7}));
    v = op(v, __builtin_shuffle(v, PartI{4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3}));
    v = op(v, __builtin_shuffle(v, PartI{2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1}));
    v = op(v, __builtin_shuffle(v, PartI{1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0}));
#elif QL_LANES_256
    v = op(v, __builtin_shuffle(v, PartI{4, 5, 6, 7, 0, 1, 2, 3}));
    v = op(v, __builtin_shuffle(v, PartI{2, 3, 0, 1, 2, 3, 0, 1}));
    v = op(v, __builtin_shuffle(v, PartI{1, 0, 1, 0, 1, 0, 1, 0}));
#else
    v = op(v, __builtin_shuffle(v, PartI{2, 3, 0, 1}));
    v = op(v, __builtin_shuffle(v, PartI{1, 0, 1, 0}));
#endif
    return v[0];
}
QL_INLINE uint64_t sumLanes(Ints x)
{
    return uint64_t(uint32_t(foldLanes(x, PartI{}, [](PartI a, PartI b) { return a + b; })));
}
QL_INLINE float maxLane(Floats x)
{
    return foldLanes(x, PartF{}, [](PartF a, PartF b) { return max(a, b); });
}
QL_INLINE float minLane(Floats x)
{
    return foldLanes(x, PartF{}, [](PartF a, PartF b) { return min(a, b); });
}
QL_INLINE int32_t maxLane(Ints x)
{
    return foldLanes(x, PartI{}, [](PartI a, PartI b) { return max(a, b); });
}

} // namespace
} // namespace ql::simd::QL_ISA
