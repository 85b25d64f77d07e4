// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Loading and storing sixteen lanes, with F16 and BF16 converted in registers; see lanes.h.
#pragma once

#include "core/compute/simd/kernels.h"
#include "core/compute/simd/lanetables.h"

namespace ql::simd::QL_ISA {
namespace {

// Vectors are read and written as values, never through memcpy, which would pin accumulators to the stack.
typedef float LooseF __attribute__((vector_size(kPartLanes * 4), aligned(1), may_alias));
typedef int32_t LooseI __attribute__((vector_size(kPartLanes * 4), aligned(1), may_alias));

QL_INLINE Floats load(const void* x)
{
    Floats r;
    QL_EACH r.p[k] = static_cast<const LooseF*>(x)[k];
    return r;
}
QL_INLINE Ints loadInts(const void* x)
{
    Ints r;
    QL_EACH r.p[k] = static_cast<const LooseI*>(x)[k];
    return r;
}
QL_INLINE void store(float* out, Floats x)
{
    QL_EACH reinterpret_cast<LooseF*>(out)[k] = x.p[k];
}
QL_INLINE void store(int32_t* out, Ints x)
{
    QL_EACH reinterpret_cast<LooseI*>(out)[k] = x.p[k];
}
/// Low byte of every lane.
QL_INLINE void storeBytes(uint8_t* out, Ints x)
{
#if QL_LANES_512
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm512_cvtepi32_epi8((__m512i)x.p[0]));
#else
    typedef uint8_t PartB __attribute__((vector_size(kPartLanes)));
    QL_EACH {
        const PartB bytes = __builtin_convertvector(x.p[k], PartB);
        memcpy(out + k * kPartLanes, &bytes, sizeof bytes);
    }
#endif
}

QL_INLINE Ints loadWords(const void* x)
{
#if QL_LANES_512
    return {{(PartI)_mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(x)))}};
#else
    typedef uint16_t PartW __attribute__((vector_size(kPartLanes * 2)));
    Ints r;
    QL_EACH {
        PartW words;
        memcpy(&words, static_cast<const char*>(x) + k * kPartLanes * 2, sizeof words);
        r.p[k] = __builtin_convertvector(words, PartI);
    }
    return r;
#endif
}
QL_INLINE Floats loadBf16(const void* x)
{
    return asFloats(shiftLeft<16>(loadWords(x)));
}
QL_INLINE Floats loadHalf(const void* x)
{
#if QL_LANES_512
    return {{(PartF)_mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(x)))}};
#elif QL_LANES_256
    Floats r;
    QL_EACH r.p[k] = (PartF)_mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(x) + k));
    return r;
#else
    // The multiplication moves the exponent bias and makes subnormals normal; what then exceeds 65536 was Inf or NaN.
    const Ints words = loadWords(x);
    const Floats magnitude = asFloats(shiftLeft<13>(words & splat(0x7fff))) * splat(0x1p112f);
    const Ints sign = shiftLeft<16>(words & splat(0x8000));
    Ints special;
    QL_EACH special.p[k] = magnitude.p[k] >= splat(65536.0f).p[k];
    return asFloats(bits(magnitude) | (special & splat(0x7f800000)) | sign);
#endif
}

QL_INLINE void prefetch(const void* x, int64_t bytesAhead)
{
    __builtin_prefetch(static_cast<const char*>(x) + bytesAhead);
}

/// Reads values of one element type; the loops below are compiled once per type.
template <Element kElement>
struct Reader {
    static constexpr int kBytes = kElement == Element::F32 ? 4 : 2;
    const char* data;

    QL_INLINE Floats at(int64_t i) const
    {
        const char* x = data + i * kBytes;
        if constexpr (kElement == Element::F32)
            return load(x);
        else if constexpr (kElement == Element::F16)
            return loadHalf(x);
        else
            return loadBf16(x);
    }
    QL_INLINE void prefetchAt(int64_t i, int64_t bytesAhead) const { prefetch(data + i * kBytes, bytesAhead); }
    /// While two passes go over `count` values, each fetches one half of the `count` values that follow.
    template <int kPass>
    QL_INLINE void prefetchNext(int64_t count, int64_t i) const
    {
        prefetch(data + (count + kPass * count / 2 + i / 2) * kBytes, 0);
    }
};

template <template <Element> class Loop, class... Args>
QL_INLINE auto dispatch(Source x, Args... args)
{
    const char* data = static_cast<const char*>(x.data);
    switch (x.element) {
    case Element::F16:
        return Loop<Element::F16>::run({data}, args...);
    case Element::BF16:
        return Loop<Element::BF16>::run({data}, args...);
    case Element::F32:
        break;
    }
    return Loop<Element::F32>::run({data}, args...);
}

} // namespace
} // namespace ql::simd::QL_ISA
