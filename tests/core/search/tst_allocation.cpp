// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Allocation against trying everything, bounds that hold, fronts, steps and errors.
#include "core/search/allocation.h"
#include "core/search/searchbench.h"

#include <QTest>

#include <cmath>
#include <limits>
#include <random>

using namespace ql;

namespace {

struct Best {
    double cost = std::numeric_limits<double>::infinity();
    uint64_t bytes = 0;
};

/// The cheapest choice within the budget, by trying all of them.
Best tryAll(const std::vector<AllocationGroup>& groups, uint64_t budget)
{
    Best best;
    std::vector<size_t> choice(groups.size());
    for (;;) {
        uint64_t bytes = 0;
        double cost = 0;
        for (size_t g = 0; g < groups.size(); ++g) {
            bytes += groups[g].candidates[choice[g]].bytes;
            cost += groups[g].candidates[choice[g]].cost;
        }
        if (bytes <= budget && cost < best.cost)
            best = {cost, bytes};
        size_t g = 0;
        while (g < groups.size() && ++choice[g] == groups[g].candidates.size())
            choice[g++] = 0;
        if (g == groups.size())
            return best;
    }
}

enum Kind { Anything, FewSizes, WholeCosts, WithZeroCosts, WithDominated, WithLocks, Concave };

std::vector<AllocationGroup> randomGroups(int kind, std::mt19937& random)
{
    const auto below = [&](int n) { return int(random() % unsigned(n)); };
    std::vector<AllocationGroup> groups;
    const int count = 1 + below(6);
    for (int g = 0; g < count; ++g) {
        AllocationGroup group{"group " + std::to_string(g), {}};
        const int candidates = kind == WithLocks && below(2) ? 1 : 1 + below(5);
        for (int c = 0; c < candidates; ++c) {
            AllocationCandidate candidate{uint64_t(1 + below(1000)), std::ldexp(double(1 + below(1 << 20)), -20)};
            if (kind == FewSizes)
                candidate.bytes = uint64_t(64 * (1 + below(4)));
            if (kind == WholeCosts)
                candidate.cost = below(4);
            if (kind == WithZeroCosts && below(3) == 0)
                candidate.cost = 0;
            if (kind == WithDominated && c > 0)
                candidate = {group.candidates[0].bytes + uint64_t(below(3)), group.candidates[0].cost + below(2)};
            if (kind == Concave)
                candidate = {uint64_t(10 + 100 * c), 1 - 0.01 * c * c - 0.001 * g};
            group.candidates.push_back(candidate);
        }
        groups.push_back(std::move(group));
    }
    return groups;
}

uint64_t bytesOf(const AllocationProblem& problem, const std::vector<int>& choice)
{
    uint64_t bytes = 0;
    for (size_t g = 0; g < choice.size(); ++g)
        bytes += problem.groups()[g].candidates[size_t(choice[g])].bytes;
    return bytes;
}

double costOf(const AllocationProblem& problem, const std::vector<int>& choice)
{
    double cost = 0;
    for (size_t g = 0; g < choice.size(); ++g)
        cost += problem.groups()[g].candidates[size_t(choice[g])].cost;
    return cost;
}

bool close(double a, double b)
{
    return std::abs(a - b) <= 1e-12 * std::max({1.0, std::abs(a), std::abs(b)});
}

} // namespace

class TestAllocation : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void equalToTryingEverything_data()
    {
        QTest::addColumn<int>("kind");
        QTest::newRow("anything") << int(Anything);
        QTest::newRow("equal sizes") << int(FewSizes);
        QTest::newRow("ties in cost") << int(WholeCosts);
        QTest::newRow("candidates without error") << int(WithZeroCosts);
        QTest::newRow("dominated and repeated candidates") << int(WithDominated);
        QTest::newRow("locks") << int(WithLocks);
        QTest::newRow("savings that grow with size") << int(Concave);
    }
    void equalToTryingEverything()
    {
        QFETCH(int, kind);
        std::mt19937 random(unsigned(kind) + 7);
        for (int round = 0; round < 60; ++round) {
            const std::vector<AllocationGroup> groups = randomGroups(kind, random);
            const auto problem = AllocationProblem::create(groups);
            QVERIFY(problem.ok());
            const uint64_t lowest = problem->smallestBytes(), highest = problem->largestBytes() + 2;
            for (int i = 0; i < 8; ++i) {
                const uint64_t budget = i == 0 ? lowest : i == 1 ? highest : lowest + random() % (highest - lowest);
                const Best best = tryAll(groups, budget);
                const auto found = problem->solve(budget);
                QVERIFY2(found.ok(), found.ok() ? "" : found.error().text().c_str());
                QVERIFY2(close(found->cost, best.cost),
                         qPrintable(QString("round %1: %2, not %3").arg(round).arg(found->cost).arg(best.cost)));
                QVERIFY(found->exact && found->bound == found->cost && found->gap() == 0);
                QVERIFY(found->bytes <= budget);
                QCOMPARE(bytesOf(*problem, found->choice), found->bytes);
                QCOMPARE(costOf(*problem, found->choice), found->cost);

                const auto hasty = problem->solve(budget, {1, 1});
                QVERIFY(hasty.ok() && hasty->bytes <= budget);
                QVERIFY(hasty->bound <= best.cost * (1 + 1e-12) && hasty->cost >= best.cost * (1 - 1e-12));
                QVERIFY(!hasty->exact || close(hasty->cost, best.cost));
            }
        }
    }

    void sharedChoicesAreSums()
    {
        // Three tensors on their own, then as one group whose candidates are their sums.
        const std::vector<AllocationCandidate> tensor{{10, 9}, {20, 4}, {40, 1}};
        const auto alone = AllocationProblem::create({{"q", tensor}, {"k", tensor}, {"v", tensor}});
        const auto shared = AllocationProblem::create({{"qkv", {{30, 27}, {60, 12}, {120, 3}}}});
        QVERIFY(alone.ok() && shared.ok());
        QCOMPARE(alone->solve(80)->cost, 9.0);  // 40 + 20 + 20
        QCOMPARE(shared->solve(80)->cost, 12.0);
        QCOMPARE(shared->solve(120)->cost, alone->solve(120)->cost);
    }

    void budgetsThatAreTooSmallNameTheSmallest()
    {
        const auto problem = AllocationProblem::create({{"a", {{1000, 1}, {2000, 0}}}, {"b", {{500, 1}}}});
        QVERIFY(problem.ok());
        const auto found = problem->solve(1499);
        QVERIFY(!found.ok());
        QCOMPARE(found.error().code, ErrorCode::InvalidArgument);
        QVERIFY2(found.error().message.find("smallest possible size is 1500 bytes") != std::string::npos,
                 found.error().message.c_str());
        QVERIFY(problem->solve(1500).ok());
        QCOMPARE(problem->solve(1500)->cost, 2.0);
        QCOMPARE(problem->solve(std::numeric_limits<uint64_t>::max())->cost, 1.0);
    }

    void badProblemsNameTheGroup_data()
    {
        QTest::addColumn<QList<double>>("costs");
        QTest::addColumn<quint64>("bytes");
        QTest::newRow("no candidate") << QList<double>() << quint64(1);
        QTest::newRow("NaN") << QList<double>{1, std::nan("")} << quint64(1);
        QTest::newRow("infinite") << QList<double>{std::numeric_limits<double>::infinity()} << quint64(1);
        QTest::newRow("sizes beyond 63 bits") << QList<double>{1} << (quint64(1) << 63);
    }
    void badProblemsNameTheGroup()
    {
        QFETCH(QList<double>, costs);
        QFETCH(quint64, bytes);
        AllocationGroup bad{"the bad one", {}};
        for (const double cost : costs)
            bad.candidates.push_back({bytes, cost});
        const auto problem = AllocationProblem::create({{"good", {{1, 1}}}, bad});
        QVERIFY(!problem.ok());
        QCOMPARE(problem.error().code, ErrorCode::InvalidArgument);
        QCOMPARE(problem.error().where, std::string("the bad one"));
    }

    void nothingToAllocate()
    {
        const auto problem = AllocationProblem::create({});
        QVERIFY(problem.ok());
        QCOMPARE(problem->solve(0)->cost, 0.0);
        QVERIFY(problem->solve(0)->exact);
    }

    void frontFallsAndIsOptimal()
    {
        std::mt19937 random(3);
        for (int round = 0; round < 40; ++round) {
            const auto groups = randomGroups(round % 7, random);
            const auto problem = AllocationProblem::create(groups);
            QVERIFY(problem.ok());
            const auto front = problem->front();
            for (size_t i = 0; i < front.size(); ++i) {
                const std::vector<int> choice = problem->frontChoice(i);
                QCOMPARE(bytesOf(*problem, choice), front[i].bytes);
                QVERIFY(close(costOf(*problem, choice), front[i].cost));
                QVERIFY(close(tryAll(groups, front[i].bytes).cost, front[i].cost));
                if (i > 0)
                    QVERIFY(front[i].bytes > front[i - 1].bytes && front[i].cost < front[i - 1].cost);
                if (i > 1) // convex: each byte saves less than those before
                    QVERIFY((front[i - 1].cost - front[i].cost) / double(front[i].bytes - front[i - 1].bytes) <=
                            (front[i - 2].cost - front[i - 1].cost) / double(front[i - 1].bytes - front[i - 2].bytes) *
                                    (1 + 1e-9) + 1e-15);
            }
        }
    }

    void stepsExplainAChoice()
    {
        const auto problem = AllocationProblem::create(
            {{"a", {{100, 10}, {150, 10}, {200, 6}, {260, 1}}}, {"b", {{100, 2}, {110, 1}}}, {"locked", {{50, 3}}}});
        QVERIFY(problem.ok());
        const auto up = problem->stepUp(0, 0); // 9 for 160 bytes is more per byte than 4 for 100
        QVERIFY(up.has_value());
        QCOMPARE(up->candidate, 3);
        QCOMPARE(up->bytes, int64_t(160));
        QCOMPARE(up->cost, -9.0);
        QCOMPARE(problem->stepUp(0, 2)->candidate, 3);
        QVERIFY(!problem->stepUp(0, 3) && !problem->stepUp(2, 0) && !problem->stepDown(2, 0));
        const auto down = problem->stepDown(0, 3); // 5 for 60 bytes, or 9 for 160
        QCOMPARE(down->candidate, 0);
        QCOMPARE(down->bytes, int64_t(-160));
        QCOMPARE(down->cost, 9.0);
        QCOMPARE(problem->bestStepUp({0, 0, 0})->group, 1);
        QCOMPARE(problem->bestStepUp({0, 1, 0})->group, 0);
        QVERIFY(!problem->bestStepUp({3, 1, 0}));
    }

    void largeProblemsAreCloseToTheirBound_data()
    {
        QTest::addColumn<int>("sizes");
        QTest::newRow("few shapes") << 4;
        QTest::newRow("every tensor its own size") << 0;
    }
    void largeProblemsAreCloseToTheirBound()
    {
        QFETCH(int, sizes);
        const auto problem = AllocationProblem::create(syntheticAllocation(500, 8, sizes, 5));
        QVERIFY(problem.ok());
        const uint64_t range = problem->largestBytes() - problem->smallestBytes();
        double last = std::numeric_limits<double>::infinity();
        for (int i = 0; i <= 10; ++i) {
            const auto found = problem->solve(problem->smallestBytes() + range * uint64_t(i) / 10);
            QVERIFY(found.ok());
            QVERIFY(found->bound <= found->cost && found->gap() <= 1e-4 * found->cost);
            QVERIFY(found->cost <= last);
            last = found->cost;
        }
    }
};

QTEST_GUILESS_MAIN(TestAllocation)
#include "tst_allocation.moc"
