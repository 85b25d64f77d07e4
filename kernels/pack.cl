// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Codes to the bytes that files hold, as core/quant/packing.h defines them. Rows are packed one by one; every work item
// makes whole bytes, so no two touch the same one.
#include "limits.cl"

// Dense, least significant bit first: eight codes become `bits` bytes. Each work group takes one row.
QL_KERNEL void pack_bits(const global uchar* codes, ulong base, ulong cols, int bits, ulong rowBytes, global uchar* out)
{
    const global uchar* row = codes + base + (ulong)get_group_id(0) * cols;
    global uchar* to = out + (ulong)get_group_id(0) * rowBytes;
    for (ulong first = 8 * (ulong)get_local_id(0); first < cols; first += 8 * get_local_size(0)) {
        ulong word = 0;
        for (int i = 0; i < 8 && first + i < cols; ++i)
            word |= (ulong)(row[first + i] & ((1u << bits) - 1)) << (bits * i);
        for (int byte = 0; byte < bits && first / 8 * bits + byte < rowBytes; ++byte)
            to[first / 8 * bits + byte] = (uchar)(word >> (8 * byte));
    }
}

// First element in the high nibble.
QL_KERNEL void pack_nibbles(const global uchar* codes, ulong base, ulong cols, int bits, ulong rowBytes,
                            global uchar* out)
{
    const global uchar* row = codes + base + (ulong)get_group_id(0) * cols;
    global uchar* to = out + (ulong)get_group_id(0) * rowBytes;
    for (ulong i = get_local_id(0); i < rowBytes; i += get_local_size(0)) {
        const uchar low = 2 * i + 1 < cols ? row[2 * i + 1] & 15 : 0;
        to[i] = (uchar)(row[2 * i] << 4) | low;
    }
}

QL_INLINE global uchar* pack_half(float x, global uchar* to)
{
    ushort bits;
    vstore_half_rte(x, 0, (half*)&bits);
    to[0] = (uchar)bits;
    to[1] = (uchar)(bits >> 8);
    return to + 2;
}

// GGML blocks of 32 codes: f16 scale, f16 minimum (`minimum`), fifth bits (`bits` 5), then codes in half-split nibbles, or
// bytes (`bits` 8). `params` as quantize.cl writes them. Each work group takes `perBundle` of the `blocks`.
QL_KERNEL void pack_ggml(const global uchar* codes, const global float* params, ulong blocks, uint perBundle, int bits,
                         int minimum, int blockBytes, global uchar* out)
{
    const ulong begin = (ulong)get_group_id(0) * perBundle;
    const ulong end = min(begin + perBundle, blocks);
    for (ulong b = begin + get_local_id(0); b < end; b += get_local_size(0)) {
        const global uchar* q = codes + b * 32;
        global uchar* to = pack_half(params[b * 4], out + b * blockBytes);
        if (minimum)
            to = pack_half(params[b * 4 + 2], to);
        if (bits == 8) {
            vstore16(vload16(0, q), 0, to);
            vstore16(vload16(1, q), 1, to);
            continue;
        }
        if (bits == 5) {
            uint fifth = 0;
            for (int i = 0; i < 32; ++i)
                fifth |= (uint)((q[i] >> 4) & 1) << i;
            for (int byte = 0; byte < 4; ++byte)
                to[byte] = (uchar)(fifth >> (8 * byte));
            to += 4;
        }
        vstore16((vload16(0, q) & (uchar)15) | (vload16(1, q) << (uchar)4), 0, to);
    }
}

// Microscaling blocks: one scale byte per group, then the groups in half-split nibbles. MXFP4: one group of 32 and the
// exponent of its scale; NVFP4 (`nv`): up to four groups of 16 and E4M3 scales relative to `factor`.
QL_KERNEL void pack_micro(const global uchar* codes, const global float* params, ulong rows, ulong groupsPerRow, int nv,
                          float factor, global uchar* out)
{
    const ulong size = nv ? 16 : 32, together = nv ? 4 : 1;
    const ulong row = get_group_id(0);
    const global uchar* q = codes + row * groupsPerRow * size;
    const global float* p = params + row * groupsPerRow * 4;
    global uchar* to = out + row * groupsPerRow * (1 + size / 2);
    for (ulong first = get_local_id(0) * together; first < groupsPerRow; first += get_local_size(0) * together) {
        const ulong n = min(together, groupsPerRow - first);
        global uchar* block = to + first * (1 + size / 2);
        for (ulong g = first; g < first + n; ++g) {
            const float scale = p[g * 4];
            // An E4M3 value times the factor, so that only its own code can come back.
            const float y = scale / factor;
            const uint normal = ((as_uint(y) + 0x80000u) >> 20) - (120 << 3);
            const uint small = (uint)rint(y * 0x1p9f);
            // Subnormal scales have exponent bits 0, as 2^-127 has in E8M0.
            *block++ = (uchar)(nv ? (y < 0x1p-6f ? small : normal) : as_uint(scale) >> 23);
        }
        for (ulong g = first; g < first + n; ++g) {
            for (ulong j = 0; j < size / 2; ++j)
                *block++ = (q[g * size + j] & 15) | (uchar)(q[g * size + j + size / 2] << 4);
        }
    }
}
