// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What the texts of weight, activation and cache schemes have in common: "FORMAT[,option...]", their errors, and that
// no option is said twice. Private to core/quant; stateless.
#pragma once

#include "core/quant/scheme.h"

#include <charconv>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace ql {

/// A scheme text in lower case, taken apart.
struct SchemeText {
    Format format = Format::F32;
    std::vector<std::string> options;

    /// SchemeSyntax, SchemeUnknownFormat. `example` is shown for an empty text.
    static Result<SchemeText> split(std::string_view text, std::string_view example);
};

/// "key=value" or "key"; views into the option given.
struct SchemeOption {
    std::string_view text, key, value;
    bool hasValue = false;

    explicit SchemeOption(std::string_view option);
};

/// Remembers which options were given, by the name of what they set.
class GivenOptions
{
public:
    /// `status`, or SchemeConflict when `what` was set before.
    Status once(std::string_view what, std::string_view option, Status status);
    bool contains(std::string_view what) const { return m_names.contains(what); }

private:
    std::set<std::string, std::less<>> m_names;
};

Error schemeError(ErrorCode code, std::string message);
/// SchemeBadOption: "bad value in 'OPTION'; valid: VALID".
Error badOption(std::string_view option, std::string_view valid);
Result<Format> parseFormat(std::string_view name); ///< SchemeUnknownFormat, listing what is known

template <class T>
std::optional<T> parseSchemeNumber(std::string_view text)
{
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

} // namespace ql
