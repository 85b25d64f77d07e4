// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/tokenizer/pipeline.h"

#include "core/base/utf8.h"

#include <algorithm>

namespace ql::tok {
namespace {

constexpr size_t kLongestText = size_t(1) << 30; // positions in a piece are 32-bit

/// Added tokens may repeat tokens of the vocabulary, but only with the same id.
Status checkAdded(const std::vector<AddedToken>& added, const Vocabulary& vocabulary)
{
    Vocabulary alone(vocabulary.where());
    for (const AddedToken& token : added) {
        QL_CHECK(alone.add(token.content, token.id));
        const auto known = vocabulary.id(token.content);
        const std::string name =
            "added token \"" + printable(token.content) + "\" has the id " + std::to_string(token.id);
        if (known && *known != token.id)
            return Error{ErrorCode::TokenizerInvalid, name + ", but the vocabulary says " + std::to_string(*known),
                         vocabulary.where()};
        if (!known && vocabulary.contains(token.id))
            return Error{ErrorCode::TokenizerInvalid,
                         name + ", which is that of \"" + printable(vocabulary.token(token.id)) +
                             "\" in the vocabulary",
                         vocabulary.where()};
    }
    return {};
}

} // namespace

/// One call of encode(): the ids so far, and the pieces seen before.
class Pipeline::Encoder
{
public:
    Encoder(const Pipeline& pipeline, std::vector<int32_t>& ids) : m_pipeline(pipeline), m_ids(ids) {}

    Status run(std::string_view text)
    {
        for (const AddedTokens::Part& part : m_pipeline.m_raw.split(text)) {
            if (part.token)
                m_ids.push_back(part.token->id);
            else if (part.span.begin < part.span.end)
                QL_CHECK(stretch(std::string(text.substr(part.span.begin, part.span.end - part.span.begin)),
                                 part.span.begin == 0));
        }
        return {};
    }

private:
    Status stretch(std::string text, bool first)
    {
        if (m_pipeline.m_parts.normalizer)
            QL_CHECK(m_pipeline.m_parts.normalizer(text));
        for (const AddedTokens::Part& part : m_pipeline.m_normalized.split(text)) {
            if (part.token)
                m_ids.push_back(part.token->id);
            else if (part.span.begin < part.span.end)
                QL_CHECK(pieces(
                    {text.substr(part.span.begin, part.span.end - part.span.begin), first && part.span.begin == 0}));
        }
        return {};
    }
    Status pieces(const Piece& whole)
    {
        if (!m_pipeline.m_parts.preTokenizer) {
            m_pipeline.m_parts.model->tokenize(whole.text, m_ids);
            return {};
        }
        return m_pipeline.m_parts.preTokenizer(whole, [this](const Piece& piece) -> Status {
            remembered(piece.text);
            return {};
        });
    }
    void remembered(const std::string& piece)
    {
        constexpr size_t kLongest = 64, kMost = 1 << 16;
        if (const auto seen = m_seen.find(piece); seen != m_seen.end()) {
            m_ids.insert(m_ids.end(), seen->second.begin(), seen->second.end());
            return;
        }
        const size_t before = m_ids.size();
        m_pipeline.m_parts.model->tokenize(piece, m_ids);
        if (piece.size() <= kLongest && m_seen.size() < kMost)
            m_seen.emplace(piece, std::vector<int32_t>(m_ids.begin() + ptrdiff_t(before), m_ids.end()));
    }

    const Pipeline& m_pipeline;
    std::vector<int32_t>& m_ids;
    std::unordered_map<std::string, std::vector<int32_t>> m_seen;
};

Result<std::shared_ptr<const Tokenizer>> Pipeline::make(PipelineParts parts)
{
    std::erase_if(parts.added, [](const AddedToken& token) { return token.content.empty(); });
    QL_CHECK(checkAdded(parts.added, parts.model->vocabulary()));
    std::vector<AddedToken> raw, normalized;
    std::unordered_map<int32_t, AddedToken> byId;
    for (AddedToken token : parts.added) {
        if (token.normalized && parts.normalizer)
            QL_CHECK(parts.normalizer(token.content));
        (token.normalized ? normalized : raw).push_back(token);
        byId.emplace(token.id, std::move(token));
    }
    return std::shared_ptr<const Tokenizer>(new Pipeline(std::move(parts), AddedTokens(std::move(raw)),
                                                         AddedTokens(std::move(normalized)), std::move(byId)));
}

Pipeline::Pipeline(PipelineParts parts, AddedTokens raw, AddedTokens normalized,
                   std::unordered_map<int32_t, AddedToken> byId)
    : m_parts(std::move(parts)),
      m_raw(std::move(raw)),
      m_normalized(std::move(normalized)),
      m_added(std::move(byId)),
      m_size(m_parts.model->vocabulary().size())
{
    for (const auto& [id, token] : m_added)
        m_size = std::max(m_size, int64_t(id) + 1);
}

Result<std::vector<int32_t>> Pipeline::encode(std::string_view utf8, bool addSpecial) const
{
    if (utf8.size() > kLongestText)
        return Error{ErrorCode::InvalidArgument, "the text is longer than 1 GiB; split it", {}};
    if (const size_t good = wellFormedPrefix(utf8); good != utf8.size())
        return Error{ErrorCode::InvalidUtf8, "the text is not valid UTF-8; save it as UTF-8",
                     "text: byte " + std::to_string(good)};
    std::vector<int32_t> ids;
    if (addSpecial)
        ids = m_parts.before;
    QL_CHECK(Encoder(*this, ids).run(utf8));
    if (addSpecial)
        ids.insert(ids.end(), m_parts.after.begin(), m_parts.after.end());
    return ids;
}

Result<std::string> Pipeline::decode(std::span<const int32_t> ids, bool skipSpecial) const
{
    std::vector<std::string> tokens;
    tokens.reserve(ids.size());
    for (const int32_t id : ids) {
        if (id < 0 || id >= m_size)
            return Error{ErrorCode::InvalidArgument,
                         "token id " + std::to_string(id) + " is not between 0 and " + std::to_string(m_size - 1),
                         m_parts.model->vocabulary().where()};
        const auto added = m_added.find(id);
        if (added == m_added.end() && m_parts.model->vocabulary().contains(id))
            tokens.emplace_back(m_parts.model->vocabulary().token(id));
        else if (added != m_added.end() && !(skipSpecial && added->second.special))
            tokens.push_back(added->second.content);
    }
    if (m_parts.decoder)
        QL_CHECK(m_parts.decoder(tokens));
    std::string text;
    for (size_t i = 0; i < tokens.size(); ++i)
        text += (i > 0 && !m_parts.decoder ? " " : "") + tokens[i];
    return text;
}

std::string Pipeline::token(int32_t id) const
{
    if (m_parts.model->vocabulary().contains(id))
        return std::string(m_parts.model->vocabulary().token(id));
    const auto added = m_added.find(id);
    return added == m_added.end() ? std::string() : added->second.content;
}

} // namespace ql::tok
