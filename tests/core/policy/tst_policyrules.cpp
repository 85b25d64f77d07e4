// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Shapes in rules, shared schemes, findings and differences.
#include "core/policy/policydiff.h"
#include "core/policy/ruleproposal.h"
#include "core/policy/sharing.h"
#include "core/policy/validation.h"
#include "core/quant/schemetable.h"
#include "support/testmodels.h"

#include <nlohmann/json.hpp>

#include <QTest>

using namespace ql;

namespace {

Scheme scheme(const char* text)
{
    return Scheme::parse(text).value();
}

Rule named(const char* match, const char* text)
{
    return {match, {}, -1, -1, scheme(text), ""};
}

} // namespace

class TestPolicyRules : public QObject
{
    Q_OBJECT

    std::shared_ptr<const Model> m_model = test::runnableLlama(); // 32 wide, 16 rows of k and v, MLP of 48

    Decision decisionFor(const Policy& policy, const char* tensor)
    {
        const auto decisions = policy.resolve(*m_model);
        return decisions.ok() ? (*decisions)[size_t(m_model->indexOf(tensor))] : Decision();
    }

private Q_SLOTS:
    void shapesMatch_data()
    {
        QTest::addColumn<QByteArray>("pattern");
        QTest::addColumn<int>("rows");
        QTest::addColumn<int>("cols");
        QTest::addColumn<bool>("matches");
        const auto row = [](const char* pattern, int rows, int cols, bool matches) {
            QTest::addRow("%s on %dx%d", pattern, rows, cols) << QByteArray(pattern) << rows << cols << matches;
        };
        row("*x*", 1, 1, true);
        row("4096x*", 4096, 7, true);
        row("4096x*", 4095, 7, false);
        row("*x1024-4096", 1, 1024, true);
        row("*x1024-4096", 1, 4096, true);
        row("*x1024-4096", 1, 4097, false);
        row("1024-x*", 1023, 1, false);
        row("1024-x*", 1000000, 1, true);
        row("-64x*", 64, 1, true);
        row("-64x*", 65, 1, false);
        row("*x%256", 1, 4096, true);
        row("*x%256", 1, 4095, false);
        row("*x!%256", 1, 4095, true);
        row("*x!%256", 1, 512, false);
        row("!%32x%128", 33, 128, true);
    }
    void shapesMatch()
    {
        QFETCH(QByteArray, pattern);
        QFETCH(int, rows);
        QFETCH(int, cols);
        const auto parsed = ShapePattern::parse(pattern.constData());
        QVERIFY(parsed.ok());
        QTEST(parsed->matches(rows, cols), "matches");
        QCOMPARE(QByteArray::fromStdString(parsed->text()), pattern);
    }

    void badShapesAreRefused_data()
    {
        QTest::addColumn<QByteArray>("pattern");
        for (const char* pattern : {"", "x", "4096", "4096x", "x4096", "ax*", "*x-", "*x5-2", "*x0", "*x%0", "*x%", "!64x*",
                                    "*x1-2-3", "*x 32", "*x99999999999999999999", "*x*x*"})
            QTest::addRow("'%s'", pattern) << QByteArray(pattern);
    }
    void badShapesAreRefused()
    {
        QFETCH(QByteArray, pattern);
        const auto parsed = ShapePattern::parse(pattern.constData());
        QVERIFY(!parsed.ok());
        QCOMPARE(parsed.error().code, ErrorCode::PolicyBadRule);
    }

    void shapesAndOpenBlocksAreSavedAndDecide()
    {
        Policy policy;
        Rule shaped{"", {TensorRole::AttnV, TensorRole::AttnQ}, 1, -1, scheme("int8"), "", {}};
        shaped.shape = ShapePattern::parse("16x%32").value();
        policy.rules = {shaped};
        policy.share = true;
        const auto back = Policy::parse(policy.toJson());
        QVERIFY(back.ok());
        QVERIFY(*back == policy);
        QVERIFY(policy.toJson().find("\"layers\": \"1-\"") != std::string::npos);
        policy.share = false;
        QCOMPARE(decisionFor(policy, "model.layers.1.self_attn.v_proj.weight").rule, 0);
        QCOMPARE(decisionFor(policy, "model.layers.1.self_attn.q_proj.weight").rule, -1); // 32 rows
        QCOMPARE(decisionFor(policy, "model.layers.0.self_attn.v_proj.weight").rule, -1); // first block
        const auto broken = Policy::parse("{\"quantloupe_policy\": 1, \"rules\": [\n{\"shape\": \"4x\", \"scheme\": \"f16\"}]}");
        QVERIFY(!broken.ok());
        QVERIFY(broken.error().text().find("line 2 (rule 1)") != std::string::npos);
    }

    void siblingsShareWhatHasMoreBitsAndLocksBind()
    {
        Policy policy;
        policy.rules = {named("0.self_attn.v_proj", "int8"), named("1.self_attn.v_proj", "int8")};
        policy.tensors["model.layers.1.self_attn.k_proj.weight"] = {scheme("int5"), true, ""};
        policy.share = true;
        QCOMPARE(shareGroups(*m_model).size(), size_t(4)); // q k v and gate up, in two blocks
        const Decision q = decisionFor(policy, "model.layers.0.self_attn.q_proj.weight");
        QCOMPARE(q.scheme, scheme("int8"));
        QCOMPARE(q.rule, 0);
        QVERIFY(q.because.find("model.layers.0.self_attn.v_proj.weight") != std::string::npos);
        for (const char* name : {"q_proj", "k_proj", "v_proj"})
            QCOMPARE(decisionFor(policy, qPrintable(QString("model.layers.1.self_attn.%1.weight").arg(name))).scheme, scheme("int5"));
        QVERIFY(!decisionFor(policy, "model.layers.1.self_attn.q_proj.weight").locked);
        QCOMPARE(decisionFor(policy, "model.layers.0.self_attn.o_proj.weight").scheme, scheme("int4"));
        policy.share = false;
        QCOMPARE(decisionFor(policy, "model.layers.0.self_attn.q_proj.weight").scheme, scheme("int4"));
    }

    void findingsNameWhatIsWrong_data()
    {
        QTest::addColumn<Policy>("policy");
        QTest::addColumn<int>("severity");
        QTest::addColumn<int>("rule");
        QTest::addColumn<QString>("text"); ///< of the first finding
        const auto row = [](const char* name, const Policy& policy, Finding::Severity severity, int rule, const char* text) {
            QTest::newRow(name) << policy << int(severity) << rule << QString::fromUtf8(text);
        };
        const auto rules = [](std::vector<Rule> list) {
            Policy policy;
            policy.defaultScheme = scheme("int4,channel");
            policy.rules = std::move(list);
            return policy;
        };
        row("no match", rules({named("x_proj", "int8")}), Finding::Warning, 0, "rule 1 matches no tensor");
        row("shadowed by one", rules({named("_proj", "int8,channel"), named("q_proj", "int6,channel")}), Finding::Warning, 1,
            "rule 2 decides nothing: shadowed by rule 1");
        row("shadowed by two", rules({named("q_proj", "int8,channel"), named("k_proj", "int8,channel"), named("[qk]_proj", "int6,channel")}),
            Finding::Warning, 2, "rule 3 decides nothing: shadowed by rules 1 and 2");
        row("contradiction", rules({named("q_proj", "int8,channel"), named("q_proj", "int6,channel")}), Finding::Error, 1,
            "rule 2 (int6,channel) contradicts rule 1 (int8,channel), which has the same conditions and comes first");
        row("reversed blocks", rules({{"", {}, 5, 2, scheme("int8,channel"), "", {}}}), Finding::Error, 0,
            "rule 1: block 5 lies behind block 2");
        row("block that is not there", rules({{"", {}, 7, 9, scheme("int8,channel"), "", {}}}), Finding::Warning, 0,
            "rule 1 begins at block 7, but the model's last block is 1");
        row("broken pattern", rules({named("fine", "int8"), named("q(", "int8")}), Finding::Error, 1, "rule 2: bad regular expression");
        row("hostile pattern", rules({named("fine", "int8"), named("(([a-z.0-9_]+)*)*[^a-z]$", "int8")}), Finding::Error, 1,
            "rule 2: the pattern takes too many steps on");
        row("group", rules({named("o_proj", "int8,group=24")}), Finding::Warning, 0,
            "2 tensors, the first model.layers.0.self_attn.o_proj.weight: groups of 24 do not divide 32 columns");
        row("block", rules({named("down_proj", "q8_0")}), Finding::Warning, 0,
            "2 tensors, the first model.layers.0.mlp.down_proj.weight: kept as stored instead of q8_0");
        Policy missing = rules({});
        missing.tensors["model.layers.9.mlp.up_proj.weight"] = {scheme("int8,channel"), false, ""};
        row("override of nothing", missing, Finding::Warning, -1, "the override of model.layers.9.mlp.up_proj.weight has no tensor");
        Policy apart = rules({});
        apart.share = true;
        apart.tensors["model.layers.0.self_attn.q_proj.weight"] = {scheme("int8,channel"), true, ""};
        apart.tensors["model.layers.0.self_attn.v_proj.weight"] = {scheme("int6,channel"), true, ""};
        row("locked apart", apart, Finding::Error, -1,
            "model.layers.0.self_attn.q_proj.weight (int8,channel) and model.layers.0.self_attn.v_proj.weight (int6,channel) run as one "
            "matrix, but are locked to different schemes");
        Policy cache = rules({});
        cache.kvCache.layers = {{0, 5, KvScheme()}};
        row("cache of no block", cache, Finding::Warning, -1, "kv_cache: blocks 0-5 reach beyond the model's last block, 1");
        Policy inputs = rules({});
        inputs.activations.rules = {{"a(", {}, -1, -1, std::nullopt, ""}};
        row("inputs by a broken pattern", inputs, Finding::Error, -1, "activation rule 1: bad regular expression");
    }
    void findingsNameWhatIsWrong()
    {
        QFETCH(Policy, policy);
        QFETCH(QString, text);
        const std::vector<Finding> findings = validate(policy, *m_model);
        QVERIFY(!findings.empty());
        QVERIFY2(QString::fromStdString(findings[0].text).startsWith(text), findings[0].text.c_str());
        QTEST(int(findings[0].severity), "severity");
        QTEST(findings[0].rule, "rule");
    }

    void contradictionsNeedNoModel()
    {
        Policy policy;
        policy.rules = {named("q_proj", "int8"), named("k_proj", "int6"), named("q_proj", "int8"), named("k_proj", "int8")};
        const Status found = checkContradictions(policy);
        QVERIFY(!found.ok());
        QCOMPARE(found.error().text(), std::string("rule 4: (int8) contradicts rule 2 (int6), which has the same conditions and "
                                                   "comes first"));
        policy.rules.pop_back();
        QVERIFY(checkContradictions(policy).ok());
        policy.rules.push_back({"k_proj", {}, 1, 1, scheme("int8"), "", {}});
        QVERIFY(checkContradictions(policy).ok());
    }

    void aSoundPolicyHasNoFindings()
    {
        Policy policy;
        policy.defaultScheme = scheme("int4,channel");
        policy.rules = {named("q_proj", "int8,channel"), named("_proj", "int6,channel")};
        QVERIFY(validate(policy, *m_model).empty());
        const auto uses = ruleUses(policy, *m_model);
        QCOMPARE(uses->at(0).decides, 2);
        QCOMPARE(uses->at(1).matches.size(), size_t(14));
        QCOMPARE(uses->at(1).decides, 12);
        QCOMPARE(uses->at(1).takenBy, std::vector<int>{0});
        policy.tensors["model.layers.0.self_attn.q_proj.weight"] = {scheme("nf4"), false, ""};
        policy.tensors["model.layers.1.self_attn.q_proj.weight"] = {scheme("nf4"), false, ""};
        QCOMPARE(QString::fromStdString(takersText(ruleUses(policy, *m_model)->at(0))), QString("overrides"));
        QVERIFY(ruleUses(policy, *m_model)->at(0).shadowed());
    }

    void differencesAreCountedAndSized()
    {
        Policy before, after;
        before.defaultScheme = after.defaultScheme = scheme("int4,channel");
        after.rules = {named("q_proj", "int8,channel")};
        after.tensors["lm_head.weight"] = {scheme("f32"), false, ""}; // as it is stored
        after.kvCache.defaultScheme = KvScheme::parse("int8").value();
        auto diff = diffPolicies(*m_model, before, after);
        QVERIFY(diff.ok());
        QCOMPARE(diff->changes.size(), size_t(2));
        const uint64_t small = storedBytes(scheme("int4,channel"), 32, 32), large = storedBytes(scheme("int8,channel"), 32, 32);
        QCOMPARE(diff->changes[0].bytesBefore, small);
        QCOMPARE(diff->bytesAfter - diff->bytesBefore, 2 * (large - small));
        QCOMPARE(diff->others.size(), size_t(1));
        QCOMPARE(QString::fromStdString(diff->others[0]), QString("KV cache: int8 instead of full precision in 2 layers"));
        ErrorMetrics metrics;
        metrics.count = metrics.finite = 1;
        metrics.sumSquare = 4;
        metrics.sumSquaredError = 1;
        addErrors(*diff, *m_model, {{"model.layers.1.self_attn.q_proj.weight", metrics}}, {});
        QCOMPARE(diff->changes[1].errorBefore, std::optional(0.5));
        QVERIFY(!diff->changes[0].errorBefore);
        const std::string text = diffText(*diff, *m_model);
        QVERIFY(text.find("model.layers.0.self_attn.q_proj.weight  int4,channel  int8,channel") != std::string::npos);
        QVERIFY(text.find("2 of 21 tensors differ") != std::string::npos);
        const auto json = nlohmann::json::parse(diffJson(*diff, *m_model));
        QCOMPARE(json["tensors"].size(), size_t(2));
        QCOMPARE(json["tensors"][1]["rel_error_before"].get<double>(), 0.5);
        QVERIFY(json["tensors"][0]["rel_error_before"].is_null());
        QVERIFY(diffPolicies(*m_model, after, after)->empty());
    }

    void selectionsBecomeThePlainestRule_data()
    {
        QTest::addColumn<QStringList>("tensors");
        QTest::addColumn<QString>("match"); ///< as far as the block
        QTest::addColumn<int>("roles");
        QTest::addColumn<int>("first");
        const QString q0 = "model.layers.0.self_attn.q_proj.weight", q1 = "model.layers.1.self_attn.q_proj.weight";
        const QString up0 = "model.layers.0.mlp.up_proj.weight";
        QTest::newRow("a whole role") << QStringList{q0, q1} << "" << 1 << -1;
        QTest::newRow("a role in a block") << QStringList{q1} << "" << 1 << 1;
        QTest::newRow("two roles in a block") << QStringList{up0, q0} << "" << 2 << 0;
        QTest::newRow("names") << QStringList{up0, q1} << "^(model\\.layers\\.0" << 0 << -1;
    }
    void selectionsBecomeThePlainestRule()
    {
        QFETCH(QStringList, tensors);
        std::vector<int> indices;
        for (const QString& name : tensors)
            indices.push_back(m_model->indexOf(name.toStdString()));
        const Rule rule = ruleFor(*m_model, indices);
        std::sort(indices.begin(), indices.end());
        QCOMPARE(*matchingTensors(rule, *m_model), indices);
        QTEST(QString::fromStdString(rule.match.substr(0, 18)), "match");
        QTEST(int(rule.roles.size()), "roles");
        QTEST(rule.firstLayer, "first");
    }

    void brokenPoliciesAreNamedInDifferences()
    {
        Policy broken;
        broken.rules = {named("(", "int8")};
        const auto diff = diffPolicies(*m_model, Policy(), broken);
        QVERIFY(!diff.ok());
        QCOMPARE(QString::fromStdString(diff.error().where), QString("after, rule 1"));
    }

    void oneChangeIsAppliedByItself()
    {
        Policy before, after;
        before.tensors["model.layers.1.self_attn.q_proj.weight"] = {scheme("nf4"), false, ""};
        after.rules = {named("q_proj", "int8,channel")};
        const auto diff = diffPolicies(*m_model, before, after);
        QCOMPARE(diff->changes.size(), size_t(2));
        for (const PolicyChange& change : diff->changes) {
            const auto forward = withChange(before, *m_model, change);
            QVERIFY(forward.ok());
            const auto rest = diffPolicies(*m_model, *forward, after);
            QCOMPARE(rest->changes.size(), size_t(1));
            QVERIFY(rest->changes[0].tensor != change.tensor);
            QVERIFY(diffPolicies(*m_model, *withChange(*forward, *m_model, change, true), before)->empty());
        }
        // Back to what rules say takes no override.
        QCOMPARE(withChange(after, *m_model, diff->changes[0])->tensors.size(), size_t(0));
        Policy shared = after;
        shared.share = true;
        QVERIFY(!withChange(shared, *m_model, {diff->changes[0].tensor, Decision(), [] {
                                Decision wanted;
                                wanted.scheme = scheme("int2");
                                return wanted;
                            }(), 0, 0, {}, {}}).ok());
    }
};

QTEST_GUILESS_MAIN(TestPolicyRules)
#include "tst_policyrules.moc"
