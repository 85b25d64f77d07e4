// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The two shapes of every kernel, from one source. QL_WIDE (CPUs): one work item per work group computes on 16-lane
// vectors, because work-group trees and atomics are 10-40 times slower there. Else (GPUs): the 16 work items of a group
// are the lanes; the same number, so that both add in the same order. Code is written for "lanes": vf is float16 or float, and a lane loop steps by QL_LANES.
// Build options: QL_WIDE, QL_SOURCE (0 f32, 1 f16, 2 bf16).
#ifndef QL_SHAPE_CL
#define QL_SHAPE_CL

#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#pragma OPENCL FP_CONTRACT OFF

#ifndef QL_SOURCE
#define QL_SOURCE 0
#endif

// Compilers give up on inlining when several kernels share a helper, and then keep its sums in memory. Simulators take
// kernels unoptimised and call helpers.
#ifdef __SPIR__
#define QL_INLINE static inline
#else
#define QL_INLINE static inline __attribute__((always_inline))
#endif
// Rare paths; they get copies of what the usual path keeps in registers.
#define QL_OUTLINE static __attribute__((noinline))
// Bodies of kernels. Drivers make several versions of a kernel, which then share one body; with barriers they cannot.
#ifdef QL_WIDE
#define QL_BODY static __attribute__((noinline)) void
#else
#define QL_BODY QL_INLINE void
#endif

#ifdef QL_WIDE
#define QL_LANES 16
#define QL_LANE 0
#define QL_VEC(type) type##16
#define QL_MASK(condition) (condition)
#define QL_LANE_NUMBERS ((int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
#define QL_KERNEL kernel __attribute__((reqd_work_group_size(1, 1, 1)))
#define QL_BARRIER()
#define QL_ALWAYS_CAREFUL 0
#else
#define QL_LANES 16
#define QL_LANE get_local_id(0)
#define QL_VEC(type) type
// Comparisons of scalars give 1, those of vectors -1; masks are always 0 or -1 here.
#define QL_MASK(condition) (-(condition))
#define QL_LANE_NUMBERS ((int)get_local_id(0))
#define QL_KERNEL kernel __attribute__((reqd_work_group_size(16, 1, 1)))
#define QL_BARRIER() barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)
// Bounds and odd values are checked in every step: it costs a GPU nothing, and barriers stay out of branches.
#define QL_ALWAYS_CAREFUL 1
#endif

typedef QL_VEC(float) vf;
typedef QL_VEC(int) vi;
typedef QL_VEC(uint) vu;
typedef QL_VEC(double) vd;

#ifdef QL_WIDE
#define to_vf convert_float16
#define to_vi convert_int16 // rounds towards zero
#define to_vd convert_double16
#define as_vf as_float16
#define as_vi as_int16
#define as_vu as_uint16
#else
#define to_vf convert_float
#define to_vi convert_int
#define to_vd convert_double
#define as_vf as_float
#define as_vi as_int
#define as_vu as_uint
#endif

#if QL_SOURCE == 0
typedef float source_t;
#elif QL_SOURCE == 1
typedef half source_t;
#else
typedef ushort source_t;
#endif

// Hardware prefetchers stop at pages; asking a few KiB ahead is worth half of the bandwidth on some CPUs.
QL_INLINE void fetch_ahead(const global source_t* x, uint bytes)
{
#if defined(QL_WIDE) && defined(__clang__) && !defined(__SPIR__)
    __builtin_prefetch((const void*)(uintptr_t)((const global char*)x + bytes));
#endif
}

QL_INLINE float load_one(const global source_t* x)
{
#if QL_SOURCE == 0
    return *x;
#elif QL_SOURCE == 1
    return vload_half(0, x);
#else
    return as_float((uint)*x << 16);
#endif
}

// Values of all lanes, from x on.
QL_INLINE vf load_lanes(const global source_t* x)
{
#ifndef QL_WIDE
    return load_one(x + QL_LANE);
#elif QL_SOURCE == 0
    return vload16(0, x);
#elif QL_SOURCE == 1
    return vload_half16(0, x);
#else
    return as_float16(convert_uint16(vload16(0, x)) << 16);
#endif
}

// The same when only n values are left; other lanes are 0.
QL_INLINE vf load_tail(const global source_t* x, int n)
{
    if (n >= QL_LANES)
        return load_lanes(x);
#ifdef QL_WIDE
    float values[16];
    for (int lane = 0; lane < 16; ++lane)
        values[lane] = lane < n ? load_one(x + lane) : 0.0f;
    return vload16(0, values);
#else
    return (int)QL_LANE < n ? load_one(x + QL_LANE) : 0.0f;
#endif
}

// The same number in all lanes; spelled out for the sake of simulators, as the halves below.
QL_INLINE vf all_lanes(float x)
{
#ifdef QL_WIDE
    return (float16)(x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x);
#else
    return x;
#endif
}
QL_INLINE vi lane_mask(int n)
{
    return QL_MASK(QL_LANE_NUMBERS < (vi)n);
}
QL_INLINE vu magnitude_bits(vf x)
{
    return as_vu(x) & 0x7fffffffu;
}
QL_INLINE vi finite_mask(vf x)
{
    return QL_MASK(magnitude_bits(x) < 0x7f800000u);
}
// As comparisons, so that they become single instructions; NaN in b is ignored.
QL_INLINE vf lane_min(vf a, vf b)
{
    return QL_MASK(b < a) ? b : a;
}
QL_INLINE vf lane_max(vf a, vf b)
{
    return QL_MASK(b > a) ? b : a;
}

// Reductions over lanes, at distances 8, 4, 2 and 1 in both shapes, so that both give the same bits. Every lane gets the
// result. `scratch` holds 16 doubles. In the GPU shape they hold barriers and must stay out of branches.
#ifdef QL_WIDE
#define QL_GATHER(type, v)                                                                                             \
    const type##16 all = v
#else
#define QL_GATHER(type, v)                                                                                             \
    local type* shared = (local type*)scratch;                                                                         \
    shared[QL_LANE] = v;                                                                                               \
    QL_BARRIER();                                                                                                      \
    const type##16 all = vload16(0, shared);                                                                           \
    QL_BARRIER()
#endif
// Halves, spelled out: simulators take .lo and .hi for reads of uninitialised lanes.
#define QL_LOW8(type, v) ((type##8)((v).s0, (v).s1, (v).s2, (v).s3, (v).s4, (v).s5, (v).s6, (v).s7))
#define QL_HIGH8(type, v) ((type##8)((v).s8, (v).s9, (v).sa, (v).sb, (v).sc, (v).sd, (v).se, (v).sf))
#define QL_LOW4(type, v) ((type##4)((v).s0, (v).s1, (v).s2, (v).s3))
#define QL_HIGH4(type, v) ((type##4)((v).s4, (v).s5, (v).s6, (v).s7))
#define QL_ADD(a, b) ((a) + (b))
#define QL_LARGER(a, b) ((b) > (a) ? (b) : (a))
#define QL_REDUCE(type, combine, v)                                                                                    \
    QL_GATHER(type, v);                                                                                                \
    const type##8 by8 = combine(QL_LOW8(type, all), QL_HIGH8(type, all));                                              \
    const type##4 by4 = combine(QL_LOW4(type, by8), QL_HIGH4(type, by8));                                              \
    const type by2[2] = {combine(by4.s0, by4.s2), combine(by4.s1, by4.s3)};                                            \
    return combine(by2[0], by2[1])
QL_INLINE double sum_lanes(vd v, local double* scratch)
{
    QL_REDUCE(double, QL_ADD, v);
}
QL_INLINE float fsum_lanes(vf v, local double* scratch)
{
    QL_REDUCE(float, QL_ADD, v);
}
QL_INLINE double max_lanes(vd v, local double* scratch)
{
    QL_REDUCE(double, QL_LARGER, v);
}
QL_INLINE float fmax_lanes(vf v, local double* scratch)
{
    QL_REDUCE(float, QL_LARGER, v);
}
QL_INLINE uint umax_lanes(vu v, local double* scratch)
{
    QL_REDUCE(uint, QL_LARGER, v);
}

// Sixteen numbers of one work item as lanes, and back; the way to compute on one number per group.
QL_INLINE vf lanes_of(const float* numbers)
{
#ifdef QL_WIDE
    return vload16(0, numbers);
#else
    return numbers[QL_LANE];
#endif
}
QL_INLINE void numbers_of(vf v, float* numbers, local double* scratch)
{
    QL_GATHER(float, v);
    vstore16(all, 0, numbers);
}

// A power of two that brings values of this largest magnitude (as bits) near 1, so that their powers neither
// overflow nor vanish.
QL_INLINE float normaliser(uint largest)
{
    return as_float(max(1, 254 - (int)(largest >> 23)) << 23);
}

#endif
