// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The verbs that compare and report, run in this process: tables, JSON keys, files, one-line errors.
#include "support/clirun.h"

#include <nlohmann/json.hpp>

#include <QFile>
#include <QTemporaryDir>
#include <QTest>

using namespace ql;
using namespace ql::test;
using nlohmann::json;

namespace {

QByteArray contentOf(const QString& path)
{
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

} // namespace

class TestCliReport : public QObject
{
    Q_OBJECT
    QTemporaryDir m_folder;

private Q_SLOTS:
    void diffSortsByRelativeErrorAndSucceedsWhereModelsDiffer()
    {
        const CliRun result = runCli({"diff", kLoupe, kLoupeOutliers});
        QCOMPARE(result.code, 0);
        QVERIFY(result.err.empty());
        const QStringList lines = QString::fromStdString(result.out).split('\n');
        QVERIFY(lines[0].contains("rel. error"));
        QVERIFY(lines[1].contains("layernorm")); // outliers are planted in the norms
        QVERIFY(result.out.find("39 tensors compared, 11 of them equal") != std::string::npos);
    }

    void diffOfAModelWithItselfFindsNothing()
    {
        const json document = json::parse(runCli({"diff", kLoupe, kLoupe, "--json"}).out);
        QVERIFY(document.at("total").at("compared") == document.at("total").at("equal"));
        QCOMPARE(document.at("total").at("rel_error").get<double>(), 0.0);
        QVERIFY(document.at("total").at("sqnr_db").is_null());
        QVERIFY(document.at("a").at("fingerprint") == document.at("b").at("fingerprint"));
    }

    void diffLooksAtTheTensorsAskedFor()
    {
        const QString csv = m_folder.filePath("diff.csv");
        const json document = json::parse(runCli({"diff", kLoupe, kLoupeOutliers, "--tensor", "q_proj", "--csv", csv, "--json"}).out);
        QCOMPARE(document.at("tensors").size(), size_t(4));
        for (const json& tensor : document.at("tensors"))
            QVERIFY(tensor.at("rel_error").get<double>() > 0.1);
        QCOMPARE(contentOf(csv).count('\n'), 5);
    }

    void reportsAreWritten_data()
    {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QByteArray>("begins");
        QTest::newRow("web page") << "r.html" << QByteArray("<!doctype html>");
        QTest::newRow("JSON") << "r.json" << QByteArray("{");
        QTest::newRow("CSV") << "r.csv" << QByteArray("name,role,layer");
    }
    void reportsAreWritten()
    {
        QFETCH(QString, name);
        QFETCH(QByteArray, begins);
        const QString path = m_folder.filePath(name);
        const CliRun result = runCli({"report", kLoupe, "--scheme", "int4,group=64", "--device", "cpu", "--out", path});
        QVERIFY2(result.code == 0, result.err.c_str());
        const QByteArray content = contentOf(path);
        QVERIFY(content.startsWith(begins));
        QVERIFY(content.contains("model.layers.3.mlp.down_proj.weight"));
    }

    void aReportMayEvaluate()
    {
        const QString path = m_folder.filePath("evaluated.json");
        const CliRun result = runCli({"report", kLoupe, "--scheme", "int8,channel", "--device", "cpu", "--evaluate", "--count", "2",
                                "--context", "32", "--out", path});
        QVERIFY2(result.code == 0, result.err.c_str());
        const json document = json::parse(contentOf(path).toStdString());
        QVERIFY(document.at("evaluation").at("tokens").get<int>() > 0);
        QVERIFY(document.at("evaluation").at("kl").at("value").get<double>() >= 0);
    }

    void aPlanTellsRoomAndTime()
    {
        const CliRun result = runCli({"plan", kLoupe, "--scheme", "int4", "--as", "gguf", "--device", "cpu", "--out",
                                m_folder.filePath("not/there/yet.gguf"), "--json"});
        QVERIFY2(result.code == 0, result.err.c_str());
        const json document = json::parse(result.out);
        QVERIFY(document.at("free_bytes").get<uint64_t>() > 0);
        QVERIFY(document.at("estimated_seconds").get<double>() > 0);
        const CliRun text = runCli({"plan", kLoupe, "--scheme", "int4", "--as", "gguf", "--device", "cpu"});
        QVERIFY(text.out.find("estimated from a sample") != std::string::npos);
        QVERIFY(text.out.find("fallbacks: 28 tensors") != std::string::npos);
    }

    void mistakesGetOneLine_data()
    {
        QTest::addColumn<QStringList>("arguments");
        QTest::addColumn<QString>("says");
        QTest::newRow("diff: one model") << QStringList{"diff", kLoupe} << "missing";
        QTest::newRow("diff: no such file") << QStringList{"diff", kLoupe, "/nowhere"} << "/nowhere";
        QTest::newRow("diff: no tensor") << QStringList{"diff", kLoupe, kLoupeOutliers, "--tensor", "zebra"} << "zebra";
        QTest::newRow("report: nowhere") << QStringList{"report", kLoupe, "--scheme", "int4"} << "--out";
        QTest::newRow("report: ending") << QStringList{"report", kLoupe, "--scheme", "int4", "--out", "r.pdf"} << "r.pdf";
        QTest::newRow("report: no policy") << QStringList{"report", kLoupe, "--out", "r.html"} << "--policy";
        QTest::newRow("diff: bad pattern") << QStringList{"diff", kLoupe, kLoupeOutliers, "--tensor", "("} << "regular expression";
    }
    void mistakesGetOneLine()
    {
        QFETCH(QStringList, arguments);
        QFETCH(QString, says);
        const CliRun result = runCli(arguments);
        QCOMPARE(result.code, 2);
        QVERIFY(result.out.empty());
        QCOMPARE(std::count(result.err.begin(), result.err.end(), '\n'), 1);
        QVERIFY2(QString::fromStdString(result.err).contains(says), result.err.c_str());
    }
};

QTEST_GUILESS_MAIN(TestCliReport)
#include "tst_clireport.moc"
