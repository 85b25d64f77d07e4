// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Counts of equal bins. In the CPU shape every work item fills four tables of its own, so that equal neighbours do not
// wait for each other; in the GPU shape a work group shares one table. The host adds them up.
#include "shape.cl"

#ifdef QL_WIDE
#define QL_TABLES 4
#else
#define QL_TABLES 1
#endif

// Bins 0..bins-1, then: below, above, not finite, lanes past the end.
QL_INLINE vi bin_of(vf x, vi inside, float lo, float hi, float factor, int bins)
{
    const vf first = all_lanes(lo), last = all_lanes(hi), top = all_lanes((float)(bins - 1));
    // NaN becomes 0 here: converting it to a whole number is undefined.
    const vf position = lane_min(lane_max((vf)0, (x - first) * all_lanes(factor)), top);
    vi bin = to_vi(position);
    bin = QL_MASK(x < first) ? (vi)bins : bin;
    bin = QL_MASK(x > last) ? (vi)(bins + 1) : bin;
    bin = finite_mask(x) ? bin : (vi)(bins + 2);
    return inside ? bin : (vi)(bins + 3);
}

QL_INLINE void count_bins(global uint* table, vi index, int stride)
{
#ifdef QL_WIDE
    int bins[16];
    vstore16(index, 0, bins);
#pragma unroll
    for (int lane = 0; lane < 16; lane += 4) {
        ++table[bins[lane]];
        ++table[stride + bins[lane + 1]];
        ++table[2 * stride + bins[lane + 2]];
        ++table[3 * stride + bins[lane + 3]];
    }
#else
    atomic_inc(table + index);
#endif
}

// Each work group counts `perGroup` consecutive values of the `count` at x + base into tables of bins + 4 counts.
QL_KERNEL void histogram(const global source_t* x, ulong base, ulong count, ulong perGroup, float lo, float hi,
                         float factor, int bins, global uint* out)
{
    const int stride = bins + 4;
    global uint* table = out + (ulong)get_group_id(0) * QL_TABLES * stride;
    for (int i = QL_LANE; i < QL_TABLES * stride; i += (int)get_local_size(0))
        table[i] = 0;
    QL_BARRIER();
    const ulong begin = min((ulong)get_group_id(0) * perGroup, count);
    const ulong end = min(begin + perGroup, count);
    x += base;
    ulong i = begin;
    for (; i + QL_LANES <= end; i += QL_LANES) {
        fetch_ahead(x + i, 3072);
        count_bins(table, bin_of(load_lanes(x + i), (vi)-1, lo, hi, factor, bins), stride);
    }
    if (i < end) {
        const int n = (int)(end - i);
        count_bins(table, bin_of(load_tail(x + i, n), lane_mask(n), lo, hi, factor, bins), stride);
    }
}
