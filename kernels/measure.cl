// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Quantize, reconstruct and compare in one go: nothing is written but sums and the occupancy of levels, one set per
// bundle of consecutive groups. Build option QL_SMALL: at most 16 levels, counted in registers.
#include "group.cl"
#include "occupancy.cl"

// Doubles per bundle in `out`: x^2, x^^2, x x^, e^2, |e|, e, max |e|, finite, clipped.
#define QL_SUMS 9

// Sums of a few hundred values in f32, kept in registers; the largest error of all.
typedef struct {
    vf xx, hh, xh, ee, ae, e, worst;
} lane_sums;
// Where they go before they lose digits; stays in memory.
typedef struct {
    vd xx, hh, xh, ee, ae, e;
} bundle_sums;

QL_INLINE void add_error(lane_sums* s, vf x, vf hat)
{
    const vf e = hat - x;
    const vf magnitude = fabs(e);
    s->xx = fma(x, x, s->xx);
    s->hh = fma(hat, hat, s->hh);
    s->xh = fma(x, hat, s->xh);
    s->ee = fma(e, e, s->ee);
    s->ae += magnitude;
    s->e += e;
    s->worst = lane_max(s->worst, magnitude);
}

QL_OUTLINE void flush(bundle_sums* b, const lane_sums* s)
{
    b->xx += to_vd(s->xx);
    b->hh += to_vd(s->hh);
    b->xh += to_vd(s->xh);
    b->ee += to_vd(s->ee);
    b->ae += to_vd(s->ae);
    b->e += to_vd(s->e);
}

// Groups with a tail, with values that are not finite, or so small or large that squares leave the range of f32.
QL_OUTLINE vi measure_careful(const coder* c, const group_params* p, const global source_t* x, int n, ulong index,
                              bundle_sums* b, vf* worst, occupancy* occ)
{
    vi finite = 0;
    for (int i = 0; i < n; i += QL_LANES) {
        const vf v = load_tail(x + i, n - i);
        const vi ok = present(v, i, n);
        vi level;
        const vf hat = encode(c, p, v, index + i, 1, &level);
        const vd clean = to_vd(ok ? v : (vf)0), cleanHat = to_vd(ok ? hat : (vf)0);
        const vd e = cleanHat - clean;
        b->xx += clean * clean;
        b->hh += cleanHat * cleanHat;
        b->xh += clean * cleanHat;
        b->ee += e * e;
        b->ae += fabs(e);
        b->e += e;
        *worst = lane_max(*worst, fabs(ok ? hat - v : (vf)0));
        finite -= ok;
        occupancy_add_some(occ, level, ok);
        occupancy_end_run(occ);
    }
    return finite;
}

// Vectors since the sums went on to double, and since the occupancy's small counters were emptied.
typedef struct {
    int sums, counters;
} unflushed;

QL_INLINE vi measure_plain(const coder* c, const group_params* p, const global source_t* x, int n, ulong index,
                           uint ahead, lane_sums* s, bundle_sums* b, occupancy* occ, unflushed* since)
{
    vi finite = 0;
    for (int run = 0; run < n; run += 8 * QL_LANES) {
        const int end = min(run + 8 * QL_LANES, n);
        const int vectors = (end - run + QL_LANES - 1) / QL_LANES;
        if (since->counters + vectors > 15) {
            occupancy_end_run(occ);
            since->counters = 0;
        }
        for (int i = run; i < end; i += QL_LANES) {
            vf v = load_group(x, i, n, QL_ALWAYS_CAREFUL);
            fetch_ahead(x + i + ahead, 0);
            vi level;
            vf hat = encode(c, p, v, index + i, QL_ALWAYS_CAREFUL, &level);
            if (QL_ALWAYS_CAREFUL) {
                const vi ok = present(v, i, n);
                v = ok ? v : (vf)0;
                hat = ok ? hat : (vf)0;
                finite -= ok;
                occupancy_add_some(occ, level, ok);
            } else {
                occupancy_add(occ, level);
            }
            add_error(s, v, hat);
        }
        since->sums += vectors;
        since->counters += vectors;
        if (since->sums >= 16) {
            const lane_sums full = *s;
            const lane_sums none = {(vf)0, (vf)0, (vf)0, (vf)0, (vf)0, (vf)0, full.worst};
            flush(b, &full);
            *s = none;
            since->sums = 0;
        }
    }
    return finite;
}

QL_OUTLINE vi count_clipped(const coder* c, const group_params* p, const global source_t* x, int n, int careful)
{
    vi clipped = 0;
    for (int i = 0; i < n; i += QL_LANES) {
        const vf v = load_group(x, i, n, careful);
        const vf y = (v - p->codeMinimum) * p->inverse + p->zero;
        const vi out = QL_MASK(y < (vf)c->book[QL_BOOK_CLIP_LO]) | QL_MASK(y > (vf)c->book[QL_BOOK_CLIP_HI]);
        clipped -= out & (careful ? present(v, i, n) : (vi)-1);
    }
    return clipped;
}

QL_BODY measure_body(const global source_t* x, ulong base, ulong firstValue, ulong origin, ulong firstGroup,
                     ulong groups, uint perBundle, ulong groupsPerRow, ulong cols, uint groupSize, int flags, uint key1,
                     uint key2, constant float* book, const global float* blockScales, uint levels, global double* out,
                     global uint* counts, ulong bundle, local double* scratch, QL_OCCUPANCY_TABLE)
{
    const group_layout layout = {origin, groupsPerRow, cols, groupSize};
    const coder c = make_coder(book, key1, key2);
    const coder rareCoder = make_coder(book, key1, key2);
    bundle_sums b = {(vd)0, (vd)0, (vd)0, (vd)0, (vd)0, (vd)0};
    lane_sums s = {(vf)0, (vf)0, (vf)0, (vf)0, (vf)0, (vf)0, (vf)0};
    occupancy occ = occupancy_start(QL_OCCUPANCY_ARGUMENT);
    ulong whole = 0; // values of groups that were finite throughout
    vi odd = 0;      // finite values of other groups
    vi clipped = 0;
    unflushed since = {0, 0};
    const ulong begin = bundle * perBundle;
    const ulong end = min(begin + perBundle, groups);
    for (ulong first = begin; first < end;) {
        const uint count = batch_size(groupSize, end - first);
        const ulong start = group_start(&layout, firstGroup + first);
        const global source_t* values = x + base + (start - firstValue);
        group_batch batch;
        choose_params(&rareCoder, flags, &layout, firstGroup + first, count, values, blockScales, &batch, scratch);
        for (uint k = 0; k < count; ++k) {
            const uint offset = batch.offset[k];
            const int n = batch.count[k];
            const group_params p = batch_params(&c, &batch, k);
            const uint top = batch.top[k];
            // 2^-30 to 2^60, or all zero.
            const int tame = top == 0u || (top >= 0x30800000u && top <= 0x5d800000u);
            if (QL_ALWAYS_CAREFUL ? tame : tame & !batch.careful[k]) {
                odd +=
                    measure_plain(&c, &p, values + offset, n, start + offset, count * groupSize, &s, &b, &occ, &since);
                whole += QL_ALWAYS_CAREFUL ? 0 : n;
            } else {
                const group_params rareParams = p;
                vf rareWorst = s.worst;
                occupancy rareLevels = occ;
                occupancy_end_run(&rareLevels);
                odd += measure_careful(&rareCoder, &rareParams, values + offset, n, start + offset, &b, &rareWorst,
                                       &rareLevels);
                s.worst = rareWorst;
                occ = rareLevels;
            }
            if (batch.clips[k] != 0.0f) {
                const group_params rareParams = p;
                clipped += count_clipped(&rareCoder, &rareParams, values + offset, n, batch.careful[k]);
            }
        }
        first += count;
    }
    occupancy_end_run(&occ);
    const lane_sums rest = s;
    flush(&b, &rest);
    global double* to = out + bundle * QL_SUMS;
    const double sums[QL_SUMS] = {sum_lanes(b.xx, scratch),          sum_lanes(b.hh, scratch),
                                  sum_lanes(b.xh, scratch),          sum_lanes(b.ee, scratch),
                                  sum_lanes(b.ae, scratch),          sum_lanes(b.e, scratch),
                                  fmax_lanes(s.worst, scratch),      whole + sum_lanes(to_vd(odd), scratch),
                                  sum_lanes(to_vd(clipped), scratch)};
    if (QL_LANE == 0) {
        for (int i = 0; i < QL_SUMS; ++i)
            to[i] = sums[i];
    }
    occupancy_write(&occ, levels, counts + bundle * levels);
}

// x holds the values from flat index `firstValue` on, at x + base, in whole groups from `firstGroup` on; every work
// group takes `perBundle` of the `groups`. `blockScales`: of the whole tensor, for double quantization.
QL_KERNEL void measure(const global source_t* x, ulong base, ulong firstValue, ulong origin, ulong firstGroup,
                       ulong groups, uint perBundle, ulong groupsPerRow, ulong cols, uint groupSize, int flags,
                       uint key1, uint key2, constant float* book, const global float* blockScales, uint levels,
                       global double* out, global uint* counts)
{
    local double scratch[QL_LANES];
    QL_OCCUPANCY_STORAGE
    measure_body(x, base, firstValue, origin, firstGroup, groups, perBundle, groupsPerRow, cols, groupSize, flags, key1,
                 key2, book, blockScales, levels, out, counts, get_group_id(0), scratch, QL_OCCUPANCY_ARGUMENT);
}
