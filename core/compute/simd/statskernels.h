// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Kernels that read values once and keep statistics: sum, moments, histogram; see lanes.h.
#pragma once

#include "core/compute/simd/lanesums.h"

namespace ql::simd::QL_ISA {
namespace {

constexpr int64_t kAhead = 4096; ///< bytes that streaming loops prefetch ahead
constexpr int32_t kInfinityBits = 0x7f800000;

double sum(const float* x, int64_t count)
{
    LaneSums total;
    for (int64_t i = 0; i < count;) {
        Floats a = splat(0.0f);
        Floats b = a;
        Floats c = a;
        Floats d = a;
        const int64_t end = i + 128 * kLanes < count ? i + 128 * kLanes : count;
        for (; i + 4 * kLanes <= end; i += 4 * kLanes) {
            for (int line = 0; line < 4; ++line)
                prefetch(x + i + line * kLanes, kAhead);
            a = a + load(x + i);
            b = b + load(x + i + kLanes);
            c = c + load(x + i + 2 * kLanes);
            d = d + load(x + i + 3 * kLanes);
        }
        for (; i < end; i += kLanes)
            a = a + load(x + i);
        total.add((a + b) + (c + d));
    }
    return total.total();
}

template <Element kElement>
struct Moments {
    static void run(Reader<kElement> x, int64_t count, BlockMoments* out)
    {
        Floats lo = x.at(0);
        Floats hi = lo;
        Floats sum = splat(0.0f);
        Ints zeros = splat(0);
        Ints largest = splat(0);
        for (int64_t i = 0; i < count; i += kLanes) {
            const Floats v = x.at(i);
            x.template prefetchNext<0>(count, i);
            lo = min(lo, v);
            hi = max(hi, v);
            largest = max(largest, bits(abs(v)));
            zeros = plusOneWhereZero(zeros, v);
            sum = sum + v;
        }
        out->finite = maxLane(largest) < kInfinityBits;
        out->lo = minLane(lo);
        out->hi = maxLane(hi);
        out->zeros = sumLanes(zeros);
        out->shift = float(totalOf(sum) / double(count));
        const Floats shift = splat(out->shift);
        Floats s1 = splat(0.0f);
        Floats s2 = s1;
        Floats s3 = s1;
        Floats s4 = s1;
        for (int64_t i = 0; i < count; i += kLanes) {
            x.template prefetchNext<1>(count, i);
            const Floats d = x.at(i) - shift;
            const Floats d2 = d * d;
            s1 = s1 + d;
            s2 = s2 + d2;
            s3 = s3 + d2 * d;
            s4 = s4 + d2 * d2;
        }
        out->s1 = totalOf(s1);
        out->s2 = totalOf(s2);
        out->s3 = totalOf(s3);
        out->s4 = totalOf(s4);
    }
};

void moments(Source x, int64_t count, BlockMoments* out)
{
    dispatch<Moments>(x, count, out);
}

template <Element kElement>
struct Binning {
    static void run(Reader<kElement> x, int64_t count, const BinRange& range, uint32_t* tables, OutsideCounts* outside)
    {
        const Floats lo = splat(range.lo);
        const Floats hi = splat(range.hi);
        const Floats perUnit = splat(range.perUnit);
        const Floats last = splat(float(range.bins - 1));
        for (int64_t i = 0; i < count; i += kLanes) {
            const Floats v = x.at(i);
            x.prefetchAt(i, kAhead);
            int32_t bin[kLanes];
            store(bin, truncate(min((v - lo) * perUnit, last)));
            if (allInside(v, lo, hi)) [[likely]] {
                _Pragma("GCC unroll 16") for (int lane = 0; lane < kLanes; ++lane)
                    ++tables[(lane % kHistogramTables) * range.bins + bin[lane]];
            } else {
                countSome(v, bin, range, tables, outside);
            }
        }
    }
    /// One vector with values outside the range.
    static __attribute__((noinline)) void countSome(Floats v, const int32_t* bin, const BinRange& range, uint32_t* table,
                                                    OutsideCounts* outside)
    {
        float values[kLanes];
        store(values, v);
        for (int lane = 0; lane < kLanes; ++lane) {
            const float x = values[lane];
            if (x >= range.lo && x <= range.hi)
                ++table[bin[lane]];
            else if (!(__builtin_fabsf(x) < __builtin_inff()))
                ++outside->nonFinite;
            else
                ++(x < range.lo ? outside->below : outside->above);
        }
    }
};

void histogram(Source x, int64_t count, const BinRange& range, uint32_t* tables, OutsideCounts* outside)
{
    dispatch<Binning, int64_t, const BinRange&, uint32_t*, OutsideCounts*>(x, count, range, tables, outside);
}

} // namespace
} // namespace ql::simd::QL_ISA
