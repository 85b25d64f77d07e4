// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Every way a safetensors file can be wrong, by name and with its exact error; then every truncation and thousands of
// seeded mutations of a good file, which must be read or refused but never crash.
#include "core/base/checked.h"
#include "core/io/safetensors.h"
#include "core/model/model.h"
#include "safetensorsbadfiles.h"
#include "support/mutations.h"
#include "support/safetensorsbuilder.h"

#include <QTest>

using namespace ql;
using namespace ql::test;

Q_DECLARE_METATYPE(BadSafetensors)

namespace {

std::string goodFile()
{
    return safetensorsFile("{\"__metadata__\":{\"format\":\"pt\"}," +
                               entry("model.embed_tokens.weight", "BF16", "4,2", 0, 16) + "," + entry("model.layers.0.mlp.up_proj.weight", "F32", "2,3", 16, 40) + "," +
                               entry("scalar", "I64", "", 40, 48) + "," + entry("packed", "F4", "2,4", 48, 52) + "}  ",
                           std::string(52, '\x3C'));
}

} // namespace

class TestSafetensorsMalformed : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void isRefused_data()
    {
        QTest::addColumn<BadSafetensors>("file");
        for (const auto& group : {badSafetensorsFrames(), badSafetensorsEntries(), badSafetensorsLayouts()}) {
            for (const BadSafetensors& file : group)
                QTest::newRow(file.name.c_str()) << file;
        }
    }
    void isRefused()
    {
        QFETCH(BadSafetensors, file);
        const auto parsed = parseSafetensors(*memorySource("bad.safetensors", bytesOf(file.bytes)));
        QVERIFY2(!parsed, "was accepted");
        const Error& error = parsed.error();
        QVERIFY2(error.code == file.code, (std::string(codeName(error.code)) + " - " + error.text()).c_str());
        const QString text = QString::fromStdString(error.text());
        QVERIFY2(text.contains("bad.safetensors"), qPrintable(text));
        QVERIFY2(text.contains(QString::fromStdString(file.mentions)), qPrintable(text));
        QVERIFY2(!text.contains('\n') && text.size() < 400, qPrintable(text));
        QVERIFY(error.kind() == ErrorKind::BadInput);
    }

    /// The door people use gives the same answers, from a mapping and from a file that is read.
    void isRefusedAsAModel_data() { isRefused_data(); }
    void isRefusedAsAModel()
    {
        QFETCH(BadSafetensors, file);
        const Folder folder;
        const std::string path = folder.write("bad.safetensors", file.bytes);
        for (const FileAccess access : {FileAccess::Map, FileAccess::Read}) {
            const auto model = Model::open(path, access);
            QVERIFY2(!model, "was opened");
            // What does not look like safetensors at all may be taken for something else.
            const bool json = file.bytes.size() > 8 && file.bytes[8] != '{';
            QVERIFY2(model.error().code == file.code || json, model.error().text().c_str());
            QVERIFY(model.error().kind() == ErrorKind::BadInput);
        }
    }

    void headerOverTheLimitIsNotRead()
    {
        const Folder folder;
        const std::string path = folder.write("huge.safetensors", safetensorsFile("{", "", 100000001));
        QVERIFY(QFile::resize(QString::fromStdString(path), 200000000));
        const auto model = Model::open(path);
        QVERIFY(!model);
        QCOMPARE(codeName(model.error().code), codeName(ErrorCode::HeaderTooLarge));
    }

    void everyTruncationIsRefused()
    {
        const std::string good = goodFile();
        QVERIFY(parseSafetensors(*memorySource("good", bytesOf(good))).ok());
        for (size_t length = 0; length < good.size(); ++length) {
            const auto parsed = parseSafetensors(*memorySource("cut", bytesOf(good.substr(0, length))));
            QVERIFY2(!parsed, qPrintable(QString("%1 bytes were accepted").arg(length)));
        }
    }

    /// Headers cut at every place, with a length word that agrees.
    void everyTruncatedHeaderIsRefused()
    {
        const std::string good = goodFile();
        const std::string header = good.substr(8, good.size() - 8 - 52);
        for (size_t length = 0; length + 3 < header.size(); ++length) {
            const std::string cut = safetensorsFile(header.substr(0, length), good.substr(good.size() - 52));
            const auto parsed = parseSafetensors(*memorySource("cut", bytesOf(cut)));
            QVERIFY2(!parsed, qPrintable(QString("%1 bytes of header were accepted").arg(length)));
        }
    }

    void mutationsAreRefusedOrSound()
    {
        const std::vector<std::byte> good = bytesOf(goodFile());
        Mutator mutator(20240608);
        const int count = mutationCount();
        int refused = 0;
        for (int i = 0; i < count; ++i)
            refused += isRefusedOrSound(memorySource("mutated", mutator.mutate(good)));
        QVERIFY(refused > count / 4 && refused < count);
    }

    /// Only the JSON is damaged and the length word agrees, so that more of the damage reaches the later rules.
    void mutatedHeadersAreRefusedOrSound()
    {
        const std::string good = goodFile();
        const std::vector<std::byte> header = bytesOf(good.substr(8, good.size() - 8 - 52));
        Mutator mutator(20240609);
        const int count = mutationCount();
        int refused = 0;
        for (int i = 0; i < count; ++i) {
            const auto bytes = mutator.mutate(header);
            const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
            refused += isRefusedOrSound(
                memorySource("mutated", bytesOf(safetensorsFile(text, good.substr(good.size() - 52)))));
        }
        QVERIFY(refused > count / 4 && refused < count);
    }

private:
    /// True when refused. What is accepted must cover the file exactly, and every value must be readable.
    static bool isRefusedOrSound(const std::shared_ptr<const ByteSource>& source)
    {
        const auto parsed = parseSafetensors(*source);
        if (!parsed) {
            if (parsed.error().text().empty() || parsed.error().kind() != ErrorKind::BadInput)
                QTest::qFail("an error without text or of another kind", __FILE__, __LINE__);
            return true;
        }
        uint64_t covered = parsed->dataOffset;
        bool sound = true;
        for (const TensorInfo& tensor : parsed->tensors) {
            sound = sound && tensor.offset == covered;
            covered += tensor.bytes;
            const auto view = TensorView::create(source, tensor.offset, tensor.dtype, tensor.shape);
            if (!view || view->byteSize() != tensor.bytes) {
                sound = false;
                continue;
            }
            std::vector<float> values(size_t(view->count()));
            if (dtypeInfo(tensor.dtype).decodable)
                sound = sound && view->readFlat(0, view->count(), values.data()).ok();
        }
        if (!sound || covered != source->size())
            QTest::qFail("accepted, but tensors do not cover the file", __FILE__, __LINE__);
        return false;
    }
};

QTEST_GUILESS_MAIN(TestSafetensorsMalformed)
#include "tst_safetensors_malformed.moc"
