// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/policy/policyfields.h"

#include <algorithm>
#include <charconv>

namespace ql {

std::string Places::of(const std::string& pointer, const std::string& label) const
{
    const auto line = lines.find(pointer);
    std::string text = file.empty() ? "" : file + ": ";
    if (line != lines.end())
        text += "line " + std::to_string(line->second);
    return label.empty() ? text : text + " (" + label + ")";
}

Fields::~Fields()
{
    if (!m_warnings)
        return;
    for (const auto& [key, value] : m_object.items()) {
        if (std::find(m_used.begin(), m_used.end(), key) == m_used.end())
            m_warnings->push_back(m_where + ": unknown key \"" + key + "\" is ignored");
    }
}

const Json* Fields::find(const char* key)
{
    m_used.emplace_back(key);
    const auto it = m_object.find(key);
    return it == m_object.end() ? nullptr : &*it;
}

Result<std::string> Fields::text(const char* key)
{
    const Json* value = find(key);
    if (!value)
        return std::string();
    if (!value->is_string())
        return wrongType(key, "a string");
    return value->get<std::string>();
}

Error Fields::wrongType(const char* key, const char* expected) const
{
    return {ErrorCode::PolicySyntax, std::string("\"") + key + "\" must be " + expected, m_where};
}

Result<std::vector<TensorRole>> parseRoles(std::string_view text, const std::string& where)
{
    std::vector<TensorRole> roles;
    while (!text.empty()) {
        const size_t bar = text.find('|');
        const std::string_view name = text.substr(0, bar);
        const auto role = roleFromName(name);
        if (!role)
            return Error{ErrorCode::PolicyBadRule, "unknown role \"" + std::string(name) + "\"", where};
        roles.push_back(*role);
        text = bar == std::string_view::npos ? std::string_view() : text.substr(bar + 1);
    }
    return roles;
}

std::string rolesText(const std::vector<TensorRole>& roles)
{
    std::string text;
    for (const TensorRole role : roles)
        text += (text.empty() ? "" : "|") + std::string(roleName(role));
    return text;
}

Status parseLayers(const std::string& text, int& first, int& last, const std::string& where, bool open)
{
    const char* end = text.data() + text.size();
    auto read = std::from_chars(text.data(), end, first);
    last = first;
    const bool endless = open && read.ec == std::errc() && std::string_view(read.ptr, end) == "-";
    if (endless)
        last = -1;
    else if (read.ec == std::errc() && read.ptr != end && *read.ptr == '-')
        read = std::from_chars(read.ptr + 1, end, last);
    if (read.ec != std::errc() || (read.ptr != end && !endless) || first < 0 || (last < first && !endless))
        return Error{ErrorCode::PolicyBadRule, "\"layers\" must be like \"3\" or \"0-3\", not \"" + text + "\"", where};
    return {};
}

std::string layersText(int first, int last)
{
    const std::string from = std::to_string(first);
    return last == first ? from : last < 0 ? from + "-" : from + "-" + std::to_string(last);
}

} // namespace ql
