// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Every way a quantized checkpoint can be wrong, by name and with its exact error; then seeded mutations of good files
// and of their configurations, which must be read or refused but never crash.
#include "core/model/model.h"
#include "packedfile.h"
#include "support/mutations.h"

#include <QTest>

using namespace ql;
using namespace ql::test;

Q_DECLARE_METATYPE(BadPacked)

namespace
{

const std::string kData = QL_TEST_DATA "/packed/";

/// Opens a model and decodes all of it.
Status readAll(const std::string& path, FileAccess access)
{
    QL_TRY(const auto model, Model::open(path, access));
    for (size_t i = 0; i < model->tensors().size(); ++i) {
        QL_TRY(const TensorView view, model->view(int(i)));
        std::vector<float> values(size_t(view.count()));
        QL_CHECK(view.readRows(0, view.rows(), values.data()));
    }
    return {};
}

} // namespace

class TestPackedMalformed : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void isRefused_data()
    {
        QTest::addColumn<BadPacked>("bad");
        for (const auto& group : {badPackedWords(), badPackedScaled(), badPackedOthers()}) {
            for (const BadPacked& bad : group)
                QTest::newRow(bad.name.c_str()) << bad;
        }
    }
    void isRefused()
    {
        QFETCH(BadPacked, bad);
        PackedFile file = PackedFile::load(kData + bad.folder);
        const Folder folder;
        file.write(folder);
        QVERIFY2(readAll(folder.path(), FileAccess::Map).ok(), "the file is not good to begin with");
        bad.damage(file);
        file.write(folder);
        for (const FileAccess access : {FileAccess::Map, FileAccess::Read}) {
            const Status status = readAll(folder.path(), access);
            QVERIFY2(!status.ok(), "was accepted");
            const Error& error = status.error();
            QVERIFY2(error.code == bad.code, (std::string(codeName(error.code)) + " - " + error.text()).c_str());
            const QString text = QString::fromStdString(error.text());
            QVERIFY2(text.contains(".safetensors") || text.contains(".json"), qPrintable(text));
            QVERIFY2(text.contains(QString::fromStdString(bad.mentions)), qPrintable(text));
            QVERIFY2(!text.contains('\n') && text.size() < 400, qPrintable(text));
            QVERIFY(error.kind() == ErrorKind::BadInput);
        }
    }

    void aLonePartWithoutItsScalesOpens()
    {
        PackedFile file = PackedFile::load(kData + "gptq-4bit-asym");
        file.tensors.erase("model.layers.0.self_attn.q_proj.scales");
        const Folder folder;
        const auto model = Model::open(folder.write("model-00001-of-00002.safetensors", file.bytes()));
        QVERIFY2(model.ok(), model.ok() ? "" : model.error().text().c_str());
        QCOMPARE((*model)->tensors().size(), size_t(3));
        QVERIFY((*model)->warnings().back().find("another part") != std::string::npos);
    }

    void aBrokenConfigurationBesideAFileIsAWarning()
    {
        PackedFile file = PackedFile::load(kData + "gptq-4bit-asym");
        file.config.clear();
        file.sides["quantize_config.json"] = "{";
        const Folder folder;
        file.write(folder);
        const auto model = Model::open(folder.path("model.safetensors"));
        QVERIFY(model.ok());
        QVERIFY((*model)->tensors()[0].packed);
        QVERIFY((*model)->warnings().back().find("quantize_config.json") != std::string::npos);
        QVERIFY(!Model::open(folder.path()).ok());
    }

    void mutationsNeverCrash_data()
    {
        QTest::addColumn<QByteArray>("folder");
        for (const char* folder : {"gptq-act-order", "gptq-3bit", "awq", "ct-pack-4bit-asym", "ct-words-3bit-asym",
                                   "ct-nvfp4", "ct-float-block", "ct-int-asym-group", "bnb-nf4-double", "bnb-int8",
                                   "mlx-mixed", "modelopt-nvfp4", "hf-fp8-blocks", "gpt-oss"})
            QTest::newRow(folder) << QByteArray(folder);
    }
    void mutationsNeverCrash()
    {
        const PackedFile good = PackedFile::load(kData + QTest::currentDataTag());
        const std::string whole = good.bytes();
        const size_t headerBytes = whole.find('}', whole.rfind("data_offsets")) + 2;
        const std::vector<std::byte> header = bytesOf(whole.substr(0, headerBytes)), config = bytesOf(good.config);
        const Folder folder;
        Mutator mutator(20261121);
        int refused = 0;
        const int count = std::max(1, mutationCount() / 120);
        for (int i = 0; i < count; ++i) {
            // Half of them in the header, so that shapes and names change; then the values, then the configuration.
            const auto text = [](const std::vector<std::byte>& bytes) {
                return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
            };
            std::string file =
                i % 2 ? text(mutator.mutate(header)) + whole.substr(headerBytes) : text(mutator.mutate(bytesOf(whole)));
            folder.write("model.safetensors", i % 4 == 0 ? whole : file);
            folder.write("config.json", i % 4 == 0 ? text(mutator.mutate(config)) : good.config);
            const Status status = readAll(folder.path(), i % 8 < 4 ? FileAccess::Map : FileAccess::Read);
            if (status.ok())
                continue;
            ++refused;
            QVERIFY2(status.error().kind() == ErrorKind::BadInput || status.error().code == ErrorCode::OutOfMemory,
                     status.error().text().c_str());
        }
        QVERIFY(refused > 0);
    }
};

QTEST_GUILESS_MAIN(TestPackedMalformed)
#include "tst_packed_malformed.moc"
