// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Scales of GGML blocks of 32 values, as core/quant/ggmlencode.h defines them: codes come from the unrounded scale, the
// f16 scale reconstructs.
#ifndef QL_GGML_CL
#define QL_GGML_CL
#include "limits.cl"

#if QL_LIMITS >= QL_GGML_FULL

// The finite value with the largest magnitude, with its sign; the first one on ties.
QL_INLINE float signed_largest(const global source_t* x, int n, const group_range* r)
{
    if (r->hi != -r->lo)
        return r->hi > -r->lo ? r->hi : r->lo;
    for (int i = 0; i < n; ++i) {
        const float v = load_one(x + i);
        if ((as_uint(v) & 0x7fffffffu) == r->top)
            return v;
    }
    return 0.0f;
}

#if QL_LIMITS == QL_GGML_FIT
// Sixteen candidate scales at once, one per lane: the first fit, then t = -7..7. Each lane adds the values in their
// order, as the reference does.
QL_INLINE float fitted_scale(const coder* c, const global source_t* x, int n, float largest, local double* scratch)
{
    const vf t = to_vf(QL_LANE_NUMBERS - 8);
    const vf inverse = QL_MASK(QL_LANE_NUMBERS == (vi)0) ? (vf)(1.0f / (largest / 127.0f)) : (t - 127.0f) / largest;
    vf product = 0, square = 0;
    for (int i = 0; i < n; ++i) {
        const float v = load_one(x + i);
        if (!isfinite(v))
            continue;
        const vf y = inverse * v;
        const vf q = level_value(c, nearest_level(c, QL_MASK(y != y) ? (vf)0 : y));
        const float w = v * v;
        product += w * q * v;
        square += w * q * q;
    }
    float products[16], squares[16];
    numbers_of(product, products, scratch);
    numbers_of(square, squares, scratch);
    float d = products[0] / squares[0];
    float best = d * products[0];
    for (int i = 1; i < 16; ++i) {
        if (squares[i] > 0.0f && products[i] * products[i] > best * squares[i]) {
            d = products[i] / squares[i];
            best = d * products[i];
        }
    }
    return isfinite(d) && fabs(largest) >= 1e-15f ? d : 0.0f;
}
#endif

#if QL_LIMITS == QL_GGML_MIN
// The ends of the values themselves, not the range with 0 in it.
QL_INLINE float step_and_minimum(const coder* c, const global source_t* x, int n, float* minimum, local double* scratch)
{
    vf lo = INFINITY, hi = -INFINITY;
    for (int i = 0; i < n; i += QL_LANES) {
        const vf v = load_tail(x + i, n - i);
        const vi ok = present(v, i, n);
        lo = lane_min(lo, ok ? v : (vf)INFINITY);
        hi = lane_max(hi, ok ? v : (vf)-INFINITY);
    }
    const float lowest = -fmax_lanes(-lo, scratch), highest = fmax_lanes(hi, scratch);
    const int some = lowest <= highest;
    *minimum = some ? lowest : 0.0f;
    return some ? (highest - lowest) / c->book[QL_BOOK_LAST] : 0.0f;
}
#endif

// The unrounded scale of a block.
QL_INLINE float ggml_scale(const coder* c, const global source_t* x, int n, const group_range* r, float* minimum,
                           local double* scratch)
{
#if QL_LIMITS == QL_GGML_FULL
    return signed_largest(x, n, r) / c->book[QL_BOOK_FIRST];
#elif QL_LIMITS == QL_GGML_MIN
    return step_and_minimum(c, x, n, minimum, scratch);
#elif QL_LIMITS == QL_GGML_AMAX
    return as_float(r->top) / 127.0f;
#else
    return fitted_scale(c, x, n, signed_largest(x, n, r), scratch);
#endif
}

QL_INLINE vf stored_half(vf x)
{
    return to_half_and_back(lane_min(lane_max(x, (vf)-65504.0f), (vf)65504.0f));
}

// From the unrounded scales and minima of sixteen blocks.
QL_INLINE void ggml_params(vf d, const float* codeMinimum, float* scale, float* inverse, float* minimum,
                           local double* scratch)
{
    const vf reciprocal = 1.0f / d;
    numbers_of(stored_half(d), scale, scratch);
    numbers_of(finite_mask(reciprocal) ? reciprocal : (vf)0, inverse, scratch);
    numbers_of(stored_half(lanes_of(codeMinimum)), minimum, scratch);
}

#endif
#endif
