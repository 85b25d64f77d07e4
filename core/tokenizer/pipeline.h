// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Pipeline: the tokenizer that every format is read into. Text -> added tokens -> normalizer -> added tokens ->
// pre-tokenizer -> model -> special tokens around it; and back through the decoder. Immutable; any thread.
#pragma once

#include "core/tokenizer/addedtokens.h"
#include "core/tokenizer/steps.h"
#include "core/tokenizer/tokenizer.h"
#include "core/tokenizer/tokenmodel.h"

namespace ql::tok {

struct PipelineParts {
    std::string kind;
    std::unique_ptr<TokenModel> model;
    std::vector<AddedToken> added;
    Normalizer normalizer;              ///< empty: none
    PreTokenizer preTokenizer;          ///< empty: none
    Decoder decoder;                    ///< empty: tokens with blanks between them
    std::vector<int32_t> before, after; ///< what `addSpecial` puts around a text
    std::optional<int32_t> beginId, endId;
};

class Pipeline : public Tokenizer
{
public:
    /// Checks that added tokens agree with the vocabulary and each other: TokenizerInvalid.
    static Result<std::shared_ptr<const Tokenizer>> make(PipelineParts parts);

    std::string_view kind() const override { return m_parts.kind; }
    int64_t size() const override { return m_size; }
    Result<std::vector<int32_t>> encode(std::string_view utf8, bool addSpecial) const override;
    Result<std::string> decode(std::span<const int32_t> ids, bool skipSpecial) const override;
    std::string token(int32_t id) const override;
    std::optional<int32_t> beginId() const override { return m_parts.beginId; }
    std::optional<int32_t> endId() const override { return m_parts.endId; }

private:
    class Encoder;
    Pipeline(PipelineParts parts, AddedTokens raw, AddedTokens normalized,
             std::unordered_map<int32_t, AddedToken> byId);

    PipelineParts m_parts;
    AddedTokens m_raw, m_normalized;
    std::unordered_map<int32_t, AddedToken> m_added; ///< by id; contents as the decoder wants them
    int64_t m_size = 0;
};

} // namespace ql::tok
