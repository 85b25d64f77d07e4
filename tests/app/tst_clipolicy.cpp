// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The policy verb, run in this process: converting, checking, comparing; notes, exit codes, one-line errors.
#include "support/clirun.h"

#include <nlohmann/json.hpp>

#include <QFile>
#include <QTemporaryDir>
#include <QTest>

#include <algorithm>

using namespace ql;
using namespace ql::test;
using nlohmann::json;

namespace {

CliRun run(const QStringList& arguments, const std::optional<std::string>& input = {})
{
    return runCli(QStringList{"policy"} + arguments, input);
}

} // namespace

class TestCliPolicy : public QObject
{
    Q_OBJECT
    QTemporaryDir m_folder;

    QString write(const char* name, const QByteArray& text)
    {
        const QString path = m_folder.filePath(QString::fromLatin1(name));
        QFile file(path);
        return file.open(QIODevice::WriteOnly) && file.write(text) == text.size() ? path : QString();
    }

private Q_SLOTS:
    void convertsAndNotesWhatIsLost()
    {
        const QString policy = write("p.json", R"({"quantloupe_policy": 1, "default": "int4,range=full,clip=mse",
            "rules": [{"match": "v_proj", "scheme": "nf4"}]})");
        const CliRun result = run({"convert", policy, "--to", "gptqmodel", "--model", kLoupe});
        QVERIFY2(result.code == 0, result.err.c_str());
        QCOMPARE(json::parse(result.out).at("bits").get<int>(), 4);
        QVERIFY2(result.err.find("note: lost: model.layers.0.self_attn.v_proj.weight") != std::string::npos, result.err.c_str());
        QVERIFY(result.err.find("clipping of GPTQModel") != std::string::npos);
    }

    void strictWritesNothing()
    {
        const QString policy = write("s.json", R"({"quantloupe_policy": 1, "default": "int4,clip=mse"})");
        const QString out = m_folder.filePath("strict.json");
        const CliRun result = run({"convert", policy, "--to", "gptqmodel", "--model", kLoupe, "--out", out, "--strict"});
        QCOMPARE(result.code, 2);
        QVERIFY(result.err.find("cannot say") != std::string::npos);
        QVERIFY(!QFile::exists(out));
        const QString whole = write("w.json", R"({"quantloupe_policy": 1, "default": "int4,range=full"})");
        QCOMPARE(run({"convert", whole, "--to", "gptqmodel", "--model", kLoupe, "--out", out, "--strict"}).code, 0);
        QVERIFY(QFile::exists(out));
    }

    void strictMakesWarningsErrors()
    {
        const QString recipe = write("warned.json", "{\"bits\": 4, \"quant_method\": \"gptq\",\n\"colour\": 3}");
        const QString out = m_folder.filePath("warned-out.json");
        const QStringList convert{"convert", recipe, "--to", "quantloupe", "--out", out};
        const CliRun strict = run(convert + QStringList{"--strict"});
        QCOMPARE(strict.code, 2);
        QVERIFY(!QFile::exists(out));
        QVERIFY2(strict.err.find("line 2: unknown key \"colour\"") != std::string::npos, strict.err.c_str());
        QVERIFY2(strict.err.find("1 warning; nothing is written (--strict)") != std::string::npos, strict.err.c_str());
        QCOMPARE(run(convert).code, 0);
        QVERIFY(QFile::exists(out));
        QCOMPARE(run({"validate", recipe, "--model", kLoupe}).code, 0);
        QCOMPARE(run({"validate", recipe, "--model", kLoupe, "--strict"}).code, 2);
        const QString idle = write("idle.json", R"({"quantloupe_policy": 1, "rules": [{"match": "nowhere", "scheme": "int8"}]})");
        QCOMPARE(run({"validate", idle, "--model", kLoupe}).code, 0);
        QCOMPARE(run({"validate", idle, "--model", kLoupe, "--strict"}).code, 2);
        QCOMPARE(run({"validate", write("calm.json", R"({"quantloupe_policy": 1})"), "--model", kLoupe, "--strict"}).code, 0);
    }

    void whatWasNotReadIsNotWarnedAbout()
    {
        const QString broken = write("broken.json", R"({"quantloupe_policy": 1, "rules": [{"role": "nothing", "scheme": "int4"}]})");
        const CliRun result = run({"validate", broken, "--model", kLoupe});
        QCOMPARE(result.code, 2);
        QCOMPARE(std::count(result.err.begin(), result.err.end(), '\n'), 1);
    }

    void readsWhatItFinds_data()
    {
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<QByteArray>("scheme");
        QTest::newRow("llama.cpp") << QByteArray("ffn_up=q4_0\n") << QByteArray("q4_0");
        QTest::newRow("bitsandbytes") << QByteArray(R"({"load_in_4bit": true, "bnb_4bit_quant_type": "nf4"})") << QByteArray("nf4");
        QTest::newRow("llm-compressor") << QByteArray("a_stage:\n  b_modifiers:\n    GPTQModifier: {scheme: W4A16}\n")
                                        << QByteArray("int4,range=full");
    }
    void readsWhatItFinds()
    {
        QFETCH(QByteArray, text);
        QFETCH(QByteArray, scheme);
        const CliRun result = run({"convert", "-", "--to", "quantloupe"}, text.toStdString());
        QVERIFY2(result.code == 0, result.err.c_str());
        QCOMPARE(json::parse(result.out).at("quantloupe_policy").get<int>(), 1);
        QVERIFY2(result.out.find(scheme.toStdString()) != std::string::npos, result.out.c_str());
    }

    void validates()
    {
        const QString policy = write("v.json", R"({"quantloupe_policy": 1, "default": "int4", "rules": [
            {"match": "proj", "scheme": "int8"}, {"match": "v_proj", "scheme": "nf4"}, {"match": "nowhere", "scheme": "nf4"}]})");
        const CliRun result = run({"validate", policy, "--model", kLoupe, "--json"});
        const json findings = json::parse(result.out).at("findings");
        QVERIFY(findings.size() >= 2);
        QVERIFY(result.out.find("rule 3") != std::string::npos);
        QCOMPARE(run({"validate", write("ok.json", R"({"quantloupe_policy": 1, "default": "int4"})"), "--model", kLoupe}).code, 0);
        const CliRun bad = run({"validate", write("bad.json", "{\"bits\": 4,\n\"dynamic\": {\"+:a(\": {}}}"), "--model", kLoupe});
        QCOMPARE(bad.code, 2);
        QVERIFY2(bad.err.find("bad.json: line 2: bad regular expression") != std::string::npos, bad.err.c_str());
    }

    void comparesWithARecipe()
    {
        const QString before = write("a.json", R"({"quantloupe_policy": 1, "default": "nf4"})");
        const QString after = write("b.json", R"({"load_in_4bit": true, "bnb_4bit_quant_type": "nf4",
            "llm_int8_skip_modules": ["lm_head", "up_proj"]})");
        const CliRun result = run({"diff", before, after, "--model", kLoupe});
        QVERIFY2(result.code == 0, result.err.c_str());
        QVERIFY(result.out.find("mlp.up_proj") != std::string::npos);
        QVERIFY(result.out.find("v_proj") == std::string::npos);
        const json document = json::parse(run({"diff", before, kLoupe, "--model", kLoupe, "--json"}).out);
        QVERIFY(document.is_object() && !document.empty());
    }

    void errorsOfWhatChangesAreMeasured()
    {
        const QString before = write("ea.json", R"({"quantloupe_policy": 1, "default": "int8", "rules": [
            {"match": "up_proj", "scheme": "int4,clip=output"}]})");
        const QString after = write("eb.json", R"({"quantloupe_policy": 1, "default": "int8", "rules": [
            {"match": "up_proj", "scheme": "int4"}, {"match": "v_proj", "scheme": "int3"}]})");
        const CliRun result = run({"diff", before, after, "--model", kLoupe, "--errors", "--device", "cpu", "--json"});
        QVERIFY2(result.code == 0, result.err.c_str());
        int values = 0;
        const json document = json::parse(result.out);
        for (const json& row : document.at("tensors")) {
            QVERIFY(row.at("rel_error_after").get<double>() > 0.01);
            if (row.at("name").get<std::string>().find("v_proj") == std::string::npos) {
                QVERIFY(row.at("rel_error_before").is_null()); // decided by a calibration, which is not there
                continue;
            }
            const double eight = row.at("rel_error_before").get<double>(), three = row.at("rel_error_after").get<double>();
            QVERIFY2(three / eight > 25 && three / eight < 60, qPrintable(QString::number(three / eight))); // 127 codes against 3
            ++values;
        }
        QCOMPARE(values, 4);
    }

    void listsItsDialects()
    {
        const json listed = json::parse(run({"list", "--json"}).out).at("dialects");
        QCOMPARE(listed.size(), size_t(12));
        const CliRun text = run({"list"});
        for (const json& dialect : listed)
            QVERIFY(text.out.find(dialect.at("id").get<std::string>()) != std::string::npos);
    }

    void errorsAreOneLine_data()
    {
        QTest::addColumn<QStringList>("arguments");
        QTest::addColumn<QByteArray>("part");
        const QString policy = QStringLiteral(QL_TEST_DATA "/dialects/mixed.json");
        QTest::newRow("no verb") << QStringList() << QByteArray("convert, validate, diff or list");
        QTest::newRow("unknown verb") << QStringList{"burn"} << QByteArray("not \"burn\"");
        QTest::newRow("no dialect") << QStringList{"convert", policy} << QByteArray("--to is missing");
        QTest::newRow("unknown dialect") << QStringList{"convert", policy, "--to", "klingon"} << QByteArray("unknown dialect");
        QTest::newRow("no model") << QStringList{"convert", policy, "--to", "mlx"} << QByteArray("--model is missing");
        QTest::newRow("no file") << QStringList{"convert", "/nowhere.json", "--to", "quantloupe"} << QByteArray("/nowhere.json");
        QTest::newRow("not that dialect") << QStringList{"convert", policy, "--from", "mlx", "--to", "quantloupe", "--model", kLoupe}
                                          << QByteArray("\"bits\" is missing");
        QTest::newRow("not a recipe") << QStringList{"convert", kLoupe + "/config.json", "--to", "quantloupe"}
                                      << QByteArray("name its dialect");
        QTest::newRow("validate without a model") << QStringList{"validate", policy} << QByteArray("--model is missing");
    }
    void errorsAreOneLine()
    {
        QFETCH(QStringList, arguments);
        QFETCH(QByteArray, part);
        const CliRun result = run(arguments);
        QCOMPARE(result.code, 2);
        QVERIFY(result.out.empty());
        const auto isError = [](const std::string& line) { return line.find("warning:") == std::string::npos; };
        const QStringList lines = QString::fromStdString(result.err).split('\n', Qt::SkipEmptyParts);
        QCOMPARE(std::count_if(lines.begin(), lines.end(), [&](const QString& line) { return isError(line.toStdString()); }), 1);
        QVERIFY2(result.err.find(part.toStdString()) != std::string::npos, result.err.c_str());
    }
};

QTEST_GUILESS_MAIN(TestCliPolicy)
#include "tst_clipolicy.moc"
