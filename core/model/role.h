// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// TensorRole: what a tensor does in the network, whatever its family calls it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace ql {

enum class TensorRole : uint8_t {
    Other, Embedding, PositionEmbedding, TokenTypeEmbedding, LmHead, Norm, Bias,
    AttnQ, AttnK, AttnV, AttnQkv, AttnOut, MlpGate, MlpUp, MlpGateUp, MlpDown,
    ExpertGate, ExpertUp, ExpertGateUp, ExpertDown, Router, RopeFreqs, Pooler, Companion,
};

/// Spelling in policies, filters and JSON: "q_proj", "embedding", "lm_head", "norm", "other" ...
std::string_view roleName(TensorRole role);
std::optional<TensorRole> roleFromName(std::string_view name);
const std::vector<TensorRole>& allRoles();
/// A matrix that a linear layer multiplies with (so that quantizing it makes sense by default).
bool isLinear(TensorRole role);

} // namespace ql
