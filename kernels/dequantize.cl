// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Codes back to values: scale * (level - zero) + minimum.
#include "limits.cl"

// `codes` begins with flat index `firstValue`, `params` (scale, zero, minimum) with `firstGroup`; per-tensor schemes have
// one set of parameters, `perTensor` set. `values` gives the level of each of the 256 codes.
QL_KERNEL void dequantize(const global uchar* codes, ulong base, ulong firstValue, ulong firstGroup, ulong groups,
                          uint perBundle, ulong groupsPerRow, ulong cols, uint groupSize, int perTensor,
                          constant float* values, const global float* params, global float* out)
{
    const group_layout layout = {0, groupsPerRow, cols, groupSize};
    const ulong begin = (ulong)get_group_id(0) * perBundle;
    const ulong end = min(begin + perBundle, groups);
    for (ulong g = begin; g < end; ++g) {
        const ulong start = group_start(&layout, firstGroup + g) - firstValue;
        const int n = group_count(&layout, firstGroup + g);
        const global float* p = params + (perTensor ? 0 : 3 * g);
        const float scale = p[0], zero = p[1], minimum = p[2];
        for (int i = get_local_id(0); i < n; i += (int)get_local_size(0))
            out[start + i] = scale * (values[codes[base + start + i]] - zero) + minimum;
    }
}
