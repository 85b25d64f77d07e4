// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Sixteen lanes of f32 or i32 on whatever the instruction set has: one register of 16, two of 8 or four of 4. Included
// once per instruction set, in the namespace QL_ISA, so that no code of one set is ever linked for another; for the same
// reason these headers use no inline function of the standard library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#define QL_LANES_512 1
#elif defined(__AVX2__) && defined(__F16C__) && defined(__FMA__)
#define QL_LANES_256 1
#endif

namespace ql::simd::QL_ISA {
namespace {

#define QL_INLINE inline __attribute__((always_inline))

constexpr int kLanes = 16;
#if QL_LANES_512
constexpr int kPartLanes = 16;
#elif QL_LANES_256
constexpr int kPartLanes = 8;
#else
constexpr int kPartLanes = 4;
#endif
constexpr int kParts = kLanes / kPartLanes;

typedef float PartF __attribute__((vector_size(kPartLanes * 4)));
typedef int32_t PartI __attribute__((vector_size(kPartLanes * 4)));
typedef uint32_t PartU __attribute__((vector_size(kPartLanes * 4)));

struct Floats {
    PartF p[kParts];
};
struct Ints {
    PartI p[kParts];
};

#define QL_EACH _Pragma("GCC unroll 4") for (int k = 0; k < kParts; ++k)

#define QL_OPERATOR(Type, op, Part)                                                                                    \
    QL_INLINE Type operator op(Type a, Type b)                                                                         \
    {                                                                                                                  \
        Type r;                                                                                                        \
        QL_EACH r.p[k] = decltype(r.p[k] + r.p[k])(Part(a.p[k]) op Part(b.p[k]));                                      \
        return r;                                                                                                      \
    }
QL_OPERATOR(Floats, +, PartF)
QL_OPERATOR(Floats, -, PartF)
QL_OPERATOR(Floats, *, PartF)
// Integer lanes wrap: counters packed into a lane use all of its 32 bits.
QL_OPERATOR(Ints, +, PartU)
QL_OPERATOR(Ints, -, PartU)
QL_OPERATOR(Ints, &, PartI)
QL_OPERATOR(Ints, |, PartI)
QL_OPERATOR(Ints, ^, PartI)
#undef QL_OPERATOR

QL_INLINE Ints operator~(Ints a)
{
    QL_EACH a.p[k] = ~a.p[k];
    return a;
}
QL_INLINE Floats splat(float x)
{
    Floats r;
    QL_EACH r.p[k] = x - PartF{};
    return r;
}
QL_INLINE Ints splat(int32_t x)
{
    Ints r;
    QL_EACH r.p[k] = PartI{} + x;
    return r;
}
QL_INLINE Ints bits(Floats x)
{
    Ints r;
    QL_EACH r.p[k] = (PartI)x.p[k];
    return r;
}
QL_INLINE Floats asFloats(Ints x)
{
    Floats r;
    QL_EACH r.p[k] = (PartF)x.p[k];
    return r;
}
/// -1 in the lanes with a sign bit, else 0.
QL_INLINE Ints signMask(Floats x)
{
    Ints r;
    QL_EACH r.p[k] = (PartI)x.p[k] >> 31;
    return r;
}
QL_INLINE Floats abs(Floats x)
{
    return asFloats(bits(x) & splat(0x7fffffff));
}

/// a < b ? a : b, as the x86 instruction does it: b where either is NaN.
QL_INLINE PartF min(PartF a, PartF b)
{
#if QL_LANES_512
    return (PartF)_mm512_min_ps((__m512)a, (__m512)b);
#elif QL_LANES_256
    return (PartF)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
    return (PartF)_mm_min_ps((__m128)a, (__m128)b);
#else
    return a < b ? a : b;
#endif
}
QL_INLINE PartF max(PartF a, PartF b)
{
#if QL_LANES_512
    return (PartF)_mm512_max_ps((__m512)a, (__m512)b);
#elif QL_LANES_256
    return (PartF)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
    return (PartF)_mm_max_ps((__m128)a, (__m128)b);
#else
    return a > b ? a : b;
#endif
}
QL_INLINE PartI max(PartI a, PartI b)
{
#if QL_LANES_512
    return (PartI)_mm512_max_epi32((__m512i)a, (__m512i)b);
#elif QL_LANES_256
    return (PartI)_mm256_max_epi32((__m256i)a, (__m256i)b);
#else
    return a > b ? a : b;
#endif
}
QL_INLINE Floats min(Floats a, Floats b)
{
    QL_EACH a.p[k] = min(a.p[k], b.p[k]);
    return a;
}
QL_INLINE Floats max(Floats a, Floats b)
{
    QL_EACH a.p[k] = max(a.p[k], b.p[k]);
    return a;
}
QL_INLINE Ints max(Ints a, Ints b)
{
    QL_EACH a.p[k] = max(a.p[k], b.p[k]);
    return a;
}

} // namespace
} // namespace ql::simd::QL_ISA
