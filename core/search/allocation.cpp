// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/search/allocation.h"

#include "core/base/checked.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

namespace ql {

Result<AllocationProblem> AllocationProblem::create(std::vector<AllocationGroup> groups)
{
    AllocationProblem problem;
    problem.m_groups = std::move(groups);
    uint64_t largest = 0;
    for (size_t g = 0; g < problem.m_groups.size(); ++g) {
        const AllocationGroup& group = problem.m_groups[g];
        if (group.candidates.empty())
            return Error{ErrorCode::InvalidArgument, "nothing to choose from", group.name};
        uint64_t most = 0;
        for (const AllocationCandidate& candidate : group.candidates) {
            if (!std::isfinite(candidate.cost))
                return Error{ErrorCode::InvalidArgument, "an error is not a finite number", group.name};
            most = std::max(most, candidate.bytes);
        }
        const auto sum = checkedAdd(largest, most);
        if (!sum || *sum > uint64_t(std::numeric_limits<int64_t>::max()))
            return Error{ErrorCode::InvalidArgument, "the sizes are too large to add up", group.name};
        largest = *sum;
        problem.addGroup(int(g));
    }
    problem.buildFront();
    return problem;
}

void AllocationProblem::addGroup(int index)
{
    const std::vector<AllocationCandidate>& all = m_groups[size_t(index)].candidates;
    std::vector<int> order(all.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](int a, int b) {
        return std::tie(all[size_t(a)].bytes, all[size_t(a)].cost, a) < std::tie(all[size_t(b)].bytes, all[size_t(b)].cost, b);
    });
    std::vector<int> useful;
    for (const int candidate : order) {
        if (useful.empty() || all[size_t(candidate)].cost < all[size_t(useful.back())].cost)
            useful.push_back(candidate);
    }
    for (const int candidate : useful)
        m_step = std::gcd(m_step, all[size_t(candidate)].bytes - all[size_t(useful.front())].bytes);

    const auto edge = [&](int from, int to) {
        const uint64_t bytes = all[size_t(to)].bytes - all[size_t(from)].bytes;
        const double saved = all[size_t(from)].cost - all[size_t(to)].cost;
        return Edge{index, from, to, bytes, saved, saved / double(bytes)};
    };
    std::vector<Edge> hull;
    for (size_t i = 1; i < useful.size(); ++i) {
        Edge next = edge(useful[i - 1], useful[i]);
        while (!hull.empty() && hull.back().perByte <= next.perByte) {
            next = edge(hull.back().from, next.to);
            hull.pop_back();
        }
        hull.push_back(next);
    }
    m_edges.insert(m_edges.end(), hull.begin(), hull.end());
    m_useful.push_back(std::move(useful));
}

void AllocationProblem::buildFront()
{
    // Within a group savings per byte fall strictly, so its edges stay in their order.
    std::sort(m_edges.begin(), m_edges.end(), [](const Edge& a, const Edge& b) {
        return a.perByte != b.perByte ? a.perByte > b.perByte : a.group < b.group;
    });
    m_front.resize(m_edges.size() + 1);
    for (size_t g = 0; g < m_groups.size(); ++g) {
        m_front.front().bytes += m_groups[g].candidates[size_t(m_useful[g].front())].bytes;
        m_front.back().cost += m_groups[g].candidates[size_t(m_useful[g].back())].cost;
    }
    // Costs are summed from their small end, where differences matter.
    for (size_t e = m_edges.size(); e-- > 0;)
        m_front[e].cost = m_front[e + 1].cost + m_edges[e].saved;
    for (size_t e = 0; e < m_edges.size(); ++e)
        m_front[e + 1].bytes = m_front[e].bytes + m_edges[e].bytes;
}

std::vector<int> AllocationProblem::frontChoice(size_t point) const
{
    std::vector<int> choice;
    for (const std::vector<int>& useful : m_useful)
        choice.push_back(useful.front());
    for (size_t e = 0; e < std::min(point, m_edges.size()); ++e)
        choice[size_t(m_edges[e].group)] = m_edges[e].to;
    return choice;
}

std::optional<AllocationStep> AllocationProblem::stepUp(int group, int candidate) const
{
    const std::vector<AllocationCandidate>& all = m_groups[size_t(group)].candidates;
    const AllocationCandidate& now = all[size_t(candidate)];
    std::optional<AllocationStep> best;
    for (const int other : m_useful[size_t(group)]) {
        const AllocationCandidate& then = all[size_t(other)];
        if (then.bytes <= now.bytes || then.cost >= now.cost)
            continue;
        const AllocationStep step{group, other, int64_t(then.bytes - now.bytes), then.cost - now.cost};
        if (!best || step.cost / double(step.bytes) < best->cost / double(best->bytes))
            best = step;
    }
    return best;
}

std::optional<AllocationStep> AllocationProblem::stepDown(int group, int candidate) const
{
    const std::vector<AllocationCandidate>& all = m_groups[size_t(group)].candidates;
    const AllocationCandidate& now = all[size_t(candidate)];
    std::optional<AllocationStep> best;
    for (const int other : m_useful[size_t(group)]) {
        const AllocationCandidate& then = all[size_t(other)];
        if (then.bytes >= now.bytes)
            continue;
        const AllocationStep step{group, other, -int64_t(now.bytes - then.bytes), then.cost - now.cost};
        if (!best || step.cost / double(-step.bytes) < best->cost / double(-best->bytes))
            best = step;
    }
    return best;
}

std::optional<AllocationStep> AllocationProblem::bestStepUp(const std::vector<int>& choice) const
{
    std::optional<AllocationStep> best;
    for (size_t g = 0; g < choice.size(); ++g) {
        const auto step = stepUp(int(g), choice[g]);
        if (step && (!best || step->cost / double(step->bytes) < best->cost / double(best->bytes)))
            best = step;
    }
    return best;
}

} // namespace ql
