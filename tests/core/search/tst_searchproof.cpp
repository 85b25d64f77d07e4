// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Searches of a model against trying every policy; cost tables that grow; policies beside the front; embeddings.
#include "core/quant/schemetable.h"
#include "support/searchfixture.h"

#include <QTest>

#include <algorithm>
#include <cmath>

using namespace ql;
using namespace ql::test;

namespace {

/// The cheapest way within each of some budgets, by trying every way: units of tensors that choose together, the cells
/// that each may take.
class EveryWay
{
public:
    struct Option {
        uint64_t bytes;
        double error;
    };
    std::vector<std::vector<Option>> units;
    std::vector<uint64_t> budgets;
    std::vector<double> best;

    void run()
    {
        best.assign(budgets.size(), INFINITY);
        tryFrom(0, 0, 0);
    }

private:
    void tryFrom(size_t unit, uint64_t bytes, double error)
    {
        if (unit < units.size()) {
            for (const Option& option : units[unit])
                tryFrom(unit + 1, bytes + option.bytes, error + option.error);
            return;
        }
        for (size_t b = 0; b < budgets.size(); ++b) {
            if (bytes <= budgets[b])
                best[b] = std::min(best[b], error);
        }
    }
};

} // namespace

class TestSearchProof : public QObject, private SearchFixture
{
    Q_OBJECT
private Q_SLOTS:
    void equalToTryingEveryPolicy_data()
    {
        QTest::addColumn<bool>("share");
        QTest::addColumn<bool>("locked");
        QTest::newRow("each on its own") << false << false;
        QTest::newRow("siblings share") << true << false;
        QTest::newRow("a lock") << false << true;
        QTest::newRow("a lock binds siblings") << true << true;
    }
    void equalToTryingEveryPolicy()
    {
        QFETCH(bool, share);
        QFETCH(bool, locked);
        SensitivityRequest wanted = request();
        if (locked)
            wanted.policy.tensors[kV] = {scheme("int8,group=16"), true, {}};
        const auto search = searchIn(wanted, share);
        QVERIFY2(search.ok(), text(search));
        std::map<std::string, std::vector<int>> together;
        for (int i = 0; i < int(m_model->tensors().size()); ++i) {
            std::string name = m_model->tensors()[size_t(i)].name;
            for (const char* sibling : {"q_proj", "k_proj", "v_proj", "gate_proj", "up_proj"}) {
                if (const size_t at = name.find(sibling); share && at != std::string::npos)
                    name.replace(at, std::string::npos, at > name.find("mlp") ? "gate and up" : "qkv");
            }
            together[name].push_back(i);
        }
        EveryWay every;
        for (const auto& [name, tensors] : together) {
            std::vector<EveryWay::Option>& unit = every.units.emplace_back();
            const bool bound = std::find(tensors.begin(), tensors.end(), m_model->indexOf(kV)) != tensors.end() && locked;
            for (size_t c = 0; c < wanted.candidates.size(); ++c) {
                EveryWay::Option sum{0, 0};
                bool possible = true;
                for (const int tensor : tensors) {
                    const CostTable::Row& row = search->table().rows[size_t(tensor)];
                    const bool single = row.state != CostTable::State::Searched;
                    possible = possible && (!(bound || single) || c == 2);
                    sum.bytes += row.cells[single ? 0 : c].bytes;
                    sum.error += row.cells[single ? 0 : c].error;
                }
                if (possible)
                    unit.push_back(sum);
            }
        }
        const uint64_t lowest = search->problem().smallestBytes(), range = search->problem().largestBytes() - lowest;
        for (const double at : {0.0, 0.07, 0.31, 0.5, 0.83, 1.0})
            every.budgets.push_back(lowest + uint64_t(at * double(range)));
        every.run();
        for (size_t b = 0; b < every.budgets.size(); ++b) {
            const auto found = search->problem().solve(every.budgets[b]);
            QVERIFY2(found.ok(), text(found));
            QVERIFY(found->exact && found->bytes <= every.budgets[b]);
            QVERIFY2(std::abs(found->cost - every.best[b]) < 1e-12 * every.best[b],
                     qPrintable(QString("%1, not %2").arg(found->cost, 0, 'g', 17).arg(every.best[b], 0, 'g', 17)));
        }
    }

    void whatIsKnownIsNotMeasuredAgain()
    {
        SensitivityRequest wanted = request();
        const auto first = measured(wanted);
        QVERIFY2(first.ok(), text(first));
        auto marked = std::make_shared<CostTable>(**first);
        for (CostTable::Row& row : marked->rows) {
            for (CostTable::Cell& cell : row.cells)
                cell.error = 42;
        }
        wanted.known = {marked};
        wanted.policy.tensors[kV] = {scheme("int4,group=16"), true, {}};
        wanted.candidates.push_back(scheme("int5,group=16"));
        const auto second = measured(wanted);
        QVERIFY2(second.ok(), text(second));
        QCOMPARE(row(**second, kV).cells[0].error, 42.0); // what the lock demands was a candidate before
        QCOMPARE(row(**second, kQ).cells[2].error, 42.0);
        QVERIFY(row(**second, kQ).cells[3].error < 1 && row(**second, kQ).cells[3].measured);
        QCOMPARE(row(**second, kQ).basis, std::string("weight"));
        QVERIFY((*second)->isComplete());
        wanted.onlyKnown = true;
        const auto planned = measured(wanted);
        QVERIFY2(planned.ok(), text(planned));
        QVERIFY(!(*planned)->isComplete() && !row(**planned, kQ).cells[3].measured && row(**planned, kQ).cells[0].measured);
        wanted.onlyKnown = false;
        marked->measure = SearchMeasure::Output; // of something else
        QVERIFY(row(**measured(wanted), kQ).cells[0].error < 1);
    }

    void policiesAreMeasuredWhateverTheirSchemes_data()
    {
        QTest::addColumn<int>("measure");
        QTest::newRow("weights") << int(SearchMeasure::Weight);
        QTest::newRow("divergences") << int(SearchMeasure::Kl);
    }
    void policiesAreMeasuredWhateverTheirSchemes()
    {
        QFETCH(int, measure);
        SensitivityRequest wanted = request("int4,group=16;int5,group=16");
        wanted.measure = SearchMeasure(measure);
        wanted.network = evaluation().network;
        wanted.sequences = evaluation().sequences;
        const auto table = measured(wanted);
        QVERIFY2(table.ok(), text(table));
        Policy known, mixed, calibrated;
        known.defaultScheme = scheme("int4,group=16");
        mixed.defaultScheme = scheme("int5,group=16");
        mixed.tensors[kQ] = {scheme("f32"), false, {}};
        mixed.tensors["model.embed_tokens.weight"] = {scheme("int4,group=16"), false, {}};
        calibrated.defaultScheme = scheme("int4,group=16,clip=output");
        const std::vector<Policy> policies{known, mixed, calibrated};
        wanted.known = {*table};
        const auto costs = measurePolicies(m_backend, wanted, policies, *m_pool, {});
        QVERIFY2(costs.ok(), text(costs));
        QVERIFY(costs->costs[0] && costs->costs[1] && !costs->costs[2]);
        wanted.onlyKnown = true;
        const auto planned = measurePolicies(m_backend, wanted, policies, *m_pool, {});
        QVERIFY(planned->costs[0] && !planned->costs[1]); // the embedding is no part of the search
        uint64_t bytes[2] = {0, 0};
        double error[2] = {0, 0};
        for (size_t i = 0; i < (*table)->rows.size(); ++i) {
            const CostTable::Row& row = (*table)->rows[i];
            for (const size_t p : {size_t(0), size_t(1)}) {
                const CostTable::Cell& cell = row.cells[row.state == CostTable::State::Searched ? p : 0];
                bytes[p] += cell.bytes;
                error[p] += cell.error;
            }
        }
        QCOMPARE(costs->costs[0]->bytes, bytes[0]);
        QVERIFY(std::abs(costs->costs[0]->error - error[0]) < 1e-12);
        const CostTable::Row& embedding = row(*costs->table, "model.embed_tokens.weight");
        const CostTable::Row& query = row(**table, kQ);
        QVERIFY(embedding.cells[0].error > 0);
        QCOMPARE(costs->costs[1]->bytes, bytes[1] - query.cells[1].bytes + storedBytes(scheme("f32"), 32, 32) -
                                             m_model->tensors()[size_t(m_model->indexOf("model.embed_tokens.weight"))].bytes +
                                             embedding.cells[0].bytes);
        QVERIFY(std::abs(costs->costs[1]->error - (error[1] - query.cells[1].error + embedding.cells[0].error)) < 1e-12);
    }

    void superblocksAreCandidatesWhereTheyFit()
    {
        std::vector<test::TestTensor> tensors{
            {"model.layers.0.self_attn.q_proj.weight", test::normalValues(8 * 512, 1), {8, 512}, TensorRole::AttnQ, 0},
            {"model.layers.0.mlp.down_proj.weight", test::normalValues(8 * 320, 2), {8, 320}, TensorRole::MlpDown, 0}};
        SensitivityRequest wanted = request("q2_k;q4_k;q6_k;int4,group=32");
        wanted.model = test::makeModel(tensors);
        const auto table = measured(wanted);
        QVERIFY2(table.ok(), text(table));
        const CostTable::Row& whole = (*table)->rows[0];
        QCOMPARE(whole.cells.size(), size_t(4));
        QCOMPARE((*table)->rows[1].cells.size(), size_t(1)); // 320 columns hold no whole blocks of 256
        QVERIFY(whole.cells[0].error > whole.cells[1].error && whole.cells[1].error > whole.cells[2].error);
        QCOMPARE(whole.cells[1].bytes, uint64_t(8 * 2 * 144)); // 256 weights in 144 bytes
        wanted.candidates = {scheme("q4_k,imatrix")};
        QCOMPARE(planCosts(wanted).error().code, ErrorCode::CalibrationInvalid);
    }

    void embeddingsAreSearchedWhenAsked()
    {
        SensitivityRequest wanted = request();
        wanted.embeddings = true;
        const auto table = planCosts(wanted);
        QVERIFY2(table.ok(), text(table));
        for (const char* tensor : {"model.embed_tokens.weight", "lm_head.weight"})
            QCOMPARE(row(*table, tensor).cells.size(), wanted.candidates.size());
        QCOMPARE(row(*table, "model.norm.weight").state, CostTable::State::Kept);
        wanted.policy.tensors["lm_head.weight"] = {scheme("f16"), false, {}};
        QCOMPARE(row(*planCosts(wanted), "lm_head.weight").state, CostTable::State::Locked);
    }
};

QTEST_GUILESS_MAIN(TestSearchProof)
#include "tst_searchproof.moc"
