// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Limits to scales, sixteen groups at a time, and the error of many candidate scales on one group; see lanes.h.
// The arithmetic is that of GroupQuantizer, to the bit.
#pragma once

#include "core/compute/simd/measurekernels.h"

namespace ql::simd::QL_ISA {
namespace {

/// a where the mask lane is -1, else b.
QL_INLINE Floats select(Ints mask, Floats a, Floats b)
{
    Ints r;
    QL_EACH r.p[k] = ((PartI)a.p[k] & mask.p[k]) | ((PartI)b.p[k] & ~mask.p[k]);
    return asFloats(r);
}
QL_INLINE Ints lessThan(Floats a, Floats b)
{
    Ints r;
    QL_EACH r.p[k] = a.p[k] < b.p[k];
    return r;
}
QL_INLINE Floats divide(Floats a, Floats b)
{
    QL_EACH a.p[k] = a.p[k] / b.p[k];
    return a;
}

/// Positive values to the nearest f16 or bf16, ties to even, never beyond the largest finite one.
QL_INLINE Floats roundToHalf(Floats x)
{
    const Floats bounded = min(x, splat(65504.0f));
    const Ints b = bits(bounded);
    const Ints odd = shiftRight<13>(b) & splat(1);
    const Floats normal = asFloats((b + splat(0xfff) + odd) & splat(int32_t(~0x1fff)));
    // One half has the spacing of f16 subnormals as its last bit.
    const Floats subnormal = (bounded + splat(0.5f)) - splat(0.5f);
    return select(lessThan(bounded, splat(0x1p-14f)), subnormal, normal);
}
QL_INLINE Floats roundToBf16(Floats x)
{
    const Ints b = bits(min(x, asFloats(splat(0x7f7f0000))));
    const Ints odd = shiftRight<16>(b) & splat(1);
    return asFloats((b + splat(0x7fff) + odd) & splat(int32_t(~0xffff)));
}

QL_INLINE Floats roundSignedToHalf(Floats x)
{
    return asFloats(bits(roundToHalf(abs(x))) | (bits(x) & splat(int32_t(0x80000000u))));
}

void makeGrid(const GridRule& rule, const float* lo, const float* hi, int64_t count, const GridOutput& out)
{
    const Floats zero = splat(0.0f);
    for (int64_t i = 0; i < count; i += kLanes) {
        const Floats low = load(lo + i);
        const Floats high = load(hi + i);
        const Floats limit = rule.asymmetric ? high - low : max(zero - low, high);
        Floats scale = divide(limit, splat(rule.divisor));
        if (rule.rounding == GridRule::F16)
            scale = roundToHalf(scale);
        else if (rule.rounding == GridRule::Bf16)
            scale = roundToBf16(scale);
        const Floats inverse = divide(splat(1.0f), scale);
        // 0, Inf and NaN fail one of these.
        Ints usable = lessThan(zero, scale) & lessThan(zero, inverse);
        usable = usable & lessThan(inverse, splat(__builtin_inff())) & lessThan(scale, splat(__builtin_inff()));
        const Floats used = select(usable, inverse, zero);
        store(out.scale + i, select(usable, scale, zero));
        store(out.inverse + i, used);
        if (!out.lowest)
            continue;
        Floats steps = zero;
        if (rule.asymmetric) {
            const Floats rounder = splat(12582912.0f);
            const Floats y = min(max((zero - low) * used, zero), splat(rule.highest));
            steps = (y + rounder) - rounder;
        }
        store(out.lowest + i, splat(rule.lowest) - steps);
        store(out.highest + i, splat(rule.highest) - steps);
    }
}

/// Lane sums of four vectors, each added at distances 8, 4, 2 and 1.
QL_INLINE void sumFour(const Floats (&sums)[4], float* out)
{
#if QL_LANES_512
    // Neighbours share a register as soon as each needs only half of it.
    const auto halves = [](PartF a, PartF b) {
        return __builtin_shuffle(a, b, PartI{0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23}) +
               __builtin_shuffle(a, b, PartI{8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31});
    };
    const PartF ab = halves(sums[0].p[0], sums[1].p[0]);
    const PartF cd = halves(sums[2].p[0], sums[3].p[0]);
    PartF v = __builtin_shuffle(ab, cd, PartI{0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27}) +
              __builtin_shuffle(ab, cd, PartI{4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31});
    v += __builtin_shuffle(v, PartI{2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13});
    v += __builtin_shuffle(v, PartI{1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14});
    v = __builtin_shuffle(v, PartI{0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    _mm_storeu_ps(out, _mm512_castps512_ps128((__m512)v));
#else
    for (int j = 0; j < 4; ++j)
        out[j] = foldLanes(sums[j], PartF{}, [](PartF a, PartF b) { return a + b; });
#endif
}

/// 16 partial sums per candidate, added at distances 8, 4, 2, 1. kExact: rounded as GroupQuantizer::squaredError does.
template <bool kExact, class Coder>
QL_INLINE void sweepCandidates(const float* x, int64_t count, int candidates, Coder coder, float* errors)
{
    for (int c = 0; c < candidates; c += 4) {
        Coder coders[4] = {coder, coder, coder, coder};
        Floats sums[4] = {splat(0.0f), splat(0.0f), splat(0.0f), splat(0.0f)};
        _Pragma("GCC unroll 4") for (int j = 0; j < 4; ++j) coders[j].enter(c + j);
        for (int64_t i = 0; i < count; i += kLanes) {
            const Floats v = Coder::kMagnitudes ? abs(load(x + i)) : load(x + i);
            _Pragma("GCC unroll 4") for (int j = 0; j < 4; ++j)
            {
                const Floats level = coders[j].levelOf(v);
                const Floats e = kExact ? v - level * coders[j].scale : subtractProduct(level, coders[j].scale, v);
                sums[j] = kExact ? sums[j] + e * e : multiplyAdd(e, e, sums[j]);
            }
        }
        sumFour(sums, errors + c);
    }
}

template <class Coder>
QL_INLINE void sweepWith(const float* x, int64_t count, int candidates, const Coder& coder, bool exact, float* errors)
{
    if (exact)
        sweepCandidates<true>(x, count, candidates, coder, errors);
    else
        sweepCandidates<false>(x, count, candidates, coder, errors);
}

void sweepUniform(const float* x, int64_t count, int candidates, const GroupGrid& grid, bool exact, float* errors)
{
    // A grid that is symmetric about 0 errs alike on x and -x.
    if (grid.lowest[0] == -grid.highest[0])
        sweepWith(x, count, candidates, UniformCoder<true, true>(grid), exact, errors);
    else
        sweepWith(x, count, candidates, UniformCoder<false, true>(grid), exact, errors);
}

void sweepLookup(const float* x, int64_t count, int candidates, const GroupGrid& grid, const LookupCode& code,
                 bool exact, float* errors)
{
    if (code.folded)
        sweepWith(x, count, candidates, LookupCoder<true, true>(grid, code), exact, errors);
    else
        sweepWith(x, count, candidates, LookupCoder<false, true>(grid, code), exact, errors);
}

} // namespace
} // namespace ql::simd::QL_ISA
