// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Pre-tokenizers: how a text falls into pieces before the model sees it. Stateless makers; any thread.
#pragma once

#include "core/tokenizer/steps.h"
#include "core/tokenizer/textpattern.h"

#include <nlohmann/json.hpp>

namespace ql::tok {

/// The pattern that GPT-2 splits by.
extern const std::string_view kGpt2Pattern;

/// The "pre_tokenizer" of a tokenizer.json; empty for null. JSON codes, TokenizerInvalid, TokenizerUnsupported.
Result<PreTokenizer> readPreTokenizer(const nlohmann::json& json, const std::string& where);

PreTokenizer splitAt(TextPattern pattern, Delimiters delimiters, bool inverted = false);
/// Splits where `isDelimiter` says so, character by character.
PreTokenizer splitAt(bool (*isDelimiter)(char32_t), Delimiters delimiters);
/// To the printable alphabet of bytes (bytelevel.h), without splitting.
PreTokenizer byteLetters(bool addPrefixSpace);
/// Words and single punctuation characters.
PreTokenizer bertPreTokenizer();
/// Empty when there are no steps.
PreTokenizer inSequence(std::vector<PreTokenizer> steps);

} // namespace ql::tok
