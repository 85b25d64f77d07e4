// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Normalizers: what happens to a text before it is split. Stateless makers; any thread.
#pragma once

#include "core/tokenizer/fields.h"
#include "core/tokenizer/steps.h"
#include "core/tokenizer/textpattern.h"

namespace ql::tok {

/// The "normalizer" of a tokenizer.json; empty for null. JSON codes, TokenizerInvalid, TokenizerUnsupported.
Result<Normalizer> readNormalizer(const nlohmann::json& json, const std::string& where);

/// BERT's own: `clean` drops controls and turns white space to blanks, `han` sets Chinese characters apart.
Normalizer bertNormalizer(bool clean, bool han, bool stripAccents, bool lower);

/// The member "pattern" of a step: {"String": S} or {"Regex": R}.
Result<TextPattern> readPattern(const Fields& fields);
/// `text` with every match replaced.
Result<std::string> replaced(const std::string& text, const TextPattern& pattern, const std::string& content);

} // namespace ql::tok
