// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The steps a tokenizer is made of, as functions on text: normalizers, pre-tokenizers, decoders. Each is made once and
// may be called from any thread.
#pragma once

#include "core/base/result.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace ql::tok {

/// A stretch of text between added tokens, or a part of one.
struct Piece {
    std::string text;
    bool first = false; ///< it begins where the whole text begins
};

/// Changes a text in place. The only errors are a regular expression's.
using Normalizer = std::function<Status(std::string& text)>;
/// Where the parts of a piece go, one by one: text may be long, and never lies about in pieces as a whole.
using PieceSink = std::function<Status(const Piece& part)>;
/// Gives the parts of `piece` to `sink`, empty ones left out, and passes its errors on.
using PreTokenizer = std::function<Status(const Piece& piece, const PieceSink& sink)>;
/// Turns tokens into pieces of text; the text is the concatenation of what remains.
using Decoder = std::function<Status(std::vector<std::string>& tokens)>;

/// What becomes of the delimiters when a text is split at them (Hugging Face tokenizers, SplitDelimiterBehavior).
enum class Delimiters : uint8_t { Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous };

} // namespace ql::tok
