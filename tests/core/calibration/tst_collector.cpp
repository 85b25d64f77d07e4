// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Collecting from the bundled models: the same numbers as plain sums over what the hooks see, in bounded memory, and
// what is left of a cancelled run.
#include "core/calibration/activationstudy.h"
#include "core/calibration/collector.h"

#include <QTest>

#include <cmath>

using namespace ql;

namespace {

constexpr int kBlocks = 4;
constexpr int kInputsPerBlock = 4; ///< of q, k and v; of o; of gate and up; of down
constexpr uint64_t kTokens = 3 * 40;

std::shared_ptr<const Network> bundled(const std::string& name)
{
    return Network::create(Model::open(QL_RESOURCES "/models/" + name).value()).value();
}

SequenceSet sequencesFor(const Network& network)
{
    SequenceSettings settings;
    settings.path = QL_RESOURCES "/models/text/calibration.txt";
    settings.length = 40;
    settings.count = 3;
    return loadSequences(settings, network.config(), Tokenizer::of(*network.model()).value().get()).value();
}

/// Every row that enters, by input.
class Recorder final : public NetworkHooks
{
public:
    Status linearInput(int input, const TokenRange&, RowMatrix& x) override
    {
        Eigen::MatrixXd& all = rows[input];
        const auto before = all.rows();
        all.conservativeResize(before + x.rows(), x.cols());
        all.bottomRows(x.rows()) = x.cast<double>();
        return {};
    }
    std::map<int, Eigen::MatrixXd> rows;
};

} // namespace

class TestCollector : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void agreesWithWhatTheHooksSee()
    {
        const auto network = bundled("loupe-3m");
        const SequenceSet sequences = sequencesFor(*network);
        QCOMPARE(sequences.tokens(), kTokens);
        QCOMPARE(sequences.sequences[1][0], 0); // the beginning of text
        ThreadPool pool(2);
        const auto calibration = collectCalibration(*network, sequences, {}, false, pool, {});
        QVERIFY2(calibration.ok(), calibration.ok() ? "" : calibration.error().text().c_str());
        QCOMPARE((*calibration)->inputs().size(), size_t(kBlocks * kInputsPerBlock + 1));

        Recorder recorder;
        for (const TokenIds& ids : sequences.sequences)
            QVERIFY(forward(*network, ids, pool, &recorder).ok());
        for (const auto& [number, rows] : recorder.rows) {
            const LinearInput& place = network->inputs()[size_t(number)];
            const int tensor = network->sites()[size_t(place.sites[0])].tensor;
            const InputStatistics* input = (*calibration)->find(network->model()->tensors()[size_t(tensor)].name);
            QVERIFY(input);
            QCOMPARE(input->tensors.size(), place.sites.size());
            QCOMPARE(input->layer, place.layer);
            QCOMPARE(input->tokens, kTokens);
            QCOMPARE(input->min, rows.minCoeff());
            QCOMPARE(input->max, rows.maxCoeff());
            QCOMPARE(input->histogram.total(), uint64_t(rows.size()));
            const Eigen::MatrixXd gram = rows.transpose() * rows;
            const auto kept = *input->gramMatrix();
            for (int64_t c = 0; c < input->channels; ++c) {
                QCOMPARE(double(input->channelMax[size_t(c)]), rows.col(c).maxCoeff());
                const double square = rows.col(c).squaredNorm() / double(rows.rows());
                QVERIFY(std::abs(input->channelMeanSquare[size_t(c)] - square) <= 1e-12 * square);
                QVERIFY(std::abs(kept(c, 0) - gram(c, 0)) <= 2e-6 * std::sqrt(gram(c, c) * gram(0, 0)));
            }
        }
    }

    void saysWhereItComesFrom()
    {
        const auto network = bundled("loupe-3m");
        const SequenceSet sequences = sequencesFor(*network);
        ThreadPool pool(2);
        CalibrationSettings settings;
        settings.seed = 77;
        const auto calibration = collectCalibration(*network, sequences, settings, false, pool, {}).value();
        const CalibrationSource& source = calibration->source();
        QCOMPARE(source.kind, std::string("forward pass"));
        QCOMPARE(source.modelFingerprint, network->model()->fingerprint());
        QCOMPARE(source.text, sequences.source);
        QCOMPARE(source.tokens, kTokens);
        QCOMPARE(source.length, uint64_t(40));
        QCOMPARE(source.seed, uint64_t(77));
        QVERIFY(!source.partial);
        const InputStatistics* shared = calibration->find("model.layers.2.self_attn.k_proj.weight");
        QCOMPARE(shared, calibration->find("model.layers.2.self_attn.q_proj.weight"));
        QVERIFY(calibration->find("lm_head.weight") && !calibration->find("model.embed_tokens.weight"));
    }

    void keepsNoMoreThanAllowed()
    {
        const auto network = bundled("loupe-3m");
        const SequenceSet sequences = sequencesFor(*network);
        ThreadPool pool(2);
        CalibrationSettings settings;
        int64_t channels = 0;
        for (const LinearInput& input : network->inputs())
            channels += input.channels;
        settings.sampleBytes = uint64_t(channels) * 4 * 33;
        settings.gramBytes = 1 << 20;
        settings.gramLayers = {2};
        const auto calibration = collectCalibration(*network, sequences, settings, false, pool, {}).value();
        for (const InputStatistics& input : calibration->inputs()) {
            QVERIFY(input.sample.rows() == 32 || input.sample.rows() == 33);
            QCOMPARE(input.hasGram(), input.layer == 2);
        }
        settings.sampleBytes = 0;
        QCOMPARE(collectCalibration(*network, sequences, settings, false, pool, {}).value()->inputs()[0].sample.rows(),
                 int64_t(16));
    }

    void threadsDoNotMatter()
    {
        const auto network = bundled("loupe-3m");
        const SequenceSet sequences = sequencesFor(*network);
        ThreadPool one(1);
        ThreadPool many(3);
        const auto a = collectCalibration(*network, sequences, {}, false, one, {}).value();
        const auto b = collectCalibration(*network, sequences, {}, false, many, {}).value();
        for (size_t i = 0; i < a->inputs().size(); ++i) {
            QVERIFY(a->inputs()[i].channelMeanSquare == b->inputs()[i].channelMeanSquare);
            QVERIFY(a->inputs()[i].histogram.counts == b->inputs()[i].histogram.counts);
            QVERIFY(*a->inputs()[i].sampleRows() == *b->inputs()[i].sampleRows());
        }
    }

    void progressCountsTokensTimesBlocks()
    {
        const auto network = bundled("loupe-3m");
        ThreadPool pool(2);
        uint64_t last = 0;
        bool forward = true;
        uint64_t total = 0;
        const JobControl job{{}, [&](uint64_t done, uint64_t all) {
                                 forward = forward && done >= last && done <= all;
                                 last = done;
                                 total = all;
                             }};
        QVERIFY(collectCalibration(*network, sequencesFor(*network), {}, false, pool, job).ok());
        QVERIFY(forward);
        QCOMPARE(total, kTokens * (kBlocks + 1)); // the output head counts as a block
        QCOMPARE(last, total);
    }

    void cancelKeepsFinishedBlocksIfAsked_data()
    {
        QTest::addColumn<int>("blocks");
        QTest::addColumn<bool>("keep");
        QTest::addColumn<int>("inputs");
        QTest::newRow("nothing asked") << 2 << false << 0;
        QTest::newRow("two blocks") << 2 << true << 2 * kInputsPerBlock;
        QTest::newRow("all but the head") << kBlocks << true << kBlocks * kInputsPerBlock;
        QTest::newRow("before the first") << 0 << true << 0;
    }
    void cancelKeepsFinishedBlocksIfAsked()
    {
        QFETCH(int, blocks);
        QFETCH(bool, keep);
        QFETCH(int, inputs);
        const auto network = bundled("loupe-3m");
        ThreadPool pool(2);
        std::stop_source stop;
        if (blocks == 0)
            stop.request_stop();
        const JobControl job{stop.get_token(), [&](uint64_t done, uint64_t) {
                                 if (done >= uint64_t(blocks) * kTokens)
                                     stop.request_stop();
                             }};
        const auto calibration = collectCalibration(*network, sequencesFor(*network), {}, keep, pool, job);
        QCOMPARE(calibration.ok(), inputs > 0);
        if (!calibration.ok()) {
            QCOMPARE(codeName(calibration.error().code), codeName(ErrorCode::Cancelled));
            return;
        }
        QCOMPARE((*calibration)->inputs().size(), size_t(inputs));
        QVERIFY((*calibration)->source().partial);
        for (const InputStatistics& input : (*calibration)->inputs())
            QCOMPARE(input.tokens, kTokens);
    }

    void plantedOutliersStandOut()
    {
        const auto network = bundled("loupe-3m-outliers");
        ThreadPool pool(2);
        const auto calibration = collectCalibration(*network, sequencesFor(*network), {}, false, pool, {}).value();
        for (int layer = 0; layer < kBlocks; ++layer) {
            const std::string block = "model.layers." + std::to_string(layer) + ".";
            for (const char* weight : {"self_attn.q_proj.weight", "mlp.up_proj.weight"}) {
                const InputStatistics* input = calibration->find(block + weight);
                std::vector<float> largest;
                for (int64_t c = 0; c < input->channels; ++c)
                    largest.push_back(input->channelAbsMax(c));
                const auto outliers = outlierChannels(largest);
                for (const int64_t channel : {23, 71, 110, 146, 187}) // planted with factors from 32 to 128
                    QVERIFY(std::find(outliers.begin(), outliers.end(), channel) != outliers.end());
                QVERIFY(outliers.size() <= 8);
            }
        }
    }

    void nothingToCalibrateWith()
    {
        const auto network = bundled("loupe-3m");
        ThreadPool pool(1);
        QCOMPARE(codeName(collectCalibration(*network, {}, {}, true, pool, {}).error().code),
                 codeName(ErrorCode::EmptyText));
    }
};

QTEST_GUILESS_MAIN(TestCollector)
#include "tst_collector.moc"
