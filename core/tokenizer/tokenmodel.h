// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// TokenModel: a vocabulary and the rule by which a piece of text becomes tokens. Immutable; any thread.
#pragma once

#include "core/tokenizer/vocabulary.h"

#include <memory>
#include <utility>

namespace ql::tok {

class TokenModel
{
public:
    explicit TokenModel(Vocabulary vocabulary) : m_vocabulary(std::move(vocabulary)) {}
    virtual ~TokenModel() = default;
    TokenModel(const TokenModel&) = delete;
    TokenModel& operator=(const TokenModel&) = delete;

    const Vocabulary& vocabulary() const { return m_vocabulary; }
    virtual std::string_view kind() const = 0;
    /// Appends the tokens of a piece that is not empty.
    virtual void tokenize(std::string_view piece, std::vector<int32_t>& ids) const = 0;

private:
    Vocabulary m_vocabulary;
};

struct BpeOptions {
    std::string unknown; ///< token for characters that are none; empty: they vanish
    std::string prefix;  ///< before every symbol of a piece but its first
    std::string suffix;  ///< after the last symbol of a piece
    bool fuseUnknown = false;
    bool byteFallback = false; ///< characters that are no tokens become <0xHH>
    bool ignoreMerges = false; ///< a piece that is a token stays whole
    std::string kind = "BPE";
};
/// Byte pair encoding by ranked merges. TokenizerInvalid for a merge whose parts or result are no tokens.
Result<std::unique_ptr<TokenModel>> makeBpe(Vocabulary vocabulary,
                                            const std::vector<std::pair<std::string, std::string>>& merges,
                                            BpeOptions options);

/// SentencePiece's BPE as llama.cpp runs it: the pair goes first whose joint token has the highest score. `scores` are
/// by id. Characters that are no tokens become <0xHH>, or `unknown` where such a token is missing.
std::unique_ptr<TokenModel> makeScoredBpe(Vocabulary vocabulary, std::vector<float> scores,
                                          std::optional<int32_t> unknown);

struct WordPieceOptions {
    std::string unknown = "[UNK]"; ///< token for words that cannot be put together
    std::string prefix = "##";     ///< before every part of a word but its first
    std::string begin;             ///< before its first part; GGUF files have "\u2581" here and no prefix
    int64_t longestWord = 100;     ///< characters; longer words are unknown
};
/// BERT's greedy longest-match-first. TokenizerInvalid when the unknown token is no token.
Result<std::unique_ptr<TokenModel>> makeWordPiece(Vocabulary vocabulary, WordPieceOptions options);

} // namespace ql::tok
