// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/search/allocationsolver.h"

#include "core/base/format.h"

#include <algorithm>

namespace ql {

AllocationSolver::AllocationSolver(const AllocationProblem& problem, uint64_t budget, const AllocationEffort& effort)
    : m_problem(problem), m_effort(effort)
{
    const auto& front = problem.m_front;
    const uint64_t reachable = budget - (budget - front.front().bytes) % problem.m_step;
    const auto after = std::upper_bound(front.begin(), front.end(), reachable,
                                        [](uint64_t bytes, const auto& point) { return bytes < point.bytes; });
    const size_t point = size_t(after - front.begin()) - 1;
    m_base = m_best = problem.frontChoice(point);
    m_price = problem.m_edges[point].perByte;
    m_room = int64_t(reachable - front[point].bytes);
    m_bestExcess = m_price * double(m_room);
    m_lagrangian = front[point].cost - m_bestExcess;
}

/// Takes whatever further edges still fit.
void AllocationSolver::completeGreedily()
{
    std::vector<bool> closed(m_base.size());
    int64_t room = m_room;
    double cost = 0;
    for (const auto& edge : m_problem.m_edges) {
        if (edge.from != m_best[size_t(edge.group)] || closed[size_t(edge.group)])
            continue;
        if (int64_t(edge.bytes) > room) {
            closed[size_t(edge.group)] = true;
            continue;
        }
        m_best[size_t(edge.group)] = edge.to;
        room -= int64_t(edge.bytes);
        cost -= edge.saved;
    }
    m_bestExcess += cost;
}

void AllocationSolver::collectOpenGroups()
{
    for (size_t g = 0; g < m_base.size(); ++g) {
        const std::vector<AllocationCandidate>& all = m_problem.m_groups[g].candidates;
        const AllocationCandidate& base = all[size_t(m_base[g])];
        OpenGroup open{int(g), std::numeric_limits<double>::infinity(), {}};
        for (const int candidate : m_problem.m_useful[g]) {
            const int64_t bytes = int64_t(all[size_t(candidate)].bytes) - int64_t(base.bytes);
            const double cost = all[size_t(candidate)].cost - base.cost;
            const double penalty = std::max(0.0, cost + m_price * double(bytes));
            if (candidate != m_base[g]) {
                if (penalty >= m_bestExcess)
                    continue;
                open.leastPenalty = std::min(open.leastPenalty, penalty);
            }
            open.options.push_back({candidate, bytes, cost, penalty});
        }
        if (open.options.size() > 1)
            m_open.push_back(std::move(open));
    }
    std::stable_sort(m_open.begin(), m_open.end(),
                     [](const OpenGroup& a, const OpenGroup& b) { return a.leastPenalty < b.leastPenalty; });
    m_canGrow.assign(m_open.size() + 1, 0);
    m_canShrink.assign(m_open.size() + 1, 0);
    for (size_t i = m_open.size(); i-- > 0;) {
        m_canGrow[i] = m_canGrow[i + 1] + std::max<int64_t>(0, m_open[i].options.back().bytes);
        m_canShrink[i] = m_canShrink[i + 1] + std::max<int64_t>(0, -m_open[i].options.front().bytes);
    }
}

double AllocationSolver::excess(const State& state, size_t index) const
{
    if (state.bytes - m_canShrink[index + 1] > m_room)
        return std::numeric_limits<double>::infinity();
    const int64_t unused = std::max<int64_t>(0, m_room - state.bytes - m_canGrow[index + 1]);
    return std::max(0.0, state.cost + m_price * double(state.bytes)) + m_price * double(unused);
}

void AllocationSolver::expand(size_t index)
{
    const OpenGroup& open = m_open[index];
    const State start{0, 0, -1, -1};
    const std::span<const State> before = m_stages.empty() ? std::span(&start, 1) : std::span<const State>(m_stages.back().states);
    const auto sooner = [](const State& a, const State& b) { return a.bytes != b.bytes ? a.bytes < b.bytes : a.cost < b.cost; };
    std::vector<State> merged, run, both;
    for (const Option& option : open.options) {
        if (option.penalty >= m_bestExcess)
            continue;
        run.clear();
        for (size_t i = 0; i < before.size(); ++i) {
            const State state{before[i].bytes + option.bytes, before[i].cost + option.cost, int32_t(i), option.candidate};
            if (excess(state, index) < m_bestExcess)
                run.push_back(state);
        }
        m_expansions += before.size();
        both.resize(merged.size() + run.size());
        std::merge(merged.begin(), merged.end(), run.begin(), run.end(), both.begin(), sooner);
        merged.clear();
        for (const State& state : both) {
            if (merged.empty() || state.cost < merged.back().cost)
                merged.push_back(state);
        }
    }
    narrow(merged, index);
    m_stages.push_back({open.group, std::move(merged)});
}

/// Leaves the most promising states; what is given up limits the bound.
void AllocationSolver::narrow(std::vector<State>& states, size_t index)
{
    if (states.size() <= m_effort.width)
        return;
    std::vector<double> excesses;
    for (const State& state : states)
        excesses.push_back(excess(state, index));
    std::vector<double> sorted = excesses;
    const auto cut = sorted.begin() + std::ptrdiff_t(m_effort.width);
    std::nth_element(sorted.begin(), cut, sorted.end());
    m_droppedExcess = std::min(m_droppedExcess, *cut);
    size_t kept = 0;
    for (size_t i = 0; i < states.size(); ++i) {
        if (excesses[i] < *cut)
            states[kept++] = states[i];
    }
    states.resize(kept);
}

/// The cheapest state that fits is the last one that does.
void AllocationSolver::takeBest()
{
    const std::vector<State>& states = m_stages.back().states;
    const auto beyond = std::partition_point(states.begin(), states.end(),
                                             [this](const State& state) { return state.bytes <= m_room; });
    if (beyond == states.begin())
        return;
    const double above = (beyond - 1)->cost + m_price * double(m_room);
    if (above >= m_bestExcess)
        return;
    m_bestExcess = above;
    m_best = m_base;
    int32_t at = int32_t(beyond - states.begin() - 1);
    for (size_t s = m_stages.size(); s-- > 0;) {
        const State& state = m_stages[s].states[size_t(at)];
        m_best[size_t(m_stages[s].group)] = state.candidate;
        at = state.parent;
    }
}

Allocation AllocationSolver::solve()
{
    completeGreedily();
    collectOpenGroups();
    for (size_t i = 0; i < m_open.size() && m_open[i].leastPenalty < m_bestExcess; ++i) {
        if (m_expansions > m_effort.expansions) {
            m_droppedExcess = std::min(m_droppedExcess, m_open[i].leastPenalty);
            break;
        }
        expand(i);
        takeBest();
        if (m_stages.back().states.empty())
            break;
    }
    return result();
}

Allocation AllocationSolver::result() const
{
    Allocation allocation;
    allocation.choice = m_best;
    for (size_t g = 0; g < m_best.size(); ++g) {
        allocation.bytes += m_problem.m_groups[g].candidates[size_t(m_best[g])].bytes;
        allocation.cost += m_problem.m_groups[g].candidates[size_t(m_best[g])].cost;
    }
    allocation.exact = m_droppedExcess >= m_bestExcess;
    allocation.bound = allocation.exact ? allocation.cost : std::min(allocation.cost, m_lagrangian + m_droppedExcess);
    return allocation;
}

Result<Allocation> AllocationProblem::solve(uint64_t budget, const AllocationEffort& effort) const
{
    if (budget < smallestBytes())
        return Error{ErrorCode::InvalidArgument,
                     "no choice fits " + formatBytes(budget) + ": the smallest possible size is " +
                         std::to_string(smallestBytes()) + " bytes (" + formatBytes(smallestBytes()) + ")",
                     {}};
    if (budget < largestBytes())
        return AllocationSolver(*this, budget, effort).solve();
    Allocation allocation{frontChoice(m_edges.size()), largestBytes(), 0, 0, true};
    for (size_t g = 0; g < m_groups.size(); ++g)
        allocation.cost += m_groups[g].candidates[size_t(allocation.choice[g])].cost;
    allocation.bound = allocation.cost;
    return allocation;
}

} // namespace ql
