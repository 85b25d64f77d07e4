// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Counting level indices in registers: eight four-bit counters per lane, widened every few vectors; see lanes.h.
#pragma once

#include "core/compute/simd/rangekernels.h"

namespace ql::simd::QL_ISA {
namespace {

/// Level indices 0..15 (kSmall) or 0..255.
template <bool kSmall>
struct Occupancy;

template <>
struct Occupancy<false> {
    static constexpr int kTables = 4;
    uint32_t tables[kTables][256] = {};

    QL_INLINE void add(Ints index)
    {
        int32_t v[kLanes];
        store(v, index);
        _Pragma("GCC unroll 16") for (int i = 0; i < kLanes; ++i)
            ++tables[i % kTables][uint32_t(v[i]) & 255];
    }
    QL_INLINE void endRun() {}
    void addTo(uint64_t* occupancy)
    {
        for (int level = 0; level < 256; ++level) {
            uint64_t n = 0;
            for (int t = 0; t < kTables; ++t)
                n += tables[t][level];
            occupancy[level] += n;
        }
    }
};

#if QL_LANES_512 || QL_LANES_256
template <>
struct Occupancy<true> {
    Ints low = splat(0), high = splat(0); ///< levels 0..7 and 8..15, four bits each
    Ints wide[4] = {splat(0), splat(0), splat(0), splat(0)};
    int wideRuns = 0;
    uint64_t counts[16] = {};

    QL_INLINE void add(Ints index)
    {
#if QL_LANES_512
        const Ints one{{PartI{1, 1 << 4, 1 << 8, 1 << 12, 1 << 16, 1 << 20, 1 << 24, 1 << 28}}};
        const Ints two{{PartI{0, 0, 0, 0, 0, 0, 0, 0, 1, 1 << 4, 1 << 8, 1 << 12, 1 << 16, 1 << 20, 1 << 24, 1 << 28}}};
        low = low + lookup16(one, index);
        high = high + lookup16(two, index);
#else
        const Ints shift = shiftLeft<2>(index);
        low = low + shiftLeftBy(1, shift);
        high = high + shiftLeftBy(1, shift - splat(32));
#endif
    }
    /// After at most 15 additions.
    QL_INLINE void endRun()
    {
        const Ints nibbles = splat(0x0f0f0f0f);
        wide[0] = wide[0] + (low & nibbles);
        wide[1] = wide[1] + (shiftRight<4>(low) & nibbles);
        wide[2] = wide[2] + (high & nibbles);
        wide[3] = wide[3] + (shiftRight<4>(high) & nibbles);
        low = high = splat(0);
        if (++wideRuns == 17)
            flush();
    }
    QL_INLINE void flush()
    {
        wideRuns = 0;
        for (int w = 0; w < 4; ++w) {
            // Bytes sum to at most 16 * 255 over the lanes: two byte columns fit a 32-bit lane side by side.
            uint32_t even = 0;
            uint32_t odd = 0;
            int32_t lanes[kLanes];
            store(lanes, wide[w]);
            for (int i = 0; i < kLanes; ++i) {
                even += uint32_t(lanes[i]) & 0x00ff00ffu;
                odd += (uint32_t(lanes[i]) >> 8) & 0x00ff00ffu;
            }
            const int first = w / 2 * 8 + w % 2;
            counts[first] += even & 0xffff;
            counts[first + 2] += odd & 0xffff;
            counts[first + 4] += even >> 16;
            counts[first + 6] += odd >> 16;
            wide[w] = splat(0);
        }
    }
    void addTo(uint64_t* occupancy)
    {
        flush();
        for (int i = 0; i < 16; ++i)
            occupancy[i] += counts[i];
    }
};
#else
template <>
struct Occupancy<true> : Occupancy<false> {
};
#endif

} // namespace
} // namespace ql::simd::QL_ISA
