// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Small floating-point formats to and from f32, bit-exact; rounding is to nearest, ties to even, unless said.
#pragma once

#include <cstdint>
#include <span>

namespace ql {

inline constexpr float kLargestHalf = 65504.0f; ///< largest finite binary16

float halfToFloat(uint16_t bits);
uint16_t floatToHalf(float value); ///< IEEE binary16; overflow gives Inf, NaN stays NaN
float bf16ToFloat(uint16_t bits);
uint16_t floatToBf16(float value); ///< NaN becomes quiet
float e4m3ToFloat(uint8_t bits);   ///< OCP E4M3 ("fn"): bias 7, max 448, 0x7F/0xFF NaN, no Inf
uint8_t floatToE4m3(float value);  ///< saturates at 448; NaN gives 0x7F
float e5m2ToFloat(uint8_t bits);   ///< OCP E5M2: bias 15, Inf and NaN as IEEE, max 57344
uint8_t floatToE5m2(float value);  ///< saturates at 57344; NaN gives 0x7F
float e8m0ToFloat(uint8_t bits);   ///< 2^(bits-127); 0xFF is NaN
/// OCP E2M1: bit 3 is the sign; magnitudes 0 .5 1 1.5 2 3 4 6.
float e2m1ToFloat(uint8_t code);
uint8_t floatToE2m1(float value); ///< nearest, ties to the even code; saturates at 6; NaN gives 0

/// Whole spans at once; sizes must agree.
void halfToFloat(std::span<const uint16_t> in, std::span<float> out);
void bf16ToFloat(std::span<const uint16_t> in, std::span<float> out);
void floatToHalf(std::span<const float> in, std::span<uint16_t> out);
void floatToBf16(std::span<const float> in, std::span<uint16_t> out);

} // namespace ql
