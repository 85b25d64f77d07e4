// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/ggufvalue.h"

#include "core/base/format.h"
#include "core/io/bytecursor.h"

#include <type_traits>
#include <utility>

namespace ql {
namespace {

struct TypeRow {
    std::string_view name;
    uint64_t size;
};

constexpr TypeRow kTypes[kGgufTypeCount] = {
    {"u8", 1},   {"i8", 1},     {"u16", 2},   {"i16", 2}, {"u32", 4}, {"i32", 4}, {"f32", 4},
    {"bool", 1}, {"string", 0}, {"array", 0}, {"u64", 8}, {"i64", 8}, {"f64", 8},
};

template <class T>
Result<GgufValue> readAs(ByteCursor& in, std::string_view what)
{
    QL_TRY(const T value, in.value<T>(what));
    return GgufValue(value);
}

} // namespace

Result<GgufValue> readGgufScalar(ByteCursor& in, GgufType type, std::string_view what)
{
    switch (type) {
    case GgufType::U8: return readAs<uint8_t>(in, what);
    case GgufType::I8: return readAs<int8_t>(in, what);
    case GgufType::U16: return readAs<uint16_t>(in, what);
    case GgufType::I16: return readAs<int16_t>(in, what);
    case GgufType::U32: return readAs<uint32_t>(in, what);
    case GgufType::I32: return readAs<int32_t>(in, what);
    case GgufType::F32: return readAs<float>(in, what);
    case GgufType::U64: return readAs<uint64_t>(in, what);
    case GgufType::I64: return readAs<int64_t>(in, what);
    case GgufType::F64: return readAs<double>(in, what);
    case GgufType::Bool: {
        QL_TRY(const auto byte, in.value<uint8_t>(what));
        return GgufValue(byte != 0);
    }
    case GgufType::String:
    case GgufType::Array: break;
    }
    return Error{ErrorCode::BadValueType, "not a scalar", std::string(what)};
}

std::string_view ggufTypeName(GgufType type)
{
    return kTypes[static_cast<size_t>(type)].name;
}

uint64_t ggufTypeSize(GgufType type)
{
    return kTypes[static_cast<size_t>(type)].size;
}

std::optional<int64_t> toInteger(const GgufValue& value)
{
    return std::visit(
        [](const auto& v) -> std::optional<int64_t> {
            using T = std::decay_t<decltype(v)>;
            if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
                if (std::in_range<int64_t>(v))
                    return static_cast<int64_t>(v);
            }
            return {};
        },
        value);
}

std::optional<double> toNumber(const GgufValue& value)
{
    return std::visit(
        [](const auto& v) -> std::optional<double> {
            using T = std::decay_t<decltype(v)>;
            if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>)
                return static_cast<double>(v);
            else
                return {};
        },
        value);
}

std::string toText(const GgufValue& value)
{
    return std::visit(
        [](const auto& v) -> std::string {
            using T = std::decay_t<decltype(v)>;
            if constexpr (std::is_same_v<T, std::string>)
                return v;
            else if constexpr (std::is_same_v<T, GgufArray>)
                return "[" + std::to_string(v.count) + " " + std::string(ggufTypeName(v.element)) + "]";
            else if constexpr (std::is_same_v<T, bool>)
                return v ? "true" : "false";
            else if constexpr (std::is_floating_point_v<T>)
                return formatExact(v);
            else
                return std::to_string(v);
        },
        value);
}

} // namespace ql
