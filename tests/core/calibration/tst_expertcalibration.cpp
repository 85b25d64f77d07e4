// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Calibration of models with experts: counts, second moments of stacked experts, files and importance matrices.
#include "core/calibration/collector.h"
#include "core/calibration/imports.h"
#include "support/safetensorsbuilder.h"

#include <QTest>

#include <cmath>
#include <numeric>

using namespace ql;

namespace {

constexpr uint64_t kTokens = 50;
constexpr uint64_t kUsed = 2;

std::shared_ptr<const Network> open(const std::string& path)
{
    return Network::create(Model::open(QL_TEST_DATA "/networks/" + path).value()).value();
}

SequenceSet sequences()
{
    SequenceSet set;
    for (int s = 0; s < 2; ++s) {
        TokenIds ids;
        for (int t = 0; t < int(kTokens) / 2; ++t)
            ids.push_back((7 * t + 13 * s + t * t) % 61);
        set.sequences.push_back(ids);
    }
    set.source = "made up";
    set.settings.length = int64_t(kTokens) / 2;
    return set;
}

std::shared_ptr<const Calibration> calibrate(const Network& network, const JobControl& job = {})
{
    ThreadPool pool(2);
    return collectCalibration(network, sequences(), {}, false, pool, job).value();
}

uint64_t sum(const std::vector<uint64_t>& counts)
{
    return std::accumulate(counts.begin(), counts.end(), uint64_t(0));
}

bool close(double a, double b)
{
    return std::abs(a - b) <= 1e-6 * std::max(std::abs(a), std::abs(b));
}

/// Every row that enters, by input.
struct Recorder : NetworkHooks {
    std::map<int, std::vector<RowMatrix>> rows;
    Status linearInput(int input, const TokenRange&, RowMatrix& x) override
    {
        rows[input].push_back(x);
        return {};
    }
    double meanSquare(int input, int64_t channel) const
    {
        double squares = 0;
        double count = 0;
        for (const RowMatrix& x : rows.at(input)) {
            squares += x.col(channel).cast<double>().squaredNorm();
            count += double(x.rows());
        }
        return squares / count;
    }
};

Recorder record(const Network& network)
{
    Recorder recorder;
    ThreadPool pool(1);
    for (const TokenIds& ids : sequences().sequences) {
        if (!forward(network, ids, pool, &recorder))
            qFatal("the network does not run");
    }
    return recorder;
}

const std::string& nameOf(const Network& network, const LinearInput& input)
{
    return network.model()->tensors()[size_t(network.sites()[size_t(input.sites[0])].tensor)].name;
}

} // namespace

class TestExpertCalibration : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void countsSumToTokensTimesExpertsUsed_data()
    {
        QTest::addColumn<QString>("path");
        QTest::addColumn<bool>("stacked");
        QTest::newRow("Mixtral, apart") << "mixtral" << false;
        QTest::newRow("Mixtral, stacked") << "mixtral/model.gguf" << true;
        QTest::newRow("Qwen2-MoE, apart") << "qwen2moe" << false;
        QTest::newRow("Qwen2-MoE, stacked") << "qwen2moe/model.gguf" << true;
        QTest::newRow("Qwen3-MoE with plain blocks") << "qwen3moe-mixed" << false;
    }
    void countsSumToTokensTimesExpertsUsed()
    {
        QFETCH(QString, path);
        QFETCH(bool, stacked);
        const auto network = open(path.toStdString());
        const auto calibration = calibrate(*network);
        const Recorder recorder = record(*network);
        std::map<int, uint64_t> downRows;
        std::map<int, uint64_t> routed;
        for (size_t i = 0; i < network->inputs().size(); ++i) {
            const LinearInput& place = network->inputs()[i];
            const InputStatistics* input = calibration->find(nameOf(*network, place));
            if (!recorder.rows.contains(int(i))) {
                QVERIFY(place.expert >= 0);
                continue;
            }
            QVERIFY(input);
            const TensorRole role = network->sites()[size_t(place.sites[0])].role;
            QCOMPARE(input->expertTokens.empty(), role != TensorRole::Router && (!stacked || place.expert < 0));
            if (role == TensorRole::Router || (stacked && place.expert >= 0)) {
                QCOMPARE(input->expertTokens.size(), size_t(4));
                QCOMPARE(sum(input->expertTokens), kTokens * kUsed);
            }
            if (role == TensorRole::Router)
                routed[place.layer] = sum(input->expertTokens);
            if (role == TensorRole::ExpertDown && !stacked)
                downRows[place.layer] += input->tokens;
            if (place.expert < 0)
                QCOMPARE(input->tokens, kTokens);
            for (int64_t c = 0; c < place.channels; ++c) {
                const double found = stacked && place.expert >= 0
                                         ? input->expertMeanSquare[size_t(place.expert * place.channels + c)]
                                         : input->channelMeanSquare[size_t(c)];
                QVERIFY(close(found, recorder.meanSquare(int(i), c)));
            }
        }
        if (!stacked)
            QVERIFY(downRows == routed);
    }

    void stackedStatisticsAreThoseOfAllItsRows()
    {
        const auto network = open("mixtral/model.gguf");
        const auto calibration = calibrate(*network);
        const InputStatistics* input = calibration->find("blk.1.ffn_down_exps.weight");
        QCOMPARE(input->tokens, kTokens * kUsed);
        QCOMPARE(input->tensors.size(), size_t(1));
        QCOMPARE(input->tokenMin.size(), size_t(kTokens * kUsed));
        QCOMPARE(calibration->find("blk.1.ffn_gate_exps.weight"), calibration->find("blk.1.ffn_up_exps.weight"));
        for (int64_t c = 0; c < input->channels; ++c) {
            double mean = 0;
            for (size_t e = 0; e < 4; ++e)
                mean += double(input->expertTokens[e]) * input->expertMeanSquare[e * size_t(input->channels) + size_t(c)];
            QVERIFY(close(mean / double(kTokens * kUsed), input->channelMeanSquare[size_t(c)]));
        }
    }

    void sequencesAreToldApart()
    {
        // Means over sequences of their extremes: an expert's rows come from several sequences at once.
        const auto network = open("mixtral");
        const auto calibration = calibrate(*network);
        const Recorder recorder = record(*network); // one call per expert and sequence
        for (const auto& [number, rows] : recorder.rows) {
            const InputStatistics* input = calibration->find(nameOf(*network, network->inputs()[size_t(number)]));
            double low = 0;
            for (const RowMatrix& x : rows)
                low += double(x.minCoeff()) / double(rows.size());
            QVERIFY(std::abs(input->averageMin - low) <= 1e-5 * std::abs(low));
        }
    }

    void survivesTheFile()
    {
        test::Folder folder;
        const std::string path = folder.path("c.safetensors");
        for (const char* file : {"mixtral", "mixtral/model.gguf"}) {
            const auto network = open(file);
            const auto calibration = calibrate(*network);
            QVERIFY(calibration->save(path).ok());
            const auto loaded = Calibration::load(path, network->model().get());
            QVERIFY2(loaded.ok(), loaded.ok() ? "" : loaded.error().text().c_str());
            QCOMPARE((*loaded)->inputs().size(), calibration->inputs().size());
            for (size_t i = 0; i < calibration->inputs().size(); ++i) {
                QVERIFY((*loaded)->inputs()[i].expertTokens == calibration->inputs()[i].expertTokens);
                QVERIFY((*loaded)->inputs()[i].expertMeanSquare == calibration->inputs()[i].expertMeanSquare);
            }
        }
    }

    void importanceMatricesAgree()
    {
        // The same model in both forms: separate experts are written as the stack that GGUF has.
        test::Folder folder;
        const std::string fromApart = folder.path("a.gguf");
        const std::string fromStacked = folder.path("b.gguf");
        const auto apart = open("mixtral");
        const auto stacked = open("mixtral/model.gguf");
        QVERIFY(exportImportanceMatrix(*calibrate(*apart), *apart->model(), fromApart).ok());
        QVERIFY(exportImportanceMatrix(*calibrate(*stacked), *stacked->model(), fromStacked).ok());
        const auto a = importImportanceMatrix(fromApart, *stacked->model());
        const auto b = importImportanceMatrix(fromStacked, *stacked->model());
        QVERIFY(a.ok() && b.ok());
        const auto original = calibrate(*stacked);
        for (const char* name : {"blk.0.ffn_gate_exps.weight", "blk.0.ffn_down_exps.weight", "blk.1.ffn_up_exps.weight",
                                 "blk.1.ffn_gate_inp.weight"}) {
            const InputStatistics* x = (*a)->find(name);
            const InputStatistics* y = (*b)->find(name);
            const InputStatistics* z = original->find(name);
            QVERIFY(x && y && z);
            QCOMPARE(x->tokens, y->tokens);
            QVERIFY(x->expertTokens == y->expertTokens);
            QCOMPARE(x->expertMeanSquare.size(), y->expertMeanSquare.size());
            for (size_t i = 0; i < x->expertMeanSquare.size(); ++i) {
                QVERIFY(std::abs(x->expertMeanSquare[i] - y->expertMeanSquare[i]) <= 1e-4 * y->expertMeanSquare[i]);
                QVERIFY(std::abs(y->expertMeanSquare[i] - z->expertMeanSquare[i]) <= 1e-5 * z->expertMeanSquare[i]);
            }
        }
    }

    void expertsWithoutTokensStillHaveTheirPlace()
    {
        const auto network = open("mixtral");
        const auto whole = calibrate(*network);
        std::vector<InputStatistics> inputs;
        for (const InputStatistics& input : whole->inputs()) {
            if (input.tensors[0].find("layers.1.block_sparse_moe.experts.3.") == std::string::npos)
                inputs.push_back(input);
        }
        QVERIFY(inputs.size() < whole->inputs().size());
        test::Folder folder;
        const std::string path = folder.path("i.gguf");
        QVERIFY(exportImportanceMatrix(Calibration(whole->source(), inputs), *network->model(), path).ok());
        const auto read = importImportanceMatrix(path, *open("mixtral/model.gguf")->model());
        QVERIFY2(read.ok(), read.ok() ? "" : read.error().text().c_str());
        QCOMPARE((*read)->find("blk.1.ffn_down_exps.weight")->expertTokens[3], uint64_t(0));
        QVERIFY((*read)->find("blk.0.ffn_down_exps.weight")->expertTokens[3] > 0);
    }

    void progressCountsTokensTimesBlocks()
    {
        const auto network = open("qwen3moe-mixed");
        uint64_t last = 0;
        bool forward = true;
        const JobControl job{{}, [&](uint64_t done, uint64_t all) {
                                 forward = forward && done >= last && done <= all && all == kTokens * 5;
                                 last = done;
                             }};
        calibrate(*network, job);
        QVERIFY(forward);
        QCOMPARE(last, kTokens * 5);
    }
};

QTEST_GUILESS_MAIN(TestExpertCalibration)
#include "tst_expertcalibration.moc"
