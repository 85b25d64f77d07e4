// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The two shapes of every kernel, from one source. QL_WIDE (CPUs): one work item per work group computes on 16-lane
// vectors, because work-group trees and atomics are 10-40 times slower there. Else (GPUs): the 64 work items of a group
// are the lanes. Code is written for "lanes": vf is float16 or float, and a lane loop steps by QL_LANES.
// Build options: QL_WIDE, QL_SOURCE (0 f32, 1 f16, 2 bf16).
#ifndef QL_SHAPE_CL
#define QL_SHAPE_CL

#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#pragma OPENCL FP_CONTRACT OFF

#ifndef QL_SOURCE
#define QL_SOURCE 0
#endif

#ifdef QL_WIDE
#define QL_LANES 16
#define QL_LANE 0
#define QL_VEC(type) type##16
#define QL_MASK(condition) (condition)
#define QL_LANE_NUMBERS ((int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
#define QL_KERNEL kernel __attribute__((reqd_work_group_size(1, 1, 1)))
#define QL_BARRIER()
#else
#define QL_LANES 64
#define QL_LANE get_local_id(0)
#define QL_VEC(type) type
// Comparisons of scalars give 1, those of vectors -1; masks are always 0 or -1 here.
#define QL_MASK(condition) (-(condition))
#define QL_LANE_NUMBERS ((int)get_local_id(0))
#define QL_KERNEL kernel __attribute__((reqd_work_group_size(64, 1, 1)))
#define QL_BARRIER() barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)
#endif

typedef QL_VEC(float) vf;
typedef QL_VEC(int) vi;
typedef QL_VEC(uint) vu;
typedef QL_VEC(double) vd;

#ifdef QL_WIDE
#define to_vf convert_float16
#define to_vi convert_int16
#define to_vi_rtz convert_int16_rtz
#define to_vd convert_double16
#define as_vf as_float16
#define as_vi as_int16
#define as_vu as_uint16
#else
#define to_vf convert_float
#define to_vi convert_int
#define to_vi_rtz convert_int_rtz
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

// Hardware prefetchers stop at pages; asking 3 KiB ahead is worth more than half of the bandwidth on some CPUs.
inline void fetch_ahead(const global source_t* x)
{
#if defined(QL_WIDE) && defined(__clang__)
    __builtin_prefetch((const void*)(uintptr_t)((const global char*)x + 3072));
#endif
}

inline float load_one(const global source_t* x)
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
inline vf load_lanes(const global source_t* x)
{
    fetch_ahead(x);
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
inline vf load_tail(const global source_t* x, int n)
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

inline vi lane_mask(int n)
{
    return QL_MASK(QL_LANE_NUMBERS < (vi)n);
}
inline vu magnitude_bits(vf x)
{
    return as_vu(x) & 0x7fffffffu;
}
inline vi finite_mask(vf x)
{
    return QL_MASK(magnitude_bits(x) < 0x7f800000u);
}
// As comparisons, so that they become single instructions; NaN in b is ignored.
inline vf lane_min(vf a, vf b)
{
    return QL_MASK(b < a) ? b : a;
}
inline vf lane_max(vf a, vf b)
{
    return QL_MASK(b > a) ? b : a;
}

// Reductions over lanes in a fixed tree; every lane gets the result. `scratch` holds QL_LANES doubles.
#ifdef QL_WIDE
inline double sum_lanes(vd v, local double* scratch)
{
    const double8 a = v.lo + v.hi;
    const double4 b = a.lo + a.hi;
    const double2 c = b.lo + b.hi;
    return c.lo + c.hi;
}
inline double max_lanes(vd v, local double* scratch)
{
    const double8 a = v.hi > v.lo ? v.hi : v.lo;
    const double4 b = a.hi > a.lo ? a.hi : a.lo;
    const double2 c = b.hi > b.lo ? b.hi : b.lo;
    return c.hi > c.lo ? c.hi : c.lo;
}
inline float fmax_lanes(vf v, local double* scratch)
{
    const float8 a = v.hi > v.lo ? v.hi : v.lo;
    const float4 b = a.hi > a.lo ? a.hi : a.lo;
    const float2 c = b.hi > b.lo ? b.hi : b.lo;
    return c.hi > c.lo ? c.hi : c.lo;
}
inline uint umax_lanes(vu v, local double* scratch)
{
    const uint8 a = max(v.lo, v.hi);
    const uint4 b = max(a.lo, a.hi);
    const uint2 c = max(b.lo, b.hi);
    return max(c.lo, c.hi);
}
#else
#define QL_TREE(combine)                                                                                               \
    const int lane = get_local_id(0);                                                                                  \
    scratch[lane] = v;                                                                                                 \
    QL_BARRIER();                                                                                                      \
    for (int step = QL_LANES / 2; step > 0; step >>= 1) {                                                              \
        if (lane < step) {                                                                                             \
            const double a = scratch[lane], b = scratch[lane + step];                                                  \
            scratch[lane] = combine;                                                                                   \
        }                                                                                                              \
        QL_BARRIER();                                                                                                  \
    }                                                                                                                  \
    const double result = scratch[0];                                                                                  \
    QL_BARRIER();
inline double sum_lanes(double v, local double* scratch)
{
    QL_TREE(a + b)
    return result;
}
inline double max_lanes(double v, local double* scratch)
{
    QL_TREE(b > a ? b : a)
    return result;
}
inline float fmax_lanes(float v, local double* scratch)
{
    QL_TREE(b > a ? b : a)
    return (float)result;
}
inline uint umax_lanes(uint v, local double* scratch)
{
    QL_TREE(b > a ? b : a)
    return (uint)result;
}
#endif

// A power of two that brings values of this largest magnitude (as bits) near 1, so that their powers neither
// overflow nor vanish.
inline float normaliser(uint largest)
{
    return as_float(max(1, 254 - (int)(largest >> 23)) << 23);
}

#endif
