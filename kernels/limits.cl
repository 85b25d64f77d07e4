// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Where groups lie, the range of one, and the steps from a range to a scale and zero point, as core/quant/groupquant.h
// defines them. Build option QL_LIMITS: the way a group's limits are chosen, one of those below.
#ifndef QL_LIMITS_CL
#define QL_LIMITS_CL
#include "coder.cl"

#define QL_RANGE 0      // the group's range times a ratio, within an absolute limit
#define QL_SIGMA 1      // a number of standard deviations around the mean
#define QL_SEARCH 2     // the ratio k/64 with the lowest squared error
#define QL_GIVEN 3      // one group for the whole tensor, parameters in the book
#define QL_GGML_FULL 4  // signed largest / -8, -16 (Q4_0, Q5_0)
#define QL_GGML_MIN 5   // minimum and step (Q4_1, Q5_1)
#define QL_GGML_AMAX 6  // largest / 127 (Q8_0)
#define QL_GGML_FIT 7   // weighted fit (IQ4_NL)
#ifndef QL_LIMITS
#define QL_LIMITS QL_RANGE
#endif

// Scheme arguments of kernels: bits of `flags`.
#define QL_ASYMMETRIC 1
#define QL_POWER_OF_TWO_SCALE 2 // MXFP4: floor(log2(limit)) - 2
#define QL_DOUBLE 4             // scales are themselves quantized to 8 bits
#define QL_WHOLE_TENSOR 8       // sweeps: one range for all groups, in the book
#define QL_SCALE_TYPE(flags) ((flags) >> 8) // as core's ScaleType

// Where the groups of the tensor lie: groups run along rows, the last one of a row may be shorter. For per-tensor schemes
// the values from `origin` on are one row, in pieces.
typedef struct {
    ulong origin, groupsPerRow, cols;
    uint groupSize;
} group_layout;

QL_INLINE ulong group_start(const group_layout* l, ulong group)
{
    return l->origin + group / l->groupsPerRow * l->cols + group % l->groupsPerRow * l->groupSize;
}
QL_INLINE int group_count(const group_layout* l, ulong group)
{
    return (int)min((ulong)l->groupSize, l->cols - group % l->groupsPerRow * l->groupSize);
}

QL_INLINE vf load_group(const global source_t* x, int i, int n, int careful)
{
    return careful ? load_tail(x + i, n - i) : load_lanes(x + i);
}
QL_INLINE vi present(vf v, int i, int n)
{
    return lane_mask(n - i) & finite_mask(v);
}

// Range of the finite values of a group, 0 included.
typedef struct {
    float lo, hi;
    uint top;    // largest finite magnitude, as bits
    int careful; // there is a tail, or a value that is not finite
} group_range;
typedef struct {
    vf lo, hi;
    vu top;
} lane_range;
QL_OUTLINE lane_range careful_range(const global source_t* x, int n)
{
    lane_range r = {(vf)0, (vf)0, (vu)0};
    for (int i = 0; i < n; i += QL_LANES) {
        const vf v = load_tail(x + i, n - i);
        const vf clean = present(v, i, n) ? v : (vf)0;
        r.lo = lane_min(r.lo, clean);
        r.hi = lane_max(r.hi, clean);
        r.top = max(r.top, magnitude_bits(clean));
    }
    return r;
}

QL_INLINE group_range find_range(const global source_t* x, int n, int bothEnds, local double* scratch)
{
    group_range r;
    lane_range l = {(vf)0, (vf)0, (vu)0};
    r.careful = QL_ALWAYS_CAREFUL || n % QL_LANES != 0;
#ifdef QL_WIDE
    if (!r.careful) {
        for (int i = 0; i < n; i += QL_LANES) {
            const vf v = load_lanes(x + i);
            l.top = max(l.top, magnitude_bits(v));
            if (bothEnds) {
                l.lo = lane_min(l.lo, v);
                l.hi = lane_max(l.hi, v);
            }
        }
        r.careful = umax_lanes(l.top, scratch) >= 0x7f800000u;
    }
#endif
    if (r.careful)
        l = careful_range(x, n);
    r.top = umax_lanes(l.top, scratch);
    r.hi = as_float(r.top);
    r.lo = -r.hi;
    if (QL_ALWAYS_CAREFUL || bothEnds) {
        r.lo = -fmax_lanes(-l.lo, scratch);
        r.hi = fmax_lanes(l.hi, scratch);
    }
    return r;
}

QL_INLINE vi count_finite(const global source_t* x, int n)
{
    vi finite = 0;
    for (int i = 0; i < n; i += QL_LANES)
        finite -= present(load_tail(x + i, n - i), i, n);
    return finite;
}

// One number per lane: sixteen groups, or sixteen candidates of one group, at once.
QL_INLINE vf to_half_and_back(vf x) // |x| <= 65504
{
    const vf magnitude = fabs(x);
    const vu bits = as_vu(magnitude);
    const vf normal = as_vf((bits + 0xfffu + ((bits >> 13) & 1u)) & 0xffffe000u);
    const vf small = (magnitude + 0.5f) - 0.5f;
    const vf rounded = QL_MASK(magnitude < (vf)0x1p-14f) ? small : normal;
    return as_vf(as_vu(rounded) | (as_vu(x) & 0x80000000u));
}
QL_INLINE vf e4m3_and_back(vf x) // x >= 0
{
    x = lane_min(x, (vf)448.0f);
    const vu bits = as_vu(x);
    const vf normal = as_vf((bits + 0x7ffffu + ((bits >> 20) & 1u)) & 0xfff00000u);
    return QL_MASK(x < (vf)0x1p-6f) ? (x + 0x1p14f) - 0x1p14f : normal;
}
QL_INLINE vf power_of_two_above(vf x) // x > 0
{
    const vu bits = as_vu(x);
    const vu normal = min((bits + 0x7fffffu) & 0x7f800000u, (vu)0x7f000000u);
    const vu small = QL_MASK(bits <= (vu)0x00400000u) ? (vu)0x00400000u : (vu)0x00800000u;
    return as_vf(QL_MASK(bits < (vu)0x00800000u) ? small : normal);
}

QL_INLINE vf round_scale(vf s, int type, float factor)
{
    vf r = s;
    if (type == 1) {
        r = to_half_and_back(lane_min(s, (vf)65504.0f));
    } else if (type == 2) {
        const vu bits = as_vu(lane_min(s, (vf)as_float(0x7f7f0000u)));
        r = as_vf((bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u);
    } else if (type == 3) {
        r = power_of_two_above(s);
    } else if (type == 4) {
        r = e4m3_and_back(s / all_lanes(factor)) * all_lanes(factor);
    }
    return QL_MASK(s > (vf)0) ? r : (vf)0;
}

QL_INLINE vf scale_for(constant float* book, int flags, vf lo, vf hi)
{
    return (flags & QL_ASYMMETRIC ? hi - lo : lane_max(-lo, hi)) / all_lanes(book[QL_BOOK_MAX]);
}

typedef struct {
    vf scale, inverse, zero;
} lane_params;

QL_INLINE lane_params from_scale(constant float* book, int flags, vf scale, vf lo)
{
    const vf inverse = 1.0f / scale;
    const vi usable = QL_MASK(scale != (vf)0) & finite_mask(scale) & finite_mask(inverse);
    const vf zero = round_even(lane_min(lane_max(-lo * inverse, (vf)-4e6f), (vf)4e6f));
    const vf bounded = lane_min(lane_max(zero, (vf)book[QL_BOOK_FIRST]), (vf)book[QL_BOOK_LAST]);
    lane_params p;
    p.scale = usable ? scale : (vf)0;
    p.inverse = usable ? inverse : (vf)0;
    p.zero = flags & QL_ASYMMETRIC ? (usable ? bounded : (vf)0) : (vf)0;
    return p;
}

QL_INLINE vf rounded_scale(constant float* book, int flags, vf lo, vf hi)
{
    if (flags & QL_POWER_OF_TWO_SCALE) {
        const vi exponent = as_vi(magnitude_bits(lane_max(-lo, hi)) >> 23) - 2;
        return as_vf(QL_MASK(exponent <= (vi)0) ? (vi)0x00400000 : exponent << 23);
    }
    return round_scale(scale_for(book, flags, lo, hi), QL_SCALE_TYPE(flags), book[QL_BOOK_GLOBAL]);
}

// Double quantization as core/quant/doublequant.h defines it: the code of a scale, and what that code stands for.
QL_INLINE int dynamic_code(constant float* book, float scale, float blockScale)
{
    const float inverse = 1.0f / blockScale;
    const float y = (scale - book[QL_BOOK_OFFSET]) * (isfinite(inverse) ? inverse : 0.0f);
    int code = 0;
    for (int step = 128; step > 0; step >>= 1)
        code += book[QL_BOOK_DYNAMIC_LIMITS + code + step - 1] < y ? step : 0;
    return code;
}
QL_INLINE float dynamic_scale(constant float* book, int code, float blockScale)
{
    return book[QL_BOOK_DYNAMIC_VALUES + code] * blockScale + book[QL_BOOK_OFFSET];
}

#endif
