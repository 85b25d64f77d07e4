// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// QuantizationArgs and config_groups of compressed-tensors, which its checkpoints and llm-compressor's recipes share
// (compressed-tensors, quantization/quant_args.py and quant_config.py). Private to core/policy/dialects.
#pragma once

#include "core/policy/dialects/document.h"
#include "core/policy/dialects/recipewriter.h"

namespace ql {

/// {"weights": args, "input_activations": args or null} for one weight.
Result<Spelled> spellGroup(const RecipeWeight& weight);

struct QuantGroups {
    OrderedJson groups;  ///< "group_0": {"targets", "weights", "input_activations"}
    OrderedJson ignore;  ///< names and "re:" patterns
    OrderedJson kvCache; ///< args or null
};
/// Unsupported when nothing is quantized. `formats`: each group gets its "format", as checkpoints have it.
Result<QuantGroups> writeGroups(RecipeTask& task, bool formats);
/// How checkpoints of a group are stored: "pack-quantized", "float-quantized" ...
std::string_view storedFormat(const RecipeWish& wish);

/// "config_groups", "ignore" and "kv_cache_scheme" of a map; also a scheme by name with "targets".
Status readGroups(RecipeFields& fields, const RecipeText& recipe, PolicyBuilder& builder);

} // namespace ql
