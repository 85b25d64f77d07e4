// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What the forward pass reads from config.json and GGUF metadata; rotary frequencies against transformers' own.
#include "core/io/json.h"
#include "core/nn/networkconfig.h"
#include "support/testmodels.h"

#include <QTest>

#include <cmath>

using namespace ql;

namespace {

using Json = nlohmann::json;

Result<NetworkConfig> configOf(const Json& config, const std::string& architecture = "llama")
{
    return NetworkConfig::of(*test::makeModel({}, config.dump(), architecture));
}

Json llama(const Json& changes = Json::object())
{
    Json config = Json::parse(test::kRunnableLlamaConfig);
    config.merge_patch(changes); // null removes
    return config;
}

Result<NetworkConfig> ggufConfigOf(const Json& changes, const std::string& architecture = "llama")
{
    Json config{{"general.architecture", architecture}};
    const Json entries{{"block_count", 2}, {"embedding_length", 32}, {"attention.head_count", 4},
                       {"feed_forward_length", 48}, {"context_length", 256},
                       {"attention.layer_norm_rms_epsilon", 1e-5}};
    for (const auto& [key, value] : entries.items())
        config[architecture + "." + key] = value;
    for (const auto& [key, value] : changes.items())
        config[architecture + "." + key] = value;
    Model::Contents contents;
    contents.format = ModelFormat::Gguf;
    contents.path = "memory.gguf";
    contents.architecture = architecture;
    contents.configJson = config.dump();
    return NetworkConfig::of(Model(std::move(contents)));
}

} // namespace

class TestNetworkConfig : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void rotaryFrequenciesAgreeWithTransformers_data()
    {
        QTest::addColumn<int>("entry");
        const auto entries = readJson(QL_TEST_DATA "/networks/rope.json");
        QVERIFY(entries.ok());
        for (size_t i = 0; i < entries->size(); ++i)
            QTest::newRow((*entries)[i]["name"].get<std::string>().c_str()) << int(i);
    }
    void rotaryFrequenciesAgreeWithTransformers()
    {
        QFETCH(int, entry);
        const Json e = (*readJson(QL_TEST_DATA "/networks/rope.json"))[size_t(entry)];
        Json config = e["config"];
        config.update({{"num_hidden_layers", 1}, {"intermediate_size", 8}, {"vocab_size", 10}});
        const auto read = configOf(config, e["family"]);
        QVERIFY2(read.ok(), read.ok() ? "" : read.error().text().c_str());
        double attention = 0;
        const std::vector<double> frequencies = read->rope.frequencies(e["length"], &attention);
        QCOMPARE(frequencies.size(), e["frequencies"].size());
        QVERIFY(std::abs(attention - e["attention"].get<double>()) < 1e-6);
        for (size_t i = 0; i < frequencies.size(); ++i) {
            const double expected = e["frequencies"][i];
            QVERIFY2(std::abs(frequencies[i] - expected) < 2e-6 * expected, qPrintable(QString("pair %1").arg(i)));
        }
    }

    void sizesAndDefaults()
    {
        const auto c = configOf(llama());
        QVERIFY(c.ok());
        QCOMPARE(c->layers, 2);
        QCOMPARE(c->headDim, 8);
        QCOMPARE(c->kvHeads, 2);
        QCOMPARE(c->vocabulary, int64_t(64));
        QCOMPARE(c->context, int64_t(256));
        QCOMPARE(c->rope.dimensions, 8);
        QCOMPARE(c->normEpsilon, 1e-6);
        QCOMPARE(c->windows, std::vector<int64_t>(2, 0));
        QVERIFY(std::abs(c->attentionScale - 1 / std::sqrt(8.0)) < 1e-12);
        QCOMPARE(configOf(llama({{"num_key_value_heads", nullptr}}))->kvHeads, 4);
        QCOMPARE(configOf(llama({{"head_dim", 20}}))->headDim, 20);
        // The language part of a multimodal model.
        QCOMPARE(configOf({{"model_type", "llava"}, {"text_config", llama()}})->hidden, 32);
    }

    void windowsPerLayer_data()
    {
        QTest::addColumn<QString>("architecture");
        QTest::addColumn<QString>("changes");
        QTest::addColumn<QList<int>>("windows");
        using L = QList<int>;
        QTest::newRow("mistral with a window") << "mistral" << R"({"sliding_window":9})" << L{9, 9, 9};
        QTest::newRow("mistral without") << "mistral" << R"({"sliding_window":null})" << L{0, 0, 0};
        QTest::newRow("llama ignores it") << "llama" << R"({"sliding_window":9})" << L{0, 0, 0};
        QTest::newRow("qwen2 unused") << "qwen2" << R"({"sliding_window":9})" << L{0, 0, 0};
        QTest::newRow("qwen2 beyond the first layers") << "qwen2"
            << R"({"sliding_window":9,"use_sliding_window":true,"max_window_layers":1})" << L{0, 9, 9};
        QTest::newRow("qwen3 by kind of layer") << "qwen3"
            << R"({"sliding_window":9,"use_sliding_window":true,
                   "layer_types":["full_attention","sliding_attention","full_attention"]})" << L{0, 9, 0};
        QTest::newRow("gemma2 every other layer") << "gemma2" << R"({"sliding_window":9})" << L{9, 0, 9};
        QTest::newRow("gemma2 default") << "gemma2" << "{}" << L{4096, 0, 4096};
        QTest::newRow("phi3") << "phi3" << R"({"sliding_window":9})" << L{9, 9, 9};
    }
    void windowsPerLayer()
    {
        QFETCH(QString, architecture);
        QFETCH(QString, changes);
        QFETCH(QList<int>, windows);
        Json config = llama({{"num_hidden_layers", 3}});
        config.merge_patch(Json::parse(changes.toStdString()));
        const auto c = configOf(config, architecture.toStdString());
        QVERIFY2(c.ok(), c.ok() ? "" : c.error().text().c_str());
        QCOMPARE(c->windows, std::vector<int64_t>(windows.begin(), windows.end()));
    }

    void gemmaScalesEmbeddingsInTheirOwnPrecision()
    {
        Model::Contents contents;
        contents.architecture = "gemma";
        contents.configJson = llama({{"hidden_size", 3072}, {"num_attention_heads", 16}, {"head_dim", 256}}).dump();
        TensorInfo info;
        info.role = TensorRole::Embedding;
        info.dtype = DType::BF16;
        contents.tensors.push_back(info);
        QCOMPARE(NetworkConfig::of(Model(contents))->embeddingScale, 55.5);
        contents.tensors[0].dtype = DType::F32;
        QVERIFY(std::abs(NetworkConfig::of(Model(contents))->embeddingScale - std::sqrt(3072.0)) < 1e-5);
    }

    void gemmaMeansTheTanhForm()
    {
        QVERIFY(configOf(llama({{"hidden_act", "gelu"}}), "gemma")->activation == Activation::GeluTanh);
        QVERIFY(configOf(llama({{"hidden_act", "gelu"}}))->activation == Activation::Gelu);
    }

    void ggufKeys()
    {
        const auto c = ggufConfigOf({{"attention.head_count", {4, 4}}, {"rope.scaling.type", "linear"},
                                     {"rope.scaling.factor", 4.0}});
        QVERIFY2(c.ok(), c.ok() ? "" : c.error().text().c_str());
        QCOMPARE(c->heads, 4);
        QCOMPARE(c->kvHeads, 4);
        QVERIFY(c->rope.scaling == RopeConfig::Scaling::Linear && c->rope.factor == 4.0);
        QVERIFY(c->pairedRotary && c->tiedHead);
        const auto gemma = ggufConfigOf({{"attention.sliding_window", 8}}, "gemma2");
        QCOMPARE(gemma->windows, (std::vector<int64_t>{8, 0}));
        QCOMPARE(gemma->attentionSoftcap, 50.0);
        QVERIFY(!gemma->normOffsetOne && !gemma->pairedRotary);
        // The largest Gemma 2 divides by hidden / heads.
        const auto large = ggufConfigOf({{"block_count", 46}, {"attention.key_length", 16}}, "gemma2");
        QVERIFY(std::abs(large->attentionScale - 1 / std::sqrt(8.0)) < 1e-12);
    }

    void badConfigurations_data()
    {
        QTest::addColumn<QString>("changes");
        QTest::addColumn<QString>("part"); // of the message
        QTest::newRow("no layers") << R"({"num_hidden_layers":0})" << "num_hidden_layers";
        QTest::newRow("a thousand million layers") << R"({"num_hidden_layers":1000000000})" << "num_hidden_layers";
        QTest::newRow("layers missing") << R"({"num_hidden_layers":null})" << "\"num_hidden_layers\" is missing";
        QTest::newRow("no heads") << R"({"num_attention_heads":0})" << "num_attention_heads";
        QTest::newRow("negative heads") << R"({"num_attention_heads":-4})" << "num_attention_heads";
        QTest::newRow("heads as text") << R"({"num_attention_heads":"4"})" << "num_attention_heads";
        QTest::newRow("half a head") << R"({"num_attention_heads":2.5})" << "num_attention_heads";
        QTest::newRow("heads do not divide the width") << R"({"num_attention_heads":5})" << "not a multiple";
        QTest::newRow("heads that cannot share") << R"({"num_key_value_heads":3})" << "cannot share";
        QTest::newRow("no key heads") << R"({"num_key_value_heads":0})" << "num_key_value_heads";
        QTest::newRow("odd head") << R"({"head_dim":7})" << "even number";
        QTest::newRow("head of 2^40") << R"({"head_dim":1099511627776})" << "head_dim";
        QTest::newRow("number beyond 64 bits") << R"({"hidden_size":1e300})" << "hidden_size";
        QTest::newRow("width is an object") << R"({"hidden_size":{"a":1}})" << "hidden_size";
        QTest::newRow("no vocabulary") << R"({"vocab_size":0})" << "vocab_size";
        QTest::newRow("no MLP") << R"({"intermediate_size":null})" << "intermediate_size";
        QTest::newRow("epsilon is not a number") << R"({"rms_norm_eps":"tiny"})" << "rms_norm_eps";
        QTest::newRow("base of one") << R"({"rope_theta":1})" << "rope_theta";
        QTest::newRow("factor of zero") << R"({"rope_scaling":{"type":"linear","factor":0}})" << "factor";
        QTest::newRow("factor missing") << R"({"rope_scaling":{"type":"linear"}})" << "\"factor\" is missing";
        QTest::newRow("bands the wrong way round")
            << R"({"rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":1}})"
            << "high_freq_factor";
        QTest::newRow("divisors of another length")
            << R"({"rope_scaling":{"type":"longrope","short_factor":[1,1],"long_factor":[1,1]}})" << "must list 4";
        QTest::newRow("divisors missing") << R"({"rope_scaling":{"type":"longrope"}})" << "short_factor";
        QTest::newRow("divisors not positive")
            << R"({"rope_scaling":{"type":"longrope","short_factor":[1,1,1,0],"long_factor":[1,1,1,1]}})" << "must list 4";
        QTest::newRow("tied is a number") << R"({"tie_word_embeddings":1})" << "tie_word_embeddings";
    }
    void badConfigurations()
    {
        QFETCH(QString, changes);
        QFETCH(QString, part);
        const auto c = configOf(llama(Json::parse(changes.toStdString())));
        QVERIFY(!c.ok());
        QCOMPARE(codeName(c.error().code), codeName(ErrorCode::ConfigInvalid));
        QVERIFY2(QString::fromStdString(c.error().text()).contains(part), c.error().text().c_str());
        QVERIFY(!QString::fromStdString(c.error().text()).contains('\n'));
    }

    void otherBadConfigurations()
    {
        QCOMPARE(codeName(configOf(Json::array()).error().code), codeName(ErrorCode::ConfigInvalid));
        QCOMPARE(codeName(NetworkConfig::of(*test::makeModel({}, "{\"a\":")).error().code),
                 codeName(ErrorCode::JsonSyntax));
        QCOMPARE(codeName(NetworkConfig::of(*test::makeModel({})).error().code), codeName(ErrorCode::ConfigInvalid));
        QCOMPARE(codeName(configOf(llama({{"num_key_value_heads", 2}, {"rotary_pct", 1}}), "gptneox").error().code),
                 codeName(ErrorCode::ConfigInvalid));
        QCOMPARE(codeName(ggufConfigOf({{"attention.head_count", {4, 8}}}).error().code),
                 codeName(ErrorCode::ConfigInvalid));
        QCOMPARE(codeName(ggufConfigOf({{"block_count", 0}}).error().code), codeName(ErrorCode::ConfigInvalid));
        QCOMPARE(codeName(ggufConfigOf({{"attention.value_length", 4}}).error().code),
                 codeName(ErrorCode::ConfigInvalid));
    }

    void unsupportedNamesWhatItDoesNotKnow_data()
    {
        QTest::addColumn<QString>("changes");
        QTest::addColumn<QString>("architecture");
        QTest::addColumn<QString>("named");
        QTest::newRow("family") << "{}" << "mamba" << "\"mamba\"";
        QTest::newRow("no family") << "{}" << "unknown" << "not known";
        QTest::newRow("activation") << R"({"hidden_act":"quick_gelu"})" << "llama" << "\"quick_gelu\"";
        QTest::newRow("rotary embedding") << R"({"rope_scaling":{"type":"spiral"}})" << "llama" << "\"spiral\"";
    }
    void unsupportedNamesWhatItDoesNotKnow()
    {
        QFETCH(QString, changes);
        QFETCH(QString, architecture);
        QFETCH(QString, named);
        const auto c = configOf(llama(Json::parse(changes.toStdString())), architecture.toStdString());
        QVERIFY(!c.ok());
        QCOMPARE(codeName(c.error().code), codeName(ErrorCode::Unsupported));
        QVERIFY2(QString::fromStdString(c.error().text()).contains(named), c.error().text().c_str());
    }

    void ggufExpertsOfOtherFamiliesAreNamed()
    {
        const auto family = ggufConfigOf({{"expert_count", 8}, {"expert_used_count", 2}}, "gemma2");
        QCOMPARE(codeName(family.error().code), codeName(ErrorCode::Unsupported));
        QVERIFY(family.error().text().find("\"gemma2\" with experts") != std::string::npos);
        const auto gate = ggufConfigOf({{"expert_count", 8}, {"expert_used_count", 2}, {"expert_gating_func", 2}});
        QCOMPARE(codeName(gate.error().code), codeName(ErrorCode::Unsupported));
        QVERIFY(gate.error().text().find("softmax") != std::string::npos);
    }

    void experts()
    {
        const Json mixture{{"num_experts", 8},           {"num_experts_per_tok", 3},  {"moe_intermediate_size", 24},
                           {"decoder_sparse_step", 2},   {"mlp_only_layers", {3}},    {"num_hidden_layers", 6},
                           {"norm_topk_prob", true}};
        const auto qwen = configOf(llama(mixture), "qwen3moe");
        QVERIFY2(qwen.ok(), qwen.ok() ? "" : qwen.error().text().c_str());
        QCOMPARE(qwen->experts, 8);
        QCOMPARE(qwen->expertsUsed, 3);
        QCOMPARE(qwen->expertIntermediate, 24);
        QCOMPARE(qwen->sharedIntermediate, 0);
        QVERIFY(qwen->normaliseExperts);
        QCOMPARE(qwen->expertLayers, (std::vector<bool>{false, true, false, false, false, true}));
        const auto mixtral = configOf(llama({{"num_local_experts", 4}, {"num_experts_per_tok", 2}}), "mixtral");
        QVERIFY(mixtral.ok() && mixtral->normaliseExperts && mixtral->hasExperts(0));
        QCOMPARE(mixtral->expertIntermediate, mixtral->intermediate);
        QVERIFY(!configOf(llama(Json::object()))->hasExperts(0));
        const auto gguf = ggufConfigOf({{"expert_count", 8}, {"expert_used_count", 2}});
        QVERIFY(gguf.ok() && gguf->normaliseExperts && !gguf->hasExperts(0)); // no tensor says that a block has them
        QCOMPARE(gguf->expertIntermediate, gguf->intermediate);
    }

    void expertsThatDoNotFit_data()
    {
        QTest::addColumn<QString>("changes");
        QTest::addColumn<QString>("part");
        QTest::newRow("none") << R"({"num_local_experts":0})" << "num_local_experts";
        QTest::newRow("more used than there are") << R"({"num_experts_per_tok":5})" << "num_experts_per_tok";
        QTest::newRow("absurdly many") << R"({"num_local_experts":100000})" << "num_local_experts";
        QTest::newRow("no size") << R"({"moe_intermediate_size":null})" << "moe_intermediate_size";
        QTest::newRow("no step") << R"({"decoder_sparse_step":0})" << "decoder_sparse_step";
        QTest::newRow("layers that are no list") << R"({"mlp_only_layers":1})" << "mlp_only_layers";
    }
    void expertsThatDoNotFit()
    {
        QFETCH(QString, changes);
        QFETCH(QString, part);
        Json config{{"num_local_experts", 4}, {"num_experts_per_tok", 2}, {"moe_intermediate_size", 24}};
        config.update(Json::parse(changes.toStdString()));
        const auto c = configOf(llama(config), "qwen3moe");
        QVERIFY(!c.ok());
        QCOMPARE(codeName(c.error().code), codeName(ErrorCode::ConfigInvalid));
        QVERIFY2(QString::fromStdString(c.error().text()).contains(part), c.error().text().c_str());
    }
};

QTEST_GUILESS_MAIN(TestNetworkConfig)
#include "tst_networkconfig.moc"
