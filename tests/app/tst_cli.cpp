// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The command line, run in this process: JSON keys, exit codes, one-line errors.
#include "support/clirun.h"

#include <nlohmann/json.hpp>

#include <QDir>
#include <QFile>
#include <QTemporaryDir>
#include <QTest>

#include <cmath>

using namespace ql;
using namespace ql::test;
using nlohmann::json;

class TestCli : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void helpNamesEveryVerbAndFormat()
    {
        const CliRun help = runCli({"help"});
        QCOMPARE(help.code, 0);
        for (const cli::Verb& verb : cli::verbs()) {
            QVERIFY(help.out.find(verb.name) != std::string::npos);
            QCOMPARE(runCli({verb.name, "--help"}).code, 0);
        }
        QVERIFY(help.out.find("nf4-quantile") != std::string::npos);
        QVERIFY(help.out.find("percentile") != std::string::npos);
    }

    void inspectGivesHeaderFacts()
    {
        const CliRun result = runCli({"inspect", kLoupe, "--json"});
        QVERIFY2(result.code == 0, result.err.c_str());
        const json document = json::parse(result.out);
        QCOMPARE(document.at("architecture").get<std::string>(), std::string("llama"));
        uint64_t bytes = 0;
        for (const json& tensor : document.at("tensors")) {
            for (const char* key : {"name", "role", "layer", "dtype", "shape", "bytes"})
                QVERIFY2(tensor.contains(key), key);
            bytes += tensor.at("bytes").get<uint64_t>();
        }
        QCOMPARE(bytes, document.at("bytes").get<uint64_t>());
        QCOMPARE(runCli({"inspect", kLoupe, "--json", "--read"}).out, result.out);
    }

    void inspectNamesHowWeightsAreStored()
    {
        const QString model = QL_TEST_DATA "/packed/gptq-4bit-sym";
        const CliRun text = runCli({"inspect", model});
        QVERIFY2(text.code == 0, text.err.c_str());
        QVERIFY2(text.out.find("GPTQ INT4 g32") != std::string::npos, text.out.c_str());
        const json tensor = json::parse(runCli({"inspect", model, "--json"}).out).at("tensors").at(0);
        QCOMPARE(tensor.at("name").get<std::string>(), std::string("model.layers.0.self_attn.q_proj.weight"));
        QCOMPARE(tensor.at("dtype").get<std::string>(), std::string("F16"));
        const json packed = tensor.at("packed");
        QCOMPARE(packed.at("method").get<std::string>(), std::string("GPTQ"));
        QCOMPARE(packed.at("scheme").get<std::string>(), std::string("int4,range=full,group=32"));
        QCOMPARE(packed.at("tensors").size(), size_t(4));
    }

    void tokenizeGoesBothWays()
    {
        QTemporaryDir folder;
        const QString path = folder.filePath("text.txt");
        QFile file(path);
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write("<s>the drum");
        file.close();
        const CliRun ids = runCli({"tokenize", kLoupe, "--text", path});
        QVERIFY2(ids.code == 0, ids.err.c_str());
        const CliRun result = runCli({"tokenize", kLoupe + "/tokenizer.json", "--text", path, "--json"});
        QVERIFY2(result.code == 0, result.err.c_str());
        const json document = json::parse(result.out);
        QCOMPARE(document.at("tokens").get<size_t>(), document.at("ids").size());
        QCOMPARE(document.at("pieces").at(0).get<std::string>(), std::string("<s>"));
        std::string listed;
        for (const json& id : document.at("ids"))
            listed += (listed.empty() ? "" : " ") + std::to_string(id.get<int>());
        QCOMPARE(ids.out, listed + "\n");
        QCOMPARE(runCli({"tokenize", kLoupe, "--decode", QString::fromStdString(listed)}).out, std::string("<s>the drum\n"));
        QCOMPARE(runCli({"tokenize", kLoupe, "--decode", QString::fromStdString(listed), "--no-special"}).out,
                 std::string("the drum\n"));
    }

    void tokenizeReadsStandardInput()
    {
        const CliRun result = runCli({"tokenize", kLoupe, "--json"}, " the");
        QVERIFY2(result.code == 0, result.err.c_str());
        QCOMPARE(json::parse(result.out).at("tokens").get<int>(), 1);
    }

    void tokenizeSaysWhatIsWrong_data()
    {
        QTest::addColumn<QStringList>("arguments");
        QTest::addColumn<QString>("mentions");
        QTest::newRow("id outside") << QStringList{"--decode", "5 1280"} << "1280";
        QTest::newRow("not a number") << QStringList{"--decode", "5 x"} << "5 x";
        QTest::newRow("both ways") << QStringList{"--decode", "5", "--text", "t"} << "exclude";
        QTest::newRow("no text") << QStringList{} << "--text";
        QTest::newRow("no file") << QStringList{"--text", "/nowhere/t.txt"} << "/nowhere/t.txt";
        QTest::newRow("no text at all") << QStringList{"--text", kLoupe + "/model.safetensors"} << "byte ";
    }
    void tokenizeSaysWhatIsWrong()
    {
        QFETCH(QStringList, arguments);
        QFETCH(QString, mentions);
        const CliRun result = runCli(QStringList{"tokenize", kLoupe} + arguments);
        QCOMPARE(result.code, 2);
        QCOMPARE(std::count(result.err.begin(), result.err.end(), '\n'), 1);
        QVERIFY2(QString::fromStdString(result.err).contains(mentions), result.err.c_str());
    }

    void statsAddUp()
    {
        const CliRun result = runCli({"stats", kLoupe, "--tensor", "layers\\.0\\.mlp\\.down_proj", "--bins", "32", "--json"});
        QVERIFY2(result.code == 0, result.err.c_str());
        const json tensor = json::parse(result.out).at("tensors").at(0);
        uint64_t inside = 0;
        for (const json& count : tensor.at("histogram").at("counts"))
            inside += count.get<uint64_t>();
        QCOMPARE(tensor.at("histogram").at("counts").size(), size_t(32));
        QCOMPARE(inside, tensor.at("count").get<uint64_t>());
        QVERIFY(tensor.at("absmax").get<double>() >= tensor.at("max").get<double>());
        QVERIFY(tensor.at("kurtosis").get<double>() > 1);
    }

    void quantizeMeasuresAndExports_data()
    {
        QTest::addColumn<QString>("scheme");
        QTest::addColumn<QString>("as");
        QTest::newRow("int4 dequantized") << "int4,group=128,clip=mse" << "dequantized";
        QTest::newRow("int4 codes") << "int4,group=64" << "codes";
        QTest::newRow("asymmetric codes with zeros") << "int4,asym,group=64" << "codes";
        QTest::newRow("nf4 codes") << "nf4,double" << "codes";
        QTest::newRow("q4_1 codes with mins") << "q4_1" << "codes";
        QTest::newRow("fp8 per channel") << "fp8-e4m3,channel" << "dequantized";
        QTest::newRow("q4_0 gguf") << "q4_0" << "gguf";
    }
    void quantizeMeasuresAndExports()
    {
        QFETCH(QString, scheme);
        QFETCH(QString, as);
        QTemporaryDir folder;
        const QString target = folder.filePath("out.safetensors");
        const CliRun result = runCli({"quantize", kLoupe, "--scheme", scheme, "--tensor", "layers\\.0\\.", "--device", "cpu", "--out",
                                target, "--as", as, "--json"});
        QVERIFY2(result.code == 0, result.err.c_str());
        const json document = json::parse(result.out);
        for (const char* key : {"device", "tensors", "total", "seconds"})
            QVERIFY2(document.contains(key), key);
        double measured = 0;
        for (const json& tensor : document.at("tensors")) {
            for (const char* key : {"name", "scheme", "bits_per_weight", "mse", "sqnr_db", "rel_error", "max_abs_error",
                                    "mean_abs_error", "cosine", "bytes"})
                QVERIFY2(tensor.contains(key), key);
            measured += tensor.at("mse").get<double>();
        }
        QVERIFY(measured > 0);

        // The plan knew the size to the byte, and the file opens.
        const json plan = json::parse(runCli({"plan", kLoupe, "--scheme", scheme, "--as", as, "--json"}).out);
        QCOMPARE(plan.at("file_bytes").get<qint64>(), QFile(target).size());
        QCOMPARE(runCli({"inspect", target}).code, 0);
        QCOMPARE(QDir(folder.path()).entryList(QDir::Files | QDir::Hidden), QStringList("out.safetensors"));
    }

    /// The figures are those of the file, whatever was asked for; comparing the written file with the model says so.
    void whatIsMeasuredIsWhatIsWritten_data()
    {
        QTest::addColumn<QString>("scheme");
        QTest::addColumn<QString>("as");
        QTest::addColumn<QString>("written");
        QTest::addColumn<QString>("says");
        QTest::newRow("nearest type") << "int4,group=32" << "gguf" << "q4_0" << "28 tensors: q4_0 instead of int4,group=32";
        QTest::newRow("groups that do not fit") << "int4,group=100" << "gptq" << "int4,group=64" << "28 tensors: int4,group=64 instead of";
        QTest::newRow("type of scales") << "int4,group=64,scale=f32" << "gptq" << "int4,group=64" << "the type that the format stores";
        QTest::newRow("kept") << "nf4" << "gptq" << "" << "28 tensors: kept as stored instead of nf4";
        QTest::newRow("across rows") << "nf4,group=512" << "bitsandbytes" << "nf4,group=512" << "run on from row to row";
        QTest::newRow("as asked") << "int4,asym,group=64" << "mlx" << "int4,asym,group=64" << "asymmetric";
        QTest::newRow("codes") << "nf4" << "codes" << "nf4" << "one per byte";
    }
    void whatIsMeasuredIsWhatIsWritten()
    {
        QFETCH(QString, scheme);
        QFETCH(QString, as);
        QFETCH(QString, written);
        QFETCH(QString, says);
        QTemporaryDir folder;
        const QString target = folder.filePath("out.gguf");
        const CliRun result = runCli({"quantize", kLoupe, "--scheme", scheme, "--tensor", "layers\\.0\\.mlp", "--device", "cpu", "--out",
                                target, "--as", as, "--json"});
        QVERIFY2(result.code == 0, result.err.c_str());
        QVERIFY2(QString::fromStdString(result.err).contains(says), result.err.c_str());
        const json measured = json::parse(result.out).at("tensors");
        const CliRun compared = runCli({"diff", kLoupe, target, "--tensor", "layers\\.0\\.mlp", "--json"});
        QVERIFY2(compared.code == 0, compared.err.c_str());
        const json found = json::parse(compared.out).at("tensors");
        QCOMPARE(measured.size(), size_t(3));
        for (const json& tensor : measured) {
            if (!written.isEmpty())
                QCOMPARE(tensor.at("scheme").get<std::string>(), written.toStdString());
            if (written != scheme)
                QVERIFY(QString::fromStdString(tensor.at("note").get<std::string>()).contains("instead of " + scheme));
            const auto same = std::find_if(found.begin(), found.end(),
                                           [&](const json& other) { return other.at("name") == tensor.at("name"); });
            QVERIFY(same != found.end());
            const double error = tensor.at("mse").get<double>();
            QVERIFY(std::abs(same->at("mse").get<double>() - error) <= 1e-6 * error);
        }
    }

    void errorsAreOneLineAndHaveTheirCode_data()
    {
        QTest::addColumn<QStringList>("arguments");
        QTest::addColumn<int>("code");
        QTest::addColumn<QString>("part");
        const auto row = [](const char* name, const QStringList& arguments, int code, const char* part) {
            QTest::newRow(name) << arguments << code << QString::fromLatin1(part);
        };
        row("unknown verb", {"quantise"}, 2, "quantise");
        row("no model", {"inspect"}, 2, "model");
        row("missing file", {"inspect", "/nowhere/model.gguf"}, 2, "/nowhere/model.gguf");
        row("unknown option", {"inspect", kLoupe, "--jsno"}, 2, "jsno");
        row("two models", {"inspect", kLoupe, kLoupe}, 2, "unexpected");
        row("bins of no number", {"stats", kLoupe, "--bins", "many"}, 2, "--bins");
        row("zero bins", {"stats", kLoupe, "--bins", "0"}, 2, "--bins");
        row("broken expression", {"stats", kLoupe, "--tensor", "q("}, 2, "regular expression");
        row("no match", {"stats", kLoupe, "--tensor", "no_such"}, 2, "no_such");
        row("no scheme", {"quantize", kLoupe}, 2, "--scheme");
        row("scheme and policy", {"quantize", kLoupe, "--scheme", "int4", "--policy", "p"}, 2, "exactly one");
        row("unknown format", {"quantize", kLoupe, "--scheme", "int9"}, 2, "int9");
        row("contradiction", {"quantize", kLoupe, "--scheme", "nf4,asym"}, 2, "nf4");
        row("missing policy", {"quantize", kLoupe, "--policy", "/nowhere/p.json"}, 2, "/nowhere/p.json");
        row("out without as", {"quantize", kLoupe, "--scheme", "int4", "--out", "x"}, 2, "--as");
        row("unknown export", {"quantize", kLoupe, "--scheme", "int4", "--out", "x", "--as", "pickle"}, 2, "pickle");
        row("plan without as", {"plan", kLoupe, "--scheme", "int4"}, 2, "--as");
        row("fallback refused", {"plan", kLoupe, "--scheme", "int4", "--as", "gguf", "--no-fallback"}, 2, "GGUF has no such type");
        row("version for another format", {"quantize", kLoupe, "--scheme", "q4_0", "--out", "x", "--as", "gguf", "--gptq-v2"}, 2,
            "--gptq-v2: only gptq has versions");
        row("shards of a file", {"plan", kLoupe, "--scheme", "int4", "--as", "codes", "--shard-size", "1GB"}, 2, "--shard-size");
        row("parts of a file", {"quantize", kLoupe, "--scheme", "int4", "--out", "x", "--as", "dequantized", "--part", "1/2"}, 2,
            "--part: dequantized is one file");
        row("replacing a file", {"quantize", kLoupe, "--scheme", "int4", "--out", "x", "--as", "codes", "--replace"}, 2, "--replace");
        row("replacing by parts", {"quantize", kLoupe, "--scheme", "int4", "--out", "x", "--as", "gptq", "--part", "1/2", "--replace"},
            2, "--replace");
        row("parts of nothing", {"quantize", kLoupe, "--scheme", "int4", "--part", "1/2"}, 2, "--as is missing");
        row("nothing to refuse", {"quantize", kLoupe, "--scheme", "int4", "--no-fallback"}, 2, "--as is missing");
        row("plan without a calibration", {"plan", kLoupe, "--scheme", "q4_k,imatrix", "--as", "gguf"}, 2, "calibration");
        row("fallback refused before writing", {"quantize", kLoupe, "--scheme", "nf4", "--device", "cpu", "--out", "/proc/nowhere/x.gguf",
                                                "--as", "gguf", "--no-fallback"}, 2, "GGUF has no such type");
        row("unknown device", {"quantize", kLoupe, "--scheme", "int4", "--device", "opencl:7:7"}, 4, "opencl:7:7");
        row("folder that cannot be written", {"quantize", kLoupe, "--scheme", "int4", "--device", "cpu", "--tensor", "layers.0.self_attn.q",
                                              "--out", "/proc/nowhere/x.safetensors", "--as", "codes"}, 3, "/proc/nowhere");
    }
    void errorsAreOneLineAndHaveTheirCode()
    {
        QFETCH(QStringList, arguments);
        QFETCH(int, code);
        QFETCH(QString, part);
        const CliRun result = runCli(arguments);
        QVERIFY2(result.code == code, (std::to_string(result.code) + ": " + result.err).c_str());
        QVERIFY2(QString::fromStdString(result.err).contains(part), result.err.c_str());
        QCOMPARE(std::count(result.err.begin(), result.err.end(), '\n'), std::ptrdiff_t(1));
        QVERIFY(result.out.empty());
    }

    void policiesThatContradictThemselvesAreRefused()
    {
        QTemporaryDir folder;
        const QString policy = folder.filePath("p.json"), out = folder.filePath("out.safetensors");
        QFile file(policy);
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write(R"({"quantloupe_policy": 1, "colour": 1, "rules": [{"match": "q", "scheme": "int8"}, {"match": "q", "scheme": "int4"}]})");
        file.close();
        for (const QStringList& verb : {QStringList{"plan", kLoupe, "--as", "codes"}, QStringList{"search", kLoupe, "--target-bpw", "8"},
                                        QStringList{"quantize", kLoupe, "--as", "codes", "--out", out, "--device", "cpu"}}) {
            const CliRun result = runCli(verb + QStringList{"--policy", policy});
            QCOMPARE(result.code, 2);
            const std::string path = policy.toStdString();
            QVERIFY2(result.err.find(path + ": rule 2: (int4) contradicts rule 1 (int8)") != std::string::npos, result.err.c_str());
            QVERIFY2(result.err.find("warning: " + path + ": line 1 (policy): unknown key") != std::string::npos, result.err.c_str());
            QVERIFY(!QFile::exists(out) && result.out.empty());
        }
    }

    void theSourceIsNeverTheTarget()
    {
        QTemporaryDir folder;
        const QString source = folder.filePath("model.safetensors");
        QVERIFY(QFile::copy(kLoupe + "/model.safetensors", source));
        const QString link = folder.filePath("link.safetensors");
        QVERIFY(QFile::link(source, link));
        for (const QString& target : {source, link}) {
            const CliRun result = runCli({"quantize", source, "--scheme", "int8", "--device", "cpu", "--tensor", "q_proj", "--out", target,
                                    "--as", "dequantized"});
            QCOMPARE(result.code, 3);
            QVERIFY2(result.err.find("being read") != std::string::npos, result.err.c_str());
        }
        QFile original(kLoupe + "/model.safetensors"), copy(source);
        QVERIFY(original.open(QIODevice::ReadOnly) && copy.open(QIODevice::ReadOnly));
        QVERIFY(original.readAll() == copy.readAll());
    }

    void theDemoDoesTheWholeJob()
    {
        QTemporaryDir folder;
        const CliRun result = runCli({"demo", "--out", folder.filePath("demo"), "--device", "cpu"});
        QVERIFY2(result.code == 0, result.err.c_str());
        for (const char* file : {"layers.svg", "weights-int4.svg", "weights-nf4.svg", "clip-sweep.svg", "formats.svg",
                                 "policy.json", "metrics.csv", "metrics.json", "codes.safetensors", "dequantized.safetensors"})
            QVERIFY2(QFile(folder.filePath("demo/") + file).size() > 100, file);
        QCOMPARE(runCli({"quantize", kLoupe, "--policy", folder.filePath("demo/policy.json"), "--device", "cpu"}).code, 0);
    }
};

QTEST_GUILESS_MAIN(TestCli)
#include "tst_cli.moc"
