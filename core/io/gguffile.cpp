// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Reading metadata out of a parsed GGUF header.
#include "core/io/bytecursor.h"
#include "core/io/gguf.h"

#include "core/base/utf8.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <type_traits>

namespace ql {
namespace {

constexpr uint64_t kMaxArrayElements = 16 << 20;
constexpr uint64_t kMaxArrayBytes = 64 << 20;
constexpr uint64_t kPreviewElements = 4;
constexpr uint64_t kPreviewBuffer = 256;
constexpr uint64_t kMaxJsonElements = 256;
constexpr uint64_t kMaxJsonArrayBytes = 1 << 20;

using nlohmann::json;

Result<GgufValue> readElement(ByteCursor& in, GgufType type)
{
    if (type != GgufType::String)
        return readGgufScalar(in, type, "an array");
    QL_TRY(const auto length, in.value<uint64_t>("an array"));
    QL_TRY(std::string text, in.text(length, "an array"));
    return GgufValue(std::move(text));
}

/// `budget` is the file bytes that arrays may still bring in.
json toJson(const GgufFile& file, const GgufValue& value, uint64_t& budget)
{
    return std::visit(
        [&](const auto& v) -> json {
            using T = std::decay_t<decltype(v)>;
            if constexpr (!std::is_same_v<T, GgufArray>) {
                return v;
            } else {
                json items = json::array();
                if (v.count <= kMaxJsonElements && v.bytes <= budget) {
                    budget -= v.bytes;
                    if (const auto elements = file.elements(v, v.count)) {
                        for (const GgufValue& element : *elements)
                            items.push_back(toJson(file, element, budget));
                        return items;
                    }
                }
                return {{"array", std::string(ggufTypeName(v.element))}, {"count", v.count}};
            }
        },
        value);
}

} // namespace

const GgufValue* GgufFile::find(std::string_view key) const
{
    const auto it = metadata.find(key);
    return it == metadata.end() ? nullptr : &it->second;
}

std::optional<std::string_view> GgufFile::text(std::string_view key) const
{
    const GgufValue* value = find(key);
    const auto* string = value ? std::get_if<std::string>(value) : nullptr;
    return string ? std::optional<std::string_view>(*string) : std::nullopt;
}

std::optional<int64_t> GgufFile::integer(std::string_view key) const
{
    const GgufValue* value = find(key);
    return value ? toInteger(*value) : std::nullopt;
}

std::optional<double> GgufFile::number(std::string_view key) const
{
    const GgufValue* value = find(key);
    return value ? toNumber(*value) : std::nullopt;
}

Result<std::vector<GgufValue>> GgufFile::elements(const GgufArray& array, uint64_t limit) const
{
    const uint64_t count = std::min(array.count, limit);
    if (count > kMaxArrayElements || array.bytes > kMaxArrayBytes) {
        return Error{ErrorCode::ArrayTooLong, "an array of " + std::to_string(count) + " elements is too long to be held",
                     atByte(*source, array.offset)};
    }
    ByteCursor in(source, array.offset, limit < array.count ? kPreviewBuffer : array.bytes);
    std::vector<GgufValue> values;
    values.reserve(static_cast<size_t>(count));
    for (uint64_t i = 0; i < count; ++i) {
        QL_TRY(GgufValue value, readElement(in, array.element));
        values.push_back(std::move(value));
    }
    return values;
}

std::string GgufFile::preview(const GgufValue& value) const
{
    const auto* array = std::get_if<GgufArray>(&value);
    if (array == nullptr)
        return displayable(toText(value));
    const auto first = elements(*array, kPreviewElements);
    if (!first || array->count == 0)
        return toText(value);
    std::string text = "[";
    for (const GgufValue& element : *first)
        text += printable(toText(element), 24) + ", ";
    const bool more = array->count > first->size();
    return text + (more ? "... " : "") + std::to_string(array->count) + " " +
           std::string(ggufTypeName(array->element)) + "]";
}

Error GgufFile::wrongType(std::string_view key, std::string_view wanted) const
{
    return {ErrorCode::BadValueType, "the value is not an array of " + std::string(wanted),
            source->name() + ": key '" + printable(key) + "'"};
}

Result<std::vector<GgufValue>> GgufFile::wholeArray(std::string_view key) const
{
    const GgufValue* value = find(key);
    if (value == nullptr) {
        return Error{ErrorCode::JsonMissingKey, "the metadata have no such key",
                     source->name() + ": key '" + printable(key) + "'"};
    }
    const auto* array = std::get_if<GgufArray>(value);
    return array ? elements(*array, array->count) : wrongType(key, "values");
}

Result<std::vector<std::string>> GgufFile::strings(std::string_view key) const
{
    QL_TRY(std::vector<GgufValue> values, wholeArray(key));
    std::vector<std::string> result;
    result.reserve(values.size());
    for (GgufValue& value : values) {
        auto* text = std::get_if<std::string>(&value);
        if (text == nullptr)
            return wrongType(key, "strings");
        result.push_back(std::move(*text));
    }
    return result;
}

Result<std::vector<float>> GgufFile::floats(std::string_view key) const
{
    QL_TRY(const std::vector<GgufValue> values, wholeArray(key));
    std::vector<float> result;
    result.reserve(values.size());
    for (const GgufValue& value : values) {
        const auto* number = std::get_if<float>(&value);
        if (number == nullptr)
            return wrongType(key, "f32 numbers");
        result.push_back(*number);
    }
    return result;
}

Result<std::vector<int64_t>> GgufFile::integers(std::string_view key) const
{
    QL_TRY(const std::vector<GgufValue> values, wholeArray(key));
    std::vector<int64_t> result;
    result.reserve(values.size());
    for (const GgufValue& value : values) {
        const auto number = toInteger(value);
        if (!number)
            return wrongType(key, "integers");
        result.push_back(*number);
    }
    return result;
}

std::string GgufFile::metadataJson() const
{
    json object = json::object();
    uint64_t budget = kMaxJsonArrayBytes;
    for (const auto& [key, value] : metadata)
        object[key] = toJson(*this, value, budget);
    return object.dump(2, ' ', false, json::error_handler_t::replace);
}

} // namespace ql
