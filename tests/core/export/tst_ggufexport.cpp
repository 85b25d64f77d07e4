// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// GGUF files: they hold what the quantizer promised, under llama.cpp's names and in its orders, and run as the model did.
#include "core/calibration/importance.h"
#include "core/compute/cpubackend.h"
#include "core/evaluation/evaluation.h"
#include "core/export/exporter.h"
#include "core/io/gguf.h"
#include "core/io/mappedfile.h"
#include "core/model/names.h"
#include "core/model/packedweight.h"
#include "core/policy/dialects/dialect.h"
#include "core/tokenizer/tokenizer.h"
#include "support/ggufbuilder.h"
#include "support/safetensorsbuilder.h"
#include "support/samplecalibration.h"
#include "support/testmodels.h"

#include <QTest>

#include <cmath>
#include <stdexcept>

using namespace ql;

namespace {

const QString kNetworks = QStringLiteral(QL_TEST_DATA "/networks");
const std::string kLoupe = QL_RESOURCES "/models/loupe-3m";

template <class T>
T valueOf(Result<T> result)
{
    if (!result.ok())
        throw std::runtime_error(result.error().text());
    return std::move(result).value();
}

std::vector<float> valuesOf(const Model& model, const std::string& name)
{
    const auto view = valueOf(model.view(model.indexOf(name)));
    std::vector<float> values(size_t(view.count()));
    return view.readRows(0, view.rows(), values.data()).ok() ? values : std::vector<float>();
}

Policy policyOf(const QString& scheme)
{
    Policy policy;
    policy.defaultScheme = valueOf(Scheme::parse(scheme.toStdString()));
    return policy;
}

/// Row `row` of a llama.cpp query or key matrix in Hugging Face's order of rows.
size_t huggingFaceRow(size_t row, size_t headDim)
{
    const size_t within = row % headDim;
    return row - within + (within % 2 == 0 ? within / 2 : headDim / 2 + within / 2);
}

} // namespace

class TestGgufExport : public QObject
{
    Q_OBJECT

    test::Folder m_folder;
    std::shared_ptr<ThreadPool> m_pool = std::make_shared<ThreadPool>(2);
    CpuBackend m_backend{m_pool};

    std::vector<Decision> decisionsOf(const Model& model, const Policy& policy)
    {
        const auto calibration = test::sampleCalibration(model);
        return valueOf(attachImportance(model, valueOf(policy.resolve(model)), calibration.get()));
    }

    /// Exported, sizes compared with the plan's, and opened.
    std::shared_ptr<const Model> write(const Model& model, const Policy& policy, const char* name)
    {
        const std::string path = m_folder.path(name);
        const auto decisions = decisionsOf(model, policy);
        const auto plan = valueOf(planExport(model, decisions, ExportFormat::Gguf));
        if (const Status written = exportModel(m_backend, model, decisions, ExportFormat::Gguf, path, {}); !written.ok())
            throw std::runtime_error(written.error().text());
        if (qint64(plan.fileBytes) != QFile(QString::fromStdString(path)).size())
            throw std::runtime_error("the plan said " + std::to_string(plan.fileBytes) + " bytes");
        return valueOf(Model::open(path));
    }

    ExportPlan planOf(const Model& model, const Policy& policy)
    {
        return valueOf(planExport(model, valueOf(policy.resolve(model)), ExportFormat::Gguf));
    }

    double perplexity(const std::shared_ptr<const Model>& model, const Policy& policy)
    {
        EvaluationRequest request;
        request.network = valueOf(Network::create(model));
        request.policy = policy;
        request.calibration = test::sampleCalibration(*model);
        const auto tokenizer = valueOf(Tokenizer::of(*model));
        SequenceSettings settings;
        settings.path = QL_RESOURCES "/models/text/heldout.txt";
        settings.count = 2;
        settings.length = 48;
        request.sequences = valueOf(loadSequences(settings, request.network->config(), tokenizer.get()));
        return valueOf(evaluate(m_backend, request, *m_pool, {}))->perplexity.value;
    }

    /// Of the logits of both, relative to the largest.
    double differenceOf(const std::shared_ptr<const Model>& one, const std::shared_ptr<const Model>& other, const QString& ids)
    {
        const std::vector<float> values = valuesOf(*valueOf(Model::open(ids.toStdString())), "ids");
        const auto run = [&](const std::shared_ptr<const Model>& model) {
            const auto network = valueOf(Network::create(model));
            return valueOf(forward(*network, TokenIds(values.begin(), values.end()), *m_pool));
        };
        const RowMatrix before = run(one), after = run(other);
        return double((before - after).cwiseAbs().maxCoeff()) / double(before.cwiseAbs().maxCoeff());
    }

    std::vector<float> promised(const Model& model, int tensor, const Decision& decision)
    {
        const TensorView view = valueOf(model.view(tensor)).weighted(decision.importance);
        std::vector<float> values(size_t(view.count()));
        if (decision.asStored)
            return valuesOf(model, model.tensors()[size_t(tensor)].name);
        const auto parameters = valueOf(m_backend.prepare(view, decision.scheme, {}));
        const auto quantized = valueOf(m_backend.quantizeRows(view, parameters, 0, view.rows(), {}));
        return m_backend.dequantize(quantized, values.data(), {}).ok() ? values : std::vector<float>();
    }

private Q_SLOTS:
    void bundledModelRunsAsPredicted_data()
    {
        QTest::addColumn<QString>("scheme");
        QTest::addColumn<QString>("type");
        for (const char* scheme : {"f32", "f16", "bf16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "iq4_nl", "mxfp4", "q2_k",
                                   "q3_k", "q4_k", "q5_k", "q6_k", "iq4_xs", "q4_k,imatrix", "q4_0,imatrix"})
            QTest::newRow(scheme) << scheme << QString(scheme).section(',', 0, 0).toUpper();
    }
    void bundledModelRunsAsPredicted()
    {
        QFETCH(QString, scheme);
        QFETCH(QString, type);
        const auto model = valueOf(Model::open(kLoupe));
        const Policy policy = policyOf(scheme);
        const auto exported = write(*model, policy, "loupe.gguf");
        QCOMPARE(exported->architecture(), std::string("llama"));
        const auto decisions = decisionsOf(*model, policy);
        for (size_t i = 0; i < decisions.size(); ++i) {
            const std::string name = model->tensors()[i].name, target = ggufName(name, "llama").value();
            const int at = exported->indexOf(target);
            QVERIFY2(at >= 0, target.c_str());
            const bool matrix = name.find("_proj") != std::string::npos;
            const bool kept = model->tensors()[i].shape.size() == 2;
            QCOMPARE(QString::fromUtf8(dtypeInfo(exported->tensors()[size_t(at)].dtype).name.data()),
                     matrix ? type : QString(kept ? "F16" : "F32"));
            const std::vector<float> expected = promised(*model, int(i), decisions[i]);
            const std::vector<float> found = valuesOf(*exported, target);
            const bool paired = name.find("q_proj") != std::string::npos || name.find("k_proj") != std::string::npos;
            const auto cols = size_t(model->tensors()[i].cols());
            QCOMPARE(found.size(), expected.size());
            size_t wrong = 0;
            for (size_t v = 0; v < found.size(); ++v) {
                const size_t row = paired ? huggingFaceRow(v / cols, 32) : v / cols;
                wrong += found[v] != expected[row * cols + v % cols];
            }
            QVERIFY2(wrong == 0, target.c_str());
        }
        const double predicted = perplexity(model, policy);
        const double ran = perplexity(exported, policyOf("f32"));
        QVERIFY2(std::abs(ran / predicted - 1) < 1e-5, qPrintable(QString("%1 and %2").arg(ran).arg(predicted)));
    }

    void tokenizerGivesTheSameIds()
    {
        const auto model = valueOf(Model::open(kLoupe));
        QVERIFY(planOf(*model, policyOf("q8_0")).warnings.empty());
        const auto exported = write(*model, policyOf("q8_0"), "tokens.gguf");
        const auto before = valueOf(Tokenizer::of(*model)), after = valueOf(Tokenizer::loadGguf(exported->path()));
        for (const char* name : {"heldout", "calibration"}) {
            QFile file(QStringLiteral(QL_RESOURCES "/models/text/%1.txt").arg(name));
            QVERIFY(file.open(QIODevice::ReadOnly));
            const std::string text = file.readAll().toStdString();
            const auto ids = valueOf(before->encode(text, true));
            QVERIFY(ids.size() > 10000);
            QVERIFY(ids == valueOf(after->encode(text, true)));
        }
        QCOMPARE(after->beginId(), before->beginId());
        QCOMPARE(after->endId(), before->endId());
    }

    void familiesComputeTheSame_data()
    {
        QTest::addColumn<QString>("folder");
        QTest::addColumn<QString>("config");
        const QDir data(kNetworks);
        for (const QString& folder : data.entryList(QDir::Dirs | QDir::NoDotAndDotDot)) {
            for (const QString& config : QDir(data.filePath(folder)).entryList({"config*.json"}))
                QTest::newRow(qPrintable(folder + " " + config)) << folder << config;
        }
    }
    void familiesComputeTheSame()
    {
        QFETCH(QString, folder);
        QFETCH(QString, config);
        const test::Folder copy;
        const QString source = kNetworks + '/' + folder + '/';
        QVERIFY(QFile::copy(source + "model.safetensors", QString::fromStdString(copy.path("model.safetensors"))));
        QVERIFY(QFile::copy(source + config, QString::fromStdString(copy.path("config.json"))));
        const auto model = valueOf(Model::open(copy.path()));
        const Policy policy = policyOf("f32");
        const auto decisions = valueOf(policy.resolve(*model));
        const auto plan = planExport(*model, decisions, ExportFormat::Gguf);
        if (folder.startsWith("opt")) { // llama.cpp has no such family
            QCOMPARE(plan.error().code, ErrorCode::Unsupported);
            QVERIFY2(plan.error().text().find("\"opt\"") != std::string::npos, plan.error().text().c_str());
            return;
        }
        QVERIFY2(plan.ok(), plan.ok() ? "" : plan.error().text().c_str());
        QVERIFY(!plan->warnings.empty()); // no tokenizer
        QString warnings;
        for (const std::string& warning : plan->warnings)
            warnings += QString::fromStdString(warning) + '\n';
        const auto exported = write(*model, policy, "family.gguf");
        const double difference = differenceOf(model, exported, source + "expected.safetensors");
        // What GGUF has no key for is said.
        static const std::map<QString, QString> kUnsaid{{"llama config.dynamic.json", "dynamic scaling"},
                                                        {"llama config.yarn-slopes.json", "YaRN without truncation"},
                                                        {"mistral config.window.json", "sliding windows"},
                                                        {"mixtral config.window.json", "sliding windows"},
                                                        {"qwen2 config.window.json", "sliding windows"},
                                                        {"qwen3 config.window.json", "sliding windows"},
                                                        {"qwen3moe config.window.json", "sliding windows"},
                                                        {"gpt2 config.scaled.json", "layer's number"}};
        if (const auto unsaid = kUnsaid.find(folder + ' ' + config); unsaid != kUnsaid.end()) {
            QVERIFY2(warnings.contains(unsaid->second), qPrintable(warnings));
            return;
        }
        QVERIFY2(difference < 2e-6, qPrintable(QString("relative difference %1\n%2").arg(difference).arg(warnings)));
    }

    void attentionFactorOfYarnIsKept()
    {
        const test::Folder copy;
        const QString source = kNetworks + "/llama/";
        QVERIFY(QFile::copy(source + "model.safetensors", QString::fromStdString(copy.path("model.safetensors"))));
        QFile config(source + "config.yarn-slopes.json");
        QVERIFY(config.open(QIODevice::ReadOnly));
        copy.write("config.json", QString::fromUtf8(config.readAll()).replace("\"truncate\": false", "\"truncate\": true").toStdString());
        const auto model = valueOf(Model::open(copy.path()));
        QCOMPARE(planOf(*model, policyOf("f32")).warnings.size(), size_t(1)); // no tokenizer
        const auto exported = write(*model, policyOf("f32"), "yarn.gguf");
        QVERIFY(differenceOf(model, exported, source + "expected.safetensors") < 2e-6);
    }

    void expertsBecomeOneTensor()
    {
        const auto model = valueOf(Model::open((kNetworks + "/mixtral").toStdString()));
        Policy policy = policyOf("f16");
        const std::string odd = "model.layers.1.block_sparse_moe.experts.2.w1.weight";
        policy.tensors[odd].scheme = valueOf(Scheme::parse("bf16"));
        const ExportPlan plan = planOf(*model, policy);
        QCOMPARE(refuseFallbacks(plan).error().message,
                 std::string("F16 instead of bf16: GGUF keeps all experts of a layer in one tensor"));
        const auto exported = write(*model, policy, "experts.gguf");
        const int stacked = exported->indexOf("blk.1.ffn_gate_exps.weight");
        QVERIFY(stacked >= 0);
        QCOMPARE(exported->tensors()[size_t(stacked)].shape, (Shape{4, 24, 16}));
        const std::vector<float> all = valuesOf(*exported, "blk.1.ffn_gate_exps.weight"), own = valuesOf(*model, odd);
        QVERIFY(std::equal(own.begin(), own.end(), all.begin() + 2 * 24 * 16));
    }

    void ggufSourcesKeepTheirMetadata()
    {
        const auto first = write(*valueOf(Model::open(kLoupe)), policyOf("q8_0"), "first.gguf");
        const Policy policy = policyOf("q4_0");
        const ExportPlan plan = planOf(*first, policy);
        const auto second = write(*first, policy, "second.gguf");
        const auto decisions = valueOf(policy.resolve(*first));
        for (size_t i = 0; i < decisions.size(); ++i) {
            const std::string& name = first->tensors()[i].name;
            QVERIFY(valuesOf(*second, name) == promised(*first, int(i), decisions[i]));
            const auto& warnings = plan.entries[i].warnings;
            QCOMPARE(warnings.size(), size_t(decisions[i].asStored ? 0 : 1));
            QVERIFY(warnings.empty() || warnings[0].find("requantizing Q8_0") != std::string::npos);
        }
        const auto before = valueOf(parseGguf(valueOf(openFile(first->path()))));
        const auto after = valueOf(parseGguf(valueOf(openFile(second->path()))));
        QCOMPARE(after.metadata.size(), before.metadata.size());
        for (const auto& [key, value] : before.metadata) {
            if (key == "general.file_type")
                continue;
            const GgufValue* found = after.find(key);
            QVERIFY2(found && found->index() == value.index(), key.c_str());
            const auto* array = std::get_if<GgufArray>(&value);
            if (!array) {
                QVERIFY2(*found == value, key.c_str());
                continue;
            }
            const auto elements = valueOf(before.elements(*array, array->count));
            QVERIFY2(elements == valueOf(after.elements(std::get<GgufArray>(*found), array->count)), key.c_str());
        }
        QCOMPARE(before.integer("general.file_type"), std::optional<int64_t>(7));
        QCOMPARE(after.integer("general.file_type"), std::optional<int64_t>(2));
        QCOMPARE(after.integer("general.quantization_version"), std::optional<int64_t>(2));
    }

    void importanceIsNamedInTheFile()
    {
        const auto model = valueOf(Model::open(kLoupe));
        write(*model, policyOf("q4_k,imatrix"), "weighted.gguf");
        const auto weighted = valueOf(parseGguf(valueOf(openFile(m_folder.path("weighted.gguf"), FileAccess::Read))));
        QCOMPARE(weighted.text("quantize.imatrix.file").value_or("").rfind("forward pass by ", 0), size_t(0));
        QCOMPARE(weighted.text("quantize.imatrix.dataset"), std::optional<std::string>("sample.txt (SHA-256 0123456789abcdef)"));
        QCOMPARE(weighted.integer("quantize.imatrix.entries_count"), std::optional<int64_t>(29));
        QCOMPARE(weighted.integer("quantize.imatrix.chunks_count"), std::optional<int64_t>(4));
        QCOMPARE(weighted.integer("general.file_type"), std::optional<int64_t>(15));
        // Other importance, or none, in a file made from that one.
        const auto source = valueOf(Model::open(m_folder.path("weighted.gguf")));
        write(*source, policyOf("q5_k,imatrix"), "again.gguf");
        const auto again = valueOf(parseGguf(valueOf(openFile(m_folder.path("again.gguf"), FileAccess::Read))));
        QCOMPARE(again.integer("quantize.imatrix.chunks_count"), std::optional<int64_t>(4));
        write(*model, policyOf("q4_k"), "plain.gguf");
        const auto plain = valueOf(parseGguf(valueOf(openFile(m_folder.path("plain.gguf"), FileAccess::Read))));
        QVERIFY(!plain.integer("quantize.imatrix.chunks_count"));
    }

    void rowsThatSuperblocksDoNotDivideTakeSmallerBlocks_data()
    {
        QTest::addColumn<QString>("scheme");
        QTest::addColumn<QString>("taken");
        const QStringList pairs{"q2_k", "q4_0", "q3_k", "q4_0", "q4_k", "q5_0", "q5_k", "q5_1", "q6_k", "q8_0", "iq4_xs", "iq4_nl",
                                "q4_k,imatrix", "q5_0,imatrix", "q6_k,imatrix", "q8_0"};
        for (qsizetype i = 0; i < pairs.size(); i += 2)
            QTest::newRow(qPrintable(pairs[i])) << pairs[i] << pairs[i + 1];
    }
    void rowsThatSuperblocksDoNotDivideTakeSmallerBlocks()
    {
        QFETCH(QString, scheme);
        QFETCH(QString, taken);
        const auto model = test::runnableLlama();
        const auto decisions = decisionsOf(*model, policyOf(scheme));
        const ExportPlan plan = valueOf(planExport(*model, decisions, ExportFormat::Gguf));
        int smaller = 0, kept = 0;
        for (size_t i = 0; i < plan.entries.size(); ++i) {
            const PlanEntry& entry = plan.entries[i];
            if (entry.decision.fallback.empty())
                continue;
            // Rows of 48 fit no block.
            const bool narrow = model->tensors()[i].cols() == 32;
            const QString expected = (narrow ? taken : "kept as stored") + " instead of " + scheme + ": ";
            QVERIFY2(QString::fromStdString(entry.decision.fallback).startsWith(expected), entry.decision.fallback.c_str());
            smaller += narrow;
            kept += !narrow;
        }
        QCOMPARE(smaller, 12);
        QCOMPARE(kept, 2);
        QCOMPARE(refuseFallbacks(plan).error().code, ErrorCode::SchemeConflict);
    }

    void schemesThatGgufLacksFallBack()
    {
        const auto model = valueOf(Model::open(kLoupe));
        const std::pair<const char*, const char*> nearest[] = {
            {"int4", "q4_k"},          {"int4,group=32", "q4_0"}, {"int4,asym,group=32", "q4_1"}, {"int5,channel", "q5_k"},
            {"int8,channel", "q8_0"},  {"int3", "q3_k"},          {"int6", "q6_k"},               {"nf4,double", "iq4_nl"},
            {"fp8-e4m3", "q8_0"},      {"nvfp4", "mxfp4"},        {"int2,asym,group=16", "q2_k"}, {"e2m1", "mxfp4"}};
        for (const auto& [scheme, taken] : nearest) {
            const ExportPlan plan = planOf(*model, policyOf(scheme));
            int fallbacks = 0;
            for (const PlanEntry& entry : plan.entries) {
                if (entry.decision.fallback.empty())
                    continue;
                ++fallbacks;
                const std::string expected = std::string(taken) + " instead of " + policyOf(scheme).defaultScheme.text() + ": ";
                QVERIFY2(entry.decision.fallback.starts_with(expected), entry.decision.fallback.c_str());
                QCOMPARE(entry.decision.scheme.text(), std::string(taken));
            }
            QCOMPARE(fallbacks, 28);
            QCOMPARE(refuseFallbacks(plan).error().code, ErrorCode::SchemeConflict);
            const auto recipe = valueOf(dialectFromId("llama.cpp")->write(policyOf(scheme), *model));
            const bool own = std::string(scheme) == "nvfp4"; // a type of ggml's, though not one that is written here
            QVERIFY(own || recipe.lost.at(0).find(": becomes " + std::string(taken)) != std::string::npos);
        }
        Policy norms = policyOf("q8_0");
        norms.rules.push_back({"norm", {}, -1, -1, valueOf(Scheme::parse("q8_0")), {}});
        const ExportPlan plan = planOf(*model, norms);
        QVERIFY2(refuseFallbacks(plan).error().message.starts_with("kept in f32 instead of q8_0"),
                 refuseFallbacks(plan).error().text().c_str());
        QVERIFY(refuseFallbacks(planOf(*model, policyOf("q8_0"))).ok());
    }

    void badInputIsOneLine_data()
    {
        QTest::addColumn<QString>("config");
        QTest::addColumn<QString>("architecture");
        QTest::addColumn<ErrorCode>("code");
        QTest::addColumn<QString>("part");
        const QString good = QString::fromLatin1(test::kRunnableLlamaConfig);
        const auto without = [&](const char* key) { return QString(good).replace(key, "other"); };
        QTest::newRow("no family") << good << "unknown" << ErrorCode::Unsupported << "\"unknown\"";
        QTest::newRow("a family of its own") << good << "mamba" << ErrorCode::Unsupported << "\"mamba\"";
        QTest::newRow("no configuration") << "" << "llama" << ErrorCode::ConfigInvalid << "config.json";
        QTest::newRow("no layers") << without("num_hidden_layers") << "llama" << ErrorCode::ConfigInvalid << "num_hidden_layers";
        QTest::newRow("no heads") << without("num_attention_heads") << "llama" << ErrorCode::ConfigInvalid << "num_attention_heads";
        QTest::newRow("another width") << QString(good).replace("\"hidden_size\":32", "\"hidden_size\":64") << "llama"
                                       << ErrorCode::SizeMismatch << "[64, 32]";
        QTest::newRow("too many layers") << QString(good).replace("\"num_hidden_layers\":2", "\"num_hidden_layers\":3")
                                         << "llama" << ErrorCode::NoSuchTensor << "layers.2";
        QTest::newRow("part of a head rotates") << QString(good).replace("{\"model", "{\"partial_rotary_factor\":0.5,\"model")
                                                << "llama" << ErrorCode::Unsupported << "rotates whole heads";
    }
    void badInputIsOneLine()
    {
        QFETCH(QString, config);
        QFETCH(QString, architecture);
        QFETCH(ErrorCode, code);
        QFETCH(QString, part);
        const auto model = test::makeModel(test::runnableLlamaTensors(), config.toStdString(), architecture.toStdString());
        const auto plan = planExport(*model, valueOf(policyOf("q8_0").resolve(*model)), ExportFormat::Gguf);
        QVERIFY(!plan.ok());
        const QString text = QString::fromStdString(plan.error().text());
        QVERIFY2(plan.error().code == code && text.contains(part) && !text.contains('\n'), qPrintable(text));
    }

    void targetsThatCannotBe()
    {
        const auto model = write(*valueOf(Model::open(kLoupe)), policyOf("q8_0"), "here.gguf");
        const auto decisions = valueOf(policyOf("q4_0").resolve(*model));
        const std::string link = m_folder.path("link.gguf");
        QVERIFY(QFile::link(QString::fromStdString(model->path()), QString::fromStdString(link)));
        for (const std::string& target : {model->path(), link})
            QCOMPARE(exportModel(m_backend, *model, decisions, ExportFormat::Gguf, target, {}).error().code, ErrorCode::TargetIsSource);
        QCOMPARE(exportModel(m_backend, *model, decisions, ExportFormat::Gguf, "/proc/nowhere/x.gguf", {}).error().kind(),
                 ErrorKind::CannotWrite);
        std::stop_source stop;
        const JobControl job{stop.get_token(), [&](uint64_t done, uint64_t total) {
                                 if (done > total / 2)
                                     stop.request_stop();
                             }};
        QCOMPARE(exportModel(m_backend, *model, decisions, ExportFormat::Gguf, m_folder.path("stopped.gguf"), job).error().code,
                 ErrorCode::Cancelled);
        QVERIFY(QDir(QString::fromStdString(m_folder.path())).entryList({"*stopped*"}, QDir::Files | QDir::Hidden).isEmpty());
    }

    void nvfp4KeepsItsFactorOrIsQuantizedWithIt()
    {
        test::GgufBuilder builder;
        builder.text("general.architecture", "llama");
        test::Bytes blocks;
        for (int i = 0; i < 4 * 36; ++i)
            blocks.u8(uint8_t(i % 36 < 4 ? 0x38 + i % 3 : 0x13 + 5 * i));
        builder.tensor("blk.0.attn_q.weight", {64, 4}, 40, blocks);
        builder.tensor("blk.0.attn_q.scale", {1}, 0, test::Bytes().number(0.3f));
        const auto bytes = builder.build().data();
        const std::string path = m_folder.write("factor.gguf", std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
        const auto model = valueOf(Model::open(path));
        auto keep = valueOf(policyOf("q8_0").resolve(*model));
        keep[0].asStored = true;
        const std::string keptPath = m_folder.path("factorkept.gguf");
        QVERIFY(exportModel(m_backend, *model, keep, ExportFormat::Gguf, keptPath, {}).ok());
        const auto kept = valueOf(Model::open(keptPath));
        QVERIFY(kept->tensors()[0].packed);
        QCOMPARE(kept->tensors()[0].bytes, model->tensors()[0].bytes);
        const auto quantized = write(*model, policyOf("q8_0"), "factorquantized.gguf");
        QCOMPARE(quantized->tensors().size(), size_t(1));
        QVERIFY(!quantized->tensors()[0].packed && quantized->tensors()[0].dtype == DType::Q8_0);
        const auto plan = planOf(*model, policyOf("q8_0"));
        QVERIFY(!plan.entries[0].warnings.empty());
        QVERIFY(plan.entries[0].warnings[0].find("NVFP4") != std::string::npos);
        std::vector<std::vector<float>> values;
        for (const auto& each : {model, kept, quantized}) {
            const auto view = valueOf(each->view(0));
            values.emplace_back(size_t(view.count()));
            QVERIFY(view.readRows(0, view.rows(), values.back().data()).ok());
        }
        QVERIFY(values[0] == values[1]);
        for (size_t i = 0; i < values[0].size(); ++i)
            QVERIFY(std::abs(values[2][i] - values[0][i]) <= 0.01f);
    }
};

QTEST_GUILESS_MAIN(TestGgufExport)
#include "tst_ggufexport.moc"
