// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The search verb, run in this process: the policy it writes, JSON keys, tables, one-line errors.
#include "support/clirun.h"

#include <nlohmann/json.hpp>

#include <QFile>
#include <QTemporaryDir>
#include <QTest>

#include <algorithm>
#include <cmath>

using namespace ql;
using namespace ql::test;
using nlohmann::json;

namespace {

/// With two candidates that are measured quickly.
CliRun searchWith(const QStringList& arguments)
{
    return runCli(QStringList{"search", kLoupe, "--device", "cpu", "--candidates", "int4;int8,group=64"} + arguments);
}

} // namespace

class TestCliSearch : public QObject
{
    Q_OBJECT
    QTemporaryDir m_folder;

private Q_SLOTS:
    void thePolicyHasTheSizeThatWasFound()
    {
        const QString path = m_folder.filePath("found.json");
        const CliRun result = searchWith({"--target-bpw", "7", "--front", "--out", path, "--json"});
        QVERIFY2(result.code == 0, result.err.c_str());
        const json document = json::parse(result.out);
        for (const char* key : {"measure", "device", "target_bytes", "bytes", "bits_per_weight", "error", "bound", "exact",
                                "smallest_bytes", "largest_bytes", "candidates", "choices", "front", "policy"})
            QVERIFY2(document.contains(key), key);
        QVERIFY(document.at("bits_per_weight").get<double>() <= 7);
        QVERIFY(document.at("bound").get<double>() <= document.at("error").get<double>());
        uint64_t bytes = 0;
        double error = 0;
        for (const json& choice : document.at("choices")) {
            bytes += choice.at("bytes").get<uint64_t>();
            error += choice.at("error").get<double>();
            if (choice.at("searched").get<bool>() && choice.at("scheme") == "int4")
                QVERIFY(choice.at("next").at("less_error").get<double>() > 0);
        }
        QCOMPARE(bytes, document.at("bytes").get<uint64_t>());
        QVERIFY(std::abs(error - document.at("error").get<double>()) < 1e-12);

        const CliRun quantized = runCli({"quantize", kLoupe, "--policy", path, "--device", "cpu", "--json"});
        QVERIFY2(quantized.code == 0, quantized.err.c_str());
        const json measured = json::parse(quantized.out);
        QCOMPARE(measured.at("total").at("bytes").get<uint64_t>(), bytes);
        double sum = 0;
        for (const json& tensor : measured.at("tensors"))
            sum += tensor.at("rel_error").get<double>() * tensor.at("rel_error").get<double>();
        QVERIFY(std::abs(sum - error) < 1e-9);
    }

    void explainsItsChoices()
    {
        const CliRun result = searchWith({"--target-size", "2.9MB", "--share-groups", "--front"});
        QVERIFY2(result.code == 0, result.err.c_str());
        for (const char* part : {"{q_proj, k_proj, v_proj}", "% of the error", "kept as stored: 11 tensors", "Pareto front",
                                 "relative weight error", "of 2.90 MB", "the least there is", "most for its size"})
            QVERIFY2(result.out.find(part) != std::string::npos, part);
    }

    void locksOfAPolicyStay()
    {
        const QString locks = m_folder.filePath("locks.json"), out = m_folder.filePath("out.json");
        QFile file(locks);
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write(R"({"quantloupe_policy": 1, "name": "locks", "default": "int4", "tensors": {
            "model.layers.0.mlp.down_proj.weight": {"scheme": "nf4", "locked": true, "note": "so be it"}}})");
        file.close();
        const CliRun result = searchWith({"--target-size", "4MB", "--policy", locks, "--out", out});
        QVERIFY2(result.code == 0, result.err.c_str());
        QFile written(out);
        QVERIFY(written.open(QIODevice::ReadOnly));
        const json policy = json::parse(written.readAll().toStdString());
        QCOMPARE(policy.at("tensors").size(), size_t(28));
        const json& locked = policy.at("tensors").at("model.layers.0.mlp.down_proj.weight");
        QCOMPARE(locked.at("scheme").get<std::string>(), std::string("nf4"));
        QVERIFY(locked.at("locked").get<bool>());
    }

    void divergencesOfTheModel()
    {
        const CliRun result = searchWith({"--target-bpw", "7", "--measure", "kl", "--context", "24", "--count", "1", "--json"});
        QVERIFY2(result.code == 0, result.err.c_str());
        const json document = json::parse(result.out);
        QCOMPARE(document.at("measure").get<std::string>(), std::string("kl"));
        QVERIFY(document.at("error").get<double>() > 0);
        for (const json& choice : document.at("choices")) {
            if (choice.at("searched").get<bool>())
                QCOMPARE(choice.at("basis").get<std::string>(), std::string("kl"));
        }
    }

    void groupSizesAndClipsAreTried()
    {
        const CliRun result = runCli({"search", kLoupe, "--device", "cpu", "--target-bpw", "8", "--candidates", "int4", "--groups",
                                "64,128", "--clips", "minmax,ratio:0.9", "--json"});
        QVERIFY2(result.code == 0, result.err.c_str());
        QCOMPARE(json::parse(result.out).at("candidates").size(), size_t(4));
        QVERIFY2(result.err.find("of the target stay unused") != std::string::npos, result.err.c_str());
    }

    void mistakesAreOneLine_data()
    {
        QTest::addColumn<QStringList>("arguments");
        QTest::addColumn<QByteArray>("part");
        QTest::newRow("no target") << QStringList{} << QByteArray("exactly one of --target-bpw and --target-size");
        QTest::newRow("two targets") << QStringList{"--target-bpw", "4", "--target-size", "1GB"} << QByteArray("exactly one of");
        QTest::newRow("no number of bits") << QStringList{"--target-bpw", "four"} << QByteArray("\"four\"");
        QTest::newRow("bits below zero") << QStringList{"--target-bpw", "-4"} << QByteArray("above 0");
        QTest::newRow("no size") << QStringList{"--target-size", "1.5X"} << QByteArray("\"1.5X\" is no size");
        QTest::newRow("too small") << QStringList{"--target-size", "1MB"} << QByteArray("smallest possible size is");
        QTest::newRow("too small with embeddings")
            << QStringList{"--target-size", "1MB"} << QByteArray("which --embeddings searches too");
        QTest::newRow("unknown measure") << QStringList{"--target-bpw", "5", "--measure", "luck"} << QByteArray("\"luck\"");
        QTest::newRow("no calibration") << QStringList{"--target-bpw", "5", "--measure", "output"}
                                        << QByteArray("need a calibration");
        QTest::newRow("bad group size") << QStringList{"--target-bpw", "5", "--groups", "many"} << QByteArray("group=many");
        QTest::newRow("no such policy") << QStringList{"--target-bpw", "5", "--policy", "/nowhere.json"}
                                        << QByteArray("/nowhere.json");
    }
    void mistakesAreOneLine()
    {
        QFETCH(QStringList, arguments);
        QFETCH(QByteArray, part);
        const CliRun result = searchWith(arguments);
        QCOMPARE(result.code, 2);
        QVERIFY2(result.err.find(part.toStdString()) != std::string::npos, result.err.c_str());
        QCOMPARE(std::count(result.err.begin(), result.err.end(), '\n'), std::ptrdiff_t(1));
        QVERIFY(result.out.empty());
    }

    void targetsThatCannotBeWritten()
    {
        const CliRun result = searchWith({"--target-bpw", "7", "--out", m_folder.filePath("no/such/folder/p.json")});
        QCOMPARE(result.code, 3);
        QVERIFY2(result.err.find("no/such/folder") != std::string::npos, result.err.c_str());
    }
};

QTEST_GUILESS_MAIN(TestCliSearch)
#include "tst_clisearch.moc"
