// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The evaluate verb, run in this process: JSON keys, tables, exit codes, one-line errors.
#include "support/clirun.h"

#include <nlohmann/json.hpp>

#include <QFile>
#include <QTemporaryDir>
#include <QTest>

using namespace ql;
using namespace ql::test;
using nlohmann::json;

namespace {

/// On the first two sequences of 48 tokens.
CliRun evaluateWith(const QStringList& arguments, const QString& model = kLoupe)
{
    return runCli(QStringList{"evaluate", model, "--device", "cpu", "--context", "48", "--count", "2"} + arguments);
}

} // namespace

class TestCliEvaluate : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void theModelAsItIs()
    {
        const CliRun result = evaluateWith({"--json"});
        QVERIFY2(result.code == 0, result.err.c_str());
        const json document = json::parse(result.out);
        for (const char* key : {"tokens", "perplexity", "perplexity_se", "kl_mean", "kl_se", "kl_p99", "top1_agreement", "layers"})
            QVERIFY2(document.contains(key), key);
        QCOMPARE(document.at("tokens").get<int>(), 2 * 47);
        QCOMPARE(document.at("kl_mean").get<double>(), 0.0);
        QCOMPARE(document.at("top1_agreement").get<double>(), 1.0);
        QCOMPARE(document.at("perplexity").get<double>(), document.at("original_perplexity").get<double>());
        QVERIFY(document.at("layers").is_array() && document.at("layers").empty());
        QVERIFY(!document.contains("kv"));
    }

    void everythingTogether()
    {
        const QStringList arguments{"--scheme", "int4,group=64", "--activations", "int8,token", "--kv",
                                    "int8,segment=8", "--attribution"};
        const CliRun result = evaluateWith(arguments + QStringList{"--json"});
        QVERIFY2(result.code == 0, result.err.c_str());
        const json document = json::parse(result.out);
        QVERIFY(document.at("kl_mean").get<double>() > 0);
        QVERIFY(document.at("kl_se").get<double>() > 0);
        QCOMPARE(document.at("layers").size(), size_t(28));
        for (const json& layer : document.at("layers")) {
            for (const char* key : {"name", "scheme", "kl", "kl_se"})
                QVERIFY2(layer.contains(key), key);
            QVERIFY(layer.at("kl").get<double>() > 0);
        }
        QCOMPARE(document.at("attribution_self_check").get<double>(), 0.0);
        QCOMPARE(document.at("kv").size(), size_t(4));
        QCOMPARE(document.at("kv").at(2).at("scheme").get<std::string>(), std::string("int8,segment=8"));
        QCOMPARE(document.at("kv").at(0).at("position_rel_error").size(), size_t(48));
        QVERIFY(document.at("positions").size() > 1);

        const CliRun text = evaluateWith(arguments);
        QVERIFY2(text.code == 0, text.err.c_str());
        for (const char* part : {"perplexity", "KL", "same top", "KV cache", "self-check 0", "model.layers.3.mlp.down_proj.weight"})
            QVERIFY2(text.out.find(part) != std::string::npos, part);
    }

    void policiesCarryTheRuntimePart()
    {
        QTemporaryDir folder;
        QFile file(folder.filePath("policy.json"));
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write(R"({"quantloupe_policy": 1, "name": "caches", "default": "f16",
                       "kv_cache": {"default": "int4,segment=8", "layers": {"0": "keep"}}})");
        file.close();
        const CliRun result = evaluateWith({"--policy", file.fileName(), "--json"});
        QVERIFY2(result.code == 0, result.err.c_str());
        const json document = json::parse(result.out);
        QCOMPARE(document.at("policy").get<std::string>(), std::string("caches"));
        QCOMPARE(document.at("kv").at(0).at("scheme").get<std::string>(), std::string("keep"));
        QVERIFY(document.at("kl_mean").get<double>() > 0);
    }

    void mistakesAreOneLine_data()
    {
        QTest::addColumn<QStringList>("arguments");
        QTest::addColumn<QString>("expected");
        QTest::newRow("both policy and scheme") << QStringList{"--policy", "a", "--scheme", "int4"} << "exactly one";
        QTest::newRow("no such text") << QStringList{"--text", "/no/such.txt"} << "/no/such.txt";
        QTest::newRow("context beyond the model's") << QStringList{"--context", "100000"} << "512";
        QTest::newRow("bad cache scheme") << QStringList{"--kv", "int9"} << "int9";
        QTest::newRow("bad activation scheme") << QStringList{"--activations", "q4_0"} << "q4_0";
        QTest::newRow("static without calibration") << QStringList{"--activations", "int8,tensor"} << "calibration";
        QTest::newRow("clipping without calibration") << QStringList{"--scheme", "int4,clip=output"} << "calibrate";
        QTest::newRow("nothing to attribute") << QStringList{"--attribution"} << "nothing to attribute";
        QTest::newRow("no such calibration") << QStringList{"--calibration", "/no/such.gguf"} << "/no/such.gguf";
    }
    void mistakesAreOneLine()
    {
        QFETCH(QStringList, arguments);
        QFETCH(QString, expected);
        const CliRun result = evaluateWith(arguments);
        QCOMPARE(result.code, 2);
        QVERIFY2(result.err.find(expected.toStdString()) != std::string::npos, result.err.c_str());
        QCOMPARE(std::count(result.err.begin(), result.err.end(), '\n'), std::ptrdiff_t(1));
        QVERIFY(result.out.empty());
    }

    void modelsThatCannotRunSaySo()
    {
        const CliRun result = evaluateWith({}, QStringLiteral(QL_RESOURCES "/models/loupe-3m/model.safetensors"));
        // The file alone still has its config.json beside it; a lone copy does not.
        QCOMPARE(result.code, 0);
        QTemporaryDir folder;
        QVERIFY(QFile::copy(kLoupe + "/model.safetensors", folder.filePath("lone.safetensors")));
        const CliRun lone = evaluateWith({}, folder.filePath("lone.safetensors"));
        QCOMPARE(lone.code, 2);
        QCOMPARE(std::count(lone.err.begin(), lone.err.end(), '\n'), std::ptrdiff_t(1));
    }
};

QTEST_GUILESS_MAIN(TestCliEvaluate)
#include "tst_clievaluate.moc"
