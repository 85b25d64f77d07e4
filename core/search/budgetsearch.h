// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// BudgetSearch: from a cost table to a policy within a budget, and what each choice was about. Immutable; any thread.
#pragma once

#include "core/search/allocation.h"
#include "core/search/sensitivity.h"

namespace ql {

class BudgetSearch
{
public:
    /// Tensors of one choice: a single one, or those that run as one matrix.
    struct Part {
        std::vector<int> tensors;
        std::vector<std::vector<int>> cells; ///< per choice: one cell of each tensor's row
        bool searched = false;
    };

    /// With `share`, or where the policy says so itself, q, k and v of a layer get one scheme, gate and up another; a lock
    /// on one of them binds all. InvalidArgument naming tensors that are to share but are locked apart, or that cannot
    /// take their sibling's lock.
    static Result<BudgetSearch> create(std::shared_ptr<const Model> model, Policy policy, Shared<CostTable> table, bool share);

    const Model& model() const { return *m_model; }
    const CostTable& table() const { return *m_table; }
    const AllocationProblem& problem() const { return m_problem; }
    /// In the order of the problem's groups.
    const std::vector<Part>& parts() const { return m_parts; }
    /// "model.layers.0.self_attn: q_proj, k_proj, v_proj" or the tensor's name.
    const std::string& nameOf(int part) const { return m_problem.groups()[size_t(part)].name; }
    const Scheme& schemeOf(int part, int choice) const;

    /// Bytes of all tensors at so many bits per parameter of the model, and back. Headers are not counted.
    Result<uint64_t> budgetFor(double bitsPerWeight) const;
    double bitsPerWeight(uint64_t bytes) const;

    /// The policy that was given, with an override for every tensor that was searched; its note says what the step to
    /// more bytes would cost.
    Policy policyOf(const Allocation& found) const { return policyOf(found, m_policy); }
    /// The same with what else another policy says, which binds the same tensors.
    Policy policyOf(const Allocation& found, Policy base) const;
    /// "the next step up, int5, costs 12.0 MB for 0.4 % of the error"; "nothing larger is better".
    std::string stepText(int part, const Allocation& found) const;
    /// Where decisions lie beside the front; nothing when one of their schemes was not measured.
    std::optional<AllocationProblem::FrontPoint> pointOf(const std::vector<Decision>& decisions) const;
    /// What decisions do that this search may not: "uses Q4_K, Q6_K, which are no candidates"; empty: nothing.
    std::string beyond(const std::vector<Decision>& decisions) const;

private:
    BudgetSearch(std::shared_ptr<const Model> model, Policy policy, Shared<CostTable> table, std::vector<Part> parts,
                 AllocationProblem problem);

    std::shared_ptr<const Model> m_model;
    Policy m_policy;
    Shared<CostTable> m_table;
    std::vector<Part> m_parts;
    AllocationProblem m_problem;
};

} // namespace ql
