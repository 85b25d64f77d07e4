// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/tensor/decode.h"

#include "core/tensor/floats.h"
#include "core/tensor/ggmldecode.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

namespace ql {
namespace {

/// Values may start at any byte of a mapping, so they are copied out rather than read through a typed pointer.
template <class Stored, class Convert>
void decodeEach(std::span<const std::byte> bytes, std::span<float> out, Convert convert)
{
    for (size_t i = 0; i < out.size(); ++i) {
        Stored stored;
        std::memcpy(&stored, bytes.data() + i * sizeof(Stored), sizeof(Stored));
        out[i] = convert(stored);
    }
}

template <class Stored>
void decodeNumbers(std::span<const std::byte> bytes, std::span<float> out)
{
    decodeEach<Stored>(bytes, out, [](Stored value) { return static_cast<float>(value); });
}

/// The "FNUZ" variants have one more exponent bias, no negative zero (0x80 is NaN) and no Inf.
float e4m3FnuzToFloat(uint8_t bits)
{
    if (bits == 0x80)
        return std::numeric_limits<float>::quiet_NaN();
    if ((bits & 0x7F) == 0x7F)
        return bits & 0x80 ? -240.0f : 240.0f;
    return e4m3ToFloat(bits) * 0.5f;
}

float e5m2FnuzToFloat(uint8_t bits)
{
    if (bits == 0x80)
        return std::numeric_limits<float>::quiet_NaN();
    const int mantissa = bits & 3;
    if ((bits & 0x7C) != 0x7C)
        return e5m2ToFloat(bits) * 0.5f;
    const float value = float(4 + mantissa) * 8192.0f;
    return bits & 0x80 ? -value : value;
}

using Table = std::array<float, 256>;

Table tableOf(float (*convert)(uint8_t))
{
    Table table;
    for (size_t code = 0; code < table.size(); ++code)
        table[code] = convert(uint8_t(code));
    return table;
}

void decodeCodes(const Table& table, std::span<const std::byte> bytes, std::span<float> out)
{
    for (size_t i = 0; i < out.size(); ++i)
        out[i] = table[size_t(bytes[i])];
}

void decodePairs(std::span<const std::byte> bytes, std::span<float> out)
{
    static const Table low = tableOf([](uint8_t pair) { return e2m1ToFloat(pair & 15); });
    static const Table high = tableOf([](uint8_t pair) { return e2m1ToFloat(pair >> 4); });
    for (size_t i = 0; i < out.size(); i += 2) {
        out[i] = low[size_t(bytes[i / 2])];
        out[i + 1] = high[size_t(bytes[i / 2])];
    }
}

/// Through a small aligned buffer, so that the whole-span conversions can be used wherever the bytes begin.
void decodeWords(std::span<const std::byte> bytes, std::span<float> out,
                 void (*convert)(std::span<const uint16_t>, std::span<float>))
{
    std::array<uint16_t, 2048> words;
    for (size_t first = 0; first < out.size(); first += words.size()) {
        const size_t n = std::min(words.size(), out.size() - first);
        std::memcpy(words.data(), bytes.data() + first * sizeof(uint16_t), n * sizeof(uint16_t));
        convert(std::span(words).first(n), out.subspan(first, n));
    }
}

/// The 8-bit formats, whose every code has its value in a table.
const Table* codeTable(DType type)
{
    static const Table e4m3 = tableOf(e4m3ToFloat);
    static const Table e5m2 = tableOf(e5m2ToFloat);
    static const Table e8m0 = tableOf(e8m0ToFloat);
    static const Table e4m3Fnuz = tableOf(e4m3FnuzToFloat);
    static const Table e5m2Fnuz = tableOf(e5m2FnuzToFloat);
    switch (type) {
    case DType::F8E4M3: return &e4m3;
    case DType::F8E5M2: return &e5m2;
    case DType::F8E8M0: return &e8m0;
    case DType::F8E4M3FNUZ: return &e4m3Fnuz;
    case DType::F8E5M2FNUZ: return &e5m2Fnuz;
    default: return nullptr;
    }
}

} // namespace

bool decodeToFloat(DType type, std::span<const std::byte> bytes, std::span<float> out)
{
    const auto size = dtypeBytes(type, out.size());
    if (!size || *size != bytes.size() || !dtypeInfo(type).decodable)
        return false;
    if (out.empty())
        return true;
    if (const Table* table = codeTable(type)) {
        decodeCodes(*table, bytes, out);
        return true;
    }
    switch (type) {
    case DType::F64: decodeNumbers<double>(bytes, out); return true;
    case DType::F32: std::memcpy(out.data(), bytes.data(), bytes.size()); return true;
    case DType::F16: decodeWords(bytes, out, halfToFloat); return true;
    case DType::BF16: decodeWords(bytes, out, bf16ToFloat); return true;
    case DType::F4: decodePairs(bytes, out); return true;
    case DType::I8: decodeNumbers<int8_t>(bytes, out); return true;
    case DType::U8: decodeNumbers<uint8_t>(bytes, out); return true;
    case DType::I16: decodeNumbers<int16_t>(bytes, out); return true;
    case DType::U16: decodeNumbers<uint16_t>(bytes, out); return true;
    case DType::I32: decodeNumbers<int32_t>(bytes, out); return true;
    case DType::U32: decodeNumbers<uint32_t>(bytes, out); return true;
    case DType::I64: decodeNumbers<int64_t>(bytes, out); return true;
    case DType::U64: decodeNumbers<uint64_t>(bytes, out); return true;
    case DType::Bool: decodeEach<uint8_t>(bytes, out, [](uint8_t v) { return v ? 1.0f : 0.0f; }); return true;
    default: return decodeGgmlBlocks(type, bytes, out);
    }
}

} // namespace ql
