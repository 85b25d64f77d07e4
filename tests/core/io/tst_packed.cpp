// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Quantized checkpoints as input: one tensor per weight, whose values are those of independent readers bit for bit
// (tests/data/packed/make_packed.py), and the policies read back from them.
#include "core/compute/cpubackend.h"
#include "core/export/exporter.h"
#include "core/io/mappedfile.h"
#include "core/io/safetensors.h"
#include "core/model/model.h"
#include "core/model/packedweight.h"
#include "core/model/storedscheme.h"
#include "core/nn/network.h"
#include "core/policy/checkpointpolicy.h"
#include "core/tensor/floats.h"
#include "packedfile.h"
#include "support/ggufbuilder.h"
#include "support/testmodels.h"

#include <QTest>

#include <cmath>
#include <cstring>

using namespace ql;
using namespace ql::test;

namespace
{

const std::string kData = QL_TEST_DATA "/packed/";
const std::string kQ = "model.layers.0.self_attn.q_proj.weight";

using ModelPtr = std::shared_ptr<const Model>;

ModelPtr opened(const std::string& path, FileAccess access = FileAccess::Map)
{
    auto model = Model::open(path, access);
    if (!model.ok())
        qWarning("%s", model.error().text().c_str());
    return model.ok() ? *model : nullptr;
}

std::vector<float> valuesOf(const Model& model, int index)
{
    const auto view = model.view(index);
    if (!view.ok()) {
        qWarning("%s", view.error().text().c_str());
        return {};
    }
    std::vector<float> values(size_t(view->count()));
    return view->readFlat(0, view->count(), values.data()).ok() ? values : std::vector<float>();
}

bool same(const std::vector<float>& a, const std::vector<float>& b)
{
    return !a.empty() && a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// What the golden file says about one weight.
std::vector<float> expectedOf(const std::string& folder, const std::string& tensor)
{
    static const ModelPtr golden = opened(kData + "expected.safetensors");
    const int index = golden ? golden->indexOf(folder + "/" + tensor) : -1;
    return index < 0 ? std::vector<float>() : valuesOf(*golden, index);
}

std::string floatBytes(const std::vector<float>& values)
{
    return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

/// A runnable model whose linear layers are 8-bit integers with a scale per output, or the values that those stand for.
PackedFile runnableIntegers(bool packed)
{
    PackedFile file;
    file.config = std::string(kRunnableLlamaConfig);
    for (TestTensor tensor : runnableLlamaTensors()) {
        if (!isLinear(tensor.role)) {
            file.tensors[tensor.name] = {"F32", tensor.shape, floatBytes(tensor.values)};
            continue;
        }
        const auto cols = size_t(tensor.shape[1]);
        std::string codes(tensor.values.size(), '\0');
        std::vector<float> scales(size_t(tensor.shape[0]), 0.01f);
        for (size_t i = 0; i < codes.size(); ++i) {
            scales[i / cols] = 0.01f + 0.0001f * float(i / cols);
            const int code = std::clamp(int(std::lround(tensor.values[i] / scales[i / cols])), -127, 127);
            codes[i] = char(int8_t(code));
            tensor.values[i] = float(code) * scales[i / cols];
        }
        file.tensors[tensor.name] = packed ? PackedFile::Tensor{"I8", tensor.shape, codes}
                                           : PackedFile::Tensor{"F32", tensor.shape, floatBytes(tensor.values)};
        if (packed)
            file.tensors[tensor.name + "_scale"] = {"F32", {tensor.shape[0], 1}, floatBytes(scales)};
    }
    return file;
}

} // namespace

class TestPacked : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void valuesAreThoseOfIndependentReaders_data()
    {
        QTest::addColumn<QByteArray>("label");
        QTest::addColumn<QByteArray>("scheme");
        QTest::addColumn<QByteArray>("dtype");
        const auto row = [](const char* folder, const char* label, const char* scheme, const char* dtype) {
            QTest::newRow(folder) << QByteArray(label) << QByteArray(scheme) << QByteArray(dtype);
        };
        row("gptq-4bit-sym", "GPTQ INT4 g32", "int4,range=full,group=32", "F16");
        row("gptq-4bit-asym", "GPTQ INT4 g16", "int4,asym,group=16", "F16");
        row("gptq-3bit", "GPTQ INT3 g32", "int3,asym,group=32", "F16");
        row("gptq-2bit", "GPTQ INT2 g16", "int2,asym,group=16", "F16");
        row("gptq-8bit", "GPTQ INT8 g32", "int8,asym,group=32", "F16");
        row("gptq-channel", "GPTQ INT4 channel", "int4,asym,channel", "F16");
        row("gptq-act-order", "GPTQ INT4 g16", "int4,asym,group=16", "F16");
        row("gptq-no-index", "GPTQ INT4 g32", "int4,asym,group=32", "F16");
        row("gptq-v2-zero", "GPTQ INT4 g32", "int4,asym,group=32", "F16");
        row("gptq-v1-zero", "GPTQ INT4 g32", "int4,asym,group=32", "F16");
        row("gptq-side-file", "GPTQ INT4 g32", "int4,range=full,group=32", "F16");
        row("awq", "AWQ INT4 g32", "int4,asym,group=32", "F16");
        row("awq-side-file", "AWQ INT4 g32", "int4,asym,group=32", "F16");
        const char* ints4 = "int4,range=full,group=32,scale=f32";
        row("ct-pack-4bit", "compressed-tensors INT4 g32", ints4, "BF16");
        row("ct-pack-4bit-bf16", "compressed-tensors INT4 g32", "int4,range=full,group=32,scale=bf16", "BF16");
        row("ct-int-channel-bf16", "compressed-tensors INT8 channel", "int8,range=full,channel,scale=bf16", "BF16");
        row("bnb-nf4-double-bf16", "bitsandbytes NF4 g64 double", "nf4,double", "BF16");
        row("ct-pack-4bit-asym", "compressed-tensors INT4 g16", "int4,asym,group=16,scale=f32", "BF16");
        row("ct-pack-3bit-asym", "compressed-tensors INT3 g32", "int3,asym,group=32,scale=f32", "BF16");
        row("ct-pack-5bit", "compressed-tensors INT5 channel", "int5,range=full,channel,scale=f32", "BF16");
        row("ct-pack-8bit-channel", "compressed-tensors INT8 channel", "int8,range=full,channel,scale=f32", "BF16");
        row("ct-act-order", "compressed-tensors INT4 g16", "int4,range=full,group=16,scale=f32", "BF16");
        row("ct-act-order-unset", "compressed-tensors INT4 g16", "int4,range=full,group=16,scale=f32", "BF16");
        row("ct-words-3bit-asym", "compressed-tensors INT3 g16", "int3,asym,group=16,scale=f32", "BF16");
        row("ct-words-6bit", "compressed-tensors INT6 g16", "int6,range=full,group=16,scale=f32", "BF16");
        row("ct-int-channel", "compressed-tensors INT8 channel", "int8,range=full,channel,scale=f32", "BF16");
        row("ct-int-asym-group", "compressed-tensors INT8 g32", "int8,asym,group=32,scale=f32", "BF16");
        row("ct-int-asym-block", "compressed-tensors INT8 16x32", "int8,asym,group=32,scale=f32", "BF16");
        row("ct-int-asym-tensor", "compressed-tensors INT8 tensor", "int8,asym,tensor,scale=f32", "BF16");
        row("ct-int-tensor", "compressed-tensors INT8 tensor", "int8,range=full,tensor,scale=f32", "BF16");
        row("ct-mixed", "compressed-tensors INT4 g32", ints4, "BF16");
        row("ct-float-tensor", "compressed-tensors FP8 E4M3 tensor", "fp8-e4m3,tensor", "BF16");
        row("ct-float-channel", "compressed-tensors FP8 E4M3 channel", "fp8-e4m3", "BF16");
        row("ct-float-block", "compressed-tensors FP8 E4M3 16x32", "fp8-e4m3,group=32", "BF16");
        row("ct-naive", "compressed-tensors FP8 E4M3 g32", "fp8-e4m3,group=32", "BF16");
        row("ct-nvfp4", "compressed-tensors NVFP4", "nvfp4", "BF16");
        row("ct-mxfp4", "compressed-tensors MXFP4", "mxfp4", "BF16");
        row("ct-mxfp8", "compressed-tensors FP8 E4M3 g32", "fp8-e4m3,group=32,scale=e8m0", "BF16");
        row("bnb-nf4", "bitsandbytes NF4 g64", "nf4", "F32");
        row("bnb-nf4-double", "bitsandbytes NF4 g64 double", "nf4,double", "F32");
        row("bnb-fp4", "bitsandbytes FP4 (bitsandbytes) g64", "fp4", "F32");
        row("bnb-fp4-double", "bitsandbytes FP4 (bitsandbytes) g128 double", "fp4,group=128,double", "F32");
        row("bnb-across-rows", "bitsandbytes NF4 g64", "nf4", "F32");
        row("bnb-no-config", "bitsandbytes NF4 g64 double", "nf4,double", "F32");
        row("bnb-int8", "bitsandbytes INT8 channel", "int8,channel,scale=f32", "BF16");
        row("mlx-2bit", "MLX INT2 g32", "int2,asym,group=32,scale=f32", "BF16");
        row("mlx-3bit", "MLX INT3 g32", "int3,asym,group=32,scale=f32", "BF16");
        row("mlx-4bit", "MLX INT4 g32", "int4,asym,group=32,scale=f32", "BF16");
        row("mlx-5bit", "MLX INT5 g32", "int5,asym,group=32,scale=f32", "BF16");
        row("mlx-6bit", "MLX INT6 g32", "int6,asym,group=32,scale=f32", "BF16");
        row("mlx-8bit", "MLX INT8 g32", "int8,asym,group=32,scale=f32", "BF16");
        row("mlx-mixed", "MLX INT4 channel", "int4,asym,channel,scale=f32", "BF16");
        row("mlx-mxfp4", "MLX MXFP4", "mxfp4", "BF16");
        row("mlx-mxfp8", "MLX FP8 E4M3 g32", "fp8-e4m3,group=32,scale=e8m0", "BF16");
        row("mlx-nvfp4", "MLX NVFP4", "nvfp4", "BF16");
        row("modelopt-nvfp4", "ModelOpt NVFP4", "nvfp4", "BF16");
        row("modelopt-fp8", "ModelOpt FP8 E4M3 tensor", "fp8-e4m3,tensor", "BF16");
        row("hf-fp8-blocks", "FP8 E4M3 16x32", "fp8-e4m3,group=32", "BF16");
        row("gpt-oss", "MXFP4", "mxfp4", "BF16");
    }
    void valuesAreThoseOfIndependentReaders()
    {
        const std::string folder = QTest::currentDataTag();
        QFETCH(QByteArray, label);
        QFETCH(QByteArray, scheme);
        QFETCH(QByteArray, dtype);
        for (const FileAccess access : {FileAccess::Map, FileAccess::Read}) {
            const ModelPtr model = opened(kData + folder, access);
            QVERIFY(model);
            QCOMPARE(model->warnings().size(),
                     size_t(QFile::exists(QString::fromStdString(kData + folder + "/config.json")) ? 0 : 1));
            uint64_t parameters = 0;
            for (size_t i = 0; i < model->tensors().size(); ++i) {
                const TensorInfo& tensor = model->tensors()[i];
                QVERIFY2(tensor.packed, tensor.name.c_str());
                QVERIFY(tensor.role == TensorRole::AttnQ || tensor.role == TensorRole::MlpDown ||
                        tensor.role == TensorRole::ExpertGateUp);
                const std::vector<float> expected = expectedOf(folder, tensor.name);
                QCOMPARE(tensor.parameters(), uint64_t(expected.size()));
                std::vector<float> values = valuesOf(*model, int(i));
                for (size_t v = 0; folder.ends_with("-bf16") && v < values.size(); ++v)
                    values[v] = bf16ToFloat(floatToBf16(values[v]));
                QVERIFY2(same(values, expected), tensor.name.c_str());
                parameters += expected.size();
            }
            QCOMPARE(model->parameters(), parameters);
            const TensorInfo& first = model->tensors().front();
            QCOMPARE(QByteArray::fromStdString(first.typeLabel()), label);
            QCOMPARE(QByteArray::fromStdString(storedScheme(first)->text()), scheme);
            QCOMPARE(QByteArray(dtypeInfo(first.dtype).name.data()), dtype);
        }
    }

    void partsOfRowsAreThoseOfTheWhole_data()
    {
        QTest::addColumn<QByteArray>("folder");
        for (const char* folder :
             {"gptq-3bit", "gptq-act-order", "awq", "ct-words-3bit-asym", "ct-pack-3bit-asym", "ct-float-block",
              "ct-int-tensor", "bnb-across-rows", "bnb-nf4-double", "mlx-5bit", "gpt-oss"})
            QTest::newRow(folder) << QByteArray(folder);
    }
    void partsOfRowsAreThoseOfTheWhole()
    {
        const ModelPtr model = opened(kData + QTest::currentDataTag());
        QVERIFY(model);
        const auto view = model->view(0);
        QVERIFY(view.ok());
        QVERIFY(view->packed() && !view->bytes());
        QVERIFY(view->dtype() == DType::F32);
        QCOMPARE(view->byteSize(), model->tensors()[0].bytes);
        const std::vector<float> whole = valuesOf(*model, 0);
        const int64_t cols = view->cols();
        for (int64_t row = 0; row < view->rows(); ++row) {
            for (const int64_t n : {int64_t(1), int64_t(3)}) {
                std::vector<float> part(size_t(n * cols));
                if (row + n > view->rows())
                    continue;
                QVERIFY(view->readRows(row, n, part.data()).ok());
                QVERIFY(same(part, {whole.begin() + row * cols, whole.begin() + (row + n) * cols}));
            }
        }
        for (int64_t first = 0; first + 3 * cols / 2 < view->count(); first += cols / 3 + 1) {
            std::vector<float> part(size_t(3 * cols / 2));
            QVERIFY(view->readFlat(first, int64_t(part.size()), part.data()).ok());
            QVERIFY(same(part, {whole.begin() + first, whole.begin() + first + int64_t(part.size())}));
        }
        view->release();
        QVERIFY(same(valuesOf(*model, 0), whole));
        float value = 0;
        QVERIFY(!view->readRows(view->rows(), 1, &value).ok());
        QVERIFY(!view->readFlat(view->count(), 1, &value).ok());
    }

    void aPackedModelRunsAsTheValuesItStandsFor()
    {
        const TokenIds ids{1, 7, 40, 3, 3, 22};
        ThreadPool pool(1);
        std::vector<RowMatrix> logits;
        for (const bool packed : {true, false}) {
            const Folder folder;
            runnableIntegers(packed).write(folder);
            const ModelPtr model = opened(folder.path());
            QVERIFY(model);
            QCOMPARE(model->tensors().size(), runnableLlamaTensors().size());
            QVERIFY(model->warnings().empty());
            const auto network = Network::create(model);
            QVERIFY2(network.ok(), network.ok() ? "" : network.error().text().c_str());
            const auto result = forward(**network, ids, pool);
            QVERIFY2(result.ok(), result.ok() ? "" : result.error().text().c_str());
            logits.push_back(*result);
        }
        QCOMPARE(logits[0].size(), int64_t(6 * 64));
        QVERIFY(logits[0].allFinite() && logits[0] == logits[1]);
    }

    void ggufNvfp4IsMultipliedByItsFactor()
    {
        const Folder folder;
        Bytes blocks;
        for (int i = 0; i < 2 * 36; ++i)
            blocks.number(uint8_t(i % 36 < 4 ? 0x38 + i % 4 : 0x21 + i));
        const auto write = [&](const char* name, bool scaled) {
            GgufBuilder builder;
            builder.text("general.architecture", "llama");
            builder.tensor("blk.0.attn_q.weight", {64, 2}, 40, blocks);
            if (scaled)
                builder.tensor("blk.0.attn_q.scale", {1}, 0, Bytes().number(0.3f));
            const auto bytes = builder.build().data();
            return folder.write(name, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
        };
        const ModelPtr plain = opened(write("plain.gguf", false));
        const ModelPtr scaled = opened(write("scaled.gguf", true));
        QVERIFY(plain && scaled);
        QCOMPARE(scaled->tensors().size(), size_t(1));
        const TensorInfo& tensor = scaled->tensors()[0];
        QVERIFY(tensor.dtype == DType::NVFP4 && tensor.packed && !plain->tensors()[0].packed);
        QCOMPARE(tensor.bytes, plain->tensors()[0].bytes + 4);
        std::vector<float> expected = valuesOf(*plain, 0);
        for (float& value : expected)
            value *= 0.3f;
        QVERIFY(same(valuesOf(*scaled, 0), expected));
        QCOMPARE(QByteArray::fromStdString(storedScheme(tensor)->text()), QByteArray("nvfp4"));
    }

    void companionsMayLieInOtherShards()
    {
        PackedFile first = PackedFile::load(kData + "gptq-act-order"), second = first;
        std::string map;
        for (const auto& [name, tensor] : PackedFile(first).tensors) {
            const bool inFirst = name.ends_with(".qweight") || name.ends_with(".g_idx");
            (inFirst ? second : first).tensors.erase(name);
            map += (map.empty() ? "\"" : ",\"") + name + "\":\"model-0000" + (inFirst ? "1" : "2") +
                   "-of-00002.safetensors\"";
        }
        const Folder folder;
        folder.write("model-00001-of-00002.safetensors", first.bytes());
        folder.write("model-00002-of-00002.safetensors", second.bytes());
        folder.write("model.safetensors.index.json", "{\"weight_map\":{" + map + "}}");
        folder.write("config.json", first.config);
        const ModelPtr model = opened(folder.path());
        QVERIFY(model);
        QCOMPARE(model->tensors().size(), size_t(1));
        QVERIFY(same(valuesOf(*model, 0), expectedOf("gptq-act-order", kQ)));
    }

    void aFileThatShrinksIsReported()
    {
        const Folder folder;
        const std::string module = "model.layers.0.self_attn.q_proj.weight";
        const std::string header = '{' + entry(module, "I8", "256,256", 0, 65536) + ',' +
                                   entry(module + "_scale", "F32", "256,1", 65536, 66560) + '}';
        const std::string bytes = safetensorsFile(header, std::string(66560, '\1'));
        for (const FileAccess access : {FileAccess::Map, FileAccess::Read}) {
            const std::string path = folder.write("model.safetensors", bytes);
            const ModelPtr model = opened(folder.path(), access);
            QVERIFY(model);
            const auto view = model->view(0);
            QVERIFY(view.ok());
            QVERIFY(QFile::resize(QString::fromStdString(path), 64));
            std::vector<float> values(size_t(view->count()));
            const Status status = view->readRows(0, view->rows(), values.data());
            QVERIFY(!status.ok());
            QVERIFY(status.error().code == ErrorCode::FileTruncated || status.error().code == ErrorCode::FileChanged);
            QVERIFY(!model->checkUnchanged().ok());
        }
    }

    void unknownMethodsStayAsTheyAre()
    {
        const Folder folder;
        folder.write("model.safetensors", vectorsFile({{"model.layers.0.self_attn.q_proj.codebooks", 4}}));
        folder.write("config.json", R"({"model_type":"llama","quantization_config":{"quant_method":"aqlm"}})");
        const ModelPtr model = opened(folder.path());
        QVERIFY(model);
        QCOMPARE(model->tensors().size(), size_t(1));
        QCOMPARE(model->warnings().size(), size_t(1));
        QVERIFY(model->warnings()[0].find("aqlm") != std::string::npos);
    }

    void copiesHaveOneFingerprintAndOthersAnother()
    {
        const ModelPtr mapped = opened(kData + "gptq-4bit-sym"),
                       read = opened(kData + "gptq-4bit-sym", FileAccess::Read);
        QVERIFY(mapped && read);
        QCOMPARE(mapped->fingerprint(), read->fingerprint());
        QVERIFY(mapped->fingerprint() != opened(kData + "gptq-4bit-asym")->fingerprint());
    }

    void policiesAreReadBack_data()
    {
        QTest::addColumn<QByteArray>("json");
        const auto row = [](const char* folder, const char* json) { QTest::newRow(folder) << QByteArray(json); };
        row("gptq-4bit-sym", R"("default": "int4,range=full,group=32")");
        row("ct-mixed", R"("role": "down_proj")");
        row("mlx-mixed", R"("scheme": "int6,asym,group=32,scale=f32")");
        row("bnb-nf4-double", R"("default": "nf4,double")");
    }
    void policiesAreReadBack()
    {
        QFETCH(QByteArray, json);
        const ModelPtr model = opened(kData + QTest::currentDataTag());
        QVERIFY(model);
        const Policy policy = policyOfCheckpoint(*model);
        QVERIFY2(policy.toJson().find(json.toStdString()) != std::string::npos, policy.toJson().c_str());
        const auto decisions = policy.resolve(*model);
        QVERIFY(decisions.ok());
        for (size_t i = 0; i < decisions->size(); ++i)
            QCOMPARE((*decisions)[i].scheme, *storedScheme(model->tensors()[i]));
    }

    void ownExportsGiveBackPolicyAndValues_data()
    {
        QTest::addColumn<QByteArray>("format");
        QTest::addColumn<QByteArray>("scheme");
        const auto row = [](const char* format, const char* scheme) {
            QTest::addRow("%s %s", format, scheme) << QByteArray(format) << QByteArray(scheme);
        };
        row("gptq", "int4,group=32");
        row("gptq", "int4,range=full,group=64");
        row("gptq", "int3,asym,group=32");
        row("gptq", "int8,channel");
        row("awq", "int4,asym,group=32");
        row("compressed-tensors", "int4,group=32");
        row("compressed-tensors", "int5,asym,group=64");
        row("compressed-tensors", "int8,channel");
        row("compressed-tensors", "fp8-e4m3,channel");
        row("compressed-tensors", "nvfp4");
        row("compressed-tensors", "mxfp4");
        row("bitsandbytes", "nf4");
        row("bitsandbytes", "fp4,double");
        row("mlx", "int4,asym,group=32");
    }
    void ownExportsGiveBackPolicyAndValues()
    {
        QFETCH(QByteArray, format);
        QFETCH(QByteArray, scheme);
        const Folder folder;
        PackedFile plain = runnableIntegers(false);
        plain.tensors.clear();
        for (const std::string name : {"self_attn.q_proj", "mlp.down_proj"})
            plain.tensors["model.layers.0." + name + ".weight"] = {
                "F32", {64, 128}, floatBytes(normalValues(64 * 128, 3))};
        plain.tensors["model.norm.weight"] = {"F32", {128}, floatBytes(normalValues(128, 4))};
        plain.write(folder);
        const ModelPtr model = opened(folder.path());
        QVERIFY(model);
        Policy policy;
        policy.defaultScheme = Scheme::parse(scheme.toStdString()).value();
        const auto wished = policy.resolve(*model);
        const auto kind = exportFormatFromName(format.toStdString());
        QVERIFY(wished.ok() && kind);
        const auto plan = planExport(*model, *wished, *kind);
        QVERIFY2(plan.ok(), plan.ok() ? "" : plan.error().text().c_str());
        CpuBackend backend{std::make_shared<ThreadPool>(1)};
        const Status written = exportModel(backend, *model, *wished, *kind, folder.path("out"), {});
        QVERIFY2(written.ok(), written.ok() ? "" : written.error().text().c_str());
        const ModelPtr copy = opened(folder.path("out"));
        QVERIFY(copy);
        const auto found = policyOfCheckpoint(*copy).resolve(*model);
        QVERIFY(found.ok());
        for (size_t i = 0; i < model->tensors().size(); ++i) {
            const Decision& promised = plan->entries[i].decision;
            QCOMPARE((*found)[i].asStored, promised.asStored);
            if (promised.asStored)
                continue;
            QCOMPARE((*found)[i].scheme.text(), promised.scheme.text());
            const auto view = model->view(int(i));
            const auto parameters = backend.prepare(*view, promised.scheme, {});
            QVERIFY(parameters.ok());
            const auto quantized = backend.quantizeRows(*view, *parameters, 0, view->rows(), {});
            QVERIFY(quantized.ok());
            std::vector<float> expected(size_t(view->count()));
            QVERIFY(backend.dequantize(*quantized, expected.data(), {}).ok());
            QVERIFY(same(valuesOf(*copy, copy->indexOf(model->tensors()[i].name)), expected));
        }
    }

    void mixedGgufFilesGiveRulesAndExceptions()
    {
        const Folder folder;
        GgufBuilder builder;
        builder.text("general.architecture", "llama");
        const auto add = [&](const std::string& name, uint32_t type, int bytes) {
            builder.tensor(name, {32, 2}, type, Bytes().zeros(size_t(2 * bytes)));
        };
        add("token_embd.weight", 8, 34);
        add("output.weight", 1, 64);
        for (int layer = 0; layer < 4; ++layer) {
            const std::string block = "blk." + std::to_string(layer) + ".";
            add(block + "attn_q.weight", 2, 18);
            add(block + "ffn_up.weight", 2, 18);
            add(block + "attn_v.weight", layer == 1 ? 8 : 6, layer == 1 ? 34 : 22);
            add(block + "ffn_down.weight", layer == 3 ? 30 : 2, layer == 3 ? 64 : 18);
        }
        const auto bytes = builder.build().data();
        const ModelPtr model =
            opened(folder.write("mixed.gguf", std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())));
        QVERIFY(model);
        const Policy policy = policyOfCheckpoint(*model);
        QCOMPARE(policy.defaultScheme.text(), std::string("q4_0"));
        QCOMPARE(policy.rules.size(), size_t(2)); // embeddings q8_0, v_proj q5_0
        QCOMPARE(policy.tensors.size(), size_t(2));
        QCOMPARE(policy.tensors.at("blk.1.attn_v.weight").scheme.text(), std::string("q8_0"));
        QCOMPARE(policy.tensors.at("blk.3.ffn_down.weight").scheme.text(), std::string("bf16"));
        const auto decisions = policy.resolve(*model);
        QVERIFY(decisions.ok());
        for (size_t i = 0; i < decisions->size(); ++i)
            QCOMPARE((*decisions)[i].scheme, *storedScheme(model->tensors()[i]));
    }
};

QTEST_GUILESS_MAIN(TestPacked)
#include "tst_packed.moc"
