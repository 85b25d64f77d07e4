// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// TextPattern: a regular expression of a tokenizer, written for Oniguruma and run by PCRE2 with a match limit. What the
// two read differently (\s, \w, \h, nested classes) is spelled out. Compiled once; any thread.
#pragma once

#include "core/base/result.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ql::tok {

/// Bytes [begin, end) of a text.
struct Span {
    size_t begin = 0;
    size_t end = 0;
};

class TextPattern
{
public:
    /// TokenizerInvalid when it does not compile, TokenizerUnsupported for what PCRE2 would read as something else.
    static Result<TextPattern> compile(std::string_view pattern, const std::string& where);
    /// The pattern that matches exactly this text.
    static TextPattern literal(std::string text);

    /// All matches from left to right, without overlap. TokenizerUnsupported when the search takes too long.
    Result<std::vector<Span>> matches(std::string_view text) const;

private:
    struct Compiled;
    std::shared_ptr<const Compiled> m_compiled; ///< null: a literal
    std::string m_literal;
};

} // namespace ql::tok
