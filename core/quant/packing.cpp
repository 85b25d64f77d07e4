// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/quant/packing.h"

#include "core/quant/schemetable.h"
#include "core/tensor/floats.h"

#include <algorithm>
#include <cmath>

namespace ql {

namespace {

/// Values 0..half-1 in the low nibbles, half..2*half-1 in the high ones.
void appendHalfSplit(std::span<const uint8_t> codes, std::vector<std::byte>& out)
{
    const size_t half = codes.size() / 2;
    for (size_t j = 0; j < half; ++j)
        out.push_back(std::byte((codes[j] & 15) | ((codes[j + half] & 15) << 4)));
}

std::span<const std::byte> blockRow(const QuantizedTensor& q, int64_t row)
{
    const size_t rowBytes = q.blocks.size() / size_t(q.rows);
    return std::span(q.blocks).subspan(size_t(row) * rowBytes, rowBytes);
}

} // namespace

std::vector<std::byte> packBits(std::span<const uint8_t> codes, int bits)
{
    std::vector<std::byte> packed((codes.size() * size_t(bits) + 7) / 8);
    size_t position = 0;
    for (const uint8_t code : codes) {
        const unsigned shifted = (code & ((1u << bits) - 1)) << (position % 8);
        packed[position / 8] |= std::byte(shifted & 255);
        if (shifted > 255)
            packed[position / 8 + 1] |= std::byte(shifted >> 8);
        position += size_t(bits);
    }
    return packed;
}

std::vector<uint8_t> unpackBits(std::span<const std::byte> packed, int bits, size_t count, bool signExtend)
{
    std::vector<uint8_t> codes;
    codes.reserve(count);
    for (size_t i = 0; i < count; ++i) {
        const size_t position = i * size_t(bits);
        unsigned word = unsigned(packed[position / 8]);
        if (position / 8 + 1 < packed.size())
            word |= unsigned(packed[position / 8 + 1]) << 8;
        const unsigned mask = (1u << bits) - 1;
        unsigned code = (word >> (position % 8)) & mask;
        if (signExtend && (code >> (bits - 1)))
            code |= ~mask;
        codes.push_back(uint8_t(code));
    }
    return codes;
}

std::vector<std::byte> packHighNibbleFirst(std::span<const uint8_t> codes)
{
    std::vector<std::byte> packed((codes.size() + 1) / 2);
    for (size_t i = 0; i < codes.size(); ++i)
        packed[i / 2] |= std::byte((codes[i] & 15) << (i % 2 ? 0 : 4));
    return packed;
}

std::vector<uint8_t> unpackHighNibbleFirst(std::span<const std::byte> packed, size_t count)
{
    std::vector<uint8_t> codes;
    codes.reserve(count);
    for (size_t i = 0; i < count; ++i)
        codes.push_back(uint8_t((unsigned(packed[i / 2]) >> (i % 2 ? 0 : 4)) & 15));
    return codes;
}

std::vector<std::byte> packMicroRow(Format format, std::span<const uint8_t> codes, std::span<const float> scales,
                                    float globalScale)
{
    const size_t group = size_t(traits(format).blockSize);
    const size_t groupsPerBlock = format == Format::NVFP4 ? 4 : 1;
    std::vector<std::byte> out;
    out.reserve(scales.size() * size_t(traits(format).blockBytes));
    for (size_t first = 0; first < scales.size(); first += groupsPerBlock) {
        const size_t last = std::min(first + groupsPerBlock, scales.size());
        for (size_t g = first; g < last; ++g) {
            out.push_back(format == Format::NVFP4 ? std::byte(floatToE4m3(scales[g] / globalScale))
                                                  : std::byte(std::ilogb(scales[g]) + 127));
        }
        for (size_t g = first; g < last; ++g)
            appendHalfSplit(codes.subspan(g * group, group), out);
    }
    return out;
}

std::vector<std::byte> packedRow(const QuantizedTensor& q, int64_t row)
{
    if (!q.blocks.empty()) {
        const auto bytes = blockRow(q, row);
        return {bytes.begin(), bytes.end()};
    }
    const auto codes = std::span(q.codes).subspan(size_t(row * q.cols), size_t(q.cols));
    switch (q.scheme.format) {
    case Format::NF4:
    case Format::NF4Quantile:
    case Format::NF4Sym15:
    case Format::FP4:
        return packHighNibbleFirst(codes);
    default:
        return packBits(codes, traits(q.scheme.format).bits);
    }
}

} // namespace ql
