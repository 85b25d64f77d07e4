// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The mixtures of types that llama.cpp's quantize tool names Q4_K_M and the like, as rules. Facts from llama.cpp,
// src/llama-quant.cpp. Private to core/policy.
#pragma once

#include "core/policy/policy.h"

namespace ql {

/// Which of a kind's tensors, counted in the order of their blocks.
enum class MixtureShare : uint8_t { All, MoreBits, FirstTwo, FirstFour, FirstEighth, FirstSixteenth };
/// Of `count` tensors, whether the one at `index` is meant. MoreBits: the first eighth, the last eighth and every third
/// between.
bool isInShare(MixtureShare share, int index, int count);

/// "q4_k_m", "q8_0" ... Default and rules of the mixture; nothing for names not known here. With an importance matrix
/// types that search for their scales weigh by it, and a few layers get other types.
std::optional<Policy> ggufMixture(std::string_view name, const Model& model, bool importance = false);
/// Formats a mixture can use on some model, its base first, so that it is offered only where all of them exist.
std::vector<std::string_view> ggufMixtureFormats(std::string_view name);

/// Rules giving `scheme` to tensors of `roles` in the blocks that `share` picks among those that have such tensors;
/// roles that the model lacks are left out.
std::vector<Rule> rulesForShare(const Model& model, const std::vector<TensorRole>& roles, MixtureShare share,
                                const Scheme& scheme, const std::string& note);

} // namespace ql
