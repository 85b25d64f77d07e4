// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/policy/sharing.h"

#include "core/policy/policydiff.h"
#include "core/quant/schemetable.h"

#include <algorithm>
#include <unordered_map>

namespace ql {
namespace {

bool sameScheme(const Decision& a, const Decision& b)
{
    return a.asStored == b.asStored && a.scheme.normalized() == b.scheme.normalized();
}

double bitsOf(const TensorInfo& tensor, const Decision& decision)
{
    return 8 * double(decidedBytes(tensor, decision)) / double(std::max<uint64_t>(1, tensor.parameters()));
}

/// The member whose decision binds the others; -1 when locks disagree.
int leaderOf(const std::vector<TensorInfo>& tensors, const std::vector<Decision>& decisions, const std::vector<int>& group)
{
    int leader = -1;
    for (const int i : group) {
        const Decision& decision = decisions[size_t(i)];
        if (!decision.locked)
            continue;
        if (leader >= 0 && !sameScheme(decision, decisions[size_t(leader)]))
            return -1;
        leader = leader < 0 ? i : leader;
    }
    if (leader >= 0)
        return leader;
    leader = group.front();
    for (const int i : group) {
        if (bitsOf(tensors[size_t(i)], decisions[size_t(i)]) > bitsOf(tensors[size_t(leader)], decisions[size_t(leader)]))
            leader = i;
    }
    return leader;
}

/// What `tensor` does when it follows `leader`.
Decision following(const Decision& own, const Decision& leader, const TensorInfo& tensor, const std::string& leaderName)
{
    Decision decision = leader;
    decision.locked = false;
    decision.because = "shares a scheme with " + leaderName + " (" + leader.because + ")";
    if (leader.source == Decision::Source::Override) {
        decision.source = own.source;
        decision.rule = own.rule;
    }
    if (leader.asStored)
        return decision;
    if (const Status fits = applicable(leader.scheme, tensor.rows(), tensor.cols()); !fits.ok()) {
        decision = own;
        decision.fallback = "does not share " + leader.scheme.text() + " with " + leaderName + ": " + fits.error().message;
    }
    return decision;
}

} // namespace

std::string shareKey(const TensorInfo& tensor)
{
    std::string key;
    switch (tensor.role) {
    case TensorRole::AttnQ:
    case TensorRole::AttnK:
    case TensorRole::AttnV:
        key = "qkv";
        break;
    case TensorRole::MlpGate:
    case TensorRole::MlpUp:
        key = "gate and up";
        break;
    case TensorRole::ExpertGate:
    case TensorRole::ExpertUp:
        key = "expert gate and up";
        break;
    default:
        return {};
    }
    // "model.layers.0.self_attn.q_proj.weight" and its siblings differ in the last two parts only.
    size_t end = tensor.name.rfind('.');
    if (end != std::string::npos && end > 0)
        end = tensor.name.rfind('.', end - 1);
    return (end == std::string::npos ? std::string() : tensor.name.substr(0, end)) + " " + key;
}

std::vector<std::vector<int>> shareGroups(const Model& model)
{
    std::vector<std::vector<int>> groups;
    std::unordered_map<std::string, size_t> places;
    for (size_t i = 0; i < model.tensors().size(); ++i) {
        const std::string key = shareKey(model.tensors()[i]);
        if (key.empty())
            continue;
        const auto [place, fresh] = places.emplace(key, groups.size());
        if (fresh)
            groups.emplace_back();
        groups[place->second].push_back(int(i));
    }
    std::erase_if(groups, [](const std::vector<int>& group) { return group.size() < 2; });
    return groups;
}

void shareDecisions(const Model& model, std::vector<Decision>& decisions)
{
    for (const std::vector<int>& group : shareGroups(model)) {
        const int leader = leaderOf(model.tensors(), decisions, group);
        for (const int i : group) {
            if (leader < 0 || i == leader || sameScheme(decisions[size_t(i)], decisions[size_t(leader)]))
                continue;
            const TensorInfo& tensor = model.tensors()[size_t(i)];
            decisions[size_t(i)] = following(decisions[size_t(i)], decisions[size_t(leader)], tensor,
                                             model.tensors()[size_t(leader)].name);
        }
    }
}

} // namespace ql
