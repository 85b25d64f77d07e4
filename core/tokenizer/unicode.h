// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What tokenizers ask of Unicode: code points of UTF-8, classes of characters, normal forms, lower case. Stateless; any
// thread. Text is well-formed UTF-8 throughout.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ql::tok {

struct CodePoint {
    char32_t value = 0;
    size_t bytes = 1;
};
/// The code point that begins at `at`.
CodePoint codePointAt(std::string_view text, size_t at);
/// The code point that ends at `end` (greater than 0).
CodePoint codePointBefore(std::string_view text, size_t end);
void appendUtf8(std::string& out, char32_t character);
std::u16string toUtf16(std::string_view text);

bool isSpace(char32_t c);          ///< White_Space
bool isWord(char32_t c);           ///< letters, marks, digits, connectors: \w as Unicode TS 18 has it
bool isPunctuation(char32_t c);    ///< general category P
bool isNumeric(char32_t c);        ///< general category N
bool isMark(char32_t c);           ///< general category M
bool isNonspacingMark(char32_t c); ///< general category Mn
bool isOther(char32_t c);          ///< general category C: controls, formats, private use, unassigned
bool isHan(char32_t c);            ///< the CJK blocks that BERT sets apart

enum class NormalForm : uint8_t { C, D, KC, KD };
std::string normalForm(std::string_view text, NormalForm form);
std::string lowerCase(std::string_view text);

} // namespace ql::tok
