// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/tokenizer/bytelevel.h"

#include "core/tokenizer/unicode.h"

#include <array>
#include <unordered_map>

namespace ql::tok {
namespace {

struct Alphabet {
    std::array<std::string, 256> letters;
    std::unordered_map<char32_t, char> bytes;

    Alphabet()
    {
        char32_t next = 0x100;
        for (char32_t byte = 0; byte < 256; ++byte) {
            const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
            const char32_t letter = printable ? byte : next++;
            appendUtf8(letters[byte], letter);
            bytes.emplace(letter, static_cast<char>(byte));
        }
    }
};

const Alphabet& alphabet()
{
    static const Alphabet instance;
    return instance;
}

} // namespace

std::string toByteLetters(std::string_view bytes)
{
    std::string out;
    out.reserve(2 * bytes.size());
    for (const char byte : bytes)
        out += alphabet().letters[static_cast<uint8_t>(byte)];
    return out;
}

std::string fromByteLetters(std::string_view token)
{
    std::string out;
    for (size_t at = 0; at < token.size();) {
        const CodePoint c = codePointAt(token, at);
        const auto byte = alphabet().bytes.find(c.value);
        if (byte == alphabet().bytes.end())
            return std::string(token);
        out += byte->second;
        at += c.bytes;
    }
    return out;
}

} // namespace ql::tok
