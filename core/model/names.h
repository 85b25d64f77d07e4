// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What tensor names mean: role, layer and transposition from Hugging Face and GGUF names, and the mapping between the
// two. Driven by the tables of nametables.cpp. Stateless; any thread.
#pragma once

#include "core/model/role.h"
#include "core/model/tensorinfo.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ql {

struct NameFacts {
    TensorRole role = TensorRole::Other;
    TensorRole owner = TensorRole::Other; ///< of the module: a bias of q_proj has role Bias and owner AttnQ
    int layer = -1;
    int expert = -1;         ///< in checkpoints that keep experts apart
    bool transposed = false; ///< the family stores this weight [in, out]
};

/// Reads an HF or GGUF tensor name. Families that are not known still give layers, norms, biases and companions, and
/// whatever they name as the known families do.
NameFacts classifyName(std::string_view name, std::string_view architecture);

/// Our spelling of config.json's "model_type" or GGUF's "general.architecture": "gpt_neox" is "gptneox".
std::string canonicalArchitecture(std::string_view modelType);
/// From a class name of config.json's "architectures", such as "LlamaForCausalLM"; empty when not recognised.
std::string architectureOfClass(std::string_view className);
/// From the tensors' names, where no file says it; "unknown" when nothing fits.
std::string guessArchitecture(std::span<const TensorInfo> tensors);
/// What GGUF calls the architecture ("mistral" is "llama"); nothing when llama.cpp has no such family.
std::optional<std::string> ggufArchitecture(std::string_view architecture);

/// GGUF name of an HF tensor; nothing for tensors that GGUF drops and for unknown names. All experts of a layer map to
/// the one stacked tensor.
std::optional<std::string> ggufName(std::string_view hfName, std::string_view architecture);
/// The same for every family of the naming tables, whether llama.cpp has it or not: what a tensor is called whatever its
/// family calls it.
std::optional<std::string> partName(std::string_view hfName, std::string_view architecture);
/// HF name of a GGUF tensor, with the family's usual prefix; nothing for unknown names and stacked experts. One expert is
/// "blk.1.ffn_up.7.weight", as in old GGUF files.
std::optional<std::string> hfName(std::string_view ggufName, std::string_view architecture);

} // namespace ql
