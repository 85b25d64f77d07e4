// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/quant/schemetext.h"

#include "core/quant/schemetable.h"

namespace ql {

namespace {

std::string lowerTrimmed(std::string_view text)
{
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos)
        return {};
    std::string out(text.substr(first, text.find_last_not_of(" \t") - first + 1));
    for (char& c : out)
        c = c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
    return out;
}

} // namespace

Result<SchemeText> SchemeText::split(std::string_view text, std::string_view example)
{
    const std::string whole = lowerTrimmed(text);
    if (whole.empty())
        return schemeError(ErrorCode::SchemeSyntax,
                           "empty scheme; write FORMAT[,option...], such as " + std::string(example));
    SchemeText parts;
    bool first = true;
    for (size_t start = 0; start <= whole.size();) {
        const size_t comma = std::min(whole.find(',', start), whole.size());
        std::string part = lowerTrimmed(std::string_view(whole).substr(start, comma - start));
        start = comma + 1;
        if (part.empty())
            return schemeError(ErrorCode::SchemeSyntax, "empty option between commas in '" + whole + "'");
        if (first) {
            QL_TRY(parts.format, parseFormat(part));
        } else {
            parts.options.push_back(std::move(part));
        }
        first = false;
    }
    return parts;
}

SchemeOption::SchemeOption(std::string_view option) : text(option)
{
    const auto equals = option.find('=');
    key = option.substr(0, equals);
    hasValue = equals != std::string_view::npos;
    value = hasValue ? option.substr(equals + 1) : std::string_view();
}

Status GivenOptions::once(std::string_view what, std::string_view option, Status status)
{
    QL_CHECK(status);
    if (!m_names.emplace(what).second)
        return schemeError(ErrorCode::SchemeConflict, "'" + std::string(option) + "' contradicts or repeats an option");
    return {};
}

Error schemeError(ErrorCode code, std::string message)
{
    return {code, std::move(message), {}};
}

Error badOption(std::string_view option, std::string_view valid)
{
    return schemeError(ErrorCode::SchemeBadOption,
                       "bad value in '" + std::string(option) + "'; valid: " + std::string(valid));
}

Result<Format> parseFormat(std::string_view name)
{
    if (const auto format = formatFromName(name))
        return *format;
    std::string known;
    for (const FormatTraits& row : schemeTable())
        known += " " + std::string(row.name);
    return schemeError(ErrorCode::SchemeUnknownFormat, "unknown format '" + std::string(name) + "'; known:" + known);
}

} // namespace ql
