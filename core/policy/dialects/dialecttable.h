// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The rows of the dialect table, each defined in its engine's file. Private to core/policy/dialects.
#pragma once

#include "core/policy/dialects/dialect.h"

namespace ql {

extern const Dialect kAutoRoundDialect;
extern const Dialect kBitsAndBytesDialect;
extern const Dialect kCompressedTensorsDialect;
extern const Dialect kGptqModelDialect;
extern const Dialect kHqqDialect;
extern const Dialect kLlamaCppDialect, kLlamaCppArgumentsDialect;
extern const Dialect kLlmCompressorDialect;
extern const Dialect kMlxDialect;
extern const Dialect kModelOptDialect;
extern const Dialect kQuantloupeDialect;
extern const Dialect kTorchAoDialect;

/// Whether a text is a list of llama.cpp's NAME=TYPE items, or of its arguments.
bool isTensorTypeFile(std::string_view text);
bool isTensorTypeArguments(std::string_view text);

} // namespace ql
