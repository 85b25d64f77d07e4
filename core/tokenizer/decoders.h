// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Decoders: from tokens back to text. Stateless makers; any thread.
#pragma once

#include "core/tokenizer/steps.h"

#include <nlohmann/json.hpp>

namespace ql::tok {

/// The "decoder" of a tokenizer.json; empty for null. JSON codes, TokenizerInvalid, TokenizerUnsupported.
Result<Decoder> readDecoder(const nlohmann::json& json, const std::string& where);

Decoder byteLevelDecoder();
/// "<0xHH>" to bytes; runs that are no UTF-8 become one U+FFFD per byte.
Decoder byteFallbackDecoder();
Decoder fuseDecoder();
/// At most `start` and `stop` copies of `character` are taken from the ends of every token.
Decoder stripDecoder(std::string character, int64_t start, int64_t stop);
Decoder wordPieceDecoder(std::string prefix, bool cleanUp);
Decoder inSequence(std::vector<Decoder> steps);

} // namespace ql::tok
