// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/utf8.h"
#include "core/tokenizer/tokenmodel.h"
#include "core/tokenizer/unicode.h"

#include <algorithm>

namespace ql::tok {
namespace {

class WordPiece : public TokenModel
{
public:
    WordPiece(Vocabulary vocabulary, WordPieceOptions options, int32_t unknown)
        : TokenModel(std::move(vocabulary)),
          m_options(std::move(options)),
          m_unknown(unknown)
    {
    }

    std::string_view kind() const override { return "WordPiece"; }

    void tokenize(std::string_view piece, std::vector<int32_t>& ids) const override
    {
        const size_t before = ids.size();
        int64_t characters = 0;
        for (size_t at = 0; at < piece.size(); at += codePointAt(piece, at).bytes)
            ++characters;
        size_t at = 0;
        while (at < piece.size() && characters <= m_options.longestWord) {
            const size_t length = longestAt(piece, at, ids);
            if (length == 0)
                break;
            at += length;
        }
        if (at < piece.size()) {
            ids.resize(before);
            ids.push_back(m_unknown);
        }
    }

private:
    /// Bytes of the longest token at `at`, whose id is appended; 0 when there is none.
    size_t longestAt(std::string_view piece, size_t at, std::vector<int32_t>& ids) const
    {
        const std::string& dress = at == 0 ? m_options.begin : m_options.prefix;
        for (size_t end = std::min(piece.size(), at + vocabulary().longest()); end > at; --end) {
            if (end < piece.size() && (static_cast<uint8_t>(piece[end]) & 0xC0) == 0x80)
                continue; // within a character
            const std::string_view part = piece.substr(at, end - at);
            if (const auto id = dress.empty() ? vocabulary().id(part) : vocabulary().id(dress + std::string(part))) {
                ids.push_back(*id);
                return end - at;
            }
        }
        return 0;
    }

    WordPieceOptions m_options;
    int32_t m_unknown;
};

} // namespace

Result<std::unique_ptr<TokenModel>> makeWordPiece(Vocabulary vocabulary, WordPieceOptions options)
{
    const auto unknown = vocabulary.id(options.unknown);
    if (!unknown)
        return Error{ErrorCode::TokenizerInvalid,
                     "the unknown token \"" + printable(options.unknown) + "\" is not in the vocabulary",
                     vocabulary.where()};
    return std::unique_ptr<TokenModel>(
        std::make_unique<WordPiece>(std::move(vocabulary), std::move(options), *unknown));
}

} // namespace ql::tok
