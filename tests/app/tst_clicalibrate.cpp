// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The calibrate verb, run in this process: JSON, tables, files of both kinds, exit codes, one-line errors.
#include "core/calibration/calibration.h"
#include "support/clirun.h"

#include <nlohmann/json.hpp>

#include <QDir>
#include <QFile>
#include <QTemporaryDir>
#include <QTest>

using namespace ql;
using namespace ql::test;
using nlohmann::json;

namespace {

CliRun calibrate(const QStringList& arguments, const QString& model = kLoupe, std::stop_token stop = {}, bool progress = false)
{
    return runCli(QStringList{"calibrate", model} + arguments, {}, stop, progress);
}

const QStringList kShort{"--length", "32", "--count", "3"};

} // namespace

class TestCliCalibrate : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void theBundledText()
    {
        const QTemporaryDir folder;
        const QString target = folder.filePath("c.safetensors");
        const CliRun result = calibrate(kShort + QStringList{"--json", "--out", target});
        QVERIFY2(result.code == 0, result.err.c_str());
        const json document = json::parse(result.out);
        QCOMPARE(document.at("source").at("tokens").get<int>(), 96);
        QVERIFY(document.at("source").at("text").get<std::string>().starts_with("calibration.txt"));
        QCOMPARE(document.at("inputs").size(), size_t(17));
        for (const json& input : document.at("inputs")) {
            QCOMPARE(input.at("tokens").get<int>(), 96);
            QVERIFY(input.at("min").get<double>() < 0 && input.at("max").get<double>() > 0);
            QCOMPARE(input.at("absmax").get<double>(),
                     std::max(-input.at("min").get<double>(), input.at("max").get<double>()));
            QVERIFY(input.at("gram").get<bool>());
        }
        const auto model = Model::open(kLoupe.toStdString()).value();
        const auto saved = Calibration::load(target.toStdString(), model.get());
        QVERIFY2(saved.ok(), saved.ok() ? "" : saved.error().text().c_str());
        QCOMPARE((*saved)->inputs().size(), size_t(17));
    }

    void outliersAreNamedInTheTable()
    {
        const CliRun result = calibrate(kShort, kLoupeOutliers);
        QVERIFY2(result.code == 0, result.err.c_str());
        QVERIFY(result.out.find("96 tokens in 3 sequences") != std::string::npos);
        QVERIFY(result.out.find("model.layers.0.self_attn.q_proj.weight and 2 more") != std::string::npos);
        QVERIFY2(result.out.find("23, 71, 110") != std::string::npos, result.out.c_str());
    }

    void anImportanceMatrixGoesRound()
    {
        const QTemporaryDir folder;
        const QString matrix = folder.filePath("m.gguf");
        const CliRun first = calibrate(kShort + QStringList{"--json", "--out", matrix});
        QVERIFY2(first.code == 0, first.err.c_str());
        const QString target = folder.filePath("c.safetensors");
        const CliRun second = calibrate({"--import", matrix, "--json", "--out", target});
        QVERIFY2(second.code == 0, second.err.c_str());
        const json before = json::parse(first.out).at("inputs");
        const json after = json::parse(second.out).at("inputs");
        QCOMPARE(after.size(), before.size());
        for (size_t i = 0; i < after.size(); ++i) {
            QCOMPARE(after[i].at("tensors").dump(), before[i].at("tensors").dump());
            const double square = before[i].at("mean_square").get<double>();
            QVERIFY(std::abs(after[i].at("mean_square").get<double>() / square - 1) < 1e-6);
            QVERIFY(!after[i].contains("min") && after[i].contains("largest_rms"));
        }
        QCOMPARE(calibrate({"--import", target}).code, 0);
    }

    void seedsDrawOtherTexts()
    {
        const auto tokensOf = [](const char* seed) {
            return json::parse(calibrate(kShort + QStringList{"--json", "--seed", seed}).out).at("inputs")[0].at("mean_square").get<double>();
        };
        QVERIFY(tokensOf("1") != tokensOf("2"));
        QCOMPARE(tokensOf("2"), tokensOf("2"));
    }

    void progressTellsTokens()
    {
        const CliRun result = calibrate({"--length", "256", "--count", "8"}, kLoupe, {}, true);
        QCOMPARE(result.code, 0);
        QVERIFY2(result.err.find("tokens/s") != std::string::npos, result.err.c_str());
    }

    void interruptsLeaveNothing()
    {
        const QTemporaryDir folder;
        std::stop_source stop;
        stop.request_stop();
        const CliRun result = calibrate(kShort + QStringList{"--out", folder.filePath("c.safetensors")}, kLoupe, stop.get_token());
        QCOMPARE(result.code, 1);
        QCOMPARE(result.err, std::string("quantloupe-cli: cancelled\n"));
        QVERIFY(QDir(folder.path()).entryList(QDir::AllEntries | QDir::Hidden | QDir::NoDotAndDotDot).isEmpty());
    }

    void errorsAreOneLineAndHaveTheirCode_data()
    {
        QTest::addColumn<QStringList>("arguments");
        QTest::addColumn<int>("code");
        QTest::addColumn<QString>("part");
        const auto row = [](const char* name, const QStringList& arguments, int code, const char* part) {
            QTest::newRow(name) << arguments << code << QString::fromLatin1(part);
        };
        row("missing text", {"--text", "/nowhere/t.txt"}, 2, "/nowhere/t.txt");
        row("text and import", {"--text", "a", "--import", "b"}, 2, "--import");
        row("missing import", {"--import", "/nowhere/m.dat"}, 2, "/nowhere/m.dat");
        row("length beyond the context", {"--length", "100000"}, 2, "context of 512");
        row("length of no number", {"--length", "long"}, 2, "--length");
        row("negative count", {"--count", "-1"}, 2, "--count");
        row("target of another kind", {"--out", "c.json"}, 2, ".safetensors");
        row("folder that is not there", {"--out", "/proc/nowhere/c.safetensors"}, 3, "/proc/nowhere");
        row("the model itself", {"--out", kLoupe + "/model.safetensors"}, 3, "model.safetensors");
        row("an imported model", {"--import", kLoupe + "/model.safetensors"}, 2, "weights, not activations");
        row("no activations", {"--import", kLoupe + "/config.json"}, 2, "config.json");
    }
    void errorsAreOneLineAndHaveTheirCode()
    {
        QFETCH(QStringList, arguments);
        QFETCH(int, code);
        QFETCH(QString, part);
        const CliRun result = calibrate(arguments);
        QVERIFY2(result.code == code, (std::to_string(result.code) + ": " + result.err).c_str());
        QVERIFY2(QString::fromStdString(result.err).contains(part), result.err.c_str());
        QCOMPARE(std::count(result.err.begin(), result.err.end(), '\n'), std::ptrdiff_t(1));
        QVERIFY(result.out.empty());
    }

    void calibrationsOfAnotherModelAreRefused()
    {
        const QTemporaryDir folder;
        const QString target = folder.filePath("c.safetensors");
        QCOMPARE(calibrate(kShort + QStringList{"--out", target}).code, 0);
        const CliRun result = calibrate({"--import", target}, kLoupeOutliers);
        QCOMPARE(result.code, 2);
        QVERIFY2(result.err.find("another model") != std::string::npos, result.err.c_str());
    }
};

QTEST_GUILESS_MAIN(TestCliCalibrate)
#include "tst_clicalibrate.moc"
