// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Greedy merging of neighbours, as BPE and SentencePiece do it: always the best pair of all, the leftmost of equals.
// n log n through a queue. Stateless; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <queue>
#include <string_view>
#include <vector>

namespace ql::tok {

/// A stretch of the text; neighbours join until no pair has a token.
struct Symbol {
    std::string_view text;
    int32_t id = -1; ///< -1: no token
    int32_t previous = -1;
    int32_t next = -1;
};

/// What two neighbours become, and how early: lower goes first.
struct Join {
    double order = 0;
    int32_t id = -1;
};

inline void append(std::vector<Symbol>& symbols, std::string_view text, int32_t id)
{
    const auto at = int32_t(symbols.size());
    if (at > 0)
        symbols.back().next = at;
    symbols.push_back({text, id, at - 1, -1});
}

/// `join(left, right)` gives an optional<Join>. Symbols that were swallowed are left with empty texts; walk along
/// `next` from the first.
template <class JoinOf>
void mergeNeighbours(std::vector<Symbol>& symbols, JoinOf join)
{
    struct Pair {
        double order;
        int32_t left, right, id;
        size_t bytes; ///< of both: an entry whose symbols have grown since is void
        bool operator<(const Pair& other) const
        {
            return order != other.order ? order > other.order : left > other.left;
        }
    };
    std::priority_queue<Pair> queue;
    const auto consider = [&](int32_t left, int32_t right) {
        if (left < 0 || right < 0)
            return;
        const Symbol &a = symbols[size_t(left)], &b = symbols[size_t(right)];
        if (const std::optional<Join> found = join(a, b))
            queue.push({found->order, left, right, found->id, a.text.size() + b.text.size()});
    };
    for (int32_t i = 1; i < int32_t(symbols.size()); ++i)
        consider(i - 1, i);
    while (!queue.empty()) {
        const Pair pair = queue.top();
        queue.pop();
        Symbol &left = symbols[size_t(pair.left)], &right = symbols[size_t(pair.right)];
        if (left.text.empty() || right.text.empty() || left.text.size() + right.text.size() != pair.bytes)
            continue;
        left.text = {left.text.data(), pair.bytes};
        left.id = pair.id;
        left.next = right.next;
        right.text = {};
        if (left.next >= 0)
            symbols[size_t(left.next)].previous = pair.left;
        consider(left.previous, pair.left);
        consider(pair.left, left.next);
    }
}

} // namespace ql::tok
