// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// AddedTokens: strings that are cut out of a text whole, before anything else looks at it. Immutable; any thread.
#pragma once

#include "core/tokenizer/textpattern.h"

#include <array>
#include <cstdint>
#include <unordered_map>

namespace ql::tok {

struct AddedToken {
    int32_t id = -1;
    std::string content;
    bool singleWord = false; ///< only where no word character is beside it
    bool leftStrip = false;  ///< swallows white space before it
    bool rightStrip = false; ///< and after it
    bool normalized = false; ///< looked for in normalized text
    bool special = false;    ///< left out when a decoder skips special tokens
};

class AddedTokens
{
public:
    /// What `tokens` contain is looked for; empty contents are never found.
    explicit AddedTokens(std::vector<AddedToken> tokens);

    struct Part {
        Span span;
        const AddedToken* token = nullptr; ///< null: ordinary text
    };
    /// Leftmost first, the longest of those that begin there. An empty text is one empty part.
    std::vector<Part> split(std::string_view text) const;

private:
    const AddedToken* longestAt(std::string_view text, size_t at) const;

    std::vector<AddedToken> m_tokens;
    std::unordered_map<uint64_t, uint32_t> m_edges; ///< node * 256 + byte -> node; node 0 is the root
    std::vector<int32_t> m_ends;                    ///< per node: index of the token that ends there, or -1
    std::array<bool, 256> m_begins{};               ///< whether any token begins with a byte
};

} // namespace ql::tok
