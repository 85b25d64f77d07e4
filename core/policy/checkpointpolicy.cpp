// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/policy/checkpointpolicy.h"

#include "core/model/storedscheme.h"

#include <algorithm>

namespace ql
{
namespace
{

using Counts = std::map<Scheme, int>;

/// The first of the most common ones.
const Scheme* mostCommon(const Counts& counts)
{
    const auto most = std::max_element(counts.begin(), counts.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    return most == counts.end() ? nullptr : &most->first;
}

bool follows(const Decision& decision, const Scheme& stored)
{
    return decision.asStored ? stored.keepsFloat() : decision.scheme == stored;
}

class PolicyReader
{
public:
    explicit PolicyReader(const Model& model) : m_model(model)
    {
        for (const TensorInfo& tensor : model.tensors())
            m_stored.push_back(storedScheme(tensor));
    }

    Policy read()
    {
        chooseDefault();
        addRoleRules();
        addExceptions();
        return std::move(m_policy);
    }

private:
    /// Among quantized linear layers, else among all quantized tensors, else among linear layers.
    void chooseDefault()
    {
        Counts linear, any, floats;
        forEach([&](const TensorInfo& tensor, const Scheme& stored) {
            if (!stored.keepsFloat()) {
                ++any[stored];
                if (isLinear(tensor.role))
                    ++linear[stored];
            } else if (isLinear(tensor.role)) {
                ++floats[stored];
            }
        });
        for (const Counts* counts : {&linear, &any, &floats}) {
            if (const Scheme* scheme = mostCommon(*counts)) {
                m_policy.defaultScheme = *scheme;
                return;
            }
        }
    }

    void addRoleRules()
    {
        std::map<TensorRole, Counts> counts;
        forEach([&](const TensorInfo& tensor, const Scheme& stored) { ++counts[tensor.role][stored]; });
        for (const auto& [role, schemes] : counts) {
            const Scheme& usual = *mostCommon(schemes);
            const bool byDefault = isLinear(role) ? usual == m_policy.defaultScheme : usual.keepsFloat();
            if (byDefault || role == TensorRole::Other)
                continue;
            const auto same = std::find_if(m_policy.rules.begin(), m_policy.rules.end(),
                                           [&](const Rule& rule) { return rule.scheme == usual; });
            Rule& rule = same == m_policy.rules.end() ? m_policy.rules.emplace_back() : *same;
            rule.scheme = usual;
            rule.note = "as the checkpoint stores them";
            rule.roles.push_back(role);
        }
    }

    void addExceptions()
    {
        const auto decisions = m_policy.resolve(m_model);
        for (size_t i = 0; decisions.ok() && i < m_stored.size(); ++i) {
            if (m_stored[i] && !follows((*decisions)[i], *m_stored[i]))
                m_policy.tensors[m_model.tensors()[i].name].scheme = *m_stored[i];
        }
    }

    template <class Visit>
    void forEach(Visit&& visit) const
    {
        for (size_t i = 0; i < m_stored.size(); ++i) {
            if (m_stored[i] && m_model.tensors()[i].role != TensorRole::Companion)
                visit(m_model.tensors()[i], *m_stored[i]);
        }
    }

    const Model& m_model;
    std::vector<std::optional<Scheme>> m_stored;
    Policy m_policy;
};

} // namespace

Policy policyOfCheckpoint(const Model& model)
{
    Policy policy = PolicyReader(model).read();
    policy.name = model.displayName();
    return policy;
}

} // namespace ql
