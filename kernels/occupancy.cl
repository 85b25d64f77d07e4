// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// How often each level is used. CPU shape, up to 16 levels (QL_SMALL): per lane sixteen 4-bit counters in two registers,
// spilled to bytes after each run of at most 15 vectors. More levels: four tables, so that equal neighbours do not wait
// for each other. GPU shape: one table per work group in local memory.
#ifndef QL_OCCUPANCY_CL
#define QL_OCCUPANCY_CL
#include "coder.cl"

#ifndef QL_WIDE

typedef struct {
    local uint* table;
} occupancy;
#define QL_OCCUPANCY_STORAGE local uint occupancyTable[256];
#define QL_OCCUPANCY_TABLE local uint* occupancyTable
#define QL_OCCUPANCY_ARGUMENT occupancyTable
QL_INLINE occupancy occupancy_start(local uint* table)
{
    occupancy o = {table};
    for (int i = get_local_id(0); i < 256; i += QL_LANES)
        table[i] = 0;
    QL_BARRIER();
    return o;
}
QL_INLINE void occupancy_add(occupancy* o, vi level)
{
    atomic_inc(o->table + level);
}
QL_INLINE void occupancy_add_some(occupancy* o, vi level, vi which)
{
    if (which)
        atomic_inc(o->table + level);
}
QL_INLINE void occupancy_end_run(occupancy* o) {}
QL_INLINE void occupancy_write(occupancy* o, uint levels, global uint* counts)
{
    QL_BARRIER();
    for (uint i = get_local_id(0); i < levels; i += QL_LANES)
        counts[i] = o->table[i];
}

#elif defined(QL_SMALL)

typedef struct {
    uint16 low, high;     // 4-bit counters of levels 0-7 and 8-15
    uint16 bytes[4];      // low even, low odd, high even, high odd
    uint16 stepLow, stepHigh; // what a level adds to `low` and `high`
    uint runs;
    uint counts[16];
} occupancy;
#define QL_OCCUPANCY_STORAGE
#define QL_OCCUPANCY_TABLE uint unused
#define QL_OCCUPANCY_ARGUMENT 0
QL_INLINE occupancy occupancy_start(uint unused)
{
    occupancy o;
    o.low = o.high = o.bytes[0] = o.bytes[1] = o.bytes[2] = o.bytes[3] = 0;
    const uint16 step = (uint16)1u << (as_uint16(QL_LANE_NUMBERS & 7) * 4);
    o.stepLow = QL_LANE_NUMBERS < 8 ? step : (uint16)0;
    o.stepHigh = QL_LANE_NUMBERS < 8 ? (uint16)0 : step;
    o.runs = 0;
    for (int i = 0; i < 16; ++i)
        o.counts[i] = 0;
    return o;
}
QL_INLINE void occupancy_add_some(occupancy* o, int16 level, int16 which)
{
#ifdef __AVX512F__
    const uint16 low = as_uint16(look_up(as_float16(o->stepLow), level));
    const uint16 high = as_uint16(look_up(as_float16(o->stepHigh), level));
#else
    const uint16 step = (uint16)1u << (as_uint16(level & 7) * 4);
    const uint16 low = level < 8 ? step : (uint16)0;
    const uint16 high = level < 8 ? (uint16)0 : step;
#endif
    o->low += low & as_uint16(which);
    o->high += high & as_uint16(which);
}
QL_INLINE void occupancy_add(occupancy* o, int16 level)
{
    occupancy_add_some(o, level, (int16)-1);
}
QL_INLINE uint sum_bytes(uint16 v, int byte)
{
    const uint16 one = (v >> (8 * byte)) & 255u;
    const uint8 a = QL_LOW8(uint, one) + QL_HIGH8(uint, one);
    const uint4 b = QL_LOW4(uint, a) + QL_HIGH4(uint, a);
    return b.s0 + b.s1 + b.s2 + b.s3;
}
QL_INLINE void occupancy_spill(occupancy* o)
{
    for (int byte = 0; byte < 4; ++byte) {
        for (int part = 0; part < 4; ++part)
            o->counts[(part >> 1) * 8 + byte * 2 + (part & 1)] += sum_bytes(o->bytes[part], byte);
    }
    o->bytes[0] = o->bytes[1] = o->bytes[2] = o->bytes[3] = 0;
    o->runs = 0;
}
// A byte holds 255: 17 runs of 15 vectors.
QL_INLINE void occupancy_end_run(occupancy* o)
{
    o->bytes[0] += o->low & 0x0f0f0f0fu;
    o->bytes[1] += (o->low >> 4) & 0x0f0f0f0fu;
    o->bytes[2] += o->high & 0x0f0f0f0fu;
    o->bytes[3] += (o->high >> 4) & 0x0f0f0f0fu;
    o->low = o->high = 0;
    if (++o->runs == 17)
        occupancy_spill(o);
}
QL_INLINE void occupancy_write(occupancy* o, uint levels, global uint* counts)
{
    occupancy_spill(o);
    for (uint i = 0; i < levels; ++i)
        counts[i] = o->counts[i];
}

#else

typedef struct {
    uint* table;
} occupancy;
#define QL_OCCUPANCY_STORAGE uint occupancyTable[4 * 257];
#define QL_OCCUPANCY_TABLE uint* occupancyTable
#define QL_OCCUPANCY_ARGUMENT occupancyTable
QL_INLINE occupancy occupancy_start(uint* table)
{
    occupancy o = {table};
    for (int i = 0; i < 4 * 257; ++i)
        table[i] = 0;
    return o;
}
QL_INLINE void occupancy_add(occupancy* o, int16 level)
{
    int levels[16];
    vstore16(level, 0, levels);
#pragma unroll
    for (int lane = 0; lane < 16; lane += 4) {
        ++o->table[levels[lane]];
        ++o->table[257 + levels[lane + 1]];
        ++o->table[514 + levels[lane + 2]];
        ++o->table[771 + levels[lane + 3]];
    }
}
QL_INLINE void occupancy_add_some(occupancy* o, int16 level, int16 which)
{
    occupancy_add(o, which ? level : (int16)256);
}
QL_INLINE void occupancy_end_run(occupancy* o) {}
QL_INLINE void occupancy_write(occupancy* o, uint levels, global uint* counts)
{
    for (uint i = 0; i < levels; ++i)
        counts[i] = o->table[i] + o->table[257 + i] + o->table[514 + i] + o->table[771 + i];
}

#endif
#endif
