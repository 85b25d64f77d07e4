// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Checkpoint folders: packed bytes as other programs make them, values as the quantizer promised them, sizes as planned,
// and what the configuration says of mixed policies.
#include "core/compute/cpubackend.h"
#include "core/export/exporter.h"
#include "core/io/atomicfile.h"
#include "core/io/json.h"
#include "core/io/mappedfile.h"
#include "core/io/safetensors.h"
#include "core/io/safetensorswriter.h"
#include "core/policy/dialects/dialect.h"
#include "support/testmodels.h"

#include <QDir>
#include <QTemporaryDir>
#include <QTest>

#include <filesystem>
#include <map>

using namespace ql;

namespace {

constexpr char kConfig[] = R"({"model_type":"llama","torch_dtype":"float16","num_hidden_layers":1})";
const std::string kModule = "model.layers.0.mlp.down_proj";

template <class T>
T valueOf(Result<T> result)
{
    if (!result.ok())
        qFatal("%s", result.error().text().c_str());
    return std::move(result).value();
}

/// Tensors of a safetensors file as they lie there.
struct Stored {
    DType dtype;
    Shape shape;
    std::vector<std::byte> bytes;
};

std::map<std::string, Stored> storedTensors(const std::string& path)
{
    const auto file = valueOf(openFile(path, FileAccess::Read));
    std::map<std::string, Stored> tensors;
    for (const TensorInfo& tensor : valueOf(parseSafetensors(*file)).tensors) {
        Stored stored{tensor.dtype, tensor.shape, std::vector<std::byte>(tensor.bytes)};
        if (!file->read(tensor.offset, stored.bytes).ok())
            qFatal("cannot read %s", path.c_str());
        tensors.emplace(tensor.name, std::move(stored));
    }
    return tensors;
}

const std::map<std::string, Stored>& golden()
{
    static const auto tensors = storedTensors(QL_TEST_DATA "/checkpoints/golden.safetensors");
    return tensors;
}

std::shared_ptr<const Model> goldenModel(const std::string& name)
{
    const Stored& weight = golden().at(name + "/weight");
    std::vector<float> values(weight.bytes.size() / 4);
    std::memcpy(values.data(), weight.bytes.data(), weight.bytes.size());
    return test::makeModel({{kModule + ".weight", values, weight.shape, TensorRole::MlpDown, 0}}, kConfig);
}

Policy policyOf(const std::string& scheme)
{
    Policy policy;
    policy.defaultScheme = valueOf(Scheme::parse(scheme));
    return policy;
}

uint64_t folderBytes(const std::string& folder)
{
    uint64_t bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(folder))
        bytes += file.file_size();
    return bytes;
}

ExportOptions optionsFor(const QString& format)
{
    return *exportFormatFromName(format.toStdString());
}

} // namespace

class TestCheckpoint : public QObject
{
    Q_OBJECT

    QTemporaryDir m_folder;
    CpuBackend m_backend{std::make_shared<ThreadPool>(2)};
    int m_count = 0;

    std::string newPath() { return m_folder.filePath(QString("out%1").arg(m_count++)).toStdString(); }

    /// Exports, checks the size against the plan, and gives the folder.
    std::string write(const Model& model, const Policy& policy, const ExportOptions& options, ExportPlan* planned = nullptr)
    {
        const auto decisions = valueOf(policy.resolve(model));
        const std::string path = newPath();
        const ExportPlan plan = valueOf(planExport(model, decisions, options));
        if (const Status written = exportModel(m_backend, model, decisions, options, path, {}); !written.ok())
            qFatal("%s", written.error().text().c_str());
        if (plan.fileBytes != folderBytes(path) || !plan.folder)
            qFatal("planned %llu bytes, wrote %llu", static_cast<unsigned long long>(plan.fileBytes),
                   static_cast<unsigned long long>(folderBytes(path)));
        if (planned)
            *planned = plan;
        return path;
    }

    nlohmann::json configOf(const std::string& folder) { return valueOf(readJson(folder + "/config.json")); }

    /// What the quantizer gives for the decisions of the plan.
    std::vector<float> promised(const TensorView& view, const Decision& decision)
    {
        std::vector<float> values(size_t(view.count()));
        if (decision.asStored) {
            if (!view.readRows(0, view.rows(), values.data()).ok())
                qFatal("cannot read");
            return values;
        }
        TensorView shaped = view;
        if (decision.fallback.find("from row to row") != std::string::npos)
            shaped = valueOf(TensorView::create(view.source(), view.offset(), view.dtype(),
                                                {view.count() / decision.scheme.groupSize, decision.scheme.groupSize}));
        const auto parameters = valueOf(m_backend.prepare(shaped, decision.scheme, {}));
        const auto q = valueOf(m_backend.quantizeRows(shaped, parameters, 0, shaped.rows(), {}));
        if (!m_backend.dequantize(q, values.data(), {}).ok())
            qFatal("cannot dequantize");
        return values;
    }

    /// Exports, reopens, compares all values; the number of quantized tensors, -1 where one differs.
    int comparePromises(const Model& model, const Policy& policy, const ExportOptions& options)
    {
        ExportPlan plan;
        const auto written = valueOf(Model::open(write(model, policy, options, &plan)));
        int quantized = 0;
        for (size_t i = 0; i < model.tensors().size(); ++i) {
            const std::string& name = model.tensors()[i].name;
            if (written->indexOf(name) < 0)
                return -1;
            const TensorView before = valueOf(model.view(int(i))), after = valueOf(written->view(written->indexOf(name)));
            std::vector<float> found(size_t(after.count()));
            if (!after.readRows(0, after.rows(), found.data()).ok())
                return -1;
            const std::vector<float> expected = promised(before, plan.entries[i].decision);
            if (after.rows() != before.rows() || found != expected) {
                qWarning("%s is not as promised", name.c_str());
                return -1;
            }
            quantized += !plan.entries[i].decision.asStored;
        }
        return quantized;
    }

private Q_SLOTS:
    void packedBytesAreThoseOfOtherPrograms_data()
    {
        QTest::addColumn<QString>("format");
        QTest::addColumn<QString>("scheme");
        QTest::addColumn<bool>("version2");
        QTest::addColumn<QString>("activations");
        const auto row = [](const char* name, const char* format, const char* scheme, bool version2 = false,
                            const char* activations = "") {
            QTest::newRow(name) << format << scheme << version2 << activations;
        };
        row("gptq 4 bit", "gptq", "int4,group=32");
        row("gptq 3 bit", "gptq", "int3,channel");
        row("gptq 2 bit asymmetric v2", "gptq", "int2,asym,group=16", true);
        row("gptq 4 bit asymmetric v2", "gptq", "int4,asym,group=32", true);
        row("gptq 8 bit", "gptq", "int8,group=64");
        row("awq", "awq", "int4,group=32");
        row("awq asymmetric", "awq", "int4,asym,group=32");
        for (const int bits : {2, 3, 4, 5, 6, 8}) {
            const QByteArray scheme = QString("int%1,group=%2").arg(bits).arg(bits == 4 ? 64 : 32).toLatin1();
            row(QString("mlx %1 bit").arg(bits).toLatin1(), "mlx", scheme);
        }
        row("mlx mxfp4", "mlx", "mxfp4");
        for (int bits = 2; bits <= 8; ++bits)
            row(QString("compressed %1 bit").arg(bits).toLatin1(), "compressed-tensors",
                QString("int%1,group=32").arg(bits).toLatin1());
        row("compressed 4 bit asymmetric", "compressed-tensors", "int4,asym,group=16");
        row("compressed 3 bit asymmetric channel", "compressed-tensors", "int3,asym,channel");
        row("compressed int8", "compressed-tensors", "int8,channel", false, "int8,token");
        row("compressed int8 asymmetric", "compressed-tensors", "int8,asym,channel", false, "int8,token");
        row("compressed fp8", "compressed-tensors", "fp8-e4m3");
        row("compressed mxfp4", "compressed-tensors", "mxfp4");
        row("compressed nvfp4", "compressed-tensors", "nvfp4");
        row("bnb nf4", "bitsandbytes", "nf4");
        row("bnb fp4", "bitsandbytes", "fp4");
        row("bnb nf4 double", "bitsandbytes", "nf4,double");
        row("bnb nf4 across rows", "bitsandbytes", "nf4");
    }
    void packedBytesAreThoseOfOtherPrograms()
    {
        QFETCH(QString, format);
        QFETCH(QString, scheme);
        QFETCH(bool, version2);
        QFETCH(QString, activations);
        const std::string name = QTest::currentDataTag();
        const auto model = goldenModel(name);
        ExportOptions options = optionsFor(format);
        options.gptqV2 = version2;
        if (!activations.isEmpty())
            options.activations.defaultScheme = valueOf(ActivationScheme::parse(activations.toStdString()));
        const std::string folder = write(*model, policyOf(scheme.toStdString()), options);
        const auto written = storedTensors(folder + "/model.safetensors");
        size_t compared = 0;
        for (const auto& [key, expected] : golden()) {
            if (!key.starts_with(name + "/="))
                continue;
            const std::string target = kModule + key.substr(name.size() + 2);
            QVERIFY2(written.contains(target), target.c_str());
            const Stored& found = written.at(target);
            ++compared;
            if (target.find(".quant_state.") != std::string::npos) { // texts of the same meaning
                const auto text = [](const Stored& stored) {
                    return nlohmann::json::parse(std::string(reinterpret_cast<const char*>(stored.bytes.data()), stored.bytes.size()));
                };
                QCOMPARE(text(found).dump().c_str(), text(expected).dump().c_str());
                continue;
            }
            QCOMPARE(found.bytes.size(), expected.bytes.size());
            if (target.ends_with(".nested_quant_map")) { // the last bit depends on the machine; readers take what is stored
                const auto* ours = reinterpret_cast<const float*>(found.bytes.data());
                const auto* theirs = reinterpret_cast<const float*>(expected.bytes.data());
                for (size_t i = 0; i < 256; ++i)
                    QVERIFY(std::fabs(ours[i] - theirs[i]) <= 3e-7f * std::fabs(theirs[i]));
                continue;
            }
            QVERIFY2(found.shape == expected.shape, target.c_str());
            QVERIFY2(found.bytes == expected.bytes, target.c_str());
        }
        QVERIFY(compared >= 2);
        QCOMPARE(written.size(), compared);
    }

    void reopenedValuesAreThePromisedOnes_data()
    {
        QTest::addColumn<QString>("format");
        QTest::addColumn<QString>("scheme");
        const auto rows = [](const char* format, std::initializer_list<const char*> schemes) {
            for (const char* scheme : schemes)
                QTest::addRow("%s %s", format, scheme) << format << scheme;
        };
        rows("gptq", {"int4", "int4,asym", "int3,group=64", "int2,channel", "int8,tensor", "int4,range=full,group=96"});
        rows("awq", {"int4", "int4,asym,group=64", "int4,channel"});
        rows("compressed-tensors", {"int4", "int4,asym", "int8,channel", "int5,group=32", "int7,tensor", "fp8-e4m3",
                                    "fp8-e4m3,tensor", "nvfp4", "mxfp4", "int4,clip=mse,round=stochastic:3"});
        rows("bitsandbytes", {"nf4", "nf4,double", "fp4", "fp4,group=128,double", "nf4,channel", "nf4,group=96,scale=f16", "nf4,group=512,double"});
        rows("mlx", {"int4,group=64", "int4,asym,group=64", "int8,asym,channel", "int4,group=256", "int8,channel", "int3", "int6,group=32", "mxfp4"});
    }
    void reopenedValuesAreThePromisedOnes()
    {
        QFETCH(QString, format);
        QFETCH(QString, scheme);
        const auto model = valueOf(Model::open(QL_RESOURCES "/models/loupe-3m"));
        QCOMPARE(comparePromises(*model, policyOf(scheme.toStdString()), optionsFor(format)), 28);
    }

    void otherModelsReopenToo_data()
    {
        QTest::addColumn<QString>("format");
        QTest::addColumn<QString>("scheme");
        QTest::addColumn<QString>("type");
        QTest::addColumn<QString>("name");
        const auto row = [](const char* what, const char* format, const char* scheme, const char* type, const char* name) {
            QTest::newRow(what) << format << scheme << type << name;
        };
        const char* llama = "model.layers.0.mlp.down_proj.weight";
        const char* gpt2 = "transformer.h.0.mlp.c_fc.weight";
        row("bf16 scales", "compressed-tensors", "int4,asym,group=32", "bfloat16", llama);
        row("f32 scales", "compressed-tensors", "int8,channel,scale=f32", "float32", llama);
        row("f32 biases", "mlx", "int4,asym,group=32", "float32", llama);
        row("f32 biases beside bf16", "mlx", "int4,asym,group=32", "bfloat16", llama);
        row("bf16 biases", "mlx", "int3,group=64", "bfloat16", llama);
        row("blocks across rows", "bitsandbytes", "nf4,double", "bfloat16", llama);
        row("transposed for GPTQ", "gptq", "int4,group=32", "float16", gpt2);
        row("transposed for bitsandbytes", "bitsandbytes", "nf4", "float16", gpt2);
    }
    void otherModelsReopenToo()
    {
        QFETCH(QString, format);
        QFETCH(QString, scheme);
        QFETCH(QString, type);
        QFETCH(QString, name);
        const bool gpt2 = name.contains("c_fc");
        const std::string folder = newPath();
        QVERIFY(QDir().mkpath(QString::fromStdString(folder)));
        const nlohmann::json config{{"model_type", gpt2 ? "gpt2" : "llama"}, {"torch_dtype", type.toStdString()}};
        QVERIFY(writeFileAtomically(folder + "/config.json", config.dump()).ok());
        auto writer = valueOf(SafetensorsWriter::plan({{name.toStdString(), DType::F32, {64, 96}}}));
        const auto values = test::normalValues(64 * 96, 11);
        QVERIFY(writer.begin(folder + "/model.safetensors").ok());
        QVERIFY(writer.write(std::as_bytes(std::span(values))).ok() && writer.finish().ok());
        const auto model = valueOf(Model::open(folder));
        QCOMPARE(model->tensors()[0].transposed, gpt2);
        QCOMPARE(comparePromises(*model, policyOf(scheme.toStdString()), optionsFor(format)), 1);
    }

    /// Layers of a quantized checkpoint are decoded, and the old configuration goes.
    void quantizedCheckpointsExportAgain()
    {
        const auto source = valueOf(Model::open(QL_RESOURCES "/models/loupe-3m"));
        const auto first = valueOf(Model::open(write(*source, policyOf("int4,group=64"), ExportFormat::Gptq)));
        QVERIFY(comparePromises(*first, policyOf("int4,group=32"), ExportFormat::Awq) > 0);
        const std::string kept = write(*first, policyOf("f16"), ExportFormat::Mlx);
        QVERIFY(!configOf(kept).contains("quantization_config") || !configOf(kept)["quantization_config"].contains("desc_act"));
        QVERIFY(valueOf(Model::open(kept))->indexOf("model.layers.0.mlp.down_proj.weight") >= 0);
    }

    void whatCannotBeStoredIsNamed_data()
    {
        QTest::addColumn<QString>("format");
        QTest::addColumn<QString>("scheme");
        QTest::addColumn<QString>("outcome"); ///< scheme that is carried out, or "kept"
        QTest::addColumn<QString>("why");
        const auto row = [](const char* format, const char* scheme, const char* outcome, const char* why) {
            QTest::addRow("%s %s", format, scheme) << format << scheme << outcome << why;
        };
        row("gptq", "nf4", "kept", "GPTQ stores integers");
        row("gptq", "int5", "kept", "GPTQ stores integers");
        row("gptq", "int4,group=100", "int4,group=64", "its groups are of 1024");
        row("gptq", "int4,double", "int4", "does not quantize scales");
        row("gptq", "int4,asym", "int4,asym", "version 2 instead of 1");
        row("gptq", "int4,scale=e4m3", "int4", "plain floats");
        row("awq", "int8", "kept", "4-bit integers");
        row("awq", "int4,group=16", "kept", "its groups are of 128, 64, 32");
        row("compressed-tensors", "nf4", "kept", "integers, FP8 E4M3, NVFP4 and MXFP4");
        row("compressed-tensors", "fp8-e4m3,group=64", "fp8-e4m3,scale=f16", "per tensor or channel");
        row("compressed-tensors", "fp8-e5m2", "kept", "FP8 E4M3");
        row("compressed-tensors", "int4,group=100", "int4,group=64", "its groups are of 128");
        row("bitsandbytes", "int4", "kept", "NF4 and FP4");
        row("bitsandbytes", "nf4,group=96,double", "nf4,group=96", "does not quantize scales");
        row("bitsandbytes", "nf4,group=512", "nf4,group=512", "run on from row to row");
        row("mlx", "int7", "kept", "2, 3, 4, 5, 6 or 8");
        row("mlx", "nvfp4", "kept", "no factor for the whole tensor");
        row("mlx", "int4,group=16", "kept", "its groups are of 128, 64, 32");
    }
    void whatCannotBeStoredIsNamed()
    {
        QFETCH(QString, format);
        QFETCH(QString, scheme);
        QFETCH(QString, outcome);
        QFETCH(QString, why);
        const auto model = valueOf(Model::open(QL_RESOURCES "/models/loupe-3m"));
        const auto decisions = valueOf(policyOf(scheme.toStdString()).resolve(*model));
        const auto plan = valueOf(planExport(*model, decisions, optionsFor(format)));
        const PlanEntry& entry = plan.entries[size_t(model->indexOf("model.layers.0.self_attn.q_proj.weight"))];
        QVERIFY2(entry.decision.fallback.find(why.toStdString()) != std::string::npos, entry.decision.fallback.c_str());
        QCOMPARE(entry.decision.asStored ? QString("kept") : QString::fromStdString(entry.decision.scheme.text()), outcome);
        QCOMPARE(refuseFallbacks(plan).error().code, ErrorCode::SchemeConflict);
    }

    /// What the recipe for MLX says whole, the export writes as asked, and the other way round.
    void mlxIsAskedAndWrittenAlike()
    {
        const auto model = valueOf(Model::open(QL_RESOURCES "/models/loupe-3m"));
        for (const char* scheme : {"int4,asym,group=64", "int8,asym,group=32", "mxfp4", "nvfp4", "int7,asym,group=32"}) {
            const Policy policy = policyOf(scheme);
            const auto plan = valueOf(planExport(*model, valueOf(policy.resolve(*model)), ExportFormat::Mlx));
            const auto recipe = dialectFromId("mlx")->write(policy, *model);
            QVERIFY2((recipe.ok() && recipe->lost.empty()) == refuseFallbacks(plan).ok(), scheme);
        }
        const auto wide = valueOf(planExport(*model, valueOf(policyOf("int4,asym,group=64").resolve(*model)), ExportFormat::Mlx));
        QVERIFY(!wide.warnings.empty() && wide.warnings[0].find("28 asymmetric layers are in f32") != std::string::npos);
        const auto narrow = valueOf(planExport(*model, valueOf(policyOf("int4,group=64").resolve(*model)), ExportFormat::Mlx));
        QVERIFY(narrow.warnings.empty() && narrow.fileBytes < wide.fileBytes);
    }

    /// Every kind of layer somewhere: 8 bits in down_proj, one layer kept, the rest in 4 bits.
    void mixedPoliciesAreSaid_data()
    {
        QTest::addColumn<QString>("format");
        QTest::addColumn<QString>("scheme");
        QTest::addColumn<QString>("other");
        QTest::newRow("gptq") << "gptq" << "int4" << "int8,channel";
        QTest::newRow("awq") << "awq" << "int4" << "int4,group=64";
        QTest::newRow("compressed-tensors") << "compressed-tensors" << "int4" << "fp8-e4m3,scale=f16";
        QTest::newRow("bitsandbytes") << "bitsandbytes" << "nf4" << "nf4,double";
        QTest::newRow("mlx") << "mlx" << "int4,group=64" << "int8,group=64";
    }
    void mixedPoliciesAreSaid()
    {
        QFETCH(QString, format);
        QFETCH(QString, scheme);
        QFETCH(QString, other);
        const auto model = valueOf(Model::open(QL_RESOURCES "/models/loupe-3m"));
        Policy policy = policyOf(scheme.toStdString());
        Rule down, kept;
        down.match = "down_proj";
        down.scheme = valueOf(Scheme::parse(other.toStdString()));
        kept.match = "layers\\.1\\.self_attn\\.q_proj";
        kept.scheme = Scheme::defaultsFor(Format::F16);
        policy.rules = {down, kept};
        const auto config = configOf(write(*model, policy, optionsFor(format)))["quantization_config"];
        const nlohmann::json none;
        const std::string skipped = "model.layers.1.self_attn.q_proj", eight = "model.layers.0.mlp.down_proj";
        const auto holds = [](const nlohmann::json& list, const std::string& name) {
            return std::find(list.begin(), list.end(), name) != list.end();
        };
        if (format == "gptq") {
            QCOMPARE(config["bits"].get<int>(), 4);
            QVERIFY(config["dynamic"].contains("-:model\\.layers\\.1\\.self_attn\\.q_proj$"));
            QCOMPARE(config["dynamic"]["+:model\\.layers\\.0\\.mlp\\.down_proj$"].dump().c_str(),
                     R"({"bits":8,"group_size":-1,"sym":true})");
            QCOMPARE(config["dynamic"].size(), size_t(5));
        } else if (format == "awq") {
            QCOMPARE(config["group_size"].get<int>(), 64);
            QVERIFY(holds(config["modules_to_not_convert"], skipped) && holds(config["modules_to_not_convert"], "lm_head"));
        } else if (format == "compressed-tensors") {
            QCOMPARE(config["format"].get<std::string>(), std::string("mixed-precision"));
            QVERIFY(holds(config["ignore"], skipped) && holds(config["ignore"], "lm_head"));
            QVERIFY(holds(config["config_groups"]["group_1"]["targets"], eight));
            QCOMPARE(config["config_groups"]["group_1"]["format"].get<std::string>(), std::string("float-quantized"));
            QCOMPARE(config["config_groups"]["group_0"]["weights"]["group_size"].get<int>(), 128);
        } else if (format == "bitsandbytes") {
            QVERIFY(holds(config["llm_int8_skip_modules"], skipped) && holds(config["llm_int8_skip_modules"], "lm_head"));
            QCOMPARE(config["bnb_4bit_use_double_quant"].get<bool>(), false);
        } else {
            QCOMPARE(config["bits"].get<int>(), 4);
            QCOMPARE(config[eight]["bits"].get<int>(), 8);
            QVERIFY(!config.contains(skipped));
        }
    }

    void activationsAndCacheAreSaidWhereTheyCanBe()
    {
        const auto model = valueOf(Model::open(QL_RESOURCES "/models/loupe-3m"));
        ExportOptions options = ExportFormat::CompressedTensors;
        options.activations.defaultScheme = valueOf(ActivationScheme::parse("int8,token"));
        options.kvCache.defaultScheme = valueOf(KvScheme::parse("fp8-e4m3"));
        ExportPlan plan;
        auto config = configOf(write(*model, policyOf("int8,channel"), options, &plan))["quantization_config"];
        const auto input = config["config_groups"]["group_0"]["input_activations"];
        QCOMPARE(config["format"].get<std::string>(), std::string("int-quantized"));
        QCOMPARE(input["strategy"].get<std::string>() + " " + input["dynamic"].dump(), std::string("token true"));
        QCOMPARE(config["kv_cache_scheme"]["num_bits"].get<int>(), 8);

        options.activations.defaultScheme = valueOf(ActivationScheme::parse("int8,tensor"));
        options.kvCache.defaultScheme = valueOf(KvScheme::parse("int4,keys=channel"));
        config = configOf(write(*model, policyOf("int8,channel"), options, &plan))["quantization_config"];
        QVERIFY(config["config_groups"]["group_0"]["input_activations"].is_null() && config["kv_cache_scheme"].is_null());
        QVERIFY(plan.warnings.size() >= 2);
    }

    void modelsWithoutConfigurationAreRefused()
    {
        const auto model = test::tinyLlama();
        const auto plan = planExport(*model, valueOf(Policy().resolve(*model)), ExportFormat::Gptq);
        QCOMPARE(plan.error().code, ErrorCode::Unsupported);
        QVERIFY(plan.error().message.find("config.json") != std::string::npos);
    }
};

QTEST_GUILESS_MAIN(TestCheckpoint)
#include "tst_checkpoint.moc"
