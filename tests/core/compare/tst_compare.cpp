// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Two checkpoints compared: against closed forms, whatever their names and orders of rows, and where they cannot be.
#include "core/compare/differencetext.h"
#include "core/compute/cpubackend.h"
#include "core/export/exporter.h"
#include "support/safetensorsbuilder.h"
#include "support/testmodels.h"

#include <QTest>

#include <nlohmann/json.hpp>

#include <cmath>
#include <limits>
#include <stdexcept>

using namespace ql;

namespace {

const std::string kLoupe = QL_RESOURCES "/models/loupe-3m";

template <class T>
T valueOf(Result<T> result)
{
    if (!result.ok())
        throw std::runtime_error(result.error().text());
    return std::move(result).value();
}

std::shared_ptr<const Model> oneTensor(std::vector<float> values, Shape shape)
{
    return test::makeModel({{"w", std::move(values), std::move(shape)}});
}

} // namespace

class TestCompare : public QObject
{
    Q_OBJECT

    ThreadPool m_pool{2};
    test::Folder m_folder;

    ModelDifference difference(const Model& a, const Model& b)
    {
        const ModelMatch match = matchModels(a, b);
        auto all = valueOf(compareModels(a, b, match.pairs, m_pool, {}));
        all.notes = match.notes;
        return all;
    }

    std::shared_ptr<const Model> asGguf(const std::shared_ptr<const Model>& model, const Policy& policy, const char* name)
    {
        CpuBackend backend(std::make_shared<ThreadPool>(2));
        const std::string path = m_folder.path(name);
        const auto decisions = valueOf(policy.resolve(*model));
        if (const Status written = exportModel(backend, *model, decisions, ExportFormat::Gguf, path, {}); !written.ok())
            throw std::runtime_error(written.error().text());
        return valueOf(Model::open(path));
    }

private Q_SLOTS:
    void figuresFollowTheirDefinitions()
    {
        // x = 3, 4, 0, 0 against 3, 4, 1, -2: errors 0, 0, 1, -2.
        const auto a = oneTensor({3, 4, 0, 0}, {2, 2}), b = oneTensor({3, 4, 1, -2}, {2, 2});
        const auto all = difference(*a, *b);
        QCOMPARE(all.tensors.size(), size_t(1));
        QVERIFY(all.tensors[0].metrics.has_value());
        const ErrorMetrics& m = *all.tensors[0].metrics;
        QCOMPARE(m.mse(), 5.0 / 4);
        QCOMPARE(m.relativeError(), std::sqrt(5.0) / 5);
        QCOMPARE(m.sqnrDb(), 10 * std::log10(25.0 / 5));
        QCOMPARE(m.maxAbsError, 2.0);
        QCOMPARE(m.cosine(), 25 / (5 * std::sqrt(30.0)));
        QCOMPARE(m.bytes, uint64_t(16));
        QCOMPARE(m.bitsPerWeight, 32.0);
        QCOMPARE(all.compared, 1);
        QCOMPARE(all.equal, 0);
    }

    void valuesThatAreNoNumbersAreCountedApart()
    {
        const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
        const auto a = oneTensor({1, nan, inf, nan, 2}, {5}), b = oneTensor({1, nan, -inf, 0, 2}, {5});
        const auto all = difference(*a, *b);
        QCOMPARE(all.tensors[0].unlike, uint64_t(2)); // inf and -inf; NaN and 0
        QCOMPARE(all.tensors[0].metrics->finite, uint64_t(2));
        QCOMPARE(all.tensors[0].metrics->mse(), 0.0);
        QVERIFY(!all.tensors[0].equal());
        QVERIFY(difference(*a, *a).tensors[0].equal());
    }

    void whatOnlyOneHasAndWhatDiffersInShape()
    {
        const auto a = test::makeModel({{"both", {1, 2}, {2}}, {"old", {1}, {1}}, {"grown", {1, 2}, {1, 2}}});
        const auto b = test::makeModel({{"both", {1, 2}, {2}}, {"new", {1}, {1}}, {"grown", {1, 2, 3}, {1, 3}}});
        const auto all = difference(*a, *b);
        QCOMPARE(all.compared, 1);
        QCOMPARE(all.equal, 1);
        QCOMPARE(all.onlyA, 1);
        QCOMPARE(all.onlyB, 1);
        QCOMPARE(all.notComparable, 1);
        QCOMPARE(all.tensors.back().name, std::string("new"));
        QCOMPARE(all.tensors[2].note, std::string("shapes differ"));
        const auto order = byRelativeError(all);
        QCOMPARE(order, (std::vector<size_t>{0, 2, 1, 3}));
    }

    void aGgufFileIsItsOriginal_data()
    {
        QTest::addColumn<QString>("folder");
        QTest::newRow("Llama: neighbours rotate") << QString::fromStdString(kLoupe);
        QTest::newRow("GPT-2: transposed weights") << QStringLiteral(QL_TEST_DATA "/networks/gpt2");
        QTest::newRow("GPT-NeoX: q, k and v of each head") << QStringLiteral(QL_TEST_DATA "/networks/gptneox");
        QTest::newRow("Gemma 2: norms less 1") << QStringLiteral(QL_TEST_DATA "/networks/gemma2");
        QTest::newRow("Mixtral: experts apart") << QStringLiteral(QL_TEST_DATA "/networks/mixtral");
    }
    /// Other names, other orders, other types: kept values must come out equal.
    void aGgufFileIsItsOriginal()
    {
        QFETCH(QString, folder);
        const auto original = valueOf(Model::open(folder.toStdString()));
        Policy keep;
        keep.defaultScheme = Scheme::defaultsFor(Format::F32);
        const auto gguf = asGguf(original, keep, "kept.gguf");
        for (const auto& [a, b] : {std::pair(original, gguf), std::pair(gguf, original)}) {
            const auto all = difference(*a, *b);
            for (const TensorDifference& tensor : all.tensors)
                QVERIFY2(!tensor.metrics || tensor.equal(), tensor.name.c_str());
            QCOMPARE(all.equal, all.compared);
            QVERIFY(all.compared >= int(gguf->tensors().size()));
            QCOMPARE(a == original ? all.onlyB : all.onlyA, 0); // the file holds nothing new
            QCOMPARE(all.notComparable, 0);
            QVERIFY(all.notes.empty());
        }
    }

    void aQuantizedGgufFileIsAwayByWhatTheQuantizerSaid()
    {
        const auto original = valueOf(Model::open(kLoupe));
        Policy policy;
        policy.defaultScheme = Scheme::defaultsFor(Format::Q4_0);
        const auto gguf = asGguf(original, policy, "q4.gguf");
        CpuBackend backend(std::make_shared<ThreadPool>(2));
        const auto decisions = valueOf(policy.resolve(*original));
        const auto all = difference(*original, *gguf);
        int quantized = 0;
        for (const TensorDifference& tensor : all.tensors) {
            const auto index = size_t(original->indexOf(tensor.name));
            if (decisions[index].asStored)
                continue;
            ++quantized;
            const auto said = valueOf(backend.measure(valueOf(original->view(int(index))), decisions[index].scheme, {}));
            QVERIFY2(std::fabs(tensor.metrics->mse() / said.mse() - 1) < 1e-5, tensor.name.c_str());
            QCOMPARE(tensor.metrics->bytes, said.bytes);
            QCOMPARE(tensor.typeB, std::string("Q4_0"));
        }
        QVERIFY(quantized > 20);
    }

    void expertsApartAreTheSlicesOfAStack()
    {
        const auto config = R"({"model_type":"mixtral","num_hidden_layers":1,"hidden_size":4,"num_attention_heads":1})";
        std::vector<test::TestTensor> apart;
        std::vector<float> stack;
        for (int expert = 0; expert < 3; ++expert) {
            const auto values = test::normalValues(6 * 4, unsigned(expert + 1));
            apart.push_back({"model.layers.0.block_sparse_moe.experts." + std::to_string(expert) + ".w1.weight", values,
                             {6, 4}, TensorRole::ExpertGate, 0});
            stack.insert(stack.end(), values.begin(), values.end());
        }
        const auto a = test::makeModel(apart, config, "mixtral");
        stack[6 * 4 + 1] += 0.5f; // expert 1
        Model::Contents contents;
        contents.format = ModelFormat::Gguf;
        contents.path = "stack";
        contents.architecture = "llama";
        TensorInfo info;
        info.name = "blk.0.ffn_gate_exps.weight";
        info.shape = {3, 6, 4};
        info.bytes = stack.size() * sizeof(float);
        contents.tensors.push_back(info);
        std::vector<std::byte> bytes(info.bytes);
        std::memcpy(bytes.data(), stack.data(), bytes.size());
        contents.files.push_back(memorySource("stack", std::move(bytes)));
        const auto b = std::make_shared<Model>(std::move(contents));
        for (const auto& [x, y] : {std::pair<const Model*, const Model*>(a.get(), b.get()), {b.get(), a.get()}}) {
            const auto all = difference(*x, *y);
            QCOMPARE(all.compared, 3);
            QCOMPARE(all.equal, 2);
            QCOMPARE(all.tensors[1].metrics->maxAbsError, 0.5);
            QCOMPARE(all.onlyA + all.onlyB, 0);
        }
    }

    /// Sums do not depend on how many threads add them up.
    void threadsChangeNothing()
    {
        const auto a = oneTensor(test::normalValues(300'000, 1), {300, 1000});
        const auto b = oneTensor(test::normalValues(300'000, 2), {300, 1000});
        ThreadPool one(1);
        const TensorPair pair = matchModels(*a, *b).pairs.at(0);
        const auto single = valueOf(compareTensors(*a, *b, pair, one, {}));
        const auto both = valueOf(compareTensors(*a, *b, pair, m_pool, {}));
        QCOMPARE(single.metrics->sumSquaredError, both.metrics->sumSquaredError);
        QCOMPARE(single.metrics->sumDot, both.metrics->sumDot);
    }

    void aStopRequestEndsIt()
    {
        const auto a = oneTensor(test::normalValues(1000, 1), {10, 100});
        std::stop_source stop;
        stop.request_stop();
        const auto pairs = matchModels(*a, *a).pairs;
        const auto all = compareModels(*a, *a, pairs, m_pool, {stop.get_token(), {}});
        QVERIFY(!all.ok());
        QCOMPARE(all.error().code, ErrorCode::Cancelled);
    }

    void theAnalysisCountsEveryValue()
    {
        const auto a = oneTensor(test::normalValues(20'000, 3), {100, 200});
        std::vector<float> moved = test::normalValues(20'000, 3);
        for (float& value : moved)
            value += 0.25f;
        const auto b = oneTensor(std::move(moved), {100, 200});
        CpuBackend backend(std::make_shared<ThreadPool>(2));
        const auto whole = valueOf(analyseDistribution(backend, valueOf(a->view(0)), {}));
        const TensorPair pair = matchModels(*a, *b).pairs.at(0);
        const auto shown = valueOf(analyseDifference(*a, *b, pair, *whole, m_pool, {}));
        QVERIFY(std::fabs(shown->metrics.mse() - 0.0625) < 1e-6);
        QCOMPARE(shown->error.total(), uint64_t(20'000));
        const Histogram& values = shown->reconstructed;
        QCOMPARE(values.total() + values.below + values.above, uint64_t(20'000));
        QCOMPARE(values.counts.size(), whole->histogram.counts.size());
        QVERIFY(shown->error.counts.back() + shown->error.counts[shown->error.counts.size() - 2] > 15'000);
    }

    void textsNameEverything()
    {
        const auto a = test::makeModel({{"one, \"quoted\"", {1, 2}, {2}}, {"old", {1}, {1}}});
        const auto b = test::makeModel({{"one, \"quoted\"", {1, 2}, {2}}, {"new", {1}, {1}}});
        const auto all = difference(*a, *b);
        const auto json = nlohmann::json::parse(differenceToJson(*a, *b, all));
        QCOMPARE(json.at("tensors").size(), size_t(1));
        QVERIFY(json.at("tensors").at(0).at("sqnr_db").is_null()); // infinite
        QCOMPARE(json.at("only_a").at(0).get<std::string>(), std::string("old"));
        QCOMPARE(json.at("only_b").at(0).get<std::string>(), std::string("new"));
        const std::string csv = differenceToCsv(all);
        QVERIFY(csv.find("\"one, \"\"quoted\"\"\"") != std::string::npos);
        QCOMPARE(std::count(csv.begin(), csv.end(), '\n'), 4);
    }
};

QTEST_GUILESS_MAIN(TestCompare)
#include "tst_compare.moc"
