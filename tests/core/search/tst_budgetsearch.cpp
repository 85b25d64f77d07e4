// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Cost tables against other ways to the same figures; what may be chosen; from a budget to a policy.
#include "core/calibration/outputerror.h"
#include "core/quant/schemetable.h"
#include "support/samplecalibration.h"
#include "support/searchfixture.h"

#include <QTest>

#include <algorithm>
#include <cmath>

using namespace ql;
using namespace ql::test;

namespace {

const char* const kK = "model.layers.0.self_attn.k_proj.weight";
const char* const kDown = "model.layers.1.mlp.down_proj.weight";

double square(double x)
{
    return x * x;
}

} // namespace

class TestBudgetSearch : public QObject, private SearchFixture
{
    Q_OBJECT
private Q_SLOTS:
    void sizesAreReadInBothUnits_data()
    {
        QTest::addColumn<QByteArray>("spelled");
        QTest::addColumn<quint64>("bytes");
        QTest::newRow("decimal gigabytes") << QByteArray("1.5GB") << quint64(1500000000);
        QTest::newRow("megabytes with a blank") << QByteArray("1500 MB") << quint64(1500000000);
        QTest::newRow("binary") << QByteArray("2GiB") << (quint64(2) << 30);
        QTest::newRow("lower case") << QByteArray("3kb") << quint64(3000);
        QTest::newRow("plain bytes") << QByteArray("12345") << quint64(12345);
        QTest::newRow("terabytes") << QByteArray("1TB") << quint64(1000000000000);
        QTest::newRow("ambiguous unit") << QByteArray("1.5G") << quint64(0);
        QTest::newRow("unknown unit") << QByteArray("1.5XB") << quint64(0);
        QTest::newRow("no number") << QByteArray("GB") << quint64(0);
        QTest::newRow("negative") << QByteArray("-1GB") << quint64(0);
        QTest::newRow("nothing") << QByteArray("") << quint64(0);
        QTest::newRow("not a number") << QByteArray("nan") << quint64(0);
        QTest::newRow("beyond 63 bits") << QByteArray("1e10TB") << quint64(0);
    }
    void sizesAreReadInBothUnits()
    {
        QFETCH(QByteArray, spelled);
        QFETCH(quint64, bytes);
        const auto size = parseByteSize(spelled.toStdString());
        QCOMPARE(size.ok() ? quint64(*size) : 0, bytes);
        if (bytes == 0)
            QVERIFY2(text(size).contains("\"" + spelled + "\""), text(size));
    }

    void whatPoliciesDoBeyondASearch_data()
    {
        QTest::addColumn<QByteArray>("scheme");
        QTest::addColumn<bool>("embeddings");
        QTest::addColumn<QByteArray>("said");
        QTest::newRow("a candidate") << QByteArray("int4,group=16") << false << QByteArray();
        QTest::newRow("another group") << QByteArray("int4,channel") << false << QByteArray("uses groups or clipping that no candidate has");
        QTest::newRow("another format") << QByteArray("int5,group=16") << false << QByteArray("uses INT5, which is no candidate");
        QTest::newRow("what stays as stored")
            << QByteArray("int4,group=16") << true << QByteArray("as stored here");
    }
    void whatPoliciesDoBeyondASearch()
    {
        QFETCH(QByteArray, scheme);
        QFETCH(bool, embeddings);
        QFETCH(QByteArray, said);
        const auto search = searchIn(request(), false);
        QVERIFY(search.ok());
        Policy policy;
        policy.defaultScheme = Scheme::parse(scheme.toStdString()).value();
        if (embeddings) {
            for (const TensorInfo& tensor : m_model->tensors()) {
                if (tensor.role == TensorRole::Embedding || tensor.role == TensorRole::LmHead)
                    policy.tensors[tensor.name] = {policy.defaultScheme, false, {}};
            }
        }
        const QByteArray beyond = QByteArray::fromStdString(search->beyond(policy.resolve(*m_model).value()));
        QVERIFY2(said.isEmpty() ? beyond.isEmpty() : beyond.contains(said), beyond.constData());
    }

    void candidatesAreCrossed()
    {
        const auto schemes = parseCandidates(" int4 ; nf4;int4;q4_0;");
        QVERIFY(schemes.ok());
        QCOMPARE(schemes->size(), size_t(3));
        const std::vector<int> groups{32, 64};
        const std::vector<std::string> clips{"minmax", "percentile:99"};
        const auto crossed = crossCandidates(*schemes, groups, clips);
        QVERIFY2(crossed.ok(), text(crossed));
        QCOMPARE(crossed->size(), size_t(4 + 4 + 1)); // q4_0 leaves no choice
        QVERIFY(std::find(crossed->begin(), crossed->end(), scheme("int4,group=32,clip=percentile:99")) != crossed->end());
        const std::vector<std::string> bad{"sharp"};
        QVERIFY(text(crossCandidates(*schemes, groups, bad)).contains("sharp"));
        QVERIFY(text(parseCandidates("int4;int99")).contains("int99"));
        QCOMPARE(parseCandidates(" ; ").error().code, ErrorCode::EmptySelection);
        for (const Scheme& candidate : defaultCandidates())
            QVERIFY(candidate.check().ok());
    }

    void weightErrorsAreSquaredRatios()
    {
        SensitivityRequest wanted = request();
        const auto table = measured(wanted);
        QVERIFY2(table.ok(), text(table));
        wanted.measure = SearchMeasure::WeightBySize;
        const auto bySize = measured(wanted);
        QVERIFY2(bySize.ok(), text(bySize));
        for (const char* tensor : {kQ, kDown}) {
            const int index = m_model->indexOf(tensor);
            const TensorView view = m_model->view(index).value();
            QCOMPARE(row(**table, tensor).cells.size(), size_t(3));
            for (size_t c = 0; c < 3; ++c) {
                const CostTable::Cell& cell = row(**table, tensor).cells[c];
                std::vector<float> values(size_t(view.rows() * view.cols())), other(values.size());
                QVERIFY(view.readRows(0, view.rows(), values.data()).ok());
                const auto parameters = m_backend.prepare(view, wanted.candidates[c], {}).value();
                const auto quantized = m_backend.quantizeRows(view, parameters, 0, view.rows(), {}).value();
                QVERIFY(m_backend.dequantize(quantized, other.data(), {}).ok());
                double error = 0, power = 0;
                for (size_t i = 0; i < values.size(); ++i) {
                    error += square(double(other[i]) - double(values[i]));
                    power += square(double(values[i]));
                }
                QVERIFY2(std::abs(cell.error - error / power) < 1e-6 * cell.error,
                         qPrintable(QString("%1, not %2").arg(cell.error, 0, 'g', 12).arg(error / power, 0, 'g', 12)));
                const double share = double(values.size()) / double(m_model->parameters());
                QVERIFY(std::abs(row(**bySize, tensor).cells[c].error - share * cell.error) < 1e-12);
                QCOMPARE(cell.bytes, storedBytes(wanted.candidates[c], view.rows(), view.cols()));
            }
        }
    }

    void policiesLimitTheChoice()
    {
        SensitivityRequest wanted = request("int4,group=16;q4_0");
        wanted.policy.tensors[kQ] = {scheme("int8,channel"), true, {}};
        wanted.policy.tensors[kK] = {scheme("int2"), false, {}};
        wanted.policy.rules.push_back({"layers.1.self_attn.v_proj", {}, -1, -1, scheme("f16"), "matters"});
        wanted.policy.rules.push_back({"lm_head", {}, -1, -1, scheme("int8"), {}});
        const auto table = planCosts(wanted);
        QVERIFY2(table.ok(), text(table));
        QCOMPARE(row(*table, kQ).state, CostTable::State::Locked);
        QCOMPARE(row(*table, kQ).cells[0].scheme, scheme("int8,channel"));
        // An override without a lock is a wish; the lock of the sibling is there in case they are to share.
        QCOMPARE(row(*table, kK).cells.size(), size_t(3));
        QCOMPARE(row(*table, kK).cells[2].candidate, -1);
        QCOMPARE(row(*table, kK).cells[2].scheme, scheme("int8,channel"));
        QCOMPARE(row(*table, "model.layers.1.self_attn.v_proj.weight").state, CostTable::State::Locked);
        QCOMPARE(row(*table, "lm_head.weight").state, CostTable::State::Searched);
        QCOMPARE(row(*table, "model.embed_tokens.weight").state, CostTable::State::Kept);
        QVERIFY(row(*table, "model.embed_tokens.weight").asStored);
        QCOMPARE(row(*table, "model.embed_tokens.weight").cells[0].bytes, uint64_t(64 * 32 * 4));
        QCOMPARE(row(*table, "model.norm.weight").state, CostTable::State::Kept);
        // Rows of 48 do not hold whole blocks of 32.
        QCOMPARE(row(*table, kDown).cells.size(), size_t(1));
        wanted.candidates = {scheme("q4_0")};
        QCOMPARE(row(*planCosts(wanted), kDown).state, CostTable::State::Kept);
    }

    void requestsThatCannotBeMet()
    {
        SensitivityRequest wanted = request();
        wanted.measure = SearchMeasure::Output;
        QCOMPARE(planCosts(wanted).error().code, ErrorCode::CalibrationInvalid);
        wanted = request("int4,clip=output");
        QCOMPARE(planCosts(wanted).error().code, ErrorCode::CalibrationInvalid);
        wanted = request();
        wanted.measure = SearchMeasure::Kl;
        QCOMPARE(planCosts(wanted).error().code, ErrorCode::InvalidArgument);
        wanted.candidates.clear();
        QCOMPARE(planCosts(wanted).error().code, ErrorCode::EmptySelection);
        std::stop_source stop;
        stop.request_stop();
        QCOMPARE(measureCosts(m_backend, request(), *m_pool, {stop.get_token(), {}}).error().code, ErrorCode::Cancelled);
    }

    void outputErrorsComeFromTheCalibration()
    {
        SensitivityRequest wanted = request("int4,group=16;int4,group=16,clip=output");
        const auto whole = test::sampleCalibration(*m_model);
        std::vector<InputStatistics> known;
        for (const InputStatistics& input : whole->inputs()) {
            if (std::find(input.tensors.begin(), input.tensors.end(), kDown) == input.tensors.end())
                known.push_back(input);
        }
        wanted.calibration = std::make_shared<const Calibration>(whole->source(), std::move(known));
        wanted.measure = SearchMeasure::Output;
        const auto table = measured(wanted);
        QVERIFY2(table.ok(), text(table));
        const CostTable::Row& q = row(**table, kQ);
        QCOMPARE(q.cells.size(), size_t(2));
        QCOMPARE(q.basis, std::string("gram"));
        OutputErrorRequest asked;
        asked.weight = m_model->view(m_model->indexOf(kQ)).value();
        asked.scheme = wanted.candidates[0];
        asked.input = wanted.calibration->find(kQ);
        const OutputError output = measureOutputError(m_backend, asked, *m_pool, {}).value();
        QVERIFY(std::abs(q.cells[0].error - output.error / output.reference) < 1e-12);
        QCOMPARE(q.cells[1].scheme.clip, ClipMethod::Ratio);
        QVERIFY(q.cells[1].error <= q.cells[0].error);
        QCOMPARE(row(**table, kDown).basis, std::string("weight"));
        QCOMPARE(row(**table, kDown).cells.size(), size_t(1)); // no clipping by outputs that are not known
    }

    void divergencesAreThoseOfSingleSwaps()
    {
        SensitivityRequest wanted = request("int3,group=16;int4,group=16;f32");
        EvaluationRequest alone = evaluation();
        wanted.measure = SearchMeasure::Kl;
        wanted.network = alone.network;
        wanted.sequences = alone.sequences;
        wanted.policy.tensors[kV] = {scheme("int2,group=16"), true, {}};
        const auto table = measured(wanted);
        QVERIFY2(table.ok(), text(table));
        QCOMPARE((*table)->tokens, uint64_t(3 * 11));
        QCOMPARE(row(**table, kQ).basis, std::string("kl"));
        const auto swapOf = [&](const char* tensor, const char* spelled) {
            EvaluationRequest one = alone;
            one.policy.tensors[tensor].scheme = scheme(spelled);
            return evaluate(m_backend, one, *m_pool, {}).value()->kl.value;
        };
        QVERIFY(std::abs(row(**table, kQ).cells[0].error - swapOf(kQ, "int3,group=16")) < 1e-9);
        QVERIFY(std::abs(row(**table, kDown).cells[1].error - swapOf(kDown, "int4,group=16")) < 1e-9);
        QVERIFY(std::abs(row(**table, kV).cells[0].error - swapOf(kV, "int2,group=16")) < 1e-9);
        QCOMPARE(row(**table, kDown).cells[2].error, 0.0);
        QVERIFY(row(**table, kDown).cells[0].error > row(**table, kDown).cells[1].error);
    }

    void siblingsShareASchemeWhenAsked()
    {
        SensitivityRequest wanted = request();
        const auto search = searchIn(wanted, true);
        QVERIFY2(search.ok(), text(search));
        int together = 0;
        for (size_t p = 0; p < search->parts().size(); ++p)
            together += search->parts()[p].tensors.size() > 1;
        QCOMPARE(together, 4); // qkv, gate and up of two layers
        const uint64_t smallest = search->problem().smallestBytes();
        for (const uint64_t more : {uint64_t(0), uint64_t(2000), uint64_t(5000)}) {
            const auto found = search->problem().solve(smallest + more);
            QVERIFY2(found.ok(), text(found));
            const Policy policy = search->policyOf(*found);
            for (const char* other : {kK, kV})
                QCOMPARE(policy.tensors.at(other).scheme, policy.tensors.at(kQ).scheme);
        }
        bool named = false;
        for (size_t p = 0; p < search->parts().size(); ++p)
            named |= search->nameOf(int(p)) == "model.layers.0.self_attn.{k_proj, q_proj, v_proj}.weight" ||
                     search->nameOf(int(p)) == "model.layers.0.self_attn.{q_proj, k_proj, v_proj}.weight";
        QVERIFY(named);
    }

    void policiesThatShareAreSearchedThatWay()
    {
        SensitivityRequest wanted = request();
        wanted.policy.share = true;
        const auto search = searchIn(wanted, false);
        QVERIFY2(search.ok(), text(search));
        const auto found = search->problem().solve(search->problem().smallestBytes() + 3000);
        QVERIFY2(found.ok(), text(found));
        // What is written shares again when it is resolved, so it must have been chosen as one.
        const auto decisions = search->policyOf(*found).resolve(*m_model);
        QVERIFY(decisions.ok());
        const auto point = search->pointOf(*decisions);
        QVERIFY(point.has_value());
        QCOMPARE(point->bytes, found->bytes);
    }

    void locksBindSiblings()
    {
        SensitivityRequest wanted = request();
        wanted.policy.tensors[kV] = {scheme("int6,group=16"), true, {}};
        const auto search = searchIn(wanted, true);
        QVERIFY2(search.ok(), text(search));
        const Policy policy = search->policyOf(*search->problem().solve(uint64_t(1) << 40));
        QCOMPARE(policy.tensors.at(kQ).scheme, scheme("int6,group=16"));
        QVERIFY(policy.tensors.at(kV).locked && !policy.tensors.at(kQ).locked);
        const auto apart = searchIn(wanted, false);
        QVERIFY2(apart.ok(), text(apart));
        QCOMPARE(apart->policyOf(*apart->problem().solve(uint64_t(1) << 40)).tensors.at(kQ).scheme, scheme("int8,group=16"));

        wanted.policy.tensors[kK] = {scheme("int5,group=16"), true, {}};
        const auto contradiction = searchIn(wanted, true);
        QVERIFY(!contradiction.ok());
        for (const char* part : {"int6,group=16", "int5,group=16", "self_attn.k_proj", "self_attn.v_proj"})
            QVERIFY2(text(contradiction).contains(part), text(contradiction));
        QVERIFY(searchIn(wanted, false).ok());
    }

    void policiesKeepTheBudget()
    {
        SensitivityRequest wanted = request();
        wanted.policy.tensors[kV] = {scheme("int8,channel"), true, "for a reason"};
        const auto search = searchIn(wanted, false);
        QVERIFY2(search.ok(), text(search));
        double last = 1e300;
        for (const double bits : {15.2, 15.6, 16.0, 17.0}) {
            const auto budget = search->budgetFor(bits);
            QVERIFY(budget.ok());
            const auto found = search->problem().solve(*budget);
            QVERIFY2(found.ok(), text(found));
            QVERIFY(found->exact && found->bytes <= *budget && found->cost <= last);
            last = found->cost;
            const Policy policy = search->policyOf(*found);
            QCOMPARE(policy.tensors.at(kV), wanted.policy.tensors.at(kV));
            // The policy as it is read back means what was found.
            const auto decisions = Policy::parse(policy.toJson())->resolve(*m_model);
            QVERIFY(decisions.ok());
            const auto point = search->pointOf(*decisions);
            QVERIFY(point.has_value());
            QCOMPARE(point->bytes, found->bytes);
            QVERIFY(std::abs(point->cost - found->cost) < 1e-12);
            QVERIFY(search->bitsPerWeight(found->bytes) <= bits);
            QVERIFY(!policy.tensors.at(kQ).note.empty());
        }
        const auto small = search->problem().solve(*search->budgetFor(1));
        QVERIFY2(text(small).contains("smallest possible size"), text(small));
        QVERIFY(!search->budgetFor(1e300).ok() && !search->budgetFor(-1).ok());
        Policy other;
        other.defaultScheme = scheme("int5");
        QVERIFY(!search->pointOf(*other.resolve(*m_model)));
    }

    void stepsAreExplained()
    {
        const auto search = searchIn(request(), false);
        QVERIFY2(search.ok(), text(search));
        const auto least = search->problem().solve(search->problem().smallestBytes());
        const int part = 2; // the first linear
        QVERIFY(search->parts()[size_t(part)].searched);
        const std::string said = search->stepText(part, *least);
        const auto step = search->problem().stepUp(part, least->choice[size_t(part)]);
        QVERIFY(step.has_value());
        QVERIFY2(said.find(search->schemeOf(part, step->candidate).text()) != std::string::npos, said.c_str());
        QVERIFY2(said.find("% of the error") != std::string::npos, said.c_str());
        const auto most = search->problem().solve(search->problem().largestBytes());
        QCOMPARE(search->stepText(part, *most), std::string("nothing larger is better"));
    }
};

QTEST_GUILESS_MAIN(TestBudgetSearch)
#include "tst_budgetsearch.moc"
