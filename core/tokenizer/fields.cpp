// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/tokenizer/fields.h"

#include "core/base/utf8.h"
#include "core/tokenizer/unicode.h"

namespace ql::tok {

using Json = nlohmann::json;

Result<Fields> Fields::of(const Json& json, std::string where)
{
    if (!json.is_object())
        return Error{ErrorCode::JsonWrongType, std::string("must be an object, not ") + json.type_name(),
                     std::move(where)};
    return Fields(json, std::move(where));
}

const Json* Fields::find(const char* key) const
{
    const auto at = m_json->find(key);
    return at == m_json->end() || at->is_null() ? nullptr : &*at;
}

Result<const Json*> Fields::required(const char* key, bool (Json::*is)() const noexcept, const char* wanted) const
{
    const Json* value = find(key);
    if (!value)
        return Error{ErrorCode::JsonMissingKey, "\"" + std::string(key) + "\" is missing; " + wanted + " is expected",
                     m_where};
    if (!(value->*is)())
        return wrongType(key, wanted);
    return value;
}

Result<std::string> Fields::text(const char* key, std::optional<std::string> fallback) const
{
    if (fallback && !find(key))
        return *std::move(fallback);
    QL_TRY(const Json* value, required(key, &Json::is_string, "a string"));
    return value->get<std::string>();
}

Result<bool> Fields::flag(const char* key, std::optional<bool> fallback) const
{
    if (fallback && !find(key))
        return *fallback;
    QL_TRY(const Json* value, required(key, &Json::is_boolean, "true or false"));
    return value->get<bool>();
}

Result<int64_t> Fields::integer(const char* key, std::optional<int64_t> fallback) const
{
    if (fallback && !find(key))
        return *fallback;
    QL_TRY(const Json* value, required(key, &Json::is_number_integer, "an integer"));
    if (value->is_number_unsigned() && value->get<uint64_t>() > uint64_t(INT64_MAX))
        return invalid("\"" + std::string(key) + "\" is " + value->dump() + ", far too large");
    return value->get<int64_t>();
}

Result<const Json*> Fields::array(const char* key) const
{
    return required(key, &Json::is_array, "an array");
}

Result<const Json*> Fields::object(const char* key) const
{
    return required(key, &Json::is_object, "an object");
}

Result<std::string> Fields::character(const char* key, std::optional<std::string> fallback) const
{
    QL_TRY(std::string value, text(key, std::move(fallback)));
    if (value.empty() || codePointAt(value, 0).bytes != value.size())
        return invalid("\"" + std::string(key) + "\" must be one character, not \"" + printable(value) + "\"");
    return value;
}

Error Fields::wrongType(const std::string& key, const char* wanted) const
{
    return {ErrorCode::JsonWrongType, "\"" + key + "\" must be " + wanted, m_where};
}

Error Fields::invalid(const std::string& message) const
{
    return {ErrorCode::TokenizerInvalid, message, m_where};
}

Error Fields::unsupported(const std::string& message) const
{
    return {ErrorCode::TokenizerUnsupported, message, m_where};
}

} // namespace ql::tok
