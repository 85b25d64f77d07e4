// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Squared error at every clip ratio 64/64 .. 1/64 in one pass: a group stays in the cache while all candidates look at
// it. Build option QL_LIMITS stays QL_RANGE: the scheme's own clip method plays no part.
#include "group.cl"

QL_BODY sweep_body(const global source_t* x, ulong base, ulong firstValue, ulong origin, ulong firstGroup, ulong groups,
                   uint perBundle, ulong groupsPerRow, ulong cols, uint groupSize, int flags, constant float* book,
                   global double* out, ulong bundle, local double* scratch)
{
    const group_layout layout = {origin, groupsPerRow, cols, groupSize};
    const coder c = make_coder(book, 0, 0);
    double sums[QL_RATIOS];
    for (int k = 0; k < QL_RATIOS; ++k)
        sums[k] = 0;
    ulong whole = 0;
    vi finite = 0;
    const ulong begin = bundle * perBundle;
    const ulong end = min(begin + perBundle, groups);
    for (ulong g = begin; g < end; ++g) {
        const int n = group_count(&layout, firstGroup + g);
        const global source_t* values = x + base + (group_start(&layout, firstGroup + g) - firstValue);
        const group_range r = find_range(values, n, QL_BOTH_ENDS(flags), scratch);
        const float lo = flags & QL_WHOLE_TENSOR ? book[QL_BOOK_LO] : r.lo;
        const float hi = flags & QL_WHOLE_TENSOR ? book[QL_BOOK_HI] : r.hi;
        float errors[QL_RATIOS];
        sweep_group(&c, flags, values, n, r.careful, lo, hi, errors, scratch);
        for (int k = 0; k < QL_RATIOS; ++k)
            sums[k] += errors[k];
        finite += r.careful ? count_finite(values, n) : (vi)0;
        whole += r.careful ? 0 : n;
    }
    const double all = whole + sum_lanes(to_vd(finite), scratch);
    if (QL_LANE == 0) {
        global double* to = out + bundle * (QL_RATIOS + 1);
        for (int k = 0; k < QL_RATIOS; ++k)
            to[k] = sums[k];
        to[QL_RATIOS] = all;
    }
}

// Arguments as in measure.cl; `out` gets QL_RATIOS sums and the number of finite values per bundle.
QL_KERNEL void sweep(const global source_t* x, ulong base, ulong firstValue, ulong origin, ulong firstGroup,
                     ulong groups, uint perBundle, ulong groupsPerRow, ulong cols, uint groupSize, int flags,
                     constant float* book, global double* out)
{
    local double scratch[QL_LANES];
    sweep_body(x, base, firstValue, origin, firstGroup, groups, perBundle, groupsPerRow, cols, groupSize, flags, book,
               out, get_group_id(0), scratch);
}
