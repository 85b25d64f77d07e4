// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// AllocationSolver: one solution of an AllocationProblem. At the Lagrangian price per byte every candidate has a penalty
// >= 0, how much its cost plus price exceeds its group's best; a choice costs the Lagrangian bound plus its penalties
// plus the price of the bytes left over. So whatever has more penalty than the best known choice lies above the bound
// is out; dynamic programming settles the few groups that remain. Private to core/search.
#pragma once

#include "core/search/allocation.h"

#include <limits>

namespace ql {

class AllocationSolver
{
public:
    /// `budget` holds at least the smallest and less than the largest size.
    AllocationSolver(const AllocationProblem& problem, uint64_t budget, const AllocationEffort& effort);
    Allocation solve();

private:
    /// A candidate against what the base solution has.
    struct Option {
        int candidate;
        int64_t bytes;
        double cost, penalty;
    };
    struct OpenGroup {
        int group;
        double leastPenalty; ///< of leaving the base solution
        std::vector<Option> options;
    };
    /// Choices for the groups settled so far, against the base solution.
    struct State {
        int64_t bytes;
        double cost;
        int32_t parent; ///< in the stage before
        int32_t candidate;
    };
    struct Stage {
        int group;
        std::vector<State> states; ///< bytes rise, cost falls
    };

    void completeGreedily();
    void collectOpenGroups();
    void expand(size_t index);
    void narrow(std::vector<State>& states, size_t index);
    void takeBest();
    /// Least that any completion of a state after open group `index` lies above the bound.
    double excess(const State& state, size_t index) const;
    Allocation result() const;

    const AllocationProblem& m_problem;
    const AllocationEffort& m_effort;
    std::vector<int> m_base;      ///< the Lagrangian solution
    double m_price = 0;           ///< cost per byte
    int64_t m_room = 0;           ///< bytes that the base solution leaves
    double m_lagrangian = 0;      ///< the dual bound
    std::vector<int> m_best;      ///< best known choice
    double m_bestExcess = 0;      ///< how far it lies above the dual bound
    double m_droppedExcess = std::numeric_limits<double>::infinity(); ///< of what was not looked at
    std::vector<OpenGroup> m_open;
    std::vector<int64_t> m_canGrow, m_canShrink; ///< bytes, by all open groups from this one on
    std::vector<Stage> m_stages;
    size_t m_expansions = 0;
};

} // namespace ql
