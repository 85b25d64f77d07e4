// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/nn/configreader.h"

#include "core/base/format.h"
#include "core/base/utf8.h"

#include <cmath>

namespace ql {
namespace {

std::string shown(const nlohmann::json& value)
{
    return printable(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), 40);
}

/// GGUF arrays with one entry per layer stand for a single number where all are equal.
const nlohmann::json& single(const nlohmann::json& value)
{
    if (!value.is_array() || value.empty())
        return value;
    for (const auto& item : value) {
        if (item != value.front())
            return value;
    }
    return value.front();
}

} // namespace

const nlohmann::json* ConfigReader::find(KeyNames keys) const
{
    for (const std::string_view key : keys) {
        const auto at = m_object.find(m_prefix + std::string(key));
        if (at != m_object.end() && !at->is_null())
            return &*at;
    }
    return nullptr;
}

int64_t ConfigReader::integer(KeyNames keys, int64_t low, int64_t high, std::optional<int64_t> fallback)
{
    const auto* entry = find(keys);
    if (!entry) {
        if (!fallback)
            fail(quoted(keys) + " is missing");
        return fallback.value_or(low);
    }
    const auto& value = single(*entry);
    const bool whole = value.is_number_integer() || (value.is_number_float() && std::trunc(value.get<double>()) == value.get<double>());
    const double rough = whole ? value.get<double>() : 0;
    if (!whole || rough < double(low) || rough > double(high)) {
        fail(quoted(keys) + " is " + shown(value) + "; a whole number from " + std::to_string(low) + " to " +
             std::to_string(high) + " is needed");
        return fallback.value_or(low);
    }
    return value.get<int64_t>();
}

double ConfigReader::number(KeyNames keys, double low, double high, std::optional<double> fallback)
{
    const auto* entry = find(keys);
    if (!entry) {
        if (!fallback)
            fail(quoted(keys) + " is missing");
        return fallback.value_or(low);
    }
    const auto& value = single(*entry);
    const double number = value.is_number() ? value.get<double>() : std::nan("");
    if (!(number >= low && number <= high)) {
        fail(quoted(keys) + " is " + shown(value) + "; a number from " + formatSignificant(low) + " to " +
             formatSignificant(high) + " is needed");
        return fallback.value_or(low);
    }
    return number;
}

bool ConfigReader::boolean(KeyNames keys, bool fallback)
{
    const auto* value = find(keys);
    if (!value)
        return fallback;
    if (!value->is_boolean())
        fail(quoted(keys) + " is " + shown(*value) + "; true or false is needed");
    return value->is_boolean() ? value->get<bool>() : fallback;
}

std::string ConfigReader::text(KeyNames keys, const std::string& fallback)
{
    const auto* value = find(keys);
    if (!value)
        return fallback;
    if (!value->is_string())
        fail(quoted(keys) + " is " + shown(*value) + "; a text is needed");
    return value->is_string() ? value->get<std::string>() : fallback;
}

std::vector<double> ConfigReader::numbers(KeyNames keys, size_t count)
{
    const auto* value = find(keys);
    if (!value)
        return {};
    std::vector<double> found;
    if (value->is_array() && value->size() == count) {
        for (const auto& item : *value) {
            if (item.is_number() && item.get<double>() > 0 && std::isfinite(item.get<double>()))
                found.push_back(item.get<double>());
        }
    }
    if (found.size() != count) {
        fail(quoted(keys) + " must list " + std::to_string(count) + " positive numbers");
        return std::vector<double>(count, 1.0);
    }
    return found;
}

void ConfigReader::fail(std::string message)
{
    if (!m_error)
        m_error = Error{ErrorCode::ConfigInvalid, std::move(message), m_where};
}

std::string ConfigReader::quoted(KeyNames keys) const
{
    return '"' + m_prefix + std::string(*keys.begin()) + '"';
}

} // namespace ql
