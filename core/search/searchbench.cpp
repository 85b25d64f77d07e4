// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/search/searchbench.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace ql {
namespace {

using Clock = std::chrono::steady_clock;

double millisecondsSince(Clock::time_point started)
{
    return std::chrono::duration<double, std::milli>(Clock::now() - started).count();
}

/// The same numbers with every standard library.
class Numbers
{
public:
    explicit Numbers(unsigned seed) : m_state(seed) {}
    /// In [0, 1).
    double next()
    {
        m_state = m_state * 6364136223846793005u + 1442695040888963407u;
        return double(m_state >> 11) * 0x1p-53;
    }

private:
    uint64_t m_state;
};

} // namespace

std::vector<AllocationGroup> syntheticAllocation(int tensors, int candidates, int sizes, unsigned seed)
{
    Numbers numbers(seed);
    std::vector<uint64_t> shapes;
    for (int i = 0; i < std::max(sizes, 1); ++i)
        shapes.push_back(uint64_t(1024 * (1 + int(numbers.next() * 16))) * 4096);
    std::vector<AllocationGroup> groups;
    for (int i = 0; i < tensors; ++i) {
        AllocationGroup& group = groups.emplace_back();
        group.name = "tensor " + std::to_string(i);
        const uint64_t weights = sizes > 0 ? shapes[size_t(i) % shapes.size()] : uint64_t(1e6 + 6e7 * numbers.next());
        const double sensitivity = std::exp(3 * numbers.next() - 1.5);
        for (int c = 0; c < candidates; ++c) {
            const double bits = 2.125 + 6.0 * c / std::max(1, candidates - 1);
            const double luck = 0.8 + 0.4 * numbers.next();
            group.candidates.push_back({uint64_t(double(weights) * bits / 8), sensitivity * luck * std::exp2(-2 * bits)});
        }
    }
    return groups;
}

Result<std::vector<BenchFigure>> measureSearchFigures(const JobControl& job)
{
    constexpr int kBudgets = 50;
    std::vector<BenchFigure> figures;
    for (const int tensors : {1000, 10000}) {
        for (const int sizes : {4, 0}) {
            const std::string what = "budget search, " + std::to_string(tensors) + " tensors" +
                                     (sizes ? " of few shapes" : " of as many sizes");
            std::vector<AllocationGroup> groups = syntheticAllocation(tensors, 12, sizes, 1);
            const auto begun = Clock::now();
            QL_TRY(const AllocationProblem problem, AllocationProblem::create(std::move(groups)));
            const double setup = millisecondsSince(begun);
            double slowest = 0, gap = 0;
            for (int i = 1; i < kBudgets; ++i) {
                if (job.cancelled())
                    return cancelledError();
                const uint64_t range = problem.largestBytes() - problem.smallestBytes();
                const auto started = Clock::now();
                QL_TRY(const Allocation found, problem.solve(problem.smallestBytes() + range / kBudgets * uint64_t(i)));
                slowest = std::max(slowest, millisecondsSince(started));
                gap = std::max(gap, found.gap() / found.cost);
            }
            figures.push_back({what + ": set up", setup, "ms", 0, "", 0, false});
            figures.push_back({what + ": slowest solution", slowest, "ms", 0, "", tensors == 1000 ? 100.0 : 0.0, true});
            figures.push_back({what + ": widest gap", gap, "of the error", 0, "", 0, false});
        }
    }
    return figures;
}

} // namespace ql
