// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Shifts, comparisons and table look-ups on sixteen lanes; see lanes.h.
#pragma once

#include "core/compute/simd/lanes.h"

namespace ql::simd::QL_ISA {
namespace {

template <int kBits>
QL_INLINE Ints shiftLeft(Ints x)
{
    Ints r;
    QL_EACH r.p[k] = x.p[k] << kBits;
    return r;
}
/// Logical shift.
template <int kBits>
QL_INLINE Ints shiftRight(Ints x)
{
    Ints r;
    QL_EACH r.p[k] = (PartI)((PartU)x.p[k] >> kBits);
    return r;
}

/// count + 1 in the lanes where a > b.
QL_INLINE Ints plusOneWhere(Ints count, Floats a, Floats b)
{
#if QL_LANES_512
    const __mmask16 m = _mm512_cmp_ps_mask((__m512)a.p[0], (__m512)b.p[0], _CMP_GT_OQ);
    return {{(PartI)_mm512_mask_add_epi32((__m512i)count.p[0], m, (__m512i)count.p[0], _mm512_set1_epi32(1))}};
#else
    QL_EACH count.p[k] -= a.p[k] > b.p[k];
    return count;
#endif
}
QL_INLINE Ints plusOneWhereZero(Ints count, Floats a)
{
#if QL_LANES_512
    const __mmask16 m = _mm512_cmp_ps_mask((__m512)a.p[0], _mm512_setzero_ps(), _CMP_EQ_OQ);
    return {{(PartI)_mm512_mask_add_epi32((__m512i)count.p[0], m, (__m512i)count.p[0], _mm512_set1_epi32(1))}};
#else
    QL_EACH count.p[k] -= a.p[k] == PartF{};
    return count;
#endif
}
/// Whether lo <= x <= hi in every lane.
QL_INLINE bool allInside(Floats x, Floats lo, Floats hi)
{
#if QL_LANES_512
    const __mmask16 m = _mm512_cmp_ps_mask((__m512)x.p[0], (__m512)lo.p[0], _CMP_GE_OQ);
    return _mm512_mask_cmp_ps_mask(m, (__m512)x.p[0], (__m512)hi.p[0], _CMP_LE_OQ) == 0xffff;
#else
    PartI inside = PartI{} - 1;
    QL_EACH inside &= (x.p[k] >= lo.p[k]) & (x.p[k] <= hi.p[k]);
#if QL_LANES_256
    return _mm256_movemask_ps((__m256)inside) == 0xff;
#elif defined(__SSE2__)
    return _mm_movemask_ps((__m128)inside) == 0xf;
#else
    int32_t all = -1;
    for (int i = 0; i < kPartLanes; ++i)
        all &= inside[i];
    return all != 0;
#endif
#endif
}

/// To the nearest integer, ties to even; |x| below 2^22.
QL_INLINE Floats roundEven(Floats x)
{
#if QL_LANES_512
    return {{(PartF)_mm512_roundscale_ps((__m512)x.p[0], _MM_FROUND_TO_NEAREST_INT)}};
#elif QL_LANES_256
    QL_EACH x.p[k] = (PartF)_mm256_round_ps((__m256)x.p[k], _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    return x;
#else
    const Floats rounder = splat(12582912.0f);
    return (x + rounder) - rounder;
#endif
}

/// Truncation towards zero; x must fit.
QL_INLINE Ints truncate(Floats x)
{
    Ints r;
    QL_EACH r.p[k] = __builtin_convertvector(x.p[k], PartI);
    return r;
}

/// x << by, 0 where `by` is negative or 32 and more.
QL_INLINE Ints shiftLeftBy(int32_t x, Ints by)
{
    Ints r;
#if QL_LANES_512
    r.p[0] = (PartI)_mm512_sllv_epi32(_mm512_set1_epi32(x), (__m512i)by.p[0]);
#elif QL_LANES_256
    QL_EACH r.p[k] = (PartI)_mm256_sllv_epi32(_mm256_set1_epi32(x), (__m256i)by.p[k]);
#else
    QL_EACH {
        for (int i = 0; i < kPartLanes; ++i) {
            const uint32_t n = uint32_t(by.p[k][i]);
            r.p[k][i] = n < 32 ? int32_t(uint32_t(x) << n) : 0;
        }
    }
#endif
    return r;
}

/// table[index]; only the low four bits of the index count.
QL_INLINE Ints lookup16(const Ints& table, Ints index)
{
    Ints r;
#if QL_LANES_512
    r.p[0] = (PartI)_mm512_permutexvar_epi32((__m512i)index.p[0], (__m512i)table.p[0]);
#elif QL_LANES_256
    QL_EACH {
        const __m256 a = (__m256)_mm256_permutevar8x32_epi32((__m256i)table.p[0], (__m256i)index.p[k]);
        const __m256 b = (__m256)_mm256_permutevar8x32_epi32((__m256i)table.p[1], (__m256i)index.p[k]);
        r.p[k] = (PartI)_mm256_blendv_ps(a, b, (__m256)_mm256_slli_epi32((__m256i)index.p[k], 28));
    }
#else
    typedef int32_t LooseI __attribute__((vector_size(kPartLanes * 4), aligned(4), may_alias));
    int32_t entries[kLanes];
    QL_EACH reinterpret_cast<LooseI*>(entries)[k] = table.p[k];
    QL_EACH {
        for (int i = 0; i < kPartLanes; ++i)
            r.p[k][i] = entries[index.p[k][i] & 15];
    }
#endif
    return r;
}
QL_INLINE Floats lookup16(const Floats& table, Ints index)
{
    return asFloats(lookup16(bits(table), index));
}
/// 32 entries in two tables; only the low five bits of the index count.
QL_INLINE Ints lookup32(const Ints& low, const Ints& high, Ints index)
{
#if QL_LANES_512
    return {{(PartI)_mm512_permutex2var_epi32((__m512i)low.p[0], (__m512i)index.p[0], (__m512i)high.p[0])}};
#else
    const Ints a = lookup16(low, index);
    const Ints b = lookup16(high, index);
    Ints r;
#if QL_LANES_256
    QL_EACH r.p[k] = (PartI)_mm256_blendv_ps((__m256)a.p[k], (__m256)b.p[k],
                                             (__m256)_mm256_slli_epi32((__m256i)index.p[k], 27));
    return r;
#endif
    QL_EACH {
        const PartI upper = (index.p[k] & 16) != 0;
        r.p[k] = (a.p[k] & ~upper) | (b.p[k] & upper);
    }
    return r;
#endif
}

} // namespace
} // namespace ql::simd::QL_ISA
