// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The tokenizer.ggml.* keys of a GGUF file, from the tokenizer files beside a model. Stateless; any thread.
#pragma once

#include "core/io/ggufwriter.h"
#include "core/model/model.h"
#include "core/nn/networkconfig.h"

namespace ql {

/// Translates tokenizer.json, tokenizer_config.json and chat_template.jinja. Where that cannot be done, the file says
/// that it has no vocabulary; `warnings` tells why, and what GGUF cannot say.
void setGgufTokens(GgufWriter& writer, const Model& model, const NetworkConfig& config,
                   std::vector<std::string>& warnings);

} // namespace ql
