// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// AllocationProblem: one candidate per group, at most a budget of bytes, the smallest sum of costs (a multiple-choice
// knapsack). Immutable after create(); any thread.
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace ql {

struct AllocationCandidate {
    uint64_t bytes = 0;
    double cost = 0; ///< any finite number; costs of groups add up
};
/// Tensors that share a choice, or a single one; something locked has one candidate.
struct AllocationGroup {
    std::string name; ///< for messages
    std::vector<AllocationCandidate> candidates;
};

/// How much solve() may do before it settles for a bound. The default answers while a slider moves.
struct AllocationEffort {
    size_t width = 4096;        ///< partial solutions kept at a time
    size_t expansions = 400000; ///< partial solutions looked at
};

struct Allocation {
    std::vector<int> choice; ///< one candidate per group
    uint64_t bytes = 0;
    double cost = 0;
    double bound = 0;   ///< no choice within the budget costs less; equal to `cost` when exact
    bool exact = false; ///< up to the rounding of sums
    double gap() const { return cost - bound; }
};

/// What another candidate of one group would change.
struct AllocationStep {
    int group = -1;
    int candidate = -1;
    int64_t bytes = 0; ///< more than now
    double cost = 0;   ///< more than now
};

class AllocationProblem
{
public:
    /// InvalidArgument naming the group: no candidate, a cost that is not finite, sizes too large to add.
    static Result<AllocationProblem> create(std::vector<AllocationGroup> groups);

    const std::vector<AllocationGroup>& groups() const { return m_groups; }
    uint64_t smallestBytes() const { return m_front.front().bytes; }
    /// Above this no byte helps.
    uint64_t largestBytes() const { return m_front.back().bytes; }

    /// Lagrangian solution, then dynamic programming over what the Lagrangian bound leaves open (Pisinger 1995, with
    /// penalties instead of core intervals). InvalidArgument naming the smallest possible size when nothing fits.
    Result<Allocation> solve(uint64_t budget, const AllocationEffort& effort = {}) const;

    struct FrontPoint {
        uint64_t bytes = 0;
        double cost = 0;
    };
    /// Every choice that is optimal for some price per byte: from smallestBytes() to largestBytes(), strictly rising in
    /// bytes, falling in cost. Each point is the optimum for its size.
    std::span<const FrontPoint> front() const { return m_front; }
    std::vector<int> frontChoice(size_t point) const;

    /// The step to more bytes that takes most cost away per byte; nothing where no larger candidate costs less.
    std::optional<AllocationStep> stepUp(int group, int candidate) const;
    /// The step to fewer bytes that adds least cost per byte.
    std::optional<AllocationStep> stepDown(int group, int candidate) const;
    /// The best of all groups' steps up, whether or not a budget has room for it.
    std::optional<AllocationStep> bestStepUp(const std::vector<int>& choice) const;

private:
    friend class AllocationSolver;
    /// From one corner of a group's lower convex hull to the next.
    struct Edge {
        int group, from, to; ///< candidates
        uint64_t bytes;
        double saved, perByte;
    };
    AllocationProblem() = default;
    void addGroup(int index);
    void buildFront();

    std::vector<AllocationGroup> m_groups;
    std::vector<std::vector<int>> m_useful; ///< per group: candidates that nothing dominates, by rising bytes
    std::vector<Edge> m_edges;              ///< by falling saving per byte
    std::vector<FrontPoint> m_front;        ///< before the first edge, after each edge
    uint64_t m_step = 0;                    ///< every size is the smallest one plus a multiple of this
};

} // namespace ql
