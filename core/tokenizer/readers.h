// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The formats that tokenizers come in. Stateless; any thread.
#pragma once

#include "core/io/gguf.h"
#include "core/tokenizer/tokenizer.h"

#include <nlohmann/json.hpp>

namespace ql::tok {

class TokenModel;

/// Names of the tokens that begin and end a text, where a file beside tokenizer.json gives them.
struct EdgeTokens {
    std::string begin, end; ///< empty: not known
};

/// A parsed tokenizer.json.
Result<std::shared_ptr<const Tokenizer>> readTokenizerJson(const nlohmann::json& json, const std::string& where,
                                                           const EdgeTokens& edges);
/// The "model" object.
Result<std::unique_ptr<TokenModel>> readTokenModel(const nlohmann::json& json, const std::string& where);

/// The vocabulary of a GGUF file. TokenizerMissing when it has none.
Result<std::shared_ptr<const Tokenizer>> readTokenizerGguf(const GgufFile& file);

} // namespace ql::tok
