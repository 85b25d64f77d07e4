// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Tokenizer: text to ids and back, as the model's own tokenizer.json or GGUF vocabulary says. Immutable; any thread.
// Formats: Hugging Face tokenizers' JSON, llama.cpp's tokenizer.ggml.* keys.
#pragma once

#include "core/model/model.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ql {

class Tokenizer
{
public:
    virtual ~Tokenizer() = default;

    /// The tokenizer of an opened model: the vocabulary inside its GGUF, or tokenizer.json beside its files.
    /// TokenizerMissing when there is none; errors as below.
    static Result<std::shared_ptr<const Tokenizer>> of(const Model& model);
    /// TokenizerInvalid (naming what is missing or contradictory: a merge whose parts are no tokens, a double id),
    /// TokenizerUnsupported (a kind or step that is not known), JSON errors.
    static Result<std::shared_ptr<const Tokenizer>> fromJson(std::string_view json, const std::string& where);
    static Result<std::shared_ptr<const Tokenizer>> loadJson(const std::string& path);
    static Result<std::shared_ptr<const Tokenizer>> loadGguf(const std::string& path);

    virtual std::string_view kind() const = 0; ///< "byte-level BPE", "SentencePiece BPE", "WordPiece" ...
    virtual int64_t size() const = 0;          ///< ids are below this
    /// `addSpecial`: what the post-processor adds (beginning of text, [CLS] ... [SEP]). Special tokens that stand in the
    /// text are tokens either way. InvalidUtf8 names the byte; TokenizerUnsupported when a regular expression takes too
    /// long; InvalidArgument beyond 1 GiB. About 25 bytes of memory per byte of text, 65 where words are not split.
    virtual Result<std::vector<int32_t>> encode(std::string_view utf8, bool addSpecial) const = 0;
    /// Ids outside the vocabulary are InvalidArgument. Bytes that form no UTF-8 become U+FFFD.
    virtual Result<std::string> decode(std::span<const int32_t> ids, bool skipSpecial) const = 0;
    /// As in the vocabulary ("Ġthe", "▁the", "##ing"); empty for unused ids.
    virtual std::string token(int32_t id) const = 0;
    virtual std::optional<int32_t> beginId() const = 0;
    virtual std::optional<int32_t> endId() const = 0;
};

} // namespace ql
