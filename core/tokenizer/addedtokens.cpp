// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/tokenizer/addedtokens.h"

#include "core/tokenizer/unicode.h"

#include <algorithm>

namespace ql::tok {
namespace {

uint64_t edge(uint32_t node, char byte)
{
    return uint64_t(node) << 8 | static_cast<uint8_t>(byte);
}

bool standsAlone(std::string_view text, Span span)
{
    const bool wordBefore = span.begin > 0 && isWord(codePointBefore(text, span.begin).value);
    const bool wordAfter = span.end < text.size() && isWord(codePointAt(text, span.end).value);
    return !wordBefore && !wordAfter;
}

size_t spacesBefore(std::string_view text, size_t end, size_t stop)
{
    while (end > stop) {
        const CodePoint c = codePointBefore(text, end);
        if (!isSpace(c.value))
            break;
        end -= c.bytes;
    }
    return end;
}

size_t spacesAfter(std::string_view text, size_t at)
{
    while (at < text.size()) {
        const CodePoint c = codePointAt(text, at);
        if (!isSpace(c.value))
            break;
        at += c.bytes;
    }
    return at;
}

} // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : m_tokens(std::move(tokens)), m_ends(1, -1)
{
    for (size_t i = 0; i < m_tokens.size(); ++i) {
        const std::string& content = m_tokens[i].content;
        if (content.empty())
            continue;
        m_begins[static_cast<uint8_t>(content[0])] = true;
        uint32_t node = 0;
        for (const char byte : content) {
            const auto [at, isNew] = m_edges.try_emplace(edge(node, byte), uint32_t(m_ends.size()));
            if (isNew)
                m_ends.push_back(-1);
            node = at->second;
        }
        m_ends[node] = int32_t(i);
    }
}

const AddedToken* AddedTokens::longestAt(std::string_view text, size_t at) const
{
    const AddedToken* found = nullptr;
    uint32_t node = 0;
    for (; at < text.size(); ++at) {
        const auto next = m_edges.find(edge(node, text[at]));
        if (next == m_edges.end())
            break;
        node = next->second;
        if (m_ends[node] >= 0)
            found = &m_tokens[size_t(m_ends[node])];
    }
    return found;
}

std::vector<AddedTokens::Part> AddedTokens::split(std::string_view text) const
{
    std::vector<Part> parts;
    size_t done = 0;
    for (size_t at = 0; at < text.size();) {
        const AddedToken* token = m_begins[static_cast<uint8_t>(text[at])] ? longestAt(text, at) : nullptr;
        if (!token) {
            ++at;
            continue;
        }
        Span span{at, at + token->content.size()};
        at = span.end;
        if (token->singleWord && !standsAlone(text, span))
            continue;
        if (token->leftStrip)
            span.begin = spacesBefore(text, span.begin, done);
        if (token->rightStrip)
            span.end = spacesAfter(text, span.end);
        if (done < span.begin)
            parts.push_back({{done, span.begin}, nullptr});
        parts.push_back({span, token});
        done = span.end;
    }
    if (done < text.size() || parts.empty())
        parts.push_back({{done, text.size()}, nullptr});
    return parts;
}

} // namespace ql::tok
