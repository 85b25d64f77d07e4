// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// GPT-2's printable alphabet for bytes: 0x21-0x7E, 0xA1-0xAC and 0xAE-0xFF stand for themselves, the other 68 bytes in
// order are U+0100 and up (space "Ġ", line feed "Ċ"). Stateless; any thread.
#pragma once

#include <string>
#include <string_view>

namespace ql::tok {

std::string toByteLetters(std::string_view bytes);
/// The bytes of a token; one that holds any other character stands for its own UTF-8.
std::string fromByteLetters(std::string_view token);

} // namespace ql::tok
