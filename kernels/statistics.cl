// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Range, moments and oddities of blocks of 4096 values, each block on its own, so that neither slices nor threads change
// a result. Two passes over a block while it is in the cache: the range with a rough mean, then moments around that mean.
#include "shape.cl"

#define QL_BLOCK 4096
// Doubles per block in `out`: finite, zeros, nans, infs, first non-finite, min, max, mean, m2, m3, m4.
#define QL_STATS 11

typedef struct {
    vf lo, hi, sum;
    vi zeros, nans, infs, first;
    vu top; // largest magnitude, as bits
} block_range;

QL_INLINE void range_add(block_range* r, vf v, vi present)
{
    r->lo = lane_min(r->lo, v);
    r->hi = lane_max(r->hi, v);
    r->sum += v;
    r->zeros -= QL_MASK(v == (vf)0) & present;
    r->top = max(r->top, magnitude_bits(v));
}

// The careful pass for blocks with a tail or with NaN or Inf: left-out values repeat a value that is present.
QL_INLINE void range_careful(block_range* r, const global source_t* x, int n, float filler)
{
    for (int i = 0; i < n; i += QL_LANES) {
        const vf v = load_tail(x + i, n - i);
        const vi inside = lane_mask(n - i);
        const vi finite = finite_mask(v);
        const vi odd = inside & ~finite;
        const vi isNan = QL_MASK(magnitude_bits(v) > 0x7f800000u);
        r->nans -= odd & isNan;
        r->infs -= odd & ~isNan;
        const vi index = odd ? QL_LANE_NUMBERS + i : (vi)INT_MAX;
        r->first = min(r->first, index);
        const vf clean = (inside & finite) ? v : (vf)filler;
        range_add(r, clean, inside & finite);
        r->sum -= (inside & finite) ? (vf)0 : (vf)filler;
    }
}

QL_INLINE float first_finite(const global source_t* x, int n)
{
    for (int i = 0; i < n; ++i) {
        const float v = load_one(x + i);
        if (isfinite(v))
            return v;
    }
    return 0.0f;
}

typedef struct {
    vd s1, s2, s3, s4;
} block_moments;

// Sums of powers of (x - pivot) * k. Sixteen steps in f32, then on in double: the f32 part costs less than 1e-6.
QL_INLINE void moments_add(block_moments* m, const global source_t* x, int n, float k, float scaledPivot, int careful)
{
    for (int i = 0; i < n;) {
        vf a1 = 0, a2 = 0, a3 = 0, a4 = 0;
        for (int step = 0; step < 16 && i < n; ++step, i += QL_LANES) {
            const vf v = careful ? load_tail(x + i, n - i) : load_lanes(x + i);
            vf d = fma(v, (vf)k, (vf)-scaledPivot);
            if (careful)
                d = (lane_mask(n - i) & finite_mask(v)) ? d : (vf)0;
            const vf d2 = d * d;
            a1 += d;
            a2 += d2;
            a3 = fma(d2, d, a3);
            a4 = fma(d2, d2, a4);
        }
        m->s1 += to_vd(a1);
        m->s2 += to_vd(a2);
        m->s3 += to_vd(a3);
        m->s4 += to_vd(a4);
    }
}

QL_BODY block_statistics(const global source_t* x, int n, global double* out, local double* scratch)
{
    block_range r = {(vf)INFINITY, (vf)-INFINITY, (vf)0, (vi)0, (vi)0, (vi)0, (vi)INT_MAX, (vu)0};
    int careful = QL_ALWAYS_CAREFUL || n % QL_LANES != 0;
#ifdef QL_WIDE
    if (!careful) {
        for (int i = 0; i < n; i += QL_LANES) {
            fetch_ahead(x + i, 3072);
            range_add(&r, load_lanes(x + i), (vi)-1);
        }
        careful = umax_lanes(r.top, scratch) >= 0x7f800000u;
    }
#endif
    if (careful) {
        const block_range start = {(vf)INFINITY, (vf)-INFINITY, (vf)0, (vi)0, (vi)0, (vi)0, (vi)INT_MAX, (vu)0};
        r = start;
        range_careful(&r, x, n, first_finite(x, n));
    }
    const double nans = sum_lanes(to_vd(r.nans), scratch);
    const double infs = sum_lanes(to_vd(r.infs), scratch);
    const double finite = n - nans - infs;
    const double zeros = sum_lanes(to_vd(r.zeros), scratch);
    const uint first = ~umax_lanes(~as_vu(r.first), scratch); // the lowest index
    const float k = normaliser(umax_lanes(r.top, scratch));
    const float rough = (float)(sum_lanes(to_vd(r.sum), scratch) / max(finite, 1.0));
    // A rough mean that overflowed in f32 is no use; any pivot is correct.
    const float pivot = isfinite(rough) ? rough * k : 0.0f;
    block_moments m = {(vd)0, (vd)0, (vd)0, (vd)0};
    moments_add(&m, x, n, k, pivot, careful);
    const double s1 = sum_lanes(m.s1, scratch), s2 = sum_lanes(m.s2, scratch);
    const double s3 = sum_lanes(m.s3, scratch), s4 = sum_lanes(m.s4, scratch);
    const double lo = -max_lanes(-to_vd(r.lo), scratch), hi = max_lanes(to_vd(r.hi), scratch);
    if (QL_LANE == 0) {
        const double c = max(finite, 1.0);
        const double shift = s1 / c; // from the pivot to the mean
        const double unit = 1.0 / k;
        out[0] = finite;
        out[1] = zeros;
        out[2] = nans;
        out[3] = infs;
        out[4] = first < (uint)INT_MAX ? (double)first : -1.0;
        out[5] = lo;
        out[6] = hi;
        out[7] = (pivot + shift) * unit;
        out[8] = max(s2 - s1 * shift, 0.0) * unit * unit;
        out[9] = (s3 - 3 * shift * s2 + 2 * s1 * shift * shift) * unit * unit * unit;
        out[10] = max(s4 - 4 * shift * s3 + 6 * shift * shift * s2 - 3 * s1 * shift * shift * shift, 0.0) * unit * unit *
                  unit * unit;
    }
}

// Every work group takes `blocksPerGroup` consecutive blocks of the `count` values at x + base.
QL_KERNEL void statistics(const global source_t* x, ulong base, ulong count, uint blocksPerGroup, global double* out)
{
    local double scratch[QL_LANES];
    const ulong blocks = (count + QL_BLOCK - 1) / QL_BLOCK;
    const ulong begin = (ulong)get_group_id(0) * blocksPerGroup;
    const ulong end = min(begin + blocksPerGroup, blocks);
    for (ulong b = begin; b < end; ++b) {
        const int n = (int)min((ulong)QL_BLOCK, count - b * QL_BLOCK);
        block_statistics(x + base + b * QL_BLOCK, n, out + b * QL_STATS, scratch);
    }
}
