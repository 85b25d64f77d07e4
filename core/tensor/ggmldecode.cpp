// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/tensor/ggmldecode.h"

#include "core/tensor/floats.h"
#include "core/tensor/ggmlblocks.h"

#include <array>
#include <cmath>
#include <cstring>

namespace ql {
namespace {

using namespace ggml;

float half(const Half& h)
{
    return halfToFloat(static_cast<uint16_t>(h[0] | h[1] << 8));
}

void decode(const Q4_0& block, float* y)
{
    const float d = half(block.d);
    for (int j = 0; j < 16; ++j) {
        y[j] = static_cast<float>((block.qs[j] & 15) - 8) * d;
        y[j + 16] = static_cast<float>((block.qs[j] >> 4) - 8) * d;
    }
}

void decode(const Q4_1& block, float* y)
{
    const float d = half(block.d);
    const float m = half(block.m);
    for (int j = 0; j < 16; ++j) {
        y[j] = static_cast<float>(block.qs[j] & 15) * d + m;
        y[j + 16] = static_cast<float>(block.qs[j] >> 4) * d + m;
    }
}

uint32_t word(const uint8_t (&bytes)[4])
{
    return bytes[0] | bytes[1] << 8 | bytes[2] << 16 | static_cast<uint32_t>(bytes[3]) << 24;
}

void decode(const Q5_0& block, float* y)
{
    const float d = half(block.d);
    const uint32_t high = word(block.qh);
    for (int j = 0; j < 16; ++j) {
        const int low = (block.qs[j] & 15) | static_cast<int>(high >> j & 1) << 4;
        const int up = (block.qs[j] >> 4) | static_cast<int>(high >> (j + 16) & 1) << 4;
        y[j] = static_cast<float>(low - 16) * d;
        y[j + 16] = static_cast<float>(up - 16) * d;
    }
}

void decode(const Q5_1& block, float* y)
{
    const float d = half(block.d);
    const float m = half(block.m);
    const uint32_t high = word(block.qh);
    for (int j = 0; j < 16; ++j) {
        const int low = (block.qs[j] & 15) | static_cast<int>(high >> j & 1) << 4;
        const int up = (block.qs[j] >> 4) | static_cast<int>(high >> (j + 16) & 1) << 4;
        y[j] = static_cast<float>(low) * d + m;
        y[j + 16] = static_cast<float>(up) * d + m;
    }
}

void decode(const Q8_0& block, float* y)
{
    const float d = half(block.d);
    for (int j = 0; j < 32; ++j)
        y[j] = static_cast<float>(block.qs[j]) * d;
}

void decode(const Iq4Nl& block, float* y)
{
    const float d = half(block.d);
    for (int j = 0; j < 16; ++j) {
        y[j] = d * kIq4Levels[block.qs[j] & 15];
        y[j + 16] = d * kIq4Levels[block.qs[j] >> 4];
    }
}

void decode(const Mxfp4& block, float* y)
{
    // Half the scale, for the levels are doubled; GGML gives 0xFF no special meaning.
    const float d = std::ldexp(1.0f, int(block.e) - 128);
    for (int j = 0; j < 16; ++j) {
        y[j] = kE2m1Doubled[block.qs[j] & 15] * d;
        y[j + 16] = kE2m1Doubled[block.qs[j] >> 4] * d;
    }
}

/// GGML's UE4M3 ignores the top bit and reads 0x7F as 0; halved like the scale of MXFP4.
float halvedUe4m3(uint8_t bits)
{
    if (bits == 0x7F)
        return 0.0f;
    const int exponent = bits >> 3 & 15;
    const auto mantissa = static_cast<float>(bits & 7);
    return exponent == 0 ? std::ldexp(mantissa, -10) : std::ldexp(1.0f + mantissa / 8.0f, exponent - 8);
}

void decode(const Nvfp4& block, float* y)
{
    for (int s = 0; s < 4; ++s, y += 16) {
        const float d = halvedUe4m3(block.d[s]);
        for (int j = 0; j < 8; ++j) {
            y[j] = kE2m1Doubled[block.qs[s][j] & 15] * d;
            y[j + 8] = kE2m1Doubled[block.qs[s][j] >> 4] * d;
        }
    }
}

void decode(const Q2K& block, float* y)
{
    const float d = half(block.d);
    const float min = half(block.dmin);
    for (int s = 0; s < 16; ++s, y += 16) {
        const float dl = d * static_cast<float>(block.scales[s] & 15);
        const float ml = min * static_cast<float>(block.scales[s] >> 4);
        const uint8_t* q = block.qs + 32 * (s / 8) + 16 * (s % 2);
        const int shift = 2 * (s % 8 / 2);
        for (int l = 0; l < 16; ++l)
            y[l] = dl * static_cast<float>(q[l] >> shift & 3) - ml;
    }
}

void decode(const Q3K& block, float* y)
{
    const float d = half(block.d);
    for (int s = 0; s < 16; ++s, y += 16) {
        const int low = s < 8 ? block.scales[s] & 15 : block.scales[s - 8] >> 4;
        const int high = block.scales[8 + s % 4] >> 2 * (s / 4) & 3;
        const float dl = d * static_cast<float>((low | high << 4) - 32);
        const uint8_t* q = block.qs + 32 * (s / 8) + 16 * (s % 2);
        const uint8_t* hmask = block.hmask + 16 * (s % 2);
        const int shift = 2 * (s % 8 / 2);
        for (int l = 0; l < 16; ++l)
            y[l] = dl * static_cast<float>((q[l] >> shift & 3) - (hmask[l] >> s / 2 & 1 ? 0 : 4));
    }
}

struct ScaleMin {
    int scale;
    int min;
};

/// Eight 6-bit scales and eight 6-bit minima in twelve bytes.
ScaleMin sixBitPair(const uint8_t (&packed)[12], int j)
{
    if (j < 4)
        return {packed[j] & 63, packed[j + 4] & 63};
    return {(packed[j + 4] & 15) | packed[j - 4] >> 6 << 4, packed[j + 4] >> 4 | packed[j] >> 6 << 4};
}

void decode(const Q4K& block, float* y)
{
    const float d = half(block.d);
    const float min = half(block.dmin);
    for (int j = 0; j < 8; ++j, y += 32) {
        const ScaleMin pair = sixBitPair(block.scales, j);
        const float dl = d * static_cast<float>(pair.scale);
        const float ml = min * static_cast<float>(pair.min);
        const uint8_t* q = block.qs + 32 * (j / 2);
        const int shift = 4 * (j % 2);
        for (int l = 0; l < 32; ++l)
            y[l] = dl * static_cast<float>(q[l] >> shift & 15) - ml;
    }
}

void decode(const Q5K& block, float* y)
{
    const float d = half(block.d);
    const float min = half(block.dmin);
    for (int j = 0; j < 8; ++j, y += 32) {
        const ScaleMin pair = sixBitPair(block.scales, j);
        const float dl = d * static_cast<float>(pair.scale);
        const float ml = min * static_cast<float>(pair.min);
        const uint8_t* q = block.qs + 32 * (j / 2);
        const int shift = 4 * (j % 2);
        for (int l = 0; l < 32; ++l)
            y[l] = dl * static_cast<float>((q[l] >> shift & 15) | (block.qh[l] >> j & 1) << 4) - ml;
    }
}

void decode(const Q6K& block, float* y)
{
    const float d = half(block.d);
    for (int s = 0; s < 16; ++s, y += 16) {
        const float dl = d * static_cast<float>(block.scales[s]);
        const int quarter = s % 8 / 2;
        const uint8_t* low = block.ql + 64 * (s / 8) + 32 * (quarter & 1) + 16 * (s % 2);
        const uint8_t* high = block.qh + 32 * (s / 8) + 16 * (s % 2);
        const int shift = 4 * (quarter / 2);
        for (int l = 0; l < 16; ++l)
            y[l] = dl * static_cast<float>(((low[l] >> shift & 15) | (high[l] >> 2 * quarter & 3) << 4) - 32);
    }
}

void decode(const Iq4Xs& block, float* y)
{
    const float d = half(block.d);
    const int scalesHigh = block.scalesHigh[0] | block.scalesHigh[1] << 8;
    for (int b = 0; b < 8; ++b, y += 32) {
        const int scale = (block.scalesLow[b / 2] >> 4 * (b % 2) & 15) | (scalesHigh >> 2 * b & 3) << 4;
        const float dl = d * static_cast<float>(scale - 32);
        const uint8_t* q = block.qs + 16 * b;
        for (int l = 0; l < 16; ++l) {
            y[l] = dl * kIq4Levels[q[l] & 15];
            y[l + 16] = dl * kIq4Levels[q[l] >> 4];
        }
    }
}

template <class Block, int kElements>
bool decodeAll(std::span<const std::byte> bytes, std::span<float> out)
{
    const size_t blocks = bytes.size() / sizeof(Block);
    if (bytes.size() % sizeof(Block) != 0 || out.size() / kElements != blocks || out.size() % kElements != 0)
        return false;
    for (size_t b = 0; b < blocks; ++b) {
        Block block;
        std::memcpy(&block, bytes.data() + b * sizeof(Block), sizeof(Block));
        decode(block, out.data() + b * kElements);
    }
    return true;
}

} // namespace

bool decodeGgmlBlocks(DType type, std::span<const std::byte> bytes, std::span<float> out)
{
    switch (type) {
    case DType::Q4_0: return decodeAll<ggml::Q4_0, 32>(bytes, out);
    case DType::Q4_1: return decodeAll<ggml::Q4_1, 32>(bytes, out);
    case DType::Q5_0: return decodeAll<ggml::Q5_0, 32>(bytes, out);
    case DType::Q5_1: return decodeAll<ggml::Q5_1, 32>(bytes, out);
    case DType::Q8_0: return decodeAll<ggml::Q8_0, 32>(bytes, out);
    case DType::IQ4_NL: return decodeAll<Iq4Nl, 32>(bytes, out);
    case DType::MXFP4: return decodeAll<Mxfp4, 32>(bytes, out);
    case DType::NVFP4: return decodeAll<Nvfp4, 64>(bytes, out);
    case DType::Q2_K: return decodeAll<Q2K, 256>(bytes, out);
    case DType::Q3_K: return decodeAll<Q3K, 256>(bytes, out);
    case DType::Q4_K: return decodeAll<Q4K, 256>(bytes, out);
    case DType::Q5_K: return decodeAll<Q5K, 256>(bytes, out);
    case DType::Q6_K: return decodeAll<Q6K, 256>(bytes, out);
    case DType::IQ4_XS: return decodeAll<Iq4Xs, 256>(bytes, out);
    default: return false;
    }
}

} // namespace ql
