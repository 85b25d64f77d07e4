// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Strict JSON for files nobody vouches for: bounded size and depth, duplicate keys are errors, errors name the line.
// Stateless; any thread.
#pragma once

#include "core/base/result.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace ql {

struct JsonLimits {
    uint64_t bytes = 8u << 20;
    int depth = 64; ///< of nested objects and arrays
};

/// Line (from 1) at which each value begins, by JSON pointer: "" the document, "/rules/2/scheme" ...
using JsonLines = std::map<std::string, int, std::less<>>;

/// Parses UTF-8 JSON text. `where` names the file in errors, which add ": line N": JsonTooLarge, InvalidUtf8,
/// JsonSyntax, JsonTooDeep, JsonDuplicateKey. `lines`, when given, receives where each value stands.
Result<nlohmann::json> parseJson(std::string_view text, const std::string& where, const JsonLimits& limits = {},
                                 JsonLines* lines = nullptr);
/// The same with the members of objects in the order of the text.
Result<nlohmann::ordered_json> parseOrderedJson(std::string_view text, const std::string& where,
                                                const JsonLimits& limits = {}, JsonLines* lines = nullptr);
/// Reads and parses a file.
Result<nlohmann::json> readJson(const std::string& path, const JsonLimits& limits = {}, JsonLines* lines = nullptr);

/// What a JSON library's syntax error says, without its prefix of exception and position.
std::string jsonReason(const nlohmann::json::exception& error);

} // namespace ql
