// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/tokenizer/vocabulary.h"

#include "core/base/utf8.h"

#include <algorithm>

namespace ql::tok {

Status Vocabulary::add(std::string token, int64_t id)
{
    const auto invalid = [&](const std::string& message) {
        return Error{ErrorCode::TokenizerInvalid, "token \"" + printable(token) + "\" " + message, m_where};
    };
    if (!isUtf8(token))
        return invalid("is not valid UTF-8");
    if (id < 0 || id >= kIdLimit)
        return invalid("has the id " + std::to_string(id) + ", which is not between 0 and " +
                       std::to_string(kIdLimit - 1));
    if (contains(int32_t(id)))
        return invalid("has the id " + std::to_string(id) + ", which is that of \"" +
                       printable(this->token(int32_t(id))) + "\"");
    const auto [at, added] = m_ids.emplace(token, int32_t(id));
    if (!added)
        return invalid("has two ids, " + std::to_string(at->second) + " and " + std::to_string(id));
    if (m_tokens.size() <= size_t(id))
        m_tokens.resize(size_t(id) + 1);
    m_tokens[size_t(id)] = &at->first;
    m_longest = std::max(m_longest, at->first.size());
    return {};
}

std::optional<int32_t> Vocabulary::id(std::string_view token) const
{
    const auto at = m_ids.find(token);
    return at == m_ids.end() ? std::nullopt : std::optional(at->second);
}

std::string_view Vocabulary::token(int32_t id) const
{
    return contains(id) ? std::string_view(*m_tokens[size_t(id)]) : std::string_view();
}

} // namespace ql::tok
