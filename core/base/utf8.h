// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Text from files nobody vouches for: is it UTF-8, can it stand in a line, and what to print when it cannot.
#pragma once

#include <string>
#include <string_view>

namespace ql {

/// Well-formed UTF-8 as Unicode defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
bool isUtf8(std::string_view text);
/// Bytes before the first malformed one; text.size() when there is none.
size_t wellFormedPrefix(std::string_view text);
/// `bytes` as UTF-8: every maximal part of a broken sequence becomes one U+FFFD, as Unicode recommends (chapter 3.9).
std::string replaceMalformed(std::string_view bytes);
/// UTF-8 without control characters, so that it fits a line of a table or a terminal.
bool isOneLine(std::string_view text);
/// `text` for a message: control and malformed bytes as \xNN, at most about `limit` bytes, then "...".
std::string printable(std::string_view text, size_t limit = 80);
/// The whole text with the same escapes, but its lines and tabs as they are.
std::string displayable(std::string_view text);

} // namespace ql
