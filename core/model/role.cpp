// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/role.h"

#include <array>

namespace ql {
namespace {

struct RoleRow {
    TensorRole role;
    std::string_view name;
    bool linear;
};

constexpr std::array kRoles{
    RoleRow{TensorRole::Other, "other", false},
    RoleRow{TensorRole::Embedding, "embedding", false},
    RoleRow{TensorRole::PositionEmbedding, "position_embedding", false},
    RoleRow{TensorRole::TokenTypeEmbedding, "token_type_embedding", false},
    RoleRow{TensorRole::LmHead, "lm_head", false},
    RoleRow{TensorRole::Norm, "norm", false},
    RoleRow{TensorRole::Bias, "bias", false},
    RoleRow{TensorRole::AttnQ, "q_proj", true},
    RoleRow{TensorRole::AttnK, "k_proj", true},
    RoleRow{TensorRole::AttnV, "v_proj", true},
    RoleRow{TensorRole::AttnQkv, "qkv_proj", true},
    RoleRow{TensorRole::AttnOut, "o_proj", true},
    RoleRow{TensorRole::MlpGate, "gate_proj", true},
    RoleRow{TensorRole::MlpUp, "up_proj", true},
    RoleRow{TensorRole::MlpGateUp, "gate_up_proj", true},
    RoleRow{TensorRole::MlpDown, "down_proj", true},
    RoleRow{TensorRole::ExpertGate, "expert_gate", true},
    RoleRow{TensorRole::ExpertUp, "expert_up", true},
    RoleRow{TensorRole::ExpertGateUp, "expert_gate_up", true},
    RoleRow{TensorRole::ExpertDown, "expert_down", true},
    RoleRow{TensorRole::Router, "router", false},
    RoleRow{TensorRole::RopeFreqs, "rope_freqs", false},
    RoleRow{TensorRole::Pooler, "pooler", true},
    RoleRow{TensorRole::Companion, "companion", false},
};

constexpr bool inEnumOrder()
{
    for (size_t i = 0; i < kRoles.size(); ++i) {
        if (size_t(kRoles[i].role) != i)
            return false;
    }
    return true;
}
static_assert(inEnumOrder() && kRoles.size() == size_t(TensorRole::Companion) + 1);

} // namespace

std::string_view roleName(TensorRole role)
{
    return kRoles[size_t(role)].name;
}

std::optional<TensorRole> roleFromName(std::string_view name)
{
    for (const RoleRow& row : kRoles) {
        if (row.name == name)
            return row.role;
    }
    return std::nullopt;
}

const std::vector<TensorRole>& allRoles()
{
    static const std::vector<TensorRole> roles = [] {
        std::vector<TensorRole> all;
        for (const RoleRow& row : kRoles)
            all.push_back(row.role);
        return all;
    }();
    return roles;
}

bool isLinear(TensorRole role)
{
    return kRoles[size_t(role)].linear;
}

} // namespace ql
