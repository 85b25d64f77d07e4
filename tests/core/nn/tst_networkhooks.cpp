// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What users of a network rely on: sites and inputs, hooks, weights that are replaced, stopping, and clear errors.
#include "core/nn/network.h"
#include "support/testmodels.h"

#include <QTest>

#include <algorithm>
#include <cstring>

using namespace ql;

namespace {

const TokenIds kIds{3, 60, 7, 7, 12, 41, 0, 63, 22, 9, 14};

std::shared_ptr<const Network> runnable()
{
    return *Network::create(test::runnableLlama());
}

RowMatrix logitsOf(const Network& network, unsigned threads, NetworkHooks* hooks = nullptr)
{
    ThreadPool pool(threads);
    return *forward(network, kIds, pool, hooks);
}

bool identical(const RowMatrix& a, const RowMatrix& b)
{
    return a.rows() == b.rows() && a.cols() == b.cols() &&
           (a.size() == 0 || std::memcmp(a.data(), b.data(), size_t(a.size()) * sizeof(float)) == 0);
}

/// Writes down what it sees and changes nothing.
struct Watcher : NetworkHooks {
    std::vector<std::string> events;
    bool shapes = true;
    const Network* network = nullptr;

    Status linearInput(int input, const TokenRange& tokens, RowMatrix& x) override
    {
        events.push_back("input " + std::to_string(input));
        shapes = shapes && x.rows() == tokens.count && x.cols() == network->inputs()[size_t(input)].channels;
        return {};
    }
    Result<bool> attention(int layer, const TokenRange& tokens, const AttentionInput& in, RowMatrix&) override
    {
        events.push_back("attention " + std::to_string(layer));
        shapes = shapes && in.queries.rows() == tokens.count && in.queries.cols() == 32 && in.keys.cols() == 16;
        return false;
    }
};

struct Failing : NetworkHooks {
    Status linearInput(int input, const TokenRange&, RowMatrix&) override
    {
        return input == 5 ? Status(Error{ErrorCode::EmptySelection, "enough", {}}) : Status();
    }
};

/// Zeroes what enters one group of linears.
struct Muting : NetworkHooks {
    explicit Muting(int which) : muted(which) {}
    int muted;
    Status linearInput(int input, const TokenRange&, RowMatrix& x) override
    {
        if (input == muted)
            x.setZero();
        return {};
    }
};

/// Computes attention itself.
struct Attending : NetworkHooks {
    bool wrongShape = false;
    Result<bool> attention(int, const TokenRange&, const AttentionInput& in, RowMatrix& output) override
    {
        ThreadPool pool(1);
        attend(in, nullptr, output, pool);
        if (wrongShape)
            output.resize(1, 1);
        return true;
    }
};

} // namespace

class TestNetworkHooks : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void sitesStandInTheOrderOfTheNetwork()
    {
        const auto network = runnable();
        std::vector<std::string> names;
        for (const LinearSite& site : network->sites()) {
            const TensorInfo& tensor = network->model()->tensors()[size_t(site.tensor)];
            names.push_back(tensor.name.substr(tensor.name.rfind('.', tensor.name.size() - 8) + 1));
            QCOMPARE(site.role, tensor.role);
            QCOMPARE(site.layer, tensor.layer);
            QCOMPARE(site.rows, tensor.rows());
            QCOMPARE(site.cols, tensor.cols());
            QCOMPARE(network->inputs()[size_t(site.input)].channels, site.cols);
            QCOMPARE(network->siteOfTensor(site.tensor), int(names.size()) - 1);
        }
        QCOMPARE(names.size(), size_t(15));
        const std::vector<std::string> block{"q_proj.weight", "k_proj.weight", "v_proj.weight", "o_proj.weight",
                                             "gate_proj.weight", "up_proj.weight", "down_proj.weight"};
        QVERIFY(std::equal(block.begin(), block.end(), names.begin() + 7));
        QCOMPARE(names.back(), std::string("lm_head.weight"));
        QCOMPARE(network->inputs().size(), size_t(9));
        QCOMPARE(network->inputs()[4].sites, (std::vector<int>{7, 8, 9}));
        QCOMPARE(network->siteOfTensor(0), -1);
    }

    void tiedHeadIsASiteOfTheEmbedding()
    {
        std::vector<test::TestTensor> tensors = test::runnableLlamaTensors();
        tensors.pop_back();
        std::string config = test::kRunnableLlamaConfig;
        config.replace(config.find("false"), 5, "true");
        const auto network = Network::create(test::makeModel(tensors, config));
        QVERIFY(network.ok());
        QCOMPARE((*network)->siteOfTensor(0), 14);
        QCOMPARE((*network)->sites()[14].role, TensorRole::LmHead);
        ThreadPool pool(1);
        QCOMPARE(forward(**network, kIds, pool)->cols(), int64_t(64));
    }

    void hooksSeeEverythingInOrder()
    {
        const auto network = runnable();
        Watcher watcher;
        watcher.network = network.get();
        const RowMatrix watched = logitsOf(*network, 2, &watcher);
        const std::vector<std::string> expected{"input 0", "attention 0", "input 1", "input 2", "input 3", "input 4",
                                                "attention 1", "input 5", "input 6", "input 7", "input 8"};
        QCOMPARE(watcher.events, expected);
        QVERIFY(watcher.shapes);
        QVERIFY2(identical(watched, logitsOf(*network, 2)), "a hook that changes nothing changed the result");
    }

    void hooksChangeWhatFlows()
    {
        const auto network = runnable();
        const RowMatrix plain = logitsOf(*network, 1);
        Muting head(8);
        QVERIFY((logitsOf(*network, 1, &head).array() == 0).all());
        Muting last(7);
        QVERIFY(!identical(logitsOf(*network, 1, &last), plain));
        Attending attending;
        QVERIFY(identical(logitsOf(*network, 1, &attending), plain));
        ThreadPool pool(1);
        Failing failing;
        QCOMPARE(codeName(forward(*network, kIds, pool, &failing).error().code), codeName(ErrorCode::EmptySelection));
        attending.wrongShape = true;
        QCOMPARE(codeName(forward(*network, kIds, pool, &attending).error().code), codeName(ErrorCode::Internal));
    }

    void resultsAreTheSameEveryTime()
    {
        const auto network = runnable();
        const RowMatrix first = logitsOf(*network, 1);
        QVERIFY(first.allFinite());
        for (const unsigned threads : {1u, 2u, 4u})
            QVERIFY2(identical(logitsOf(*network, threads), first), qPrintable(QString("%1 threads").arg(threads)));
    }

    void sequencesDoNotTouchEachOther()
    {
        const auto network = runnable();
        ThreadPool pool(2);
        const WeightReader reader = network->storedWeights();
        const std::vector<TokenIds> sequences{{1, 2, 3}, kIds, {}, {5}};
        auto together = *network->embed(sequences, reader, {});
        const auto block = *network->loadBlock(0, reader);
        QVERIFY(network->runBlock(0, *block, together, pool, nullptr, {}).ok());
        for (size_t i = 0; i < sequences.size(); ++i) {
            auto alone = *network->embed({&sequences[i], 1}, reader, {});
            QVERIFY(network->runBlock(0, *block, alone, pool, nullptr, {}).ok());
            QVERIFY(identical(alone[0], together[i]));
        }
    }

    void laterTokensDoNotChangeEarlierOnes()
    {
        const auto network = runnable();
        const RowMatrix whole = logitsOf(*network, 1);
        ThreadPool pool(1);
        const RowMatrix part = *forward(*network, TokenIds(kIds.begin(), kIds.begin() + 4), pool);
        QVERIFY((whole.topRows(4) - part).cwiseAbs().maxCoeff() < 1e-5f);
    }

    void longTextsGoThroughInParts()
    {
        // With a window, a token depends on its neighbourhood only, wherever in the text that is.
        std::string config = test::kRunnableLlamaConfig;
        config.insert(1, R"("sliding_window":8,)");
        const auto network = *Network::create(test::makeModel(test::runnableLlamaTensors(), config, "mistral"));
        struct Ranges : NetworkHooks {
            std::vector<int64_t> counts;
            Status linearInput(int input, const TokenRange& tokens, RowMatrix& x) override
            {
                if (input == 3 && x.rows() == tokens.count)
                    counts.push_back(tokens.count);
                return {};
            }
        } ranges;
        TokenIds ids;
        for (int32_t i = 0; i < 4120; ++i)
            ids.push_back(i * i % 61);
        ThreadPool pool(2);
        const RowMatrix whole = *forward(*network, ids, pool, &ranges);
        const RowMatrix end = *forward(*network, TokenIds(ids.end() - 40, ids.end()), pool);
        QCOMPARE(ranges.counts, (std::vector<int64_t>{4096, 24}));
        QVERIFY((whole.bottomRows(20) - end.bottomRows(20)).cwiseAbs().maxCoeff() < 1e-4f);
    }

    void storedWeightsAreReadOnAllThreads()
    {
        std::vector<test::TestTensor> tensors = test::runnableLlamaTensors();
        tensors.push_back({"large", test::normalValues(3000 * 700, 7), {3000, 700}});
        const auto network = *Network::create(test::makeModel(tensors, test::kRunnableLlamaConfig));
        const int large = network->model()->indexOf("large");
        std::vector<float> values(3000 * 700);
        ThreadPool pool(2);
        QVERIFY(network->storedWeights(&pool)(large, values).ok());
        QVERIFY(values == tensors.back().values);
        std::fill(values.begin(), values.end(), 0.0f);
        QVERIFY(network->storedWeights()(large, values).ok());
        QVERIFY(values == tensors.back().values);
        std::stop_source stop;
        stop.request_stop();
        for (ThreadPool* given : {&pool, static_cast<ThreadPool*>(nullptr)})
            QCOMPARE(codeName(network->storedWeights(given, stop.get_token())(large, values).error().code),
                     codeName(ErrorCode::Cancelled));
        QCOMPARE(codeName(network->storedWeights()(large, {values.data(), 5}).error().code),
                 codeName(ErrorCode::Internal));
    }

    void oneLinearIsReplacedAndComesBack()
    {
        const auto network = runnable();
        ThreadPool pool(1);
        const WeightReader stored = network->storedWeights();
        const WeightReader halved = [&](int tensor, std::span<float> out) -> Status {
            QL_CHECK(stored(tensor, out));
            for (float& v : out)
                v *= 0.5f;
            return {};
        };
        const auto block = *network->loadBlock(1, stored);
        const auto run = [&] {
            auto hidden = *network->embed({&kIds, 1}, stored, {});
            if (!network->runBlock(1, *block, hidden, pool, nullptr, {}))
                qFatal("the block does not run");
            return hidden[0];
        };
        const RowMatrix before = run();
        const int site = network->siteOfTensor(network->model()->indexOf("model.layers.1.mlp.down_proj.weight"));
        QVERIFY(network->reload(*block, site, halved).ok());
        const RowMatrix replaced = run();
        QVERIFY((replaced - before).cwiseAbs().maxCoeff() > 1e-3f);
        QVERIFY(network->reload(*block, site, stored).ok());
        QVERIFY(identical(run(), before));
        QCOMPARE(codeName(network->reload(*block, 0, stored).error().code), codeName(ErrorCode::InvalidArgument));
        const auto head = *network->loadHead(stored);
        QVERIFY(network->reload(*head, 14, halved).ok());
    }

    void embeddingReadsThroughTheReader()
    {
        const auto network = runnable();
        const WeightReader ones = [](int, std::span<float> out) -> Status {
            std::fill(out.begin(), out.end(), 1.0f);
            return {};
        };
        const auto hidden = *network->embed({&kIds, 1}, ones, {});
        QVERIFY((hidden[0].array() == 1).all());
        const auto stored = *network->embed({&kIds, 1}, network->storedWeights(), {});
        QCOMPARE(stored[0](2, 5), test::normalValues(64 * 32, 1)[7 * 32 + 5]);
    }

    void stopsWhenAsked()
    {
        const auto network = runnable();
        ThreadPool pool(2);
        std::stop_source source;
        source.request_stop();
        const JobControl job{source.get_token(), {}};
        QCOMPARE(codeName(forward(*network, kIds, pool, nullptr, job).error().code), codeName(ErrorCode::Cancelled));
        // In the middle of a block.
        struct Stopping : NetworkHooks {
            std::stop_source* source = nullptr;
            int calls = 0;
            Status linearInput(int, const TokenRange&, RowMatrix&) override
            {
                if (++calls == 3)
                    source->request_stop();
                return {};
            }
        } stopping;
        std::stop_source later;
        stopping.source = &later;
        const auto result = forward(*network, kIds, pool, &stopping, {later.get_token(), {}});
        QCOMPARE(codeName(result.error().code), codeName(ErrorCode::Cancelled));
        QCOMPARE(stopping.calls, 3);
    }

    void badIdsAreNamed()
    {
        const auto network = runnable();
        ThreadPool pool(1);
        for (const int32_t id : {-1, 64}) {
            const auto result = forward(*network, {1, id}, pool);
            QCOMPARE(codeName(result.error().code), codeName(ErrorCode::InvalidArgument));
            QVERIFY(result.error().message.find(std::to_string(id)) != std::string::npos);
        }
        const auto gpt2 = Network::create(*Model::open(QL_TEST_DATA "/networks/gpt2/model.gguf"));
        QVERIFY(gpt2.ok());
        QCOMPARE(codeName(forward(**gpt2, TokenIds(49, 1), pool).error().code), codeName(ErrorCode::ContextTooLong));
        QVERIFY(forward(**gpt2, TokenIds(48, 1), pool).ok());
    }

    void encodersHaveNoLogits()
    {
        const auto bert = *Network::create(*Model::open(QL_TEST_DATA "/networks/bert/model.gguf"));
        const auto head = *bert->loadHead(bert->storedWeights());
        RowMatrix out;
        ThreadPool pool(1);
        const Status status = bert->logits(*head, {0, 0, 1}, RowMatrix(1, 32), out, pool, nullptr);
        QCOMPARE(codeName(status.error().code), codeName(ErrorCode::Unsupported));
        QVERIFY(bert->sites().back().role == TensorRole::MlpDown);
    }

    void wrongTensorsAreNamed_data()
    {
        QTest::addColumn<QString>("tensor");
        QTest::addColumn<int>("rows"); // 0: removed
        QTest::addColumn<QString>("code");
        QTest::addColumn<QString>("part");
        QTest::newRow("no weight") << "model.layers.1.mlp.up_proj.weight" << 0 << "NoSuchTensor"
                                   << "model.layers.1.mlp.up_proj.weight";
        QTest::newRow("no norm") << "model.norm.weight" << 0 << "NoSuchTensor" << "model.norm.weight";
        QTest::newRow("no head") << "lm_head.weight" << 0 << "NoSuchTensor" << "lm_head.weight";
        QTest::newRow("no embedding") << "model.embed_tokens.weight" << 0 << "NoSuchTensor" << "embed_tokens";
        QTest::newRow("another shape") << "model.layers.0.self_attn.k_proj.weight" << 24 << "SizeMismatch"
                                       << "[24, 32], but the configuration asks for [16, 32]";
        QTest::newRow("another vocabulary") << "lm_head.weight" << 10 << "SizeMismatch" << "lm_head.weight";
    }
    void wrongTensorsAreNamed()
    {
        QFETCH(QString, tensor);
        QFETCH(int, rows);
        QFETCH(QString, code);
        QFETCH(QString, part);
        std::vector<test::TestTensor> tensors = test::runnableLlamaTensors();
        const auto at = std::find_if(tensors.begin(), tensors.end(),
                                     [&](const auto& t) { return t.name == tensor.toStdString(); });
        QVERIFY(at != tensors.end());
        if (rows == 0)
            tensors.erase(at);
        else
            *at = {at->name, test::normalValues(size_t(rows) * 32, 1), {rows, 32}, at->role, at->layer};
        const auto network = Network::create(test::makeModel(tensors, test::kRunnableLlamaConfig));
        QVERIFY(!network.ok());
        QCOMPARE(QString::fromUtf8(codeName(network.error().code).data()), code);
        QVERIFY2(QString::fromStdString(network.error().text()).contains(part), network.error().text().c_str());
    }

    void packedWeightsAreRefused()
    {
        std::vector<test::TestTensor> tensors = test::runnableLlamaTensors();
        tensors.push_back({"model.layers.0.mlp.up_proj.weight_scale", {1}, {1}, TensorRole::Companion, 0});
        const auto network = Network::create(test::makeModel(tensors, test::kRunnableLlamaConfig));
        QVERIFY(!network.ok());
        QCOMPARE(codeName(network.error().code), codeName(ErrorCode::Unsupported));
        QVERIFY2(network.error().text().find("mlp.up_proj") != std::string::npos, network.error().text().c_str());
    }
};

QTEST_GUILESS_MAIN(TestNetworkHooks)
#include "tst_networkhooks.moc"
