// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Presets on a Llama of 32 blocks, against tables written down by hand from llama.cpp's rules.
#include "core/policy/ggufmixture.h"
#include "core/policy/presets.h"
#include "core/policy/validation.h"
#include "core/quant/schemetable.h"

#include <QTest>

using namespace ql;

namespace {

/// Headers of a Llama without data: 4096 wide, 32 heads that share `values` keys and values.
std::shared_ptr<const Model> llamaHeaders(int blocks, bool head, int64_t values, int64_t width = 4096)
{
    Model::Contents contents;
    contents.path = "memory";
    contents.architecture = "llama";
    const auto add = [&](std::string name, TensorRole role, int layer, Shape shape) {
        TensorInfo info;
        info.name = std::move(name);
        info.role = role;
        info.layer = layer;
        info.dtype = DType::BF16;
        info.shape = std::move(shape);
        info.bytes = 2 * info.parameters();
        contents.tensors.push_back(std::move(info));
    };
    add("model.embed_tokens.weight", TensorRole::Embedding, -1, {32000, width});
    for (int layer = 0; layer < blocks; ++layer) {
        const std::string prefix = "model.layers." + std::to_string(layer) + ".";
        add(prefix + "input_layernorm.weight", TensorRole::Norm, layer, {width});
        add(prefix + "self_attn.q_proj.weight", TensorRole::AttnQ, layer, {width, width});
        add(prefix + "self_attn.k_proj.weight", TensorRole::AttnK, layer, {values * 128, width});
        add(prefix + "self_attn.v_proj.weight", TensorRole::AttnV, layer, {values * 128, width});
        add(prefix + "self_attn.o_proj.weight", TensorRole::AttnOut, layer, {width, width});
        add(prefix + "mlp.gate_proj.weight", TensorRole::MlpGate, layer, {14336, width});
        add(prefix + "mlp.up_proj.weight", TensorRole::MlpUp, layer, {14336, width});
        add(prefix + "mlp.down_proj.weight", TensorRole::MlpDown, layer, {width, 14336});
    }
    add("model.norm.weight", TensorRole::Norm, -1, {width});
    if (head)
        add("lm_head.weight", TensorRole::LmHead, -1, {32000, width});
    return std::make_shared<Model>(std::move(contents));
}

/// Per block "q k v o gate up down", as letters: what each format of a mixture is called below.
struct Expected {
    const char* preset;
    const char* base;      ///< q, k, gate, up
    const char* embedding;
    const char* head;
    const char* value[32];
    const char* down[32];
    const char* output;
};

constexpr const char *q3 = "q3_k", *q4 = "q4_k", *q5 = "q5_k", *q6 = "q6_k", *q2 = "q2_k", *q8 = "q8_0", *x4 = "iq4_xs", *o4 = "q4_0";

#define ALL32(x) {x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}
// Blocks 0-3, 6, 9, 12, 15, 18, 21, 24, 27 and 28-31 get more.
#define MORE32(m, b) {m, m, m, m, b, b, m, b, b, m, b, b, m, b, b, m, b, b, m, b, b, m, b, b, m, b, b, m, m, m, m, m}
#define FIRST2(m, b) {m, m, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b}
#define FIRST4(m, b) {m, m, m, m, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b}

/// 8 value heads of 32: q2_k and iq4_xs give values more.
const Expected kExpected[] = {
    {"gguf-q4_k_m", q4, q4, q6, MORE32(q6, q4), MORE32(q6, q4), q4},
    {"gguf-q5_k_m", q5, q5, q6, MORE32(q6, q5), MORE32(q6, q5), q5},
    {"gguf-q3_k_m", q3, q3, q6, FIRST2(q5, q4), FIRST2(q5, q4), q4},
    {"gguf-q3_k_l", q3, q3, q6, ALL32(q5), ALL32(q5), q5},
    {"gguf-q3_k_s", q3, q3, q6, ALL32(q3), ALL32(q3), q3},
    {"gguf-q4_k_s", q4, q4, q6, FIRST4(q5, q4), FIRST4(q5, q4), q4},
    {"gguf-q5_k_s", q5, q5, q6, ALL32(q5), ALL32(q5), q5},
    {"gguf-q2_k", q2, q2, q6, ALL32(q4), ALL32(q3), q3},
    {"gguf-iq4_xs", x4, x4, q6, ALL32(q5), FIRST4(q5, x4), x4},
    {"gguf-q6_k", q6, q6, q6, ALL32(q6), ALL32(q6), q6},
    {"gguf-q4_0", o4, o4, q6, ALL32(o4), ALL32(o4), o4},
    {"gguf-q8_0", q8, q8, q8, ALL32(q8), ALL32(q8), q8},
};

bool isOffered(std::string_view id)
{
    return std::any_of(presets().begin(), presets().end(), [&](const Preset& preset) { return preset.id == id; });
}

QString schemeOf(const std::vector<Decision>& decisions, const Model& model, const QString& tensor)
{
    const Decision& decision = decisions[size_t(model.indexOf(tensor.toStdString()))];
    return decision.asStored ? QStringLiteral("kept") : QString::fromStdString(decision.scheme.text());
}

} // namespace

class TestPresets : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void mixturesFollowTheTable_data()
    {
        QTest::addColumn<int>("index");
        for (int i = 0; i < int(std::size(kExpected)); ++i) {
            if (isOffered(kExpected[i].preset))
                QTest::newRow(kExpected[i].preset) << i;
        }
    }
    void mixturesFollowTheTable()
    {
        QFETCH(int, index);
        const Expected& expected = kExpected[index];
        const auto model = llamaHeaders(32, true, 8);
        const auto policy = presetPolicy(expected.preset, *model);
        QVERIFY(policy.ok());
        const auto decisions = policy->resolve(*model);
        QVERIFY(decisions.ok());
        const auto check = [&](const QString& tensor, const char* wanted) {
            QVERIFY2(schemeOf(*decisions, *model, tensor) == QLatin1String(wanted),
                     qPrintable(tensor + " is " + schemeOf(*decisions, *model, tensor) + " instead of " + wanted));
        };
        check("model.embed_tokens.weight", expected.embedding);
        check("lm_head.weight", expected.head);
        check("model.norm.weight", "kept");
        for (int layer = 0; layer < 32; ++layer) {
            const QString prefix = QStringLiteral("model.layers.%1.").arg(layer);
            check(prefix + "input_layernorm.weight", "kept");
            for (const char* name : {"self_attn.q_proj", "self_attn.k_proj", "mlp.gate_proj", "mlp.up_proj"})
                check(prefix + name + ".weight", expected.base);
            check(prefix + "self_attn.v_proj.weight", expected.value[layer]);
            check(prefix + "self_attn.o_proj.weight", expected.output);
            check(prefix + "mlp.down_proj.weight", expected.down[layer]);
        }
        for (const Finding& finding : validate(*policy, *model))
            QVERIFY2(false, finding.text.c_str());
        QVERIFY(*Policy::parse(policy->toJson()) == *policy);
    }

    void anImportanceMatrixMovesDownProjections()
    {
        const auto model = llamaHeaders(32, true, 8);
        const auto downs = [&](const char* name, bool importance) {
            const auto decisions = ggufMixture(name, *model, importance)->resolve(*model).value();
            return QStringList{schemeOf(decisions, *model, "model.layers.3.mlp.down_proj.weight"),
                               schemeOf(decisions, *model, "model.layers.4.mlp.down_proj.weight")};
        };
        QCOMPARE(downs("q4_0", false), (QStringList{"q4_0", "q4_0"}));
        QCOMPARE(downs("q4_0", true), (QStringList{"q4_1,imatrix", "q4_0,imatrix"}));
        QCOMPARE(downs("q5_0", true), (QStringList{"q5_1,imatrix", "q5_0,imatrix"}));
        QCOMPARE(downs("iq4_nl", false), (QStringList{"q5_k", "iq4_nl"}));
        QCOMPARE(downs("iq4_xs", true), (QStringList{"iq4_xs,imatrix", "iq4_xs,imatrix"}));
        QCOMPARE(downs("q8_0", true), (QStringList{"q8_0", "q8_0"}));
    }

    void aTiedEmbeddingIsTheHead()
    {
        const auto model = llamaHeaders(4, false, 8);
        const auto policy = presetPolicy("gguf-q8_0", *model);
        QCOMPARE(schemeOf(*policy->resolve(*model), *model, "model.embed_tokens.weight"), QString("q8_0"));
        QCOMPARE(policy->rules.size(), size_t(1));
    }

    void everyPresetResolvesAndHasASummary_data()
    {
        QTest::addColumn<QByteArray>("id");
        for (const Preset& preset : presets())
            QTest::newRow(preset.id.data()) << QByteArray(preset.id.data(), int(preset.id.size()));
    }
    void everyPresetResolvesAndHasASummary()
    {
        QFETCH(QByteArray, id);
        const auto preset = std::find_if(presets().begin(), presets().end(), [&](const Preset& p) { return p.id == id.constData(); });
        QVERIFY(!preset->label.empty() && preset->summary.ends_with('.') && !preset->section.empty());
        for (const int blocks : {1, 2, 7, 200}) {
            const auto model = llamaHeaders(blocks, true, 32);
            const auto policy = presetPolicy(id.constData(), *model);
            QVERIFY(policy.ok());
            QVERIFY(policy->resolve(*model).ok());
            for (const Finding& finding : validate(*policy, *model))
                QVERIFY2(finding.severity != Finding::Error, finding.text.c_str());
        }
    }

    void presetsSetWhatTheyNameAndLeaveTheRest()
    {
        const auto model = llamaHeaders(4, true, 8);
        Policy current;
        current.rules = {{"q_proj", {}, -1, -1, Scheme::parse("int8").value(), ""}};
        current.tensors["lm_head.weight"] = {Scheme::parse("int8").value(), true, "checked"};
        current.tensors["model.layers.0.mlp.up_proj.weight"] = {Scheme::parse("nf4").value(), false, ""};
        current.kvCache.defaultScheme = KvScheme::parse("int4").value();
        current.activations.defaultScheme = ActivationScheme::parse("int8").value();
        const auto nf4 = applyPreset("nf4", *model, current);
        QCOMPARE(QString::fromStdString(nf4->defaultScheme.text()), QString("nf4,double"));
        QVERIFY(nf4->rules.empty());
        QCOMPARE(nf4->tensors.size(), size_t(1));
        QVERIFY(nf4->tensors.at("lm_head.weight").locked);
        QVERIFY(nf4->kvCache == current.kvCache && nf4->activations == current.activations);
        QVERIFY(applyPreset("w4a16", *model, current)->activations.empty());
        QCOMPARE(applyPreset("w4a8", *model, Policy())->activations.defaultScheme->text(), std::string("int8"));
        const auto cache = applyPreset("kv-int8", *model, current);
        QVERIFY(cache->rules == current.rules && cache->tensors == current.tensors);
        QCOMPARE(cache->kvCache.defaultScheme->text(), std::string("int8"));
        QCOMPARE(presetPolicy("kv-int8", *model)->defaultScheme.text(), std::string("bf16"));
        const auto unknown = presetPolicy("int99", *model);
        QVERIFY(!unknown.ok());
        QVERIFY(unknown.error().message.find("w4a16") != std::string::npos);
    }

    void mixedPrecisionKeepsEndsAndLiftsSensitiveLayers()
    {
        const auto model = llamaHeaders(32, true, 8);
        const auto policy = presetPolicy("mixed", *model);
        const auto decisions = policy->resolve(*model);
        QCOMPARE(schemeOf(*decisions, *model, "model.embed_tokens.weight"), QString("kept"));
        QCOMPARE(schemeOf(*decisions, *model, "lm_head.weight"), QString("kept"));
        QCOMPARE(schemeOf(*decisions, *model, "model.layers.6.self_attn.v_proj.weight"), QString("int8"));
        QCOMPARE(schemeOf(*decisions, *model, "model.layers.5.self_attn.v_proj.weight"), QString("int4,clip=mse"));
        QCOMPARE(schemeOf(*decisions, *model, "model.layers.31.mlp.down_proj.weight"), QString("int8"));
        QCOMPARE(schemeOf(*decisions, *model, "model.layers.31.mlp.up_proj.weight"), QString("int4,clip=mse"));
    }
};

QTEST_GUILESS_MAIN(TestPresets)
#include "tst_presets.moc"
