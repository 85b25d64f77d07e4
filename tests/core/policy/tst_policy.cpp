// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Policies: resolution order, files, and every way a file can be wrong.
#include "core/policy/policy.h"
#include "support/testmodels.h"

#include <QTemporaryDir>
#include <QTest>

using namespace ql;

namespace {

Scheme scheme(const char* text)
{
    return Scheme::parse(text).value();
}

QString text(const Error& error)
{
    return QString::fromStdString(std::string(codeName(error.code)) + ": " + error.text());
}

} // namespace

class TestPolicy : public QObject
{
    Q_OBJECT

    std::shared_ptr<const Model> m_model = test::tinyLlama();

    Decision decisionFor(const Policy& policy, const char* tensor)
    {
        const auto decisions = policy.resolve(*m_model);
        return decisions.ok() ? (*decisions)[size_t(m_model->indexOf(tensor))] : Decision();
    }

private Q_SLOTS:
    void defaultsKeepWhatIsSensitive_data()
    {
        QTest::addColumn<QByteArray>("tensor");
        QTest::addColumn<bool>("kept");
        QTest::newRow("linear layers get the default") << QByteArray("model.layers.0.self_attn.q_proj.weight") << false;
        QTest::newRow("norms stay") << QByteArray("model.layers.0.input_layernorm.weight") << true;
        QTest::newRow("embeddings stay") << QByteArray("model.embed_tokens.weight") << true;
        QTest::newRow("the output head stays") << QByteArray("lm_head.weight") << true;
    }
    void defaultsKeepWhatIsSensitive()
    {
        QFETCH(QByteArray, tensor);
        QFETCH(bool, kept);
        const Decision decision = decisionFor(Policy(), tensor.constData());
        QCOMPARE(decision.asStored, kept);
        QCOMPARE(decision.source, kept ? Decision::Source::HighPrecision : Decision::Source::Default);
        QVERIFY(!decision.because.empty());
        if (!kept)
            QCOMPARE(decision.scheme, Scheme::defaultsFor(Format::Int4));
    }

    void overrideThenFirstRuleThenDefault()
    {
        Policy policy;
        policy.rules = {{"v_proj", {}, -1, -1, scheme("int8,channel"), "weak"},
                        {"proj", {}, 1, 1, scheme("int6"), ""},
                        {"", {TensorRole::LmHead, TensorRole::Embedding}, -1, -1, scheme("q8_0"), ""}};
        policy.tensors["model.layers.0.mlp.down_proj.weight"] = {scheme("nf4"), true, ""};

        const Decision v = decisionFor(policy, "model.layers.1.self_attn.v_proj.weight");
        QCOMPARE(v.scheme, scheme("int8,channel"));
        QCOMPARE(v.rule, 0);
        QCOMPARE(QString::fromStdString(v.because), QString("rule 1: weak"));
        QCOMPARE(decisionFor(policy, "model.layers.1.self_attn.q_proj.weight").scheme, scheme("int6"));
        QCOMPARE(decisionFor(policy, "model.layers.0.self_attn.q_proj.weight").scheme, scheme("int4"));
        const Decision down = decisionFor(policy, "model.layers.0.mlp.down_proj.weight");
        QCOMPARE(down.source, Decision::Source::Override);
        QVERIFY(down.locked);
        QCOMPARE(decisionFor(policy, "lm_head.weight").scheme, scheme("q8_0"));
        QVERIFY(!decisionFor(policy, "lm_head.weight").asStored);
    }

    void whatDoesNotFitIsKeptAndSaysSo()
    {
        Policy policy;
        policy.defaultScheme = scheme("q4_0"); // rows of 48 values do not hold whole blocks of 32
        const Decision down = decisionFor(policy, "model.layers.0.mlp.down_proj.weight");
        QVERIFY(down.asStored);
        QVERIFY(QString::fromStdString(down.fallback).contains("q4_0"));
        QVERIFY(!decisionFor(policy, "model.layers.0.self_attn.q_proj.weight").asStored);
    }

    void writtenPoliciesReadBackEqual()
    {
        Policy policy;
        policy.name = "a \"quoted\" name";
        policy.modelFingerprint = "0123456789abcdef";
        policy.defaultScheme = scheme("int4,group=64,clip=percentile:99.9");
        policy.rules = {{"self_attn\\.v_proj", {}, 0, 3, scheme("int8,channel"), "why"},
                        {"", {TensorRole::Norm}, -1, -1, scheme("f16"), ""}};
        policy.tensors["a.weight"] = {scheme("nf4,double"), true, "note"};
        const auto back = Policy::parse(policy.toJson());
        QVERIFY2(back.ok(), back.ok() ? "" : qPrintable(text(back.error())));
        QCOMPARE(QString::fromStdString(back->toJson()), QString::fromStdString(policy.toJson()));
        QVERIFY(*back == policy);
    }

    void theDocumentedExampleIsRead()
    {
        std::vector<std::string> warnings;
        const auto policy = Policy::parse(R"({"quantloupe_policy": 1, "name": "n", "model": {"fingerprint": "f"},
 "default": "int4,group=128,clip=mse",
 "rules": [{"match": "self_attn\\.v_proj", "scheme": "int8,channel", "note": "why"},
           {"role": "embedding|lm_head|norm|bias", "scheme": "f16"}],
 "tensors": {"model.layers.0.mlp.down_proj.weight": {"scheme": "nf4", "locked": true}},
 "activations": {"default": "int8,token,asym"}, "kv_cache": {"default": "int8,token"}, "colour": 3})",
                                          &warnings);
        QVERIFY2(policy.ok(), policy.ok() ? "" : qPrintable(text(policy.error())));
        QCOMPARE(policy->rules.size(), size_t(2));
        QCOMPARE(policy->rules[1].roles.size(), size_t(4));
        QCOMPARE(warnings.size(), size_t(1));
        QVERIFY(warnings[0].find("colour") != std::string::npos);
    }

    void malformedFilesAreNamed_data()
    {
        QTest::addColumn<QByteArray>("json");
        QTest::addColumn<QString>("message"); ///< code, then a part of the line
        const auto row = [](const char* name, const char* json, const char* message) {
            QTest::newRow(name) << QByteArray(json) << QString::fromUtf8(message);
        };
        row("empty file", "", "JsonSyntax");
        row("not JSON", "quantize it", "JsonSyntax: policy: line 1");
        row("cut off", "{\"quantloupe_policy\": 1,\n", "JsonSyntax: policy: line 2");
        row("invalid UTF-8", "{\"quantloupe_policy\": 1, \"name\": \"\xff\"}", "InvalidUtf8");
        row("a list", "[1]", "PolicySyntax");
        row("a number", "1", "PolicySyntax");
        row("no version", "{}", "PolicySyntax: \"quantloupe_policy\" is missing");
        row("future version", "{\"quantloupe_policy\": 2}", "PolicyVersion");
        row("version as text", "{\"quantloupe_policy\": \"1\"}", "PolicyVersion");
        row("version as fraction", "{\"quantloupe_policy\": 1.5}", "PolicyVersion");
        row("duplicate key", "{\"quantloupe_policy\": 1,\n\"default\": \"int4\",\n\"default\": \"int8\"}",
            "JsonDuplicateKey: policy: line 3");
        row("duplicate tensor", "{\"quantloupe_policy\": 1, \"tensors\": {\"a\": {\"scheme\": \"int4\"}, \"a\": {\"scheme\": \"nf4\"}}}",
            "JsonDuplicateKey");
        row("name is a number", "{\"quantloupe_policy\": 1, \"name\": 3}", "PolicySyntax");
        row("model is text", "{\"quantloupe_policy\": 1, \"model\": \"x\"}", "PolicySyntax");
        row("fingerprint is a number", "{\"quantloupe_policy\": 1, \"model\": {\"fingerprint\": 1}}", "PolicySyntax");
        row("default is a number", "{\"quantloupe_policy\": 1, \"default\": 4}", "PolicySyntax");
        row("default is empty", "{\"quantloupe_policy\": 1, \"default\": \"\"}", "PolicySyntax");
        row("unknown format", "{\"quantloupe_policy\": 1,\n \"default\": \"int9\"}", "SchemeUnknownFormat: line 2");
        row("unknown option", "{\"quantloupe_policy\": 1, \"default\": \"int4,grup=64\"}", "Scheme");
        row("impossible group", "{\"quantloupe_policy\": 1, \"default\": \"int4,group=5\"}", "Scheme");
        row("contradicting options", "{\"quantloupe_policy\": 1, \"default\": \"nf4,asym\"}", "Scheme");
        row("rules are an object", "{\"quantloupe_policy\": 1, \"rules\": {}}", "PolicySyntax");
        row("rule is text", "{\"quantloupe_policy\": 1, \"rules\": [\"int4\"]}", "PolicySyntax: line 1 (rule 1)");
        row("rule without scheme", "{\"quantloupe_policy\": 1,\n\"rules\": [\n{\"match\": \"q\", \"scheme\": \"int4\"},\n{\"match\": \"a\"}]}",
            "PolicySyntax: line 4 (rule 2)");
        row("rule without match", "{\"quantloupe_policy\": 1, \"rules\": [{\"scheme\": \"int4\"}]}", "PolicyBadRule");
        row("rule with unknown role", "{\"quantloupe_policy\": 1, \"rules\": [{\"role\": \"norm|nose\", \"scheme\": \"f16\"}]}",
            "PolicyBadRule");
        row("rule with bad layers", "{\"quantloupe_policy\": 1, \"rules\": [{\"layers\": \"3-x\", \"scheme\": \"f16\"}]}",
            "PolicyBadRule");
        row("rule with reversed layers", "{\"quantloupe_policy\": 1, \"rules\": [{\"layers\": \"5-2\", \"scheme\": \"f16\"}]}",
            "PolicyBadRule");
        row("rule with a huge layer", "{\"quantloupe_policy\": 1, \"rules\": [{\"layers\": \"99999999999\", \"scheme\": \"f16\"}]}",
            "PolicyBadRule");
        row("rule with a bad scheme", "{\"quantloupe_policy\": 1, \"rules\": [{\"match\": \"a\", \"scheme\": \"int4,clip=percentile:200\"}]}",
            "Scheme");
        row("match is a number", "{\"quantloupe_policy\": 1, \"rules\": [{\"match\": 5, \"scheme\": \"int4\"}]}", "PolicySyntax");
        row("note is a list", "{\"quantloupe_policy\": 1, \"rules\": [{\"match\": \"a\", \"scheme\": \"int4\", \"note\": []}]}",
            "PolicySyntax");
        row("tensors are a list", "{\"quantloupe_policy\": 1, \"tensors\": []}", "PolicySyntax");
        row("tensor is text", "{\"quantloupe_policy\": 1, \"tensors\": {\"a/b~c\": \"int4\"}}",
            "PolicySyntax: line 1 (tensor a/b~c)");
        row("tensor without scheme", "{\"quantloupe_policy\": 1, \"tensors\": {\"a\": {\"locked\": true}}}", "PolicySyntax");
        row("locked is text", "{\"quantloupe_policy\": 1, \"tensors\": {\"a\": {\"scheme\": \"nf4\", \"locked\": \"yes\"}}}",
            "PolicySyntax");
        QTest::newRow("nested 10,000 deep") << QByteArray("{\"quantloupe_policy\": 1, \"activations\": ") +
                                                   QByteArray(10000, '[') + QByteArray(10000, ']') + "}"
                                            << "JsonTooDeep";
        QTest::newRow("too large") << QByteArray("{\"quantloupe_policy\": 1, \"name\": \"") + QByteArray(9 << 20, 'x') + "\"}"
                                   << "JsonTooLarge";
    }
    void malformedFilesAreNamed()
    {
        QFETCH(QByteArray, json);
        QFETCH(QString, message);
        const auto policy = Policy::parse(std::string_view(json.constData(), size_t(json.size())));
        QVERIFY(!policy.ok());
        QVERIFY2(text(policy.error()).startsWith(message), qPrintable(text(policy.error())));
        QVERIFY(policy.error().text().find('\n') == std::string::npos);
        QCOMPARE(policy.error().kind(), ErrorKind::BadInput);
    }

    void brokenPatternsNameTheirRule()
    {
        Policy policy;
        policy.rules = {{"fine", {}, -1, -1, scheme("int4"), ""}, {"q_proj(", {}, -1, -1, scheme("int4"), ""}};
        const auto decisions = policy.resolve(*m_model);
        QVERIFY(!decisions.ok());
        QCOMPARE(decisions.error().code, ErrorCode::PolicyBadRule);
        QCOMPARE(QString::fromStdString(decisions.error().where), QString("rule 2"));
        policy.rules = {{std::string(2000, 'a'), {}, -1, -1, scheme("int4"), ""}};
        QVERIFY(!policy.resolve(*m_model).ok());
    }

    void hostilePatternsEnd()
    {
        Policy policy;
        policy.rules = {{"fine", {}, -1, -1, scheme("int4"), ""}, {"(([a-z.0-9_]+)*)*[^a-z]$", {}, -1, -1, scheme("int8"), ""}};
        const auto decisions = policy.resolve(*m_model);
        QVERIFY(!decisions.ok());
        QCOMPARE(decisions.error().code, ErrorCode::PolicyBadRule);
        QVERIFY2(text(decisions.error()).contains("rule 2: the pattern takes too many steps on"), qPrintable(text(decisions.error())));
        policy.rules.clear();
        policy.activations.rules = {{"(([a-z.0-9_]+)*)*[^a-z]$", {}, -1, -1, std::nullopt, ""}};
        QVERIFY(!policy.activations.resolve(*m_model).ok());
    }

    void savedFilesNameThemselvesInErrors()
    {
        QTemporaryDir folder;
        const std::string path = folder.filePath("p.json").toStdString();
        QVERIFY(Policy().save(path).ok());
        QVERIFY(Policy::load(path).ok());
        QFile file(QString::fromStdString(path));
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write("{\"quantloupe_policy\": 1, \"default\": \"int77\"}");
        file.close();
        const auto broken = Policy::load(path);
        QVERIFY(!broken.ok());
        QVERIFY2(QString::fromStdString(broken.error().text()).contains("p.json"), qPrintable(text(broken.error())));
        QCOMPARE(Policy::load(path + ".missing").error().code, ErrorCode::FileNotFound);
    }
};

QTEST_GUILESS_MAIN(TestPolicy)
#include "tst_policy.moc"
