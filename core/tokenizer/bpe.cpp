// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/utf8.h"
#include "core/tokenizer/merging.h"
#include "core/tokenizer/tokenmodel.h"
#include "core/tokenizer/unicode.h"

#include <array>

namespace ql::tok {
namespace {

uint64_t pairKey(int32_t left, int32_t right)
{
    return uint64_t(uint32_t(left)) << 32 | uint32_t(right);
}

using ByteIds = std::array<int32_t, 256>;

/// Ids of <0x00> to <0xFF>; -1 where there is none.
ByteIds byteIds(const Vocabulary& vocabulary)
{
    constexpr char kHex[] = "0123456789ABCDEF";
    ByteIds ids{};
    for (size_t byte = 0; byte < ids.size(); ++byte)
        ids[byte] = vocabulary.id(std::string{'<', '0', 'x', kHex[byte >> 4], kHex[byte & 15], '>'}).value_or(-1);
    return ids;
}

struct Merge {
    int32_t rank = 0;
    int32_t id = 0;
};

class Bpe : public TokenModel
{
public:
    Bpe(Vocabulary vocabulary, std::unordered_map<uint64_t, Merge> merges, BpeOptions options)
        : TokenModel(std::move(vocabulary)),
          m_merges(std::move(merges)),
          m_options(std::move(options)),
          m_unknown(m_options.unknown.empty() ? std::nullopt : this->vocabulary().id(m_options.unknown)),
          m_bytes(byteIds(this->vocabulary()))
    {
    }

    std::string_view kind() const override { return m_options.kind; }

    void tokenize(std::string_view piece, std::vector<int32_t>& ids) const override
    {
        if (m_options.ignoreMerges) {
            if (const auto whole = vocabulary().id(piece)) {
                ids.push_back(*whole);
                return;
            }
        }
        std::vector<Symbol> symbols = characters(piece);
        mergeNeighbours(symbols, [&](const Symbol& left, const Symbol& right) -> std::optional<Join> {
            const auto merge = m_merges.find(pairKey(left.id, right.id));
            if (merge == m_merges.end())
                return {};
            return Join{double(merge->second.rank), merge->second.id};
        });
        for (int32_t i = symbols.empty() ? -1 : 0; i >= 0; i = symbols[size_t(i)].next)
            ids.push_back(symbols[size_t(i)].id);
    }

private:
    /// The id of a character, dressed as its place in the piece demands.
    std::optional<int32_t> idOf(std::string_view character, bool isFirst, bool isLast, std::string& dressed) const
    {
        dressed.clear();
        if (!isFirst)
            dressed += m_options.prefix;
        dressed += character;
        if (isLast)
            dressed += m_options.suffix;
        return vocabulary().id(dressed);
    }

    bool isSpelled(std::string_view text) const
    {
        for (const char byte : text) {
            if (m_bytes[static_cast<uint8_t>(byte)] < 0)
                return false;
        }
        return true;
    }

    std::vector<Symbol> characters(std::string_view piece) const
    {
        std::vector<Symbol> symbols;
        symbols.reserve(piece.size());
        std::string_view unknown; // not yet appended, because more may join it
        std::string dressed;
        for (size_t at = 0, length = 0; at < piece.size(); at += length) {
            length = codePointAt(piece, at).bytes;
            const std::string_view character = piece.substr(at, length);
            if (const auto id = idOf(character, at == 0, at + length == piece.size(), dressed)) {
                flush(symbols, unknown);
                append(symbols, character, *id);
            } else if (m_options.byteFallback && isSpelled(dressed)) {
                // Bytes of a prefix or suffix have no place in the piece: the symbol's text is the character's.
                for (size_t i = 0; i < dressed.size(); ++i)
                    append(symbols, character.substr(std::min(i, length - 1), 1),
                           m_bytes[static_cast<uint8_t>(dressed[i])]);
            } else if (m_unknown) {
                if (!m_options.fuseUnknown)
                    flush(symbols, unknown);
                unknown = unknown.empty() ? character : std::string_view(unknown.data(), unknown.size() + length);
            }
        }
        flush(symbols, unknown);
        return symbols;
    }

    void flush(std::vector<Symbol>& symbols, std::string_view& unknown) const
    {
        if (!unknown.empty())
            append(symbols, unknown, *m_unknown);
        unknown = {};
    }

    std::unordered_map<uint64_t, Merge> m_merges;
    BpeOptions m_options;
    std::optional<int32_t> m_unknown;
    ByteIds m_bytes;
};

class ScoredBpe : public TokenModel
{
public:
    ScoredBpe(Vocabulary vocabulary, std::vector<float> scores, std::optional<int32_t> unknown)
        : TokenModel(std::move(vocabulary)),
          m_scores(std::move(scores)),
          m_unknown(unknown),
          m_bytes(byteIds(this->vocabulary()))
    {
    }

    std::string_view kind() const override { return "SentencePiece BPE"; }

    void tokenize(std::string_view piece, std::vector<int32_t>& ids) const override
    {
        std::vector<Symbol> symbols;
        symbols.reserve(piece.size());
        for (size_t at = 0, length = 0; at < piece.size(); at += length) {
            length = codePointAt(piece, at).bytes;
            append(symbols, piece.substr(at, length), vocabulary().id(piece.substr(at, length)).value_or(-1));
        }
        mergeNeighbours(symbols, [&](const Symbol& left, const Symbol& right) -> std::optional<Join> {
            const size_t bytes = left.text.size() + right.text.size();
            const auto id = bytes > vocabulary().longest() ? std::nullopt : vocabulary().id({left.text.data(), bytes});
            if (!id)
                return {};
            return Join{-double(m_scores[size_t(*id)]), *id};
        });
        for (int32_t i = symbols.empty() ? -1 : 0; i >= 0; i = symbols[size_t(i)].next) {
            if (symbols[size_t(i)].id >= 0)
                ids.push_back(symbols[size_t(i)].id);
            else
                spell(symbols[size_t(i)].text, ids);
        }
    }

private:
    void spell(std::string_view text, std::vector<int32_t>& ids) const
    {
        for (const char byte : text) {
            const int32_t id = m_bytes[static_cast<uint8_t>(byte)];
            if (id >= 0)
                ids.push_back(id);
            else if (m_unknown && (ids.empty() || ids.back() != *m_unknown))
                ids.push_back(*m_unknown);
        }
    }

    std::vector<float> m_scores;
    std::optional<int32_t> m_unknown;
    ByteIds m_bytes;
};

} // namespace

std::unique_ptr<TokenModel> makeScoredBpe(Vocabulary vocabulary, std::vector<float> scores,
                                          std::optional<int32_t> unknown)
{
    return std::make_unique<ScoredBpe>(std::move(vocabulary), std::move(scores), unknown);
}

Result<std::unique_ptr<TokenModel>> makeBpe(Vocabulary vocabulary,
                                            const std::vector<std::pair<std::string, std::string>>& merges,
                                            BpeOptions options)
{
    const auto invalid = [&](const std::string& message) {
        return Error{ErrorCode::TokenizerInvalid, message, vocabulary.where()};
    };
    if (!options.unknown.empty() && !vocabulary.id(options.unknown))
        return invalid("the unknown token \"" + printable(options.unknown) + "\" is not in the vocabulary");
    std::unordered_map<uint64_t, Merge> ranked;
    ranked.reserve(merges.size());
    for (size_t rank = 0; rank < merges.size(); ++rank) {
        const auto& [left, right] = merges[rank];
        const bool prefixed = !options.prefix.empty() && right.starts_with(options.prefix);
        const std::string joined = left + (prefixed ? right.substr(options.prefix.size()) : right);
        for (const std::string* part : {&left, &right, &joined}) {
            if (!vocabulary.id(*part))
                return invalid("merge " + std::to_string(rank) + ", \"" + printable(left) + "\" and \"" +
                               printable(right) + "\", needs the token \"" + printable(*part) +
                               "\", which is not in the vocabulary");
        }
        ranked[pairKey(*vocabulary.id(left), *vocabulary.id(right))] = {int32_t(rank), *vocabulary.id(joined)};
    }
    return std::unique_ptr<TokenModel>(
        std::make_unique<Bpe>(std::move(vocabulary), std::move(ranked), std::move(options)));
}

} // namespace ql::tok
