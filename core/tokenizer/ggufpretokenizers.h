// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What the names in tokenizer.ggml.pre stand for (llama.cpp, src/llama-vocab.cpp). Stateless; any thread.
#pragma once

#include "core/tokenizer/steps.h"

#include <optional>
#include <string>
#include <vector>

namespace ql::tok {

struct GgufPreTokenizer {
    PreTokenizer step;         ///< splits, and turns bytes into letters
    bool ignoreMerges = false; ///< a piece that is a token stays whole
    bool addBegin = false;     ///< unless add_bos_token says otherwise
    bool addSeparator = false; ///< unless add_sep_token says otherwise
};
/// TokenizerUnsupported for a name that is not known.
Result<GgufPreTokenizer> ggufPreTokenizer(std::string_view name, const std::string& where);
/// The name that stands for splitting by these regular expressions, one after the other; nothing when none does.
std::optional<std::string> ggufPreTokenizerName(const std::vector<std::string>& patterns, bool ignoreMerges);

} // namespace ql::tok
