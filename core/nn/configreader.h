// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ConfigReader: typed, bounded look at one JSON object of a configuration nobody vouches for. The first thing that is
// wrong is kept; reading goes on with stand-ins, so callers ask once at the end.
#pragma once

#include "core/base/result.h"

#include <nlohmann/json.hpp>

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ql {

/// Spellings of one entry, tried in turn; null counts as missing.
using KeyNames = std::initializer_list<std::string_view>;

class ConfigReader
{
public:
    /// `where` names the file. `prefix` is put before every key ("llama." in GGUF).
    ConfigReader(const nlohmann::json& object, std::string where, std::string prefix = {})
        : m_object(object), m_where(std::move(where)), m_prefix(std::move(prefix))
    {
    }

    bool has(KeyNames keys) const { return find(keys) != nullptr; }
    const nlohmann::json* find(KeyNames keys) const;
    /// A whole number in [low, high]; without `fallback` it must be there.
    int64_t integer(KeyNames keys, int64_t low, int64_t high, std::optional<int64_t> fallback = {});
    /// A finite number in [low, high].
    double number(KeyNames keys, double low, double high, std::optional<double> fallback = {});
    bool boolean(KeyNames keys, bool fallback);
    std::string text(KeyNames keys, const std::string& fallback);
    /// Positive numbers, `count` of them; empty when the entry is missing.
    std::vector<double> numbers(KeyNames keys, size_t count);

    void fail(std::string message);
    /// ConfigInvalid with the first complaint.
    Status status() const { return m_error ? Status(*m_error) : Status(); }
    const std::string& where() const { return m_where; }

private:
    std::string quoted(KeyNames keys) const;

    const nlohmann::json& m_object;
    std::string m_where, m_prefix;
    std::optional<Error> m_error;
};

} // namespace ql
