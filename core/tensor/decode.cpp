// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/tensor/decode.h"

#include "core/tensor/floats.h"
#include "core/tensor/ggmldecode.h"

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

void decodePairs(std::span<const std::byte> bytes, std::span<float> out)
{
    for (size_t i = 0; i < out.size(); i += 2) {
        const auto pair = uint8_t(bytes[i / 2]);
        out[i] = e2m1ToFloat(pair & 15);
        out[i + 1] = e2m1ToFloat(pair >> 4);
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
    switch (type) {
    case DType::F64: decodeNumbers<double>(bytes, out); return true;
    case DType::F32: std::memcpy(out.data(), bytes.data(), bytes.size()); return true;
    case DType::F16: decodeEach<uint16_t>(bytes, out, [](uint16_t v) { return halfToFloat(v); }); return true;
    case DType::BF16: decodeEach<uint16_t>(bytes, out, [](uint16_t v) { return bf16ToFloat(v); }); return true;
    case DType::F8E4M3: decodeEach<uint8_t>(bytes, out, e4m3ToFloat); return true;
    case DType::F8E5M2: decodeEach<uint8_t>(bytes, out, e5m2ToFloat); return true;
    case DType::F8E8M0: decodeEach<uint8_t>(bytes, out, e8m0ToFloat); return true;
    case DType::F8E4M3FNUZ: decodeEach<uint8_t>(bytes, out, e4m3FnuzToFloat); return true;
    case DType::F8E5M2FNUZ: decodeEach<uint8_t>(bytes, out, e5m2FnuzToFloat); return true;
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
