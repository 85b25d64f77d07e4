// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Vocabulary: tokens and their ids, one to one. Filled once, then read from any thread.
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ql::tok {

class Vocabulary
{
public:
    /// Ids must be below this; the largest vocabularies in use have about 2^18.
    static constexpr int64_t kIdLimit = 1 << 22;

    explicit Vocabulary(std::string where) : m_where(std::move(where)) {}
    Vocabulary(Vocabulary&&) = default;
    Vocabulary& operator=(Vocabulary&&) = default;

    /// TokenizerInvalid for an id out of range, or an id or a token that is taken.
    Status add(std::string token, int64_t id);
    std::optional<int32_t> id(std::string_view token) const;
    std::string_view token(int32_t id) const; ///< empty for unused ids
    bool contains(int32_t id) const { return id >= 0 && size_t(id) < m_tokens.size() && m_tokens[size_t(id)]; }
    int64_t size() const { return int64_t(m_tokens.size()); } ///< the highest id + 1
    size_t count() const { return m_ids.size(); }
    size_t longest() const { return m_longest; } ///< bytes of the longest token
    const std::string& where() const { return m_where; }

private:
    struct Hash {
        using is_transparent = void;
        size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
    };
    std::string m_where;
    std::unordered_map<std::string, int32_t, Hash, std::equal_to<>> m_ids;
    std::vector<const std::string*> m_tokens; ///< keys of m_ids, by id
    size_t m_longest = 0;
};

} // namespace ql::tok
