// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// GGML's packed blocks, byte for byte as files hold them (layouts of ggml-common.h). Bytes only, so any address is
// aligned; sixteen-bit members are little-endian, `d`, `m` and `dmin` are binary16.
#pragma once

#include <cstdint>

namespace ql::ggml {

using Half = uint8_t[2];

/// Blocks of 32 hold element j in the low nibble of qs[j] and element j + 16 in the high one.
struct Q4_0 { Half d; uint8_t qs[16]; };
struct Q4_1 { Half d, m; uint8_t qs[16]; };
struct Q5_0 { Half d; uint8_t qh[4], qs[16]; }; ///< bit i of qh is bit 4 of element i
struct Q5_1 { Half d, m; uint8_t qh[4], qs[16]; };
struct Q8_0 { Half d; int8_t qs[32]; };
struct Iq4Nl { Half d; uint8_t qs[16]; };
struct Mxfp4 { uint8_t e; uint8_t qs[16]; };      ///< E8M0 scale, E2M1 codes
struct Nvfp4 { uint8_t d[4]; uint8_t qs[4][8]; }; ///< 4 sub-blocks of 16: UE4M3 scales, E2M1 codes

/// Superblocks of 256.
struct Q2K { uint8_t scales[16], qs[64]; Half d, dmin; };
struct Q3K { uint8_t hmask[32], qs[64], scales[12]; Half d; };
struct Q4K { Half d, dmin; uint8_t scales[12], qs[128]; };
struct Q5K { Half d, dmin; uint8_t scales[12], qh[32], qs[128]; };
struct Q6K { uint8_t ql[128], qh[64]; int8_t scales[16]; Half d; };
struct Iq4Xs { Half d; uint8_t scalesHigh[2], scalesLow[4], qs[128]; };

static_assert(sizeof(Q4_0) == 18 && sizeof(Q4_1) == 20 && sizeof(Q5_0) == 22 && sizeof(Q5_1) == 24);
static_assert(sizeof(Q8_0) == 34 && sizeof(Iq4Nl) == 18 && sizeof(Mxfp4) == 17 && sizeof(Nvfp4) == 36);
static_assert(sizeof(Q2K) == 84 && sizeof(Q3K) == 110 && sizeof(Q4K) == 144 && sizeof(Q5K) == 176);
static_assert(sizeof(Q6K) == 210 && sizeof(Iq4Xs) == 136);

/// Levels of IQ4_NL and IQ4_XS.
inline constexpr int8_t kIq4Levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
/// Twice the E2M1 magnitudes, as GGML stores them; code 8 is +0.
inline constexpr int8_t kE2m1Doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

} // namespace ql::ggml
