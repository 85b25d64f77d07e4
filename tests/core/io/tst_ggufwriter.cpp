// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// GGUF files that are written are read back as declared; what GGUF cannot hold is refused before anything is written.
#include "core/io/gguf.h"
#include "core/io/ggufwriter.h"
#include "core/io/mappedfile.h"
#include "support/safetensorsbuilder.h"

#include <QTest>

using namespace ql;
using namespace ql::test;

namespace {

std::vector<std::byte> ramp(size_t count)
{
    std::vector<std::byte> bytes(count);
    for (size_t i = 0; i < count; ++i)
        bytes[i] = std::byte(i * 7);
    return bytes;
}

} // namespace

class TestGgufWriter : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void whatIsWrittenIsRead_data()
    {
        QTest::addColumn<int>("portion");
        for (const int portion : {1, 7, 32, 1000})
            QTest::addRow("%d bytes at a time", portion) << portion;
    }
    void whatIsWrittenIsRead()
    {
        QFETCH(int, portion);
        const Folder folder;
        GgufWriter writer;
        writer.setText("general.architecture", "llama");
        writer.setTexts("names", {"a", "", "b c"});
        writer.setU32("number", 0xFFFFFFFF);
        QVERIFY(writer.addTensor("odd", DType::F32, {3, 5}).ok());          // 60 bytes, padded to 64
        QVERIFY(writer.addTensor("blocks", DType::Q8_0, {1, 2, 64}).ok());  // 136 bytes, padded to 160
        QVERIFY(writer.addTensor("one", DType::F16, {1, 1}).ok());
        const auto data = ramp(60 + 136 + 2);
        const std::string path = folder.path("w.gguf");
        QVERIFY(writer.begin(path).ok());
        for (size_t at = 0; at < data.size(); at += size_t(portion))
            QVERIFY(writer.write(std::span(data).subspan(at, std::min(size_t(portion), data.size() - at))).ok());
        const Status status = writer.finish();
        QVERIFY2(status.ok(), status.ok() ? "" : status.error().text().c_str());
        const auto file = parseGguf(openFile(path).value()).value();
        QCOMPARE(file.version, 3u);
        QCOMPARE(file.trailingBytes, uint64_t(0));
        QCOMPARE(*file.text("general.architecture"), std::string_view("llama"));
        QCOMPARE(*file.integer("number"), int64_t(0xFFFFFFFF));
        QVERIFY(*file.strings("names") == std::vector<std::string>({"a", "", "b c"}));
        QCOMPARE(file.tensors.size(), size_t(3));
        QVERIFY(file.tensors[0].shape == (Shape{3, 5}) && file.tensors[1].shape == (Shape{2, 64}));
        QVERIFY(file.tensors[2].shape == Shape{1}); // leading ones are dropped
        size_t at = 0;
        for (const GgufTensor& tensor : file.tensors) {
            std::vector<std::byte> bytes(size_t(tensor.bytes));
            QVERIFY(file.source->read(tensor.offset, bytes).ok());
            QVERIFY(std::equal(bytes.begin(), bytes.end(), data.begin() + ptrdiff_t(at)));
            QCOMPARE(tensor.offset % 32, uint64_t(0));
            at += bytes.size();
        }
    }

    void tensorsThatGgufCannotHold_data()
    {
        QTest::addColumn<QByteArray>("name");
        QTest::addColumn<int>("type");
        QTest::addColumn<QList<qint64>>("shape");
        QTest::addColumn<QByteArray>("code");
        const auto row = [](const char* title, const char* name, DType type, const QList<qint64>& shape, const char* code) {
            QTest::newRow(title) << QByteArray(name) << int(type) << shape << QByteArray(code);
        };
        row("no name", "", DType::F32, {4}, "NameTooLong");
        row("a name of 64 bytes", QByteArray(64, 'n').data(), DType::F32, {4}, "NameTooLong");
        row("a scalar", "x", DType::F32, {}, "BadDimensionCount");
        row("five dimensions", "x", DType::F32, {2, 2, 2, 2, 2}, "BadDimensionCount");
        row("an empty dimension", "x", DType::F32, {2, 0}, "BadDimension");
        row("a negative dimension", "x", DType::F32, {-2, 4}, "BadDimension");
        row("a type of safetensors", "x", DType::F8E4M3, {4}, "BadTensorType");
        row("half a block", "x", DType::Q8_0, {4, 48}, "BadBlockMultiple");
        row("too many values", "x", DType::F32, {qint64(1) << 40, qint64(1) << 40}, "ShapeOverflow");
        row("the same name", "there", DType::F32, {4}, "DuplicateTensor");
    }
    void tensorsThatGgufCannotHold()
    {
        QFETCH(QByteArray, name);
        QFETCH(int, type);
        QFETCH(QList<qint64>, shape);
        QFETCH(QByteArray, code);
        GgufWriter writer;
        QVERIFY(writer.addTensor("there", DType::F32, {4}).ok());
        const Status status = writer.addTensor(name.toStdString(), DType(type), Shape(shape.begin(), shape.end()));
        QVERIFY(!status.ok());
        QCOMPARE(QByteArray(codeName(status.error().code).data()), code);
    }

    void dataMustFitWhatWasDeclared()
    {
        const Folder folder;
        const auto data = ramp(20);
        {
            GgufWriter writer;
            QVERIFY(writer.addTensor("x", DType::F32, {4}).ok());
            QVERIFY(writer.write(data).error().code == ErrorCode::InvalidArgument); // not begun
            QVERIFY(writer.begin(folder.path("w.gguf")).ok());
            QVERIFY(writer.write(std::span(data).first(15)).ok());
            QVERIFY(writer.finish().error().code == ErrorCode::InvalidArgument);
            QVERIFY(writer.write(std::span(data).first(2)).error().code == ErrorCode::InvalidArgument);
        }
        QVERIFY(folder.entries().isEmpty());
        GgufWriter refused;
        QVERIFY(refused.begin(folder.path("w.gguf")).ok());
        const Status status = refused.finish([](const std::string&) { return Error{ErrorCode::CannotDecode, "no", {}}; });
        QCOMPARE(codeName(status.error().code), codeName(ErrorCode::VerifyFailed));
    }
};

QTEST_GUILESS_MAIN(TestGgufWriter)
#include "tst_ggufwriter.moc"
