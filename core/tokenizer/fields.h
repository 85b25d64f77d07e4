// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Fields: typed members of one object of a tokenizer.json, with errors that name the object. A view; any thread.
#pragma once

#include "core/base/result.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>

namespace ql::tok {

class Fields
{
public:
    /// JsonWrongType unless `json` is an object. `where` names it: "FILE: pre_tokenizer".
    static Result<Fields> of(const nlohmann::json& json, std::string where);

    const std::string& where() const { return m_where; }
    const nlohmann::json* find(const char* key) const; ///< null when absent or null
    /// With a fallback an absent member is fine; without one it is JsonMissingKey. JsonWrongType for other types.
    Result<std::string> text(const char* key, std::optional<std::string> fallback = {}) const;
    Result<bool> flag(const char* key, std::optional<bool> fallback = {}) const;
    Result<int64_t> integer(const char* key, std::optional<int64_t> fallback = {}) const;
    Result<const nlohmann::json*> array(const char* key) const;
    Result<const nlohmann::json*> object(const char* key) const;
    /// Exactly one character.
    Result<std::string> character(const char* key, std::optional<std::string> fallback = {}) const;

    Error wrongType(const std::string& key, const char* wanted) const;
    Error invalid(const std::string& message) const;     ///< TokenizerInvalid
    Error unsupported(const std::string& message) const; ///< TokenizerUnsupported

private:
    Fields(const nlohmann::json& json, std::string where) : m_json(&json), m_where(std::move(where)) {}
    Result<const nlohmann::json*> required(const char* key, bool (nlohmann::json::*is)() const noexcept,
                                           const char* wanted) const;

    const nlohmann::json* m_json;
    std::string m_where;
};

} // namespace ql::tok
