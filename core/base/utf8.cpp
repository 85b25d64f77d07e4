// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/utf8.h"

#include <algorithm>
#include <cstdint>

namespace ql {
namespace {

/// Length of the well-formed sequence at the front of `text` (Unicode 15, table 3-7); 0 when malformed.
size_t sequenceLength(std::string_view text)
{
    const auto at = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t(0); };
    const auto continues = [&](size_t i) { return (at(i) & 0xC0) == 0x80; };
    const uint8_t lead = at(0);
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF)
        return continues(1) ? 2 : 0;
    if (lead >= 0xE0 && lead <= 0xEF) {
        const bool overlong = lead == 0xE0 && at(1) < 0xA0;
        const bool surrogate = lead == 0xED && at(1) > 0x9F;
        return continues(1) && continues(2) && !overlong && !surrogate ? 3 : 0;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        const bool overlong = lead == 0xF0 && at(1) < 0x90;
        const bool beyond = lead == 0xF4 && at(1) > 0x8F;
        return continues(1) && continues(2) && continues(3) && !overlong && !beyond ? 4 : 0;
    }
    return 0;
}

/// Bytes at the front of malformed `text` that one U+FFFD stands for: the start of a sequence as far as it is right.
size_t brokenLength(std::string_view text)
{
    const auto at = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t(0); };
    const uint8_t lead = at(0);
    const size_t wanted = lead < 0xC2 || lead > 0xF4 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    const uint8_t lowest = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const uint8_t highest = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (wanted == 1 || at(1) < lowest || at(1) > highest)
        return 1;
    size_t length = 2;
    while (length < wanted && (at(length) & 0xC0) == 0x80)
        ++length;
    return length;
}

/// C0, C1, DEL, and what ends a line or turns its direction: U+2028-202E, U+2066-2069.
bool isControl(std::string_view sequence)
{
    const auto byte = [&](size_t i) { return static_cast<uint8_t>(sequence[i]); };
    if (sequence.size() == 1)
        return byte(0) < 0x20 || byte(0) == 0x7F;
    if (sequence.size() == 2)
        return byte(0) == 0xC2 && byte(1) < 0xA0;
    if (byte(0) != 0xE2)
        return false;
    return (byte(1) == 0x80 && byte(2) >= 0xA8 && byte(2) <= 0xAE) || (byte(1) == 0x81 && byte(2) >= 0xA6 && byte(2) <= 0xA9);
}

} // namespace

size_t wellFormedPrefix(std::string_view text)
{
    size_t at = 0;
    while (at < text.size()) {
        const size_t length = sequenceLength(text.substr(at));
        if (length == 0)
            break;
        at += length;
    }
    return at;
}

bool isUtf8(std::string_view text)
{
    return wellFormedPrefix(text) == text.size();
}

std::string replaceMalformed(std::string_view bytes)
{
    std::string out;
    for (;;) {
        const size_t good = wellFormedPrefix(bytes);
        out += bytes.substr(0, good);
        if (good == bytes.size())
            return out;
        out += "\xEF\xBF\xBD";
        bytes.remove_prefix(good + brokenLength(bytes.substr(good)));
    }
}

bool isOneLine(std::string_view text)
{
    while (!text.empty()) {
        const size_t length = sequenceLength(text);
        if (length == 0 || isControl(text.substr(0, length)))
            return false;
        text.remove_prefix(length);
    }
    return true;
}

std::string displayable(std::string_view text)
{
    std::string out;
    while (!text.empty()) {
        const size_t plain = std::min(text.find_first_of("\n\t"), text.size());
        out += printable(text.substr(0, plain), std::string::npos);
        out += text.substr(plain, 1);
        text.remove_prefix(std::min(plain + 1, text.size()));
    }
    return out;
}

std::string printable(std::string_view text, size_t limit)
{
    constexpr char kHex[] = "0123456789ABCDEF";
    std::string out;
    while (!text.empty()) {
        if (out.size() >= limit)
            return out + "...";
        const size_t length = sequenceLength(text);
        if (length == 0 || isControl(text.substr(0, length))) {
            for (const char c : text.substr(0, length == 0 ? 1 : length))
                out += {'\\', 'x', kHex[static_cast<uint8_t>(c) >> 4], kHex[static_cast<uint8_t>(c) & 15]};
            text.remove_prefix(length == 0 ? 1 : length);
        } else {
            out += text.substr(0, length);
            text.remove_prefix(length);
        }
    }
    return out;
}

} // namespace ql
