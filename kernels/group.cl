// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The parameters of up to sixteen groups at a time: the range of each, its limits by the clip method, then scales and
// zero points of all of them as lanes, as core/quant/groupquant.h and cliplimits.h define them.
#ifndef QL_GROUP_CL
#define QL_GROUP_CL
#include "ggml.cl"

#define QL_BATCH 16

typedef struct {
    uint offset[QL_BATCH]; // of the first value, from the batch's first
    int count[QL_BATCH];   // values
    float rangeLo[QL_BATCH], rangeHi[QL_BATCH];
    uint top[QL_BATCH];
    int careful[QL_BATCH];
    float scale[QL_BATCH], inverse[QL_BATCH], zero[QL_BATCH], scaleCode[QL_BATCH];
    float minimum[QL_BATCH], codeMinimum[QL_BATCH]; // ggml
    float clips[QL_BATCH]; // not 0: some value may lie outside the levels
} group_batch;

// Groups that fit the first-level cache, so that the second look at them costs nothing.
QL_INLINE uint batch_size(uint groupSize, ulong left)
{
    return (uint)min((ulong)clamp(4096u / groupSize, 1u, (uint)QL_BATCH), left);
}

// Whether find_range has to look for both ends.
#define QL_BOTH_ENDS(flags) (((flags) & QL_ASYMMETRIC) || QL_LIMITS == QL_SIGMA || QL_LIMITS >= QL_GGML_FULL)

QL_INLINE group_params params_of(const coder* c, float scale, float inverse, float zero)
{
    group_params p = {scale, inverse, zero, 0, 0, 0, 0, 0, 0};
    p.lowest = c->book[QL_BOOK_FIRST] - zero;
    p.highest = c->book[QL_BOOK_LAST] - zero;
#if QL_CODE == QL_TRUNCATE
    p.base = c->book[QL_BOOK_FIRST];
    p.lowest = 0.5f - p.base;
    p.highest = c->book[QL_BOOK_LAST] - p.base;
#endif
    return p;
}

QL_INLINE group_params batch_params(const coder* c, const group_batch* b, uint k)
{
    group_params p = params_of(c, b->scale[k], b->inverse[k], b->zero[k]);
    p.minimum = b->minimum[k];
    p.codeMinimum = b->codeMinimum[k];
    p.scaleCode = b->scaleCode[k];
    return p;
}

// Sum of squared errors of the finite values in 16 lanes; the clip search and the clip sweep compare these.
QL_INLINE float squared_error(const coder* c, const group_params* p, const global source_t* x, int n, int careful,
                              local double* scratch)
{
    vf sums = 0;
    vi level;
    if (careful) {
        for (int i = 0; i < n; i += QL_LANES) {
            const vf v = load_tail(x + i, n - i);
            const vf e = v - encode_nearest(c, p, v, 1, &level);
            sums += present(v, i, n) ? e * e : (vf)0;
        }
    } else {
        for (int i = 0; i < n; i += QL_LANES) {
            const vf v = load_lanes(x + i);
            const vf e = v - encode_nearest(c, p, v, 0, &level);
            sums += e * e;
        }
    }
    return fsum_lanes(sums, scratch);
}

#define QL_RATIOS 64

// Errors of a group at the ratios 64/64 .. 1/64 of its range.
QL_INLINE void sweep_group(const coder* c, int flags, const global source_t* x, int n, int careful, float lo, float hi,
                           float* errors, local double* scratch)
{
    for (int first = 0; first < QL_RATIOS; first += 16) {
        const vf ratio = to_vf(QL_RATIOS - first - QL_LANE_NUMBERS) * (1.0f / QL_RATIOS);
        const vf los = lo * ratio, his = hi * ratio;
        const lane_params lanes = from_scale(c->book, flags, rounded_scale(c->book, flags, los, his), los);
        float scale[16], inverse[16], zero[16];
        numbers_of(lanes.scale, scale, scratch);
        numbers_of(lanes.inverse, inverse, scratch);
        numbers_of(lanes.zero, zero, scratch);
        for (int k = 0; k < 16; ++k) {
            const group_params p = params_of(c, scale[k], inverse[k], zero[k]);
            errors[first + k] = squared_error(c, &p, x, n, careful, scratch);
        }
    }
}

#if QL_LIMITS == QL_SIGMA
QL_INLINE void sigma_limits(constant float* book, const global source_t* x, int n, float* lo, float* hi)
{
    // In the order of the values, as the reference adds them.
    double sum = 0, square = 0;
    int count = 0;
    for (int i = 0; i < n; ++i) {
        const float v = load_one(x + i);
        if (isfinite(v)) {
            ++count;
            sum += (double)v;
            square += (double)v * (double)v;
        }
    }
    const double mean = count ? sum / count : 0.0;
    const double sigmas =
        (double)book[QL_BOOK_SIGMAS] + (double)book[QL_BOOK_SIGMAS + 1] + (double)book[QL_BOOK_SIGMAS + 2];
    const double reach = sigmas * sqrt(max(0.0, (count ? square / count : 0.0) - mean * mean));
    *lo = (float)clamp(mean - reach, (double)*lo, 0.0);
    *hi = (float)clamp(mean + reach, 0.0, (double)*hi);
}
#endif

// Limits of one group by the clip method, from its range.
QL_INLINE void find_limits(const coder* c, int flags, const global source_t* x, int n, int careful, float* lo, float* hi,
                           local double* scratch)
{
#if QL_LIMITS == QL_SIGMA
    sigma_limits(c->book, x, n, lo, hi);
#elif QL_LIMITS == QL_SEARCH
    float errors[QL_RATIOS];
    sweep_group(c, flags, x, n, careful, *lo, *hi, errors, scratch);
    float lowest = INFINITY, kept = 1;
    for (int k = 0; k < QL_RATIOS; ++k) {
        kept = errors[k] < lowest ? (QL_RATIOS - k) / (float)QL_RATIOS : kept;
        lowest = errors[k] < lowest ? errors[k] : lowest;
    }
    *lo *= kept;
    *hi *= kept;
#else
    *lo = max(*lo * c->book[QL_BOOK_RATIO], -c->book[QL_BOOK_ABSOLUTE]);
    *hi = min(*hi * c->book[QL_BOOK_RATIO], c->book[QL_BOOK_ABSOLUTE]);
#endif
}

QL_INLINE void note_clipping(const coder* c, group_batch* b, local double* scratch)
{
    // Every step is monotonic, so the outermost values decide.
    const vf from = lanes_of(b->codeMinimum), inverse = lanes_of(b->inverse), zero = lanes_of(b->zero);
    const vf y1 = (lanes_of(b->rangeLo) - from) * inverse + zero;
    const vf y2 = (lanes_of(b->rangeHi) - from) * inverse + zero;
    const vi out = QL_MASK(lane_min(y1, y2) < (vf)c->book[QL_BOOK_CLIP_LO]) |
                   QL_MASK(lane_max(y1, y2) > (vf)c->book[QL_BOOK_CLIP_HI]);
    numbers_of(out ? (vf)1 : (vf)0, b->clips, scratch);
}

// Parameters of the groups `group` .. `group` + count - 1, whose values begin at x. `blockScales` as in measure.cl.
QL_INLINE void choose_params(const coder* c, int flags, const group_layout* layout, ulong group, uint count,
                             const global source_t* x, const global float* blockScales, group_batch* b,
                             local double* scratch)
{
    float lo[QL_BATCH], hi[QL_BATCH];
    ulong column = group % layout->groupsPerRow;
    uint offset = 0;
    for (uint k = 0; k < QL_BATCH; ++k)
        lo[k] = hi[k] = b->rangeLo[k] = b->rangeHi[k] = b->minimum[k] = b->codeMinimum[k] = b->scaleCode[k] = 0;
    for (uint k = 0; k < count; ++k) {
        const int n = (int)min((ulong)layout->groupSize, layout->cols - column * layout->groupSize);
        const global source_t* values = x + offset;
        b->offset[k] = offset;
        b->count[k] = n;
        offset += n;
        column = column + 1 == layout->groupsPerRow ? 0 : column + 1;
        const group_range r = find_range(values, n, QL_BOTH_ENDS(flags), scratch);
        b->top[k] = r.top;
        b->careful[k] = r.careful;
        lo[k] = b->rangeLo[k] = r.lo;
        hi[k] = b->rangeHi[k] = r.hi;
#if QL_LIMITS >= QL_GGML_FULL
        lo[k] = ggml_scale(c, values, n, &r, &b->codeMinimum[k], scratch);
#elif QL_LIMITS != QL_GIVEN
        find_limits(c, flags, values, n, r.careful, &lo[k], &hi[k], scratch);
#endif
    }
#if QL_LIMITS == QL_GIVEN
    for (uint k = 0; k < QL_BATCH; ++k) {
        b->scale[k] = c->book[QL_BOOK_SCALE];
        b->inverse[k] = c->book[QL_BOOK_INVERSE];
        b->zero[k] = c->book[QL_BOOK_ZERO];
    }
#elif QL_LIMITS >= QL_GGML_FULL
    ggml_params(lanes_of(lo), b->codeMinimum, b->scale, b->inverse, b->minimum, scratch);
    for (uint k = 0; k < QL_BATCH; ++k)
        b->zero[k] = 0;
#else
    vf scale = rounded_scale(c->book, flags, lanes_of(lo), lanes_of(hi));
    numbers_of(from_scale(c->book, flags, scale, lanes_of(lo)).scale, b->scale, scratch);
    if (flags & QL_DOUBLE) {
        for (uint k = 0; k < count; ++k) {
            const float blockScale = blockScales[(group + k) / 256];
            const int code = dynamic_code(c->book, b->scale[k], blockScale);
            b->scaleCode[k] = code;
            b->scale[k] = dynamic_scale(c->book, code, blockScale);
        }
        scale = lanes_of(b->scale);
    }
    const lane_params p = from_scale(c->book, flags, scale, lanes_of(lo));
    numbers_of(p.scale, b->scale, scratch);
    numbers_of(p.inverse, b->inverse, scratch);
    numbers_of(p.zero, b->zero, scratch);
#endif
    note_clipping(c, b, scratch);
}

#endif
