// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// GgufValue: one metadata value of a GGUF file, with the type that the file gave it. Arrays stay in the file and are
// read when asked for (GgufFile), because tokenizers hold hundreds of thousands of strings.
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace ql {

class ByteCursor;

/// GGUF's own numbers.
enum class GgufType : uint8_t { U8, I8, U16, I16, U32, I32, F32, Bool, String, Array, U64, I64, F64 };
inline constexpr uint32_t kGgufTypeCount = 13;

std::string_view ggufTypeName(GgufType type); ///< "u8", ..., "string", "array"
/// Bytes of one value in the file; 0 for strings and arrays, which have no fixed size.
uint64_t ggufTypeSize(GgufType type);

/// Where an array's elements lie in the file; its extent has been checked.
struct GgufArray {
    GgufType element = GgufType::U8;
    uint64_t count = 0;
    uint64_t offset = 0; ///< of the first element
    uint64_t bytes = 0;  ///< of all elements, the lengths of strings included
    bool operator==(const GgufArray&) const = default;
};

/// The alternative's index is the GgufType.
using GgufValue = std::variant<uint8_t, int8_t, uint16_t, int16_t, uint32_t, int32_t, float, bool, std::string, GgufArray,
                               uint64_t, int64_t, double>;
static_assert(std::variant_size_v<GgufValue> == kGgufTypeCount);

inline GgufType typeOf(const GgufValue& value)
{
    return static_cast<GgufType>(value.index());
}

/// The next value that is neither string nor array; `what` is for messages.
Result<GgufValue> readGgufScalar(ByteCursor& in, GgufType type, std::string_view what);

/// An integer of any width; nothing for other types and for values outside int64.
std::optional<int64_t> toInteger(const GgufValue& value);
/// Any number; nothing for other types.
std::optional<double> toNumber(const GgufValue& value);
/// A scalar or string as text ("true", "0.5"); an array as "[16 u32]".
std::string toText(const GgufValue& value);

} // namespace ql
