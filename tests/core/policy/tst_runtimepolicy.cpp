// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The parts of a policy that concern activations and the KV cache: files, resolution, and every way they can be wrong.
#include "core/policy/policy.h"
#include "support/testmodels.h"

#include <QTest>

using namespace ql;

namespace {

ActivationScheme activation(const char* text)
{
    return ActivationScheme::parse(text).value();
}

KvScheme cache(const char* text)
{
    return KvScheme::parse(text).value();
}

std::string wrapped(const std::string& members)
{
    return "{\"quantloupe_policy\": 1, " + members + "}";
}

} // namespace

class TestRuntimePolicy : public QObject
{
    Q_OBJECT

    std::shared_ptr<const Model> m_model = test::tinyLlama();

    QString schemeFor(const ActivationPolicy& policy, const char* tensor)
    {
        const auto schemes = policy.resolve(*m_model);
        if (!schemes.ok())
            return QString::fromStdString(schemes.error().text());
        const auto& scheme = (*schemes)[size_t(m_model->indexOf(tensor))];
        return scheme ? QString::fromStdString(scheme->text()) : QString("keep");
    }

private Q_SLOTS:
    void tensorThenFirstRuleThenDefault()
    {
        ActivationPolicy policy;
        QVERIFY(policy.empty());
        QCOMPARE(schemeFor(policy, "model.layers.0.mlp.down_proj.weight"), QString("keep"));
        policy.defaultScheme = activation("int8");
        policy.rules = {{"q_proj", {}, 1, 1, activation("int4"), ""}, {"", {TensorRole::AttnQ}, -1, -1, {}, "kept"}};
        policy.tensors["model.layers.0.mlp.down_proj.weight"] = activation("fp8-e4m3");
        policy.tensors["model.layers.1.mlp.down_proj.weight"] = std::nullopt;

        QCOMPARE(schemeFor(policy, "model.layers.0.self_attn.v_proj.weight"), QString("int8"));
        QCOMPARE(schemeFor(policy, "model.layers.1.self_attn.q_proj.weight"), QString("int4"));
        QCOMPARE(schemeFor(policy, "model.layers.0.self_attn.q_proj.weight"), QString("keep"));
        QCOMPARE(schemeFor(policy, "model.layers.0.mlp.down_proj.weight"), QString("fp8-e4m3"));
        QCOMPARE(schemeFor(policy, "model.layers.1.mlp.down_proj.weight"), QString("keep"));
    }

    void theDefaultIsForLinearLayersOfBlocks()
    {
        ActivationPolicy policy;
        policy.defaultScheme = activation("int8");
        for (const char* kept :
             {"lm_head.weight", "model.embed_tokens.weight", "model.layers.0.input_layernorm.weight"})
            QCOMPARE(schemeFor(policy, kept), QString("keep"));
        policy.rules = {{"", {TensorRole::LmHead}, -1, -1, activation("int8,asym"), ""},
                        {"norm", {}, -1, -1, activation("int8"), ""}};
        QCOMPARE(schemeFor(policy, "lm_head.weight"), QString("int8,asym"));
        QCOMPARE(schemeFor(policy, "model.layers.0.input_layernorm.weight"), QString("keep"));
    }

    void badPatternsAreNamed()
    {
        ActivationPolicy policy;
        policy.rules = {{"(", {}, -1, -1, {}, ""}};
        QCOMPARE(policy.resolve(*m_model).error().code, ErrorCode::PolicyBadRule);
        QCOMPARE(QString::fromStdString(policy.resolve(*m_model).error().where), QString("activation rule 1"));
    }

    void laterRangesOfLayersWin()
    {
        KvPolicy policy;
        QVERIFY(policy.empty() && !policy.forLayer(0));
        policy.defaultScheme = cache("int8");
        policy.layers = {{0, 5, cache("int4")}, {2, 3, std::nullopt}, {5, 9, cache("nf4")}};
        const QStringList expected{"int4", "int4", "keep", "keep", "int4", "nf4", "nf4", "nf4", "nf4", "nf4", "int8"};
        for (int layer = 0; layer < expected.size(); ++layer) {
            const auto scheme = policy.forLayer(layer);
            QCOMPARE(scheme ? QString::fromStdString(scheme->text()) : QString("keep"), expected[layer]);
        }
        KvPolicy disjoint = policy;
        disjoint.layers = policy.disjointLayers();
        QCOMPARE(disjoint.layers.size(), size_t(4));
        for (int layer = 0; layer < 12; ++layer)
            QVERIFY(disjoint.forLayer(layer) == policy.forLayer(layer));
    }

    void writtenPoliciesReadBackEqual()
    {
        Policy policy;
        policy.activations.defaultScheme = activation("int8,asym");
        policy.activations.rules = {
            {"down_proj", {TensorRole::MlpDown}, 0, 3, activation("int8,tensor,clip=kl"), "why"},
            {"o_proj", {}, -1, -1, std::nullopt, ""}};
        policy.activations.tensors["a.\"b\"/c~d"] = activation("nf4,group=32");
        policy.activations.tensors["kept"] = std::nullopt;
        policy.kvCache.defaultScheme = cache("int8");
        policy.kvCache.layers = {{0, 0, std::nullopt}, {2, 10, cache("int4,keys=channel")}, {11, 11, cache("int2")}};
        std::vector<std::string> warnings;
        const auto back = Policy::parse(policy.toJson(), &warnings);
        QVERIFY2(back.ok(), back.ok() ? "" : back.error().text().c_str());
        QVERIFY(warnings.empty());
        QVERIFY(*back == policy);
        QCOMPARE(QString::fromStdString(back->toJson()), QString::fromStdString(policy.toJson()));
    }

    void emptyPartsAreNotWritten()
    {
        const std::string json = Policy().toJson();
        QVERIFY(json.find("activations") == std::string::npos);
        QVERIFY(json.find("kv_cache") == std::string::npos);
        const auto kept = Policy::parse(wrapped("\"activations\": {\"default\": \"keep\"}, \"kv_cache\": {}"));
        QVERIFY(kept.ok() && kept->activations.empty() && kept->kvCache.empty());
    }

    void theDocumentedExampleIsRead()
    {
        std::vector<std::string> warnings;
        const auto policy = Policy::parse(wrapped("\"activations\": {\"default\": \"int8,token,asym\"},"
                                                  "\"kv_cache\": {\"default\": \"int8,token\"}"),
                                          &warnings);
        QVERIFY(policy.ok() && warnings.empty());
        QVERIFY(policy->activations.defaultScheme == activation("int8,asym"));
        QVERIFY(policy->kvCache.forLayer(7) == cache("int8"));
    }

    void unknownKeysWarn()
    {
        std::vector<std::string> warnings;
        const auto policy = Policy::parse(
            wrapped("\"activations\": {\"colour\": 1, \"rules\": [{\"match\": \"a\", \"scheme\": \"keep\", \"x\": 2}],"
                    "\"tensors\": {\"t\": {\"scheme\": \"int8\", \"locked\": true}}}, \"kv_cache\": {\"layer\": {}}"),
            &warnings);
        QVERIFY(policy.ok());
        QCOMPARE(warnings.size(), size_t(4));
        std::string all;
        for (const std::string& warning : warnings)
            all += warning + "\n";
        for (const char* part : {"\"colour\"", "\"x\"", "\"locked\"", "\"layer\"", "activation rule 1"})
            QVERIFY2(all.find(part) != std::string::npos, all.c_str());
    }

    void malformedPartsAreNamed_data()
    {
        QTest::addColumn<QString>("members");
        QTest::addColumn<QString>("message"); ///< code, then a part of the line
        const auto row = [](const char* name, const char* members, const char* message) {
            QTest::newRow(name) << members << message;
        };
        row("activations as text", "\n\"activations\": \"int8\"", "PolicySyntax: line 2 (activations)");
        row("default is a number", "\"activations\": {\n\"default\": 8}", "PolicySyntax: line 2 (activations default)");
        row("default is empty", "\"activations\": {\"default\": \"\"}", "PolicySyntax");
        row("unknown format", "\"activations\": {\n\n\"default\": \"int9\"}", "SchemeUnknownFormat: line 3");
        row("weights' format", "\"activations\": {\"default\": \"q4_k\"}", "SchemeConflict");
        row("GGML format", "\"activations\": {\"default\": \"q8_0\"}", "SchemeConflict");
        row("contradiction", "\"activations\": {\"default\": \"int8,token,clip=average\"}", "SchemeConflict");
        row("rules are an object", "\"activations\": {\"rules\": {}}", "PolicySyntax: line 1 (activations)");
        row("rule is text", "\"activations\": {\"rules\": [\n\"a\"]}", "PolicySyntax: line 2 (activation rule 1)");
        row("rule without match", "\"activations\": {\"rules\": [{\"scheme\": \"int8\"}]}", "PolicyBadRule");
        row("rule without scheme", "\"activations\": {\"rules\": [{\"match\": \"a\"}]}", "PolicySyntax");
        row("rule with a bad role", "\"activations\": {\"rules\": [{\"role\": \"nose\", \"scheme\": \"int8\"}]}",
            "PolicyBadRule");
        row("rule with bad layers", "\"activations\": {\"rules\": [{\"layers\": \"3-1\", \"scheme\": \"int8\"}]}",
            "PolicyBadRule");
        row("tensors are a list", "\"activations\": {\"tensors\": []}", "PolicySyntax");
        row("tensor is text", "\"activations\": {\"tensors\": {\n\"a/b\": \"int8\"}}",
            "PolicySyntax: line 2 (activations of a/b)");
        row("tensor without scheme", "\"activations\": {\"tensors\": {\"a\": {}}}", "PolicySyntax");
        row("duplicate tensor",
            "\"activations\": {\"tensors\": {\"a\": {\"scheme\": \"int8\"}, \"a\": {\"scheme\": \"int8\"}}}",
            "JsonDuplicateKey");
        row("cache as a list", "\"kv_cache\": []", "PolicySyntax: line 1 (kv_cache)");
        row("cache default is a number", "\"kv_cache\": {\"default\": 8}", "PolicySyntax");
        row("cache with an activation's scheme", "\"kv_cache\": {\"default\": \"int8,tensor\"}", "SchemeBadOption");
        row("layers are a list", "\"kv_cache\": {\"layers\": []}", "PolicySyntax");
        row("layers that are no number", "\"kv_cache\": {\"layers\": {\n\"all\": \"int8\"}}",
            "PolicyBadRule: line 2 (kv_cache layers all)");
        row("layers reversed", "\"kv_cache\": {\"layers\": {\"4-2\": \"int8\"}}", "PolicyBadRule");
        row("a huge layer", "\"kv_cache\": {\"layers\": {\"99999999999\": \"int8\"}}", "PolicyBadRule");
        row("layers that overlap", "\"kv_cache\": {\"layers\": {\"10\": \"keep\", \"2-10\": \"int8\"}}", "overlap");
        row("the same layers twice", "\"kv_cache\": {\"layers\": {\"2\": \"keep\", \"2-2\": \"int8\"}}", "overlap");
        row("scheme of a layer is an object", "\"kv_cache\": {\"layers\": {\"2\": {}}}", "PolicySyntax");
        row("scheme of a layer is wrong", "\"kv_cache\": {\"layers\": {\n\n\"2\": \"int8,segment=0\"}}",
            "SchemeBadOption: line 3 (kv_cache layers 2)");
    }
    void malformedPartsAreNamed()
    {
        QFETCH(QString, members);
        QFETCH(QString, message);
        const auto policy = Policy::parse(wrapped(members.toStdString()));
        QVERIFY(!policy.ok());
        const QString text =
            QString::fromStdString(std::string(codeName(policy.error().code)) + ": " + policy.error().text());
        QVERIFY2(text.contains(message), qPrintable(text));
        QVERIFY(!text.contains('\n'));
    }
};

QTEST_GUILESS_MAIN(TestRuntimePolicy)
#include "tst_runtimepolicy.moc"
