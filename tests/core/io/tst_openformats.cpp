// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// GGUF, NPY and NPZ through Model::open: roles, layers, order, values, and the companions of NVFP4.
#include "core/model/model.h"
#include "support/ggufbuilder.h"
#include "support/zipbuilder.h"

#include <QFile>
#include <QTemporaryDir>
#include <QTest>

using namespace ql;
using namespace ql::test;

namespace {

using ModelPtr = std::shared_ptr<const Model>;

Result<ModelPtr> openBytes(const QTemporaryDir& folder, const QString& name, const Bytes& bytes,
                           FileAccess access = FileAccess::Map)
{
    QFile file(folder.filePath(name));
    if (!file.open(QIODevice::WriteOnly))
        return Error{ErrorCode::CannotWrite, "cannot write the test file", {}};
    file.write(reinterpret_cast<const char*>(bytes.data().data()), qint64(bytes.size()));
    file.close();
    return Model::open(file.fileName().toStdString(), access);
}

Bytes npy(const std::string& shape, bool fortran, int count)
{
    Bytes data;
    for (int i = 0; i < count; ++i)
        data.number(float(i));
    const std::string order = fortran ? "True" : "False";
    return npyFile("{'descr': '<f4', 'fortran_order': " + order + ", 'shape': " + shape + ", }", data);
}

std::vector<float> valuesOf(const Model& model, int index)
{
    const auto view = model.view(index);
    if (!view)
        return {};
    std::vector<float> values(size_t(view->count()));
    return view->readFlat(0, view->count(), values.data()) ? values : std::vector<float>();
}

} // namespace

class TestOpenFormats : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void ggufGetsRolesAndOrder_data()
    {
        QTest::addColumn<FileAccess>("access");
        QTest::newRow("mapped") << FileAccess::Map;
        QTest::newRow("read") << FileAccess::Read;
    }
    void ggufGetsRolesAndOrder()
    {
        QTemporaryDir folder;
        GgufBuilder builder;
        builder.text("general.architecture", "llama").text("general.name", "Tiny").u32("llama.block_count", 11);
        builder.tensor("output.weight", {32, 2}, 2, Bytes().zeros(36));
        builder.tensor("blk.10.attn_q.weight", {2, 2}, 0, Bytes().zeros(16));
        builder.tensor("blk.2.ffn_down.weight", {256, 1}, 16, Bytes().zeros(66));
        builder.tensor("token_embd.weight", {2}, 0, Bytes().number(1.f).number(2.f));
        QFETCH(FileAccess, access);
        const auto opened = openBytes(folder, "tiny.gguf", builder.build(), access);
        QVERIFY2(opened, opened ? "" : opened.error().text().c_str());
        const Model& model = **opened;
        QCOMPARE(model.format(), ModelFormat::Gguf);
        QCOMPARE(model.architecture(), std::string("llama"));
        QCOMPARE(model.displayName(), std::string("Tiny"));
        QCOMPARE(model.layerCount(), 11);
        QVERIFY(model.configJson().find("\"llama.block_count\": 11") != std::string::npos);
        const std::vector<std::string> order = {"token_embd.weight", "blk.2.ffn_down.weight", "blk.10.attn_q.weight",
                                                "output.weight"};
        const std::vector<TensorRole> roles = {TensorRole::Embedding, TensorRole::MlpDown, TensorRole::AttnQ,
                                               TensorRole::LmHead};
        for (size_t i = 0; i < order.size(); ++i) {
            QCOMPARE(model.tensors()[i].name, order[i]);
            QCOMPARE(model.tensors()[i].role, roles[i]);
        }
        QCOMPARE(valuesOf(model, 0), (std::vector<float>{1, 2}));
    }

    void undecodableTypesAreListedAndSaySo()
    {
        QTemporaryDir folder;
        GgufBuilder builder;
        builder.tensor("w", {256}, 16, Bytes().zeros(66));
        const auto opened = openBytes(folder, "w.gguf", builder.build());
        QVERIFY(opened);
        QCOMPARE((*opened)->tensors()[0].bytes, uint64_t(66));
        const auto view = (*opened)->view(0);
        QVERIFY(view);
        float value = 0;
        const Status status = view->readFlat(0, 1, &value);
        QVERIFY(!status.ok());
        QCOMPARE(status.error().code, ErrorCode::CannotDecode);
        QVERIFY(status.error().message.find("cannot be decoded") != std::string::npos);
    }

    void nvfp4FactorsBelongToTheirWeights()
    {
        QTemporaryDir folder;
        GgufBuilder builder;
        builder.text("general.architecture", "llama");
        builder.tensor("blk.0.attn_q.weight", {64, 1}, 40, Bytes().zeros(36));
        builder.tensor("blk.0.attn_q.scale", {1}, 0, Bytes().number(0.5f));
        const auto opened = openBytes(folder, "nv.gguf", builder.build());
        QVERIFY(opened);
        const Model& model = **opened;
        QCOMPARE(model.tensors()[size_t(model.indexOf("blk.0.attn_q.weight"))].role, TensorRole::AttnQ);
        QCOMPARE(model.indexOf("blk.0.attn_q.scale"), -1);
        QCOMPARE(model.tensors()[0].bytes, uint64_t(40));
    }

    void arraysOpenAsTheyAre()
    {
        QTemporaryDir folder;
        const auto opened = openBytes(folder, "matrix.npy", npy("(2, 3)", false, 6));
        QVERIFY(opened);
        const Model& model = **opened;
        QCOMPARE(model.format(), ModelFormat::Npy);
        QCOMPARE(model.tensors()[0].name, std::string("matrix"));
        QCOMPARE(model.tensors()[0].rows(), int64_t(2));
        QCOMPARE(valuesOf(model, 0), (std::vector<float>{0, 1, 2, 3, 4, 5}));
    }

    void columnMajorMatricesAreShownAsNumpyShowsThem()
    {
        QTemporaryDir folder;
        const auto opened = openBytes(folder, "matrix.npy", npy("(2, 3)", true, 6));
        QVERIFY(opened);
        const Model& model = **opened;
        QCOMPARE(model.tensors()[0].rows(), int64_t(2));
        QCOMPARE(model.tensors()[0].cols(), int64_t(3));
        QCOMPARE(valuesOf(model, 0), (std::vector<float>{0, 2, 4, 1, 3, 5}));
    }

    void archivesOpenAsModels()
    {
        QTemporaryDir folder;
        ZipBuilder zip;
        zip.deflate("model.layers.1.self_attn.q_proj.weight.npy", npy("(2, 2)", false, 4));
        zip.store("model.embed_tokens.weight.npy", npy("(3, 2)", false, 6));
        const auto opened = openBytes(folder, "arrays.npz", zip.build());
        QVERIFY2(opened, opened ? "" : opened.error().text().c_str());
        const Model& model = **opened;
        QCOMPARE(model.format(), ModelFormat::Npz);
        QCOMPARE(model.tensors()[0].role, TensorRole::Embedding);
        QCOMPARE(model.tensors()[1].role, TensorRole::AttnQ);
        QCOMPARE(model.layerCount(), 2);
        QCOMPARE(valuesOf(model, 0), (std::vector<float>{0, 1, 2, 3, 4, 5}));
        QCOMPARE(valuesOf(model, 1), (std::vector<float>{0, 1, 2, 3}));
        QVERIFY(model.checkUnchanged());
    }

    void aPyTorchArchiveIsRefusedAsAPickle()
    {
        QTemporaryDir folder;
        ZipBuilder zip;
        zip.store("archive/version", Bytes().zeros(300));
        zip.store("archive/data.pkl", Bytes().raw("\x80\2."));
        const auto opened = openBytes(folder, "model.pt", zip.build());
        QVERIFY(!opened);
        QCOMPARE(opened.error().code, ErrorCode::PickleRefused);
    }

    void aZipWithoutArraysIsNoModel()
    {
        QTemporaryDir folder;
        ZipBuilder zip;
        zip.store("readme.txt", Bytes().raw("hello"));
        const auto opened = openBytes(folder, "other.zip", zip.build());
        QVERIFY(!opened);
        QCOMPARE(opened.error().code, ErrorCode::NotAModel);
    }
};

QTEST_GUILESS_MAIN(TestOpenFormats)
#include "tst_openformats.moc"
