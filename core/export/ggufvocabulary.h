// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// A tokenizer.json as the vocabulary of a GGUF file (llama.cpp's tokenizer.ggml.* keys). Values; any thread.
#pragma once

#include "core/base/result.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace ql {

struct GgufVocabulary {
    enum Type : int32_t { Normal = 1, Unknown, Control, UserDefined, Unused, Byte };

    std::string model;               ///< "gpt2" (byte-level BPE), "llama" (SentencePiece BPE), "bert" (WordPiece)
    std::string pre;                 ///< name of the pre-tokenizer; "gpt2" only
    std::vector<std::string> tokens; ///< one per row of the embedding
    std::vector<int32_t> types;
    std::vector<float> scores;       ///< "llama" only
    std::vector<std::string> merges; ///< "gpt2" only
    std::optional<int32_t> unknown;
    std::optional<bool> spacePrefix, lowercase, stripAccents;
    std::vector<std::string> warnings; ///< what GGUF cannot say

    std::optional<int32_t> idOf(const std::string& token) const;
};

/// `json` must be one that tok::readTokenizerJson took, and `kind` what it is. `count`: rows of the embedding.
/// TokenizerUnsupported for kinds that GGUF does not know, and for more tokens than rows.
Result<GgufVocabulary> ggufVocabulary(const nlohmann::json& json, std::string_view kind, int64_t count,
                                      const std::string& where);

} // namespace ql
