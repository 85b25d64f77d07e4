// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Codes, one byte per value, and the scale, zero point and minimum of every group; or scales alone, from which the host
// prepares double quantization.
#include "group.cl"

QL_INLINE vi codes_of(vi level, constant uchar* codes)
{
#if QL_CODE == QL_UNIFORM || QL_CODE == QL_TRUNCATE || QL_CODE == QL_AWAY
    return level + (int)codes[0]; // whole numbers in a row
#elif defined(QL_WIDE)
    int levels[16], found[16];
    vstore16(level, 0, levels);
    for (int lane = 0; lane < 16; ++lane)
        found[lane] = codes[levels[lane]];
    return vload16(0, found);
#else
    return codes[level];
#endif
}

QL_INLINE void store_codes(vi code, int n, global uchar* out)
{
#ifdef QL_WIDE
    if (n >= 16) {
        vstore16(convert_uchar16(code), 0, out);
        return;
    }
    uchar bytes[16];
    vstore16(convert_uchar16(code), 0, bytes);
    for (int lane = 0; lane < n; ++lane)
        out[lane] = bytes[lane];
#else
    if ((int)get_local_id(0) < n)
        out[get_local_id(0)] = (uchar)code;
#endif
}

QL_BODY quantize_body(const global source_t* x, ulong base, ulong firstValue, ulong origin, ulong firstGroup,
                      ulong groups, uint perBundle, ulong groupsPerRow, ulong cols, uint groupSize, int flags,
                      uint key1, uint key2, constant float* book, const global float* blockScales,
                      constant uchar* codes, global uchar* out, global float* params, ulong bundle,
                      local double* scratch)
{
    const group_layout layout = {origin, groupsPerRow, cols, groupSize};
    const coder c = make_coder(book, key1, key2);
    const ulong begin = bundle * perBundle;
    const ulong end = min(begin + perBundle, groups);
    for (ulong first = begin; first < end;) {
        const uint count = batch_size(groupSize, end - first);
        const ulong start = group_start(&layout, firstGroup + first);
        const global source_t* values = x + base + (start - firstValue);
        group_batch batch;
        choose_params(&c, flags, &layout, firstGroup + first, count, values, blockScales, &batch, scratch);
        for (uint k = 0; k < count; ++k) {
            const uint offset = batch.offset[k];
            const int n = batch.count[k];
            const group_params p = batch_params(&c, &batch, k);
            global uchar* to = out + (start - firstValue) + offset;
            for (int i = 0; i < n; i += QL_LANES) {
                vi level;
                const vf v = load_group(values + offset, i, n, batch.careful[k]);
                fetch_ahead(values + offset + i + count * groupSize, 0);
                encode(&c, &p, v, start + offset + i, batch.careful[k], &level);
                store_codes(codes_of(level, codes), n - i, to + i);
            }
            if (QL_LANE == 0) {
                global float* facts = params + (first + k) * QL_PARAMS;
                facts[0] = p.scale;
                facts[1] = p.zero;
                facts[2] = p.minimum;
                facts[3] = p.scaleCode;
            }
        }
        first += count;
    }
}

// Arguments as in measure.cl; `codes` gives the code of a level. `out` and `params` begin with the first of the groups.
QL_KERNEL void quantize(const global source_t* x, ulong base, ulong firstValue, ulong origin, ulong firstGroup,
                        ulong groups, uint perBundle, ulong groupsPerRow, ulong cols, uint groupSize, int flags,
                        uint key1, uint key2, constant float* book, const global float* blockScales,
                        constant uchar* codes, global uchar* out, global float* params)
{
    local double scratch[QL_LANES];
    quantize_body(x, base, firstValue, origin, firstGroup, groups, perBundle, groupsPerRow, cols, groupSize, flags,
                  key1, key2, book, blockScales, codes, out, params, get_group_id(0), scratch);
}

#if QL_LIMITS < QL_GIVEN
QL_BODY group_scales_body(const global source_t* x, ulong base, ulong firstValue, ulong origin, ulong firstGroup,
                          ulong groups, uint perBundle, ulong groupsPerRow, ulong cols, uint groupSize, int flags,
                          constant float* book, global float* out, ulong bundle, local double* scratch)
{
    const group_layout layout = {origin, groupsPerRow, cols, groupSize};
    const coder c = make_coder(book, 0, 0);
    const ulong begin = bundle * perBundle;
    const ulong end = min(begin + perBundle, groups);
    for (ulong first = begin; first < end;) {
        const uint count = batch_size(groupSize, end - first);
        const ulong start = group_start(&layout, firstGroup + first);
        group_batch batch;
        choose_params(&c, flags, &layout, firstGroup + first, count, x + base + (start - firstValue), 0, &batch,
                      scratch);
        if (QL_LANE == 0) {
            for (uint k = 0; k < count; ++k)
                out[first + k] = batch.scale[k];
        }
        first += count;
    }
}

// The scale of every group.
QL_KERNEL void group_scales(const global source_t* x, ulong base, ulong firstValue, ulong origin, ulong firstGroup,
                            ulong groups, uint perBundle, ulong groupsPerRow, ulong cols, uint groupSize, int flags,
                            constant float* book, global float* out)
{
    local double scratch[QL_LANES];
    group_scales_body(x, base, firstValue, origin, firstGroup, groups, perBundle, groupsPerRow, cols, groupSize, flags,
                      book, out, get_group_id(0), scratch);
}
#endif
