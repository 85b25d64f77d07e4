// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The metadata of a GGUF file that says how the model computes (llama.cpp's keys). Stateless; any thread.
#pragma once

#include "core/export/gguflayout.h"
#include "core/io/ggufwriter.h"

namespace ql {

/// general.file_type: what llama.cpp calls the file, by the type that most weights have; and
/// general.quantization_version.
void setGgufTypeKeys(GgufWriter& writer, const GgufLayout& layout);
/// All keys of the family; what they cannot say goes to `warnings`.
void setGgufModelKeys(GgufWriter& writer, const Model& model, const NetworkConfig& config,
                      std::vector<std::string>& warnings);
/// The keys of a GGUF model as they are, but for those that describe the file itself, its importance included where
/// another one is used. HeaderTooLarge beyond 256 MiB.
Status copyGgufKeys(GgufWriter& writer, const Model& model, const GgufLayout& layout);

} // namespace ql
