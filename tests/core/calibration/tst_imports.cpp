// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Importance matrices that other programs wrote (tests/data/imatrix/make_golden.py), activation dumps, and the way back
// out as a GGUF importance matrix.
#include "core/calibration/imports.h"
#include "core/io/gguf.h"
#include "core/io/mappedfile.h"
#include "core/io/safetensorswriter.h"
#include "support/safetensorsbuilder.h"
#include "support/samplecalibration.h"
#include "support/testmodels.h"
#include "support/zipbuilder.h"

#include <QTest>

#include <cmath>
#include <limits>

using namespace ql;
using namespace ql::test;

namespace {

constexpr const char* kGolden = QL_TEST_DATA "/imatrix/small.";

/// tinyLlama and a layer of three experts, kept apart.
std::shared_ptr<const Model> expertsApart()
{
    std::vector<TestTensor> tensors;
    for (int layer = 0; layer < 2; ++layer) {
        const std::string prefix = "model.layers." + std::to_string(layer) + ".";
        tensors.push_back({prefix + "self_attn.q_proj.weight", normalValues(32 * 32, 3), {32, 32}, TensorRole::AttnQ, layer});
        tensors.push_back({prefix + "self_attn.v_proj.weight", normalValues(16 * 32, 4), {16, 32}, TensorRole::AttnV, layer});
        tensors.push_back({prefix + "mlp.down_proj.weight", normalValues(32 * 48, 5), {32, 48}, TensorRole::MlpDown, layer});
    }
    for (int expert = 0; expert < 3; ++expert) {
        tensors.push_back({"model.layers.1.block_sparse_moe.experts." + std::to_string(expert) + ".w3.weight",
                           normalValues(4 * 8, 6), {4, 8}, TensorRole::ExpertUp, 1});
    }
    return makeModel(tensors);
}

/// A GGUF file's header without the file, experts stacked.
std::shared_ptr<const Model> expertsStacked()
{
    Model::Contents contents;
    contents.format = ModelFormat::Gguf;
    contents.architecture = "llama";
    contents.tensors.resize(2);
    contents.tensors[0].name = "blk.0.attn_q.weight";
    contents.tensors[0].shape = {32, 32};
    contents.tensors[0].layer = 0;
    contents.tensors[1].name = "blk.1.ffn_up_exps.weight";
    contents.tensors[1].shape = {3, 4, 8};
    contents.tensors[1].layer = 1;
    return std::make_shared<const Model>(std::move(contents));
}

double goldenSquare(int64_t channel, int layer)
{
    return double(channel + 1) * (layer + 1) / 4;
}

bool near(double a, double b, double tolerance = 1e-6)
{
    return std::abs(a - b) <= tolerance * std::abs(b);
}

std::string written(const Folder& folder, const std::string& name, const RowMatrix& rows, const Shape& shape)
{
    auto writer = SafetensorsWriter::plan({{name, DType::F32, shape}}).value();
    const std::string path = folder.path("dump.safetensors");
    const Status status = writer.begin(path);
    const bool ok = status.ok() && writer.write(std::as_bytes(std::span(rows.data(), size_t(rows.size())))).ok();
    return ok && writer.finish().ok() ? path : std::string();
}

} // namespace

class TestImports : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void importanceMatrices_data()
    {
        QTest::addColumn<QString>("extension");
        QTest::newRow("GGUF") << "gguf";
        QTest::newRow("legacy") << "dat";
    }
    void importanceMatrices()
    {
        QFETCH(QString, extension);
        const bool gguf = extension == "gguf";
        const auto model = expertsApart();
        const auto calibration = importImportanceMatrix(kGolden + extension.toStdString(), *model);
        QVERIFY2(calibration.ok(), calibration.ok() ? "" : calibration.error().text().c_str());
        const CalibrationSource& source = (*calibration)->source();
        QCOMPARE(source.kind, std::string("importance matrix"));
        QCOMPARE(source.modelFingerprint, model->fingerprint());
        QCOMPARE(source.text, std::string(gguf ? "some/calibration.txt, more.txt" : "some/calibration.txt"));
        QCOMPARE(source.sequences, uint64_t(3));
        QCOMPARE(source.length, uint64_t(gguf ? 32 : 0));
        for (int layer = 0; layer < 2; ++layer) {
            const std::string prefix = "model.layers." + std::to_string(layer) + ".";
            const InputStatistics* shared = (*calibration)->find(prefix + "self_attn.q_proj.weight");
            QVERIFY(shared && shared == (*calibration)->find(prefix + "self_attn.v_proj.weight"));
            for (const char* name : {"self_attn.q_proj.weight", "mlp.down_proj.weight"}) {
                const InputStatistics* input = (*calibration)->find(prefix + name);
                QCOMPARE(input->tokens, uint64_t(gguf ? 96 : 3));
                QCOMPARE(input->layer, layer);
                QVERIFY(!input->hasDistribution() && !input->hasSample() && input->channelMin.empty());
                for (int64_t c = 0; c < input->channels; ++c)
                    QVERIFY(near(input->channelMeanSquare[size_t(c)], goldenSquare(c, layer)));
            }
        }
        const auto* expert = (*calibration)->find("model.layers.1.block_sparse_moe.experts.2.w3.weight");
        QCOMPARE(expert->tokens, uint64_t(gguf ? 20 : 3));
        QVERIFY(near(expert->channelMeanSquare[7], 2 * 8));
        const auto* idle = (*calibration)->find("model.layers.1.block_sparse_moe.experts.0.w3.weight");
        QCOMPARE(idle->channelMeanSquare[7], gguf ? 1.0 : 0.0); // GGUF tells that no row was counted
    }

    void stackedExperts()
    {
        const auto model = expertsStacked();
        const auto calibration = importImportanceMatrix(kGolden + std::string("gguf"), *model).value();
        const InputStatistics* input = calibration->find("blk.1.ffn_up_exps.weight");
        QVERIFY(input->expertTokens == std::vector<uint64_t>({0, 10, 20}));
        QCOMPARE(input->tokens, uint64_t(30));
        QCOMPARE(input->expertMeanSquare.size(), size_t(24));
        QVERIFY(near(input->expertMeanSquare[8 + 3], 4));
        QVERIFY(near(input->expertMeanSquare[16 + 3], 8));
        QVERIFY(near(input->channelMeanSquare[3], (10 * 4 + 20 * 8) / 30.0));
        QVERIFY(calibration->find("blk.0.attn_q.weight"));
    }

    void whatIsExportedComesBack()
    {
        const Folder folder;
        const auto model = tinyLlama();
        const auto calibration = sampleCalibration(*model);
        const std::string path = folder.path("out.gguf");
        const Status status = exportImportanceMatrix(*calibration, *model, path);
        QVERIFY2(status.ok(), status.ok() ? "" : status.error().text().c_str());
        const auto file = parseGguf(openFile(path).value()).value();
        QCOMPARE(*file.text("general.type"), std::string_view("imatrix"));
        QCOMPARE(*file.integer("imatrix.chunk_count"), int64_t(4));
        QCOMPARE(*file.integer("imatrix.chunk_size"), int64_t(32));
        QVERIFY(*file.strings("imatrix.datasets") == std::vector<std::string>{calibration->source().text});
        QCOMPARE(file.tensors.size(), size_t(14)); // sums and counts of seven weights
        QCOMPARE(file.tensors[0].name, std::string("blk.0.attn_q.weight.in_sum2"));
        QVERIFY(file.tensors[0].shape == Shape{32} && file.tensors[1].shape == Shape{1});
        const auto back = importImportanceMatrix(path, *model).value();
        for (const InputStatistics& input : calibration->inputs()) {
            const InputStatistics* again = back->find(input.tensors[0]);
            QCOMPARE(again->tokens, input.tokens);
            QVERIFY(again->tensors == input.tensors);
            for (size_t c = 0; c < input.channelMeanSquare.size(); ++c)
                QVERIFY(near(again->channelMeanSquare[c], input.channelMeanSquare[c], 1e-7));
        }
    }

    void expertsAreExportedAsAStack()
    {
        const Folder folder;
        const auto apart = expertsApart();
        const std::string golden = kGolden + std::string("gguf");
        const std::string path = folder.path("out.gguf");
        QVERIFY(exportImportanceMatrix(*importImportanceMatrix(golden, *apart).value(), *apart, path).ok());
        const auto file = parseGguf(openFile(path).value()).value();
        const auto sums = std::find_if(file.tensors.begin(), file.tensors.end(), [](const GgufTensor& tensor) {
            return tensor.name == "blk.1.ffn_up_exps.weight.in_sum2";
        });
        QVERIFY(sums != file.tensors.end() && sums->shape == (Shape{3, 8}));
        QVERIFY((sums + 1)->shape == (Shape{3, 1}));
        const auto stacked = expertsStacked();
        const auto again = importImportanceMatrix(path, *stacked).value();
        QVERIFY(again->find("blk.1.ffn_up_exps.weight")->expertTokens == std::vector<uint64_t>({0, 10, 20}));
        QVERIFY(near(again->find("blk.1.ffn_up_exps.weight")->expertMeanSquare[16 + 3], 8));
        // A GGUF model's own names are used as they are.
        const std::string second = folder.path("second.gguf");
        QVERIFY(exportImportanceMatrix(*again, *stacked, second).ok());
        QVERIFY(importImportanceMatrix(second, *stacked).value()->find("blk.1.ffn_up_exps.weight")->expertMeanSquare ==
                again->find("blk.1.ffn_up_exps.weight")->expertMeanSquare);
    }

    void exportIsRefused()
    {
        const Folder folder;
        const auto model = tinyLlama();
        const Calibration empty({}, {});
        QCOMPARE(codeName(exportImportanceMatrix(empty, *model, folder.path("e.gguf")).error().code),
                 codeName(ErrorCode::CalibrationInvalid));
        const Calibration other({}, {sampleInput({}, {"model.layers.7.mlp.down_proj.weight"}, 7)});
        QCOMPARE(codeName(exportImportanceMatrix(other, *model, folder.path("e.gguf")).error().code),
                 codeName(ErrorCode::CalibrationMismatch));
        Model::Contents opt;
        opt.architecture = "opt";
        QCOMPARE(codeName(exportImportanceMatrix(empty, Model(opt), folder.path("e.gguf")).error().code),
                 codeName(ErrorCode::Unsupported));
        QVERIFY(folder.entries().isEmpty());
        QCOMPARE(codeName(exportImportanceMatrix(*sampleCalibration(*model), *model, "/nowhere/e.gguf").error().code),
                 codeName(ErrorCode::CannotWrite));
    }

    void dumps_data()
    {
        QTest::addColumn<QByteArray>("array");
        QTest::addColumn<bool>("sequences");
        QTest::newRow("weight") << QByteArray("model.layers.1.mlp.down_proj.weight") << false;
        QTest::newRow("module") << QByteArray("model.layers.1.mlp.down_proj") << false;
        QTest::newRow("bare prefix") << QByteArray("layers.1.mlp.down_proj") << false;
        QTest::newRow("GGUF weight") << QByteArray("blk.1.ffn_down.weight") << false;
        QTest::newRow("GGUF module") << QByteArray("blk.1.ffn_down") << true;
        QTest::newRow("sequences") << QByteArray("model.layers.1.mlp.down_proj") << true;
    }
    void dumps()
    {
        QFETCH(QByteArray, array);
        QFETCH(bool, sequences);
        const auto model = tinyLlama();
        const Folder folder;
        const SampleInput wanted{48, 2, 30, 29, 20, 64, true, 9};
        RowMatrix rows(60, 48);
        rows << sampleSequence(wanted, 0), sampleSequence(wanted, 1);
        const std::string path = written(folder, array.toStdString(), rows, sequences ? Shape{2, 30, 48} : Shape{60, 48});
        const auto calibration = importActivations(path, *model, {});
        QVERIFY2(calibration.ok(), calibration.ok() ? "" : calibration.error().text().c_str());
        QCOMPARE((*calibration)->source().kind, std::string("activation dump"));
        QCOMPARE((*calibration)->source().sequences, uint64_t(sequences ? 2 : 1));
        QCOMPARE((*calibration)->source().tokens, uint64_t(60));
        QCOMPARE((*calibration)->inputs().size(), size_t(1));
        const InputStatistics& input = (*calibration)->inputs()[0];
        QVERIFY(input.tensors == std::vector<std::string>{"model.layers.1.mlp.down_proj.weight"});
        QCOMPARE(input.layer, 1);
        QCOMPARE(input.tokens, uint64_t(60));
        QCOMPARE(input.max, double(rows.maxCoeff()));
        QVERIFY(*input.sampleRows() == rows);
        QVERIFY(input.hasGram() && input.hasDistribution());
        const InputStatistics same = sampleInput(wanted, {"x"}, 1);
        QVERIFY(!sequences || input.averageMax == same.averageMax);
        QVERIFY(input.tokenMax == same.tokenMax);
    }

    void dumpsOfNumpy()
    {
        const Folder folder;
        const auto model = tinyLlama();
        Bytes data;
        for (int i = 0; i < 3 * 32; ++i)
            data.number(double(i) / 4);
        const auto array = [&](bool columns, const char* shape) {
            return npyFile(std::string("{'descr': '<f8', 'fortran_order': ") + (columns ? "True" : "False") +
                               ", 'shape': " + shape + ", }",
                           data);
        };
        const auto text = [](const Bytes& bytes) {
            return std::string(reinterpret_cast<const char*>(bytes.data().data()), bytes.size());
        };
        const std::string name = "model.layers.0.self_attn.v_proj";
        const std::string single = folder.write(name + ".npy", text(array(false, "(3, 32)")));
        const auto rows = importCalibration(single, *model, {}).value()->find(name + ".weight")->sampleRows().value();
        QCOMPARE(rows(1, 2), 34.0f / 4);
        const std::string turned = folder.write(name + ".npy", text(array(true, "(3, 32)")));
        QCOMPARE((*importCalibration(turned, *model, {}).value()->find(name + ".weight")->sampleRows())(1, 2), 7.0f / 4);
        ZipBuilder zip;
        zip.deflate(name + ".npy", array(false, "(1, 3, 32)"));
        zip.deflate("something.else.npy", array(false, "(96,)"));
        const std::string archive = folder.write("dump.npz", text(zip.build()));
        const auto calibration = importCalibration(archive, *model, {});
        QVERIFY2(calibration.ok(), calibration.ok() ? "" : calibration.error().text().c_str());
        QVERIFY(*(*calibration)->find(name + ".weight")->sampleRows() == rows);
        QCOMPARE((*calibration)->inputs().size(), size_t(1));
    }

    void damagedDumps_data()
    {
        QTest::addColumn<QByteArray>("array");
        QTest::addColumn<QByteArray>("shape");
        QTest::addColumn<QByteArray>("code");
        const auto row = [](const char* title, const char* array, const char* shape, const char* code) {
            QTest::newRow(title) << QByteArray(array) << QByteArray(shape) << QByteArray(code);
        };
        row("wrong width", "model.layers.0.mlp.down_proj", "3,32", "CalibrationMismatch");
        row("turned round", "model.layers.0.mlp.down_proj", "48,2", "CalibrationMismatch");
        row("a vector", "model.layers.0.mlp.down_proj", "96", "CalibrationInvalid");
        row("four dimensions", "model.layers.0.mlp.down_proj", "1,1,2,48", "CalibrationInvalid");
        row("unknown names", "model.layers.5.mlp.down_proj", "2,48", "CalibrationMismatch");
        row("a norm", "model.layers.0.input_layernorm", "3,32", "CalibrationMismatch");
    }
    void damagedDumps()
    {
        QFETCH(QByteArray, array);
        QFETCH(QByteArray, shape);
        QFETCH(QByteArray, code);
        const Folder folder;
        const auto model = tinyLlama();
        const std::string path =
            folder.write("d.safetensors", safetensorsFile('{' + entry(array.toStdString(), "F32", shape.toStdString(), 0, 384) + '}',
                                                          std::string(384, '\0')));
        const auto calibration = importCalibration(path, *model, {});
        QVERIFY(!calibration.ok());
        const std::string text = calibration.error().text();
        QVERIFY2(QByteArray(codeName(calibration.error().code).data()) == code, text.c_str());
        QVERIFY2(text.find(array.toStdString()) != std::string::npos, text.c_str());
    }

    void moreDamagedDumps()
    {
        const Folder folder;
        const auto model = tinyLlama();
        const auto codeOf = [&](const std::string& name, const std::string& content) {
            const auto calibration = importCalibration(folder.write(name, content), *model, {});
            return calibration.ok() ? "none" : codeName(calibration.error().code);
        };
        const std::string name = "model.layers.0.mlp.down_proj";
        QCOMPARE(codeOf("none.safetensors", safetensorsFile('{' + entry(name, "F32", "0,48", 0, 0) + '}')),
                 codeName(ErrorCode::CalibrationInvalid));
        const std::string both = '{' + entry(name, "F32", "1,48", 0, 192) + ',' + entry(name + ".weight", "F32", "1,48", 192, 384) + '}';
        QCOMPARE(codeOf("twice.safetensors", safetensorsFile(both, std::string(384, '\0'))),
                 codeName(ErrorCode::CalibrationInvalid));
        QCOMPARE(codeOf("cut.safetensors", safetensorsFile(both, std::string(100, '\0'))),
                 codeName(ErrorCode::MetadataIncompleteBuffer));
        QCOMPARE(codeOf("words.txt", "These are words and no numbers at all."), codeName(ErrorCode::CalibrationInvalid));
        const float nan = std::numeric_limits<float>::quiet_NaN();
        RowMatrix values = RowMatrix::Constant(4, 48, nan);
        QCOMPARE(codeName(importCalibration(written(folder, name, values, {4, 48}), *model, {}).error().code),
                 codeName(ErrorCode::CalibrationInvalid));
        values(2, 7) = 1;
        const auto one = importCalibration(written(folder, name, values, {4, 48}), *model, {});
        QVERIFY(one.ok());
        QCOMPARE((*one)->inputs()[0].nonFinite, uint64_t(191));
        std::stop_source stop;
        stop.request_stop();
        const std::string good = written(folder, name, RowMatrix::Ones(4, 48), {4, 48});
        QCOMPARE(codeName(importCalibration(good, *model, {stop.get_token(), {}}).error().code),
                 codeName(ErrorCode::Cancelled));
        QCOMPARE(codeName(importActivations(kGolden + std::string("gguf"), *model, {}).error().code),
                 codeName(ErrorCode::UnknownFormat));
    }

    void ownCalibrationsAreWelcome()
    {
        const Folder folder;
        const auto model = tinyLlama();
        const std::string path = folder.path("c.safetensors");
        QVERIFY(sampleCalibration(*model)->save(path).ok());
        QCOMPARE((*importCalibration(path, *model, {}))->inputs().size(), size_t(5));
        QCOMPARE((*importCalibration(kGolden + std::string("dat"), *model, {}))->source().kind,
                 std::string("importance matrix"));
    }
};

QTEST_GUILESS_MAIN(TestImports)
#include "tst_imports.moc"
