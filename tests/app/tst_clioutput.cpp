// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Output errors and clipping by them on the command line.
#include "core/policy/policy.h"
#include "support/clirun.h"
#include "support/samplecalibration.h"

#include <nlohmann/json.hpp>

#include <QFile>
#include <QTemporaryDir>
#include <QTest>

using namespace ql;
using namespace ql::test;
using nlohmann::json;

class TestCliOutput : public QObject
{
    Q_OBJECT

    QTemporaryDir m_folder;
    QString m_calibration = m_folder.filePath("calibration.safetensors");

    QStringList quantize(const QString& scheme, const QStringList& more = {})
    {
        return QStringList{"quantize", kLoupe, "--scheme", scheme,
                           "--device", "cpu",  "--tensor", "layers\\.0\\.mlp\\.(up|down)_proj"} +
               more;
    }

private Q_SLOTS:
    void initTestCase()
    {
        const auto model = Model::open(kLoupe.toStdString()).value();
        QVERIFY(test::sampleCalibration(*model)->save(m_calibration.toStdString()).ok());
    }

    void outputErrorsHaveTheirColumns()
    {
        const CliRun result = runCli(quantize("int4,group=64", {"--calibration", m_calibration, "--json"}));
        QVERIFY2(result.code == 0, result.err.c_str());
        const json measured = json::parse(result.out).at("tensors");
        for (const json& tensor : measured) {
            const double error = tensor.at("output_rel_error").get<double>();
            QVERIFY(error > 0.01 && error < 1);
            QVERIFY(std::abs(tensor.at("output_sqnr_db").get<double>() + 20 * std::log10(error)) < 1e-6);
            QCOMPARE(tensor.at("basis").get<std::string>(), std::string("gram"));
        }
        const CliRun text = runCli(quantize("int4,group=64", {"--calibration", m_calibration}));
        QVERIFY(text.out.find("output dB") != std::string::npos && text.out.find("gram") != std::string::npos);
        const CliRun without = runCli(quantize("int4,group=64", {"--json"}));
        QVERIFY(!json::parse(without.out).at("tensors").at(0).contains("output_rel_error"));
    }

    void clippingByOutputErrorIsDecidedAndBetter()
    {
        const QString csv = m_folder.filePath("figures.csv");
        const CliRun result =
            runCli(quantize("int3,group=64,clip=output", {"--calibration", m_calibration, "--json", "--csv", csv}));
        QVERIFY2(result.code == 0, result.err.c_str());
        const json plain =
            json::parse(runCli(quantize("int3,group=64", {"--calibration", m_calibration, "--json"})).out).at("tensors");
        const json clipped = json::parse(result.out).at("tensors");
        QCOMPARE(clipped.size(), size_t(2));
        for (size_t i = 0; i < clipped.size(); ++i) {
            QVERIFY(clipped[i].at("scheme").get<std::string>().find("clip=ratio:0.") != std::string::npos);
            QVERIFY(clipped[i].at("output_rel_error") < plain[i].at("output_rel_error"));
        }
        QFile file(csv);
        QVERIFY(file.open(QIODevice::ReadOnly));
        const QList<QByteArray> lines = file.readAll().split('\n');
        QVERIFY(lines[0].endsWith("bytes,output_rel_error,output_sqnr_db,basis,note"));
        QCOMPARE(lines[1].count(','), lines[0].count(',') + 2); // the scheme is quoted and holds two
    }

    void exportsAreClippedAsWell()
    {
        const QString target = m_folder.filePath("out.safetensors");
        const CliRun result = runCli(quantize("int3,group=64,clip=output",
                                        {"--calibration", m_calibration, "--out", target, "--as", "dequantized"}));
        QVERIFY2(result.code == 0, result.err.c_str());
        QCOMPARE(runCli({"inspect", target}).code, 0);
    }

    void aPlanWithACalibrationKnowsWhatIsWeighed()
    {
        const QStringList plan{"plan", kLoupe, "--scheme", "q4_k,imatrix", "--as", "gguf", "--device", "cpu", "--json"};
        const CliRun result = runCli(plan + QStringList{"--calibration", m_calibration});
        QVERIFY2(result.code == 0, result.err.c_str());
        const json weighed = json::parse(result.out).at("tensors");
        for (const json& tensor : weighed)
            QVERIFY(tensor.at("scheme") != "q4_k" && !tensor.contains("fallback"));
        // One that knows a single layer.
        const auto model = Model::open(kLoupe.toStdString()).value();
        const QString narrow = m_folder.filePath("narrow.safetensors");
        test::SampleInput input;
        input.channels = 256;
        const Calibration one(CalibrationSource::of("forward pass", *model),
                              {test::sampleInput(input, {"model.layers.0.mlp.up_proj.weight"}, 0)});
        QVERIFY(one.save(narrow.toStdString()).ok());
        const CliRun partly = runCli(plan + QStringList{"--calibration", narrow});
        QVERIFY2(partly.code == 0, partly.err.c_str());
        int fallbacks = 0;
        const json rows = json::parse(partly.out).at("tensors");
        for (const json& tensor : rows)
            fallbacks += tensor.value("fallback", std::string()).find("does not know") != std::string::npos;
        QCOMPARE(fallbacks, 27);
        QCOMPARE(runCli(plan + QStringList{"--calibration", narrow, "--no-fallback"}).code, 2);
    }

    void activationsOfThePolicyCount()
    {
        Policy policy;
        policy.defaultScheme = Scheme::parse("int8").value();
        const auto errorOf = [&](const char* activation) {
            policy.activations.defaultScheme.reset();
            if (*activation)
                policy.activations.defaultScheme = ActivationScheme::parse(activation).value();
            const QString path = m_folder.filePath("policy.json");
            if (!policy.save(path.toStdString()).ok())
                return -1.0;
            const CliRun result = runCli({"quantize", kLoupe, "--policy", path, "--calibration", m_calibration, "--device",
                                    "cpu", "--tensor", "layers\\.1\\.self_attn\\.q_proj", "--json"});
            return json::parse(result.out).at("tensors").at(0).at("output_rel_error").get<double>();
        };
        const double weights = errorOf("");
        const double fine = errorOf("int8");
        const double coarse = errorOf("int4,tensor");
        QVERIFY(weights > 0 && weights < fine && 3 * fine < coarse);
    }

    void evaluationDecidesItToo()
    {
        const QStringList arguments{"evaluate",  kLoupe, "--scheme", "int3,group=64,clip=output",
                                    "--device",  "cpu",  "--count",  "1",
                                    "--context", "24",   "--json"};
        const CliRun result = runCli(arguments + QStringList{"--calibration", m_calibration});
        QVERIFY2(result.code == 0, result.err.c_str());
        QVERIFY(json::parse(result.out).at("kl_mean").get<double>() > 0);
        const CliRun without = runCli(arguments);
        QCOMPARE(without.code, 2);
        QVERIFY2(without.err.find("calibrat") != std::string::npos, without.err.c_str());
    }

    void withoutACalibrationItIsAnError_data()
    {
        QTest::addColumn<QStringList>("arguments");
        QTest::addColumn<QString>("part");
        QTest::newRow("clip=output alone") << quantize("int4,clip=output") << "calibration";
        QTest::newRow("no such file") << quantize("int4", {"--calibration", "/nowhere/c.safetensors"})
                                      << "/nowhere/c.safetensors";
        QTest::newRow("not a calibration")
            << quantize("int4", {"--calibration", kLoupe + "/config.json"}) << "config.json";
    }
    void withoutACalibrationItIsAnError()
    {
        QFETCH(QStringList, arguments);
        QFETCH(QString, part);
        const CliRun result = runCli(arguments);
        QCOMPARE(result.code, 2);
        QVERIFY2(QString::fromStdString(result.err).contains(part), result.err.c_str());
        QCOMPARE(std::count(result.err.begin(), result.err.end(), '\n'), std::ptrdiff_t(1));
    }
};

QTEST_GUILESS_MAIN(TestCliOutput)
#include "tst_clioutput.moc"
