// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Presets: well-known ways to quantize a whole model, as policies. Those named after GGUF types follow llama.cpp's
// mixtures (src/llama-quant.cpp). Stateless.
#pragma once

#include "core/policy/policy.h"

#include <span>

namespace ql {

struct Preset {
    std::string_view id;      ///< "int8", "gguf-q4_k_m", "w8a8"
    std::string_view label;   ///< in menus
    std::string_view summary; ///< one line: what it does and for whom
    std::string_view section; ///< menu group: "Weights", "Weights and activations", "GGUF", "Cache"
};

/// Those whose formats the scheme table has, by section.
std::span<const Preset> presets();

/// `current` under the preset: default, rules and unlocked overrides are replaced, locked overrides stay. Activations and
/// cache change only where the preset is about them. InvalidArgument for an unknown id, listing those known.
Result<Policy> applyPreset(std::string_view id, const Model& model, const Policy& current);
/// The preset alone; a cache preset keeps the weights.
Result<Policy> presetPolicy(std::string_view id, const Model& model);

} // namespace ql
