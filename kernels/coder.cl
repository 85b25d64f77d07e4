// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// How a value becomes a level and a level a value, for every kind of grid; the definitions are those of
// core/quant/groupquant.h and ggmlencode.h. Build options: QL_CODE, one of the kinds below; QL_STOCHASTIC.
#ifndef QL_CODER_CL
#define QL_CODER_CL
#include "shape.cl"

#define QL_UNIFORM 0  // whole numbers between two bounds, half to even
#define QL_TABLE 1    // at most 16 levels between ascending thresholds
#define QL_E4M3 2     // 8-bit floats
#define QL_E5M2 3
#define QL_TRUNCATE 4 // ggml: whole numbers by adding a half and truncating
#define QL_AWAY 5     // ggml Q8_0: half away from zero
#ifndef QL_CODE
#define QL_CODE QL_UNIFORM
#endif

// The `book` argument of kernels: what the host takes from core's Codebook.
#define QL_BOOK_THRESHOLDS 0 // 16, missing ones +Inf
#define QL_BOOK_VALUES 16    // 16
#define QL_BOOK_FIRST 32     // lowest and highest level of whole-number grids
#define QL_BOOK_LAST 33
#define QL_BOOK_CLIP_LO 34
#define QL_BOOK_CLIP_HI 35
#define QL_BOOK_MAX 36
#define QL_BOOK_GLOBAL 37    // per-tensor factor of E4M3 scales
#define QL_BOOK_RATIO 38     // share of a group's range that is kept
#define QL_BOOK_ABSOLUTE 39  // limit in weight units
#define QL_BOOK_SCALE 41     // per-tensor schemes: the parameters of the one group
#define QL_BOOK_INVERSE 42
#define QL_BOOK_ZERO 43
#define QL_BOOK_TOP_LEVEL 44 // number of levels less one
#define QL_BOOK_LO 45        // range of the whole tensor, for sweeps of per-tensor schemes
#define QL_BOOK_HI 46
#define QL_BOOK_OFFSET 47    // double quantization: mean of all scales, 255 decision limits, 256 values
#define QL_BOOK_DYNAMIC_LIMITS 48
#define QL_BOOK_DYNAMIC_VALUES 303
#define QL_BOOK_SIGMAS 559    // three parts that add up to the double
#define QL_BOOK_SIZE 562

// Of one group. The host sees scale, zero, minimum and scaleCode.
typedef struct {
    float scale, inverse, zero, minimum;
    float codeMinimum;     // subtracted before coding; ggml
    float lowest, highest; // bounds of whole-number grids with the zero point taken off
    float base;            // value of level 0 of a truncating grid
    float scaleCode;       // double quantization
} group_params;
#define QL_PARAMS 4

typedef struct {
    constant float* book;
    uint key1, key2; // of stochastic rounding
#if QL_CODE == QL_TABLE && defined(QL_WIDE)
    float16 limits, limits1, limits3, values; // thresholds from 0, 1 and 3 on
#endif
} coder;

QL_INLINE coder make_coder(constant float* book, uint key1, uint key2)
{
    coder c;
    c.book = book;
    c.key1 = key1;
    c.key2 = key2;
#if QL_CODE == QL_TABLE && defined(QL_WIDE)
    c.limits = vload16(0, book + QL_BOOK_THRESHOLDS);
    c.limits1 = vload16(0, book + QL_BOOK_THRESHOLDS + 1);
    c.limits3 = vload16(0, book + QL_BOOK_THRESHOLDS + 3);
    c.values = vload16(0, book + QL_BOOK_VALUES);
#endif
    return c;
}

#ifdef QL_WIDE
// table[index]; the built-in shuffle is a loop over lanes on CPUs, so the instruction is asked for where it exists.
QL_INLINE float16 look_up(float16 table, int16 index)
{
#if defined(__AVX512F__) && defined(__clang__)
    return as_float16(__builtin_ia32_permvarsf512(table, index));
#else
    float entries[16];
    vstore16(table, 0, entries);
    int which[16];
    vstore16(index & 15, 0, which);
    float found[16];
    for (int lane = 0; lane < 16; ++lane)
        found[lane] = entries[which[lane]];
    return vload16(0, found);
#endif
}
#endif

#if QL_CODE == QL_TABLE
// The number of thresholds below y.
QL_INLINE vi nearest_level(const coder* c, vf y)
{
#ifdef QL_WIDE
    vi level = c->limits.s7 < y ? (vi)8 : (vi)0;
    level += look_up(c->limits3, level) < y ? (vi)4 : (vi)0;
    level += look_up(c->limits1, level) < y ? (vi)2 : (vi)0;
    level += look_up(c->limits, level) < y ? (vi)1 : (vi)0;
    return level;
#else
    int level = 0;
    for (int i = 0; i < 15; ++i)
        level += c->book[QL_BOOK_THRESHOLDS + i] < y;
    return level;
#endif
}
QL_INLINE vf level_value(const coder* c, vi level)
{
#ifdef QL_WIDE
    return look_up(c->values, level);
#else
    return c->book[QL_BOOK_VALUES + level];
#endif
}

#elif QL_CODE == QL_E4M3 || QL_CODE == QL_E5M2
#if QL_CODE == QL_E4M3
#define QL_DROPPED 20          // fraction bits of f32 that the format lacks
#define QL_LARGEST 448.0f
#define QL_SMALLEST 0x1p-6f    // normal number; below, steps are equal
#define QL_STEP_MAKER 0x1p14f  // adding it rounds to those steps
#define QL_STEPS 0x1p9f        // of them in 1
#define QL_BIAS_BITS (120 << 3)
#define QL_TOP_CODE 126
#else
#define QL_DROPPED 21
#define QL_LARGEST 57344.0f
#define QL_SMALLEST 0x1p-14f
#define QL_STEP_MAKER 0x1p7f
#define QL_STEPS 0x1p16f
#define QL_BIAS_BITS (112 << 2)
#define QL_TOP_CODE 123
#endif
// Rounds |y| to the format, half to even, and counts levels from the most negative one.
QL_INLINE vi nearest_level(const coder* c, vf y)
{
    const vf magnitude = lane_min(fabs(y), (vf)QL_LARGEST);
    const vu bits = as_vu(magnitude);
    const vu rounded = (bits + ((1u << (QL_DROPPED - 1)) - 1) + ((bits >> QL_DROPPED) & 1u)) >> QL_DROPPED;
    const vi normal = as_vi(rounded) - QL_BIAS_BITS;
    const vi small = to_vi(((magnitude + QL_STEP_MAKER) - QL_STEP_MAKER) * QL_STEPS);
    const vi code = QL_MASK(magnitude < (vf)QL_SMALLEST) ? small : normal;
    return QL_MASK(y < (vf)0) ? QL_TOP_CODE - code : QL_TOP_CODE + code;
}
QL_INLINE vf level_value(const coder* c, vi level)
{
    const vi offset = level - QL_TOP_CODE;
    const vi code = as_vi(abs(offset));
    const vf normal = as_vf((code + QL_BIAS_BITS) << QL_DROPPED);
    const vf small = to_vf(code) * (1.0f / QL_STEPS);
    const vf magnitude = QL_MASK(code < (vi)(1 << (23 - QL_DROPPED))) ? small : normal;
    return QL_MASK(offset < (vi)0) ? -magnitude : magnitude;
}
#endif

// Uniform in [0, 1), as core/quant/stochastic.h defines it, for the values from `index` on.
QL_INLINE vu mix32(vu x)
{
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    x ^= x >> 16;
    return x;
}
QL_INLINE vf stochastic_uniform(const coder* c, ulong index)
{
    const uint low = (uint)index;
    const vu lanes = as_vu((vi)QL_LANE_NUMBERS) + low;
    const vu carry = as_vu(QL_MASK(lanes < (vu)low)) & 1u;
    const vu high = ((vu)(uint)(index >> 32) + carry) * 0x9e3779b9u;
    const vu hash = mix32(mix32(lanes ^ c->key1) + c->key2 + high);
    return to_vf(hash >> 8) * 0x1p-24f;
}

// Drivers for CPUs make long code of rint, floor and round. Adding 1.5 * 2^23 rounds |x| < 2^22 half to even, and the sum's
// low bits are the whole number.
#define QL_ROUNDER 12582912.0f
QL_INLINE vf round_even(vf x)
{
    return (x + QL_ROUNDER) - QL_ROUNDER;
}
QL_INLINE vf round_down(vf x)
{
    const vf whole = to_vf(to_vi(x));
    return whole - (QL_MASK(whole > x) ? (vf)1 : (vf)0);
}
QL_INLINE vf round_away(vf x)
{
    const vf whole = to_vf(to_vi(x));
    const vf rest = x - whole;
    return whole + (QL_MASK(rest >= (vf)0.5f) ? (vf)1 : (vf)0) - (QL_MASK(rest <= (vf)-0.5f) ? (vf)1 : (vf)0);
}

// Levels of values, to nearest, and what they reconstruct to. `careful`: there may be NaN.
QL_INLINE vf encode_nearest(const coder* c, const group_params* p, vf x, int careful, vi* level)
{
    if (careful)
        x = QL_MASK(x != x) ? (vf)0 : x;
#if QL_CODE == QL_TRUNCATE
    x -= all_lanes(p->codeMinimum);
#endif
    vf y = x * all_lanes(p->inverse);
    if (careful)
        y = QL_MASK(y != y) ? (vf)0 : y;
#if QL_CODE == QL_TRUNCATE
    *level = to_vi(lane_min(lane_max(y + all_lanes(p->lowest), (vf)0), all_lanes(p->highest)));
    return p->scale * (to_vf(*level) + p->base) + p->minimum;
#elif QL_CODE == QL_AWAY
    const vf q = round_away(lane_min(lane_max(y, (vf)-127.0f), (vf)127.0f));
    *level = to_vi(q) + 127;
    return q * p->scale;
#elif QL_CODE == QL_UNIFORM
    const vf sum = lane_min(lane_max(y, all_lanes(p->lowest)), all_lanes(p->highest)) + QL_ROUNDER;
    *level = as_vi(sum) - (as_int(QL_ROUNDER) + (int)p->lowest);
    return (sum - QL_ROUNDER) * p->scale;
#else
    *level = nearest_level(c, y);
    return level_value(c, *level) * p->scale;
#endif
}

#ifdef QL_STOCHASTIC
// Up with the probability of the distance to the level below. `index` is the first value's flat index in the tensor.
QL_INLINE vf encode_stochastic(const coder* c, const group_params* p, vf x, ulong index, vi* level)
{
    vf y = x * p->inverse;
    y = QL_MASK(y != y) ? (vf)0 : y;
    const vf u = stochastic_uniform(c, index);
#if QL_CODE == QL_UNIFORM
    const vf bounded = lane_min(lane_max(y, (vf)-4e6f), (vf)4e6f);
    const vf below = round_down(bounded);
    const vf up = QL_MASK(u < bounded - below) ? (vf)1 : (vf)0;
    const vf q = lane_min(lane_max(below + up, (vf)p->lowest), (vf)p->highest);
    *level = to_vi(q - p->lowest);
    return q * p->scale;
#else
    // The nearest level is one of the two around y.
    const vi top = (vi)(int)c->book[QL_BOOK_TOP_LEVEL];
    const vi nearest = nearest_level(c, y);
    const vi below = nearest - (QL_MASK(level_value(c, nearest) > y) & 1);
    const vi inside = QL_MASK(below >= (vi)0) & QL_MASK(below < top);
    const vi lower = max(below, (vi)0);
    const vf value = level_value(c, lower);
    const vf step = level_value(c, min(lower + 1, top)) - value;
    *level = lower + (inside & QL_MASK(u * step < y - value) & 1);
    return level_value(c, *level) * p->scale;
#endif
}
#define encode(c, p, x, index, careful, level) encode_stochastic(c, p, x, index, level)
#else
#define encode(c, p, x, index, careful, level) encode_nearest(c, p, x, careful, level)
#endif

#endif
