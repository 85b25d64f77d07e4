// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Superblocks as files store them; the layouts of ggml-common.h.
#include "core/quant/superblock.h"
#include "core/tensor/floats.h"

#include <algorithm>
#include <cstring>
#include <span>

namespace ql {
namespace {

using Bytes = uint8_t*;

Bytes putHalf(Bytes out, float value)
{
    const uint16_t bits = floatToHalf(value);
    out[0] = uint8_t(bits & 255);
    out[1] = uint8_t(bits >> 8);
    return out + 2;
}

/// Two bits of each value: byte l of a half holds values l, l + 32, l + 64, l + 96, lowest first.
Bytes putPairs(Bytes out, std::span<const uint8_t> codes, int shift)
{
    for (size_t half = 0; half < codes.size(); half += 128) {
        for (size_t l = 0; l < 32; ++l) {
            unsigned byte = 0;
            for (size_t quarter = 0; quarter < 4; ++quarter)
                byte |= ((unsigned(codes[half + 32 * quarter + l]) >> shift) & 3u) << (2 * quarter);
            *out++ = uint8_t(byte);
        }
    }
    return out;
}

/// Low nibbles of values l and l + distance in one byte, for every run of 2 * distance values.
Bytes putNibbles(Bytes out, std::span<const uint8_t> codes, size_t distance)
{
    for (size_t run = 0; run < codes.size(); run += 2 * distance) {
        for (size_t l = 0; l < distance; ++l)
            *out++ = uint8_t((codes[run + l] & 15) | ((codes[run + distance + l] & 15) << 4));
    }
    return out;
}

/// One bit of each value: bit k of byte l belongs to value 32 k + l.
Bytes putBits(Bytes out, std::span<const uint8_t> codes, int bit)
{
    for (size_t l = 0; l < 32; ++l) {
        unsigned byte = 0;
        for (size_t k = 0; k < 8; ++k)
            byte |= ((unsigned(codes[32 * k + l]) >> bit) & 1u) << k;
        *out++ = uint8_t(byte);
    }
    return out;
}

/// Eight scales and minima of six bits in twelve bytes.
Bytes putSixBitPairs(Bytes out, const SuperBlock& block)
{
    for (size_t j = 0; j < 4; ++j) {
        const unsigned scale = uint8_t(block.scales[j]), upper = uint8_t(block.scales[j + 4]);
        const unsigned minimum = block.minimums[j], upperMinimum = block.minimums[j + 4];
        out[j] = uint8_t(scale | ((upper >> 4) << 6));
        out[j + 4] = uint8_t(minimum | ((upperMinimum >> 4) << 6));
        out[j + 8] = uint8_t((upper & 15) | ((upperMinimum & 15) << 4));
    }
    return out + 12;
}

void packTwoBits(const SuperBlock& block, Bytes out)
{
    for (size_t g = 0; g < 16; ++g)
        *out++ = uint8_t(uint8_t(block.scales[g]) | (block.minimums[g] << 4));
    out = putPairs(out, block.codes, 0);
    putHalf(putHalf(out, block.scale), block.minimum);
}

void packThreeBits(const SuperBlock& block, Bytes out)
{
    out = putBits(out, block.codes, 2);
    out = putPairs(out, block.codes, 0);
    std::array<unsigned, 16> scales;
    for (size_t g = 0; g < 16; ++g)
        scales[g] = unsigned(int(block.scales[g]) + 32);
    for (size_t g = 0; g < 8; ++g)
        *out++ = uint8_t((scales[g] & 15) | ((scales[g + 8] & 15) << 4));
    for (size_t g = 0; g < 4; ++g)
        *out++ = uint8_t((scales[g] >> 4) | ((scales[g + 4] >> 4) << 2) | ((scales[g + 8] >> 4) << 4) |
                         ((scales[g + 12] >> 4) << 6));
    putHalf(out, block.scale);
}

void packFourBits(const SuperBlock& block, Bytes out)
{
    out = putHalf(putHalf(out, block.scale), block.minimum);
    putNibbles(putSixBitPairs(out, block), block.codes, 32);
}

void packFiveBits(const SuperBlock& block, Bytes out)
{
    out = putHalf(putHalf(out, block.scale), block.minimum);
    putNibbles(putBits(putSixBitPairs(out, block), block.codes, 4), block.codes, 32);
}

void packSixBits(const SuperBlock& block, Bytes out)
{
    out = putNibbles(out, block.codes, 64);
    out = putPairs(out, block.codes, 4);
    for (const int8_t scale : block.scales)
        *out++ = uint8_t(scale);
    putHalf(out, block.scale);
}

void packTable(const SuperBlock& block, Bytes out)
{
    unsigned high = 0;
    std::array<uint8_t, 4> low{};
    for (size_t g = 0; g < 8; ++g) {
        const unsigned scale = unsigned(int(block.scales[g]) + 32);
        low[g / 2] = uint8_t(low[g / 2] | ((scale & 15) << (4 * (g % 2))));
        high |= (scale >> 4) << (2 * g);
    }
    out = putHalf(out, block.scale);
    *out++ = uint8_t(high & 255);
    *out++ = uint8_t(high >> 8);
    out = std::copy(low.begin(), low.end(), out);
    putNibbles(out, block.codes, 16);
}

} // namespace

void packSuperBlock(Format format, const SuperBlock& block, std::byte* out)
{
    const auto bytes = reinterpret_cast<Bytes>(out);
    switch (format) {
    case Format::Q2_K:
        return packTwoBits(block, bytes);
    case Format::Q3_K:
        return packThreeBits(block, bytes);
    case Format::Q4_K:
        return packFourBits(block, bytes);
    case Format::Q5_K:
        return packFiveBits(block, bytes);
    case Format::Q6_K:
        return packSixBits(block, bytes);
    default:
        return packTable(block, bytes);
    }
}

} // namespace ql
