// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/tensor/floats.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <limits>

namespace ql {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// f32 to a small format with a sign bit, rounded to nearest with ties to even, clamped to the code `largest`.
template <int kMantissaBits, int kBias>
uint8_t encodeSmall(float value, uint32_t largest, int signShift)
{
    const auto bits = std::bit_cast<uint32_t>(value);
    const uint32_t magnitude = bits & 0x7FFFFFFFu;
    constexpr int kShift = 23 - kMantissaBits;
    constexpr uint32_t kSmallestNormal = uint32_t(127 - kBias + 1) << 23;
    uint32_t code = 0;
    if (magnitude < kSmallestNormal) {
        // A float whose last bit is worth one subnormal step rounds the sum exactly as the format asks.
        constexpr auto kStepOfOne = std::bit_cast<float>(uint32_t(127 + 24 - kBias - kMantissaBits) << 23);
        const float rounded = std::bit_cast<float>(magnitude) + kStepOfOne;
        code = std::bit_cast<uint32_t>(rounded) - std::bit_cast<uint32_t>(kStepOfOne);
    } else {
        const uint32_t odd = (magnitude >> kShift) & 1u;
        code = (magnitude - (uint32_t(127 - kBias) << 23) + (1u << (kShift - 1)) - 1u + odd) >> kShift;
    }
    return uint8_t(std::min(code, largest) | ((bits >> 31) << signShift));
}

template <int kMantissaBits, int kBias>
float decodeSmall(uint32_t magnitude, bool negative)
{
    constexpr int kShift = 23 - kMantissaBits;
    float value = 0;
    if ((magnitude >> kMantissaBits) == 0)
        value = float(magnitude) * std::bit_cast<float>(uint32_t(127 + 1 - kBias - kMantissaBits) << 23);
    else
        value = std::bit_cast<float>((magnitude << kShift) + (uint32_t(127 - kBias) << 23));
    return negative ? -value : value;
}

} // namespace

// Both directions compute every case and choose, without branches, so that compilers vectorise the loops below.
float halfToFloat(uint16_t bits)
{
    const uint32_t sign = uint32_t(bits & 0x8000u) << 16;
    const uint32_t exponent = bits & 0x7C00u;
    const uint32_t normal = (uint32_t(bits & 0x7FFFu) << 13) + (112u << 23);
    const uint32_t special = normal + (112u << 23);
    const auto subnormal = std::bit_cast<uint32_t>(std::bit_cast<float>(normal + (1u << 23)) - 0x1p-14f);
    const uint32_t finite = exponent == 0 ? subnormal : normal;
    return std::bit_cast<float>((exponent == 0x7C00u ? special : finite) | sign);
}

uint16_t floatToHalf(float value)
{
    const auto bits = std::bit_cast<uint32_t>(value);
    const uint32_t magnitude = bits & 0x7FFFFFFFu;
    const uint32_t sign = (bits >> 16) & 0x8000u;
    const uint32_t odd = (magnitude >> 13) & 1u;
    const uint32_t normal = (magnitude - (112u << 23) + 0xFFFu + odd) >> 13;
    const uint32_t subnormal = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3F000000u;
    const uint32_t nan = 0x7E00u | ((magnitude >> 13) & 0x3FFu);
    const uint32_t special = magnitude > 0x7F800000u ? nan : 0x7C00u;
    const uint32_t finite = magnitude < 0x38800000u ? subnormal : normal;
    return uint16_t(sign | (magnitude >= 0x47800000u ? special : finite));
}

float bf16ToFloat(uint16_t bits)
{
    return std::bit_cast<float>(uint32_t(bits) << 16);
}

uint16_t floatToBf16(float value)
{
    const auto bits = std::bit_cast<uint32_t>(value);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u)
        return uint16_t((bits >> 16) | 64u);
    return uint16_t((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

float e4m3ToFloat(uint8_t bits)
{
    return (bits & 0x7Fu) == 0x7Fu ? kNaN : decodeSmall<3, 7>(bits & 0x7Fu, bits & 0x80u);
}

uint8_t floatToE4m3(float value)
{
    return std::isnan(value) ? 0x7F : encodeSmall<3, 7>(value, 0x7E, 7);
}

float e5m2ToFloat(uint8_t bits)
{
    return halfToFloat(uint16_t(bits << 8)); // the upper byte of an IEEE half
}

uint8_t floatToE5m2(float value)
{
    return std::isnan(value) ? 0x7F : encodeSmall<2, 15>(value, 0x7B, 7);
}

float e8m0ToFloat(uint8_t bits)
{
    if (bits == 0xFF)
        return kNaN;
    return std::bit_cast<float>(bits == 0 ? 0x00400000u : uint32_t(bits) << 23);
}

float e2m1ToFloat(uint8_t code)
{
    return decodeSmall<1, 1>(code & 7u, code & 8u);
}

uint8_t floatToE2m1(float value)
{
    return std::isnan(value) ? 0 : encodeSmall<1, 1>(value, 7, 3);
}

void halfToFloat(std::span<const uint16_t> in, std::span<float> out)
{
    assert(in.size() == out.size());
    for (size_t i = 0; i < out.size(); ++i)
        out[i] = halfToFloat(in[i]);
}

void bf16ToFloat(std::span<const uint16_t> in, std::span<float> out)
{
    assert(in.size() == out.size());
    for (size_t i = 0; i < out.size(); ++i)
        out[i] = bf16ToFloat(in[i]);
}

void floatToHalf(std::span<const float> in, std::span<uint16_t> out)
{
    assert(in.size() == out.size());
    for (size_t i = 0; i < out.size(); ++i)
        out[i] = floatToHalf(in[i]);
}

void floatToBf16(std::span<const float> in, std::span<uint16_t> out)
{
    assert(in.size() == out.size());
    for (size_t i = 0; i < out.size(); ++i)
        out[i] = floatToBf16(in[i]);
}

} // namespace ql
