// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Good safetensors files: every type, order and oddity that the format allows; the writer, byte for byte; sizes.
#include "core/io/mappedfile.h"
#include "core/io/safetensors.h"
#include "core/io/safetensorswriter.h"
#include "core/model/model.h"
#include "support/safetensorsbuilder.h"

#include <QElapsedTimer>
#include <QTest>

#include <fstream>
#include <random>
#include <unistd.h>

using namespace ql;
using namespace ql::test;

namespace {

Result<SafetensorsHeader> parse(const std::string& file)
{
    return parseSafetensors(*memorySource("test.safetensors", bytesOf(file)));
}

std::string textOf(const Status& status)
{
    return status.ok() ? std::string() : std::string(codeName(status.error().code)) + ": " + status.error().text();
}

std::span<const std::byte> raw(const std::string& text)
{
    return std::as_bytes(std::span(text));
}

int64_t residentBytes()
{
    std::ifstream file("/proc/self/statm");
    int64_t total = 0;
    int64_t resident = 0;
    file >> total >> resident;
    return resident * sysconf(_SC_PAGESIZE);
}

} // namespace

class TestSafetensors : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void readsAnOrdinaryFile()
    {
        const std::string header = "{\"__metadata__\":{\"format\":\"pt\"}," + entry("b", "F16", "2,3", 8, 20) + "," +
                                   entry("a", "F32", "2", 0, 8) + "}   ";
        const auto parsed = parse(safetensorsFile(header, std::string(20, '\0')));
        QVERIFY2(parsed.ok(), parsed.ok() ? "" : parsed.error().text().c_str());
        QCOMPARE(parsed->tensors.size(), size_t(2));
        QCOMPARE(parsed->metadata.at("format"), std::string("pt"));
        QCOMPARE(parsed->dataOffset, uint64_t(8 + header.size()));
        const TensorInfo& a = parsed->tensors[0];
        QCOMPARE(a.name, std::string("a"));
        QCOMPARE(a.offset, parsed->dataOffset);
        QCOMPARE(a.bytes, uint64_t(8));
        const TensorInfo& b = parsed->tensors[1];
        QVERIFY(b.dtype == DType::F16 && b.shape == (Shape{2, 3}));
        QCOMPARE(b.offset, parsed->dataOffset + 8);
    }

    void readsWhatTheFormatAllows_data()
    {
        QTest::addColumn<QString>("header");
        QTest::addColumn<int>("dataBytes");
        QTest::addColumn<int>("tensors");
        const auto row = [](const char* name, const std::string& header, int bytes, int tensors) {
            QTest::newRow(name) << QString::fromStdString(header) << bytes << tensors;
        };
        row("no tensors", "{}", 0, 0);
        row("padding with spaces", "{}      ", 0, 0);
        row("other white space", "{}\n\t\r ", 0, 0);
        row("metadata only", "{\"__metadata__\":{\"a\":\"b\"}}", 0, 0);
        row("empty metadata", "{\"__metadata__\":{}}", 0, 0);
        row("null metadata", "{\"__metadata__\":null}", 0, 0);
        row("metadata last", "{" + entry("w", "U8", "1", 0, 1) + ",\"__metadata__\":{\"a\":\"b\"}}", 1, 1);
        row("scalar", "{" + entry("w", "F64", "", 0, 8) + "}", 8, 1);
        row("zero rows", "{" + entry("w", "F32", "0,5", 0, 0) + "}", 0, 1);
        row("empty tensors between others",
            "{" + entry("a", "U8", "2", 0, 2) + "," + entry("e", "F32", "0", 2, 2) + "," +
                entry("f", "F32", "3,0", 2, 2) + "," + entry("b", "U8", "2", 2, 4) + "}",
            4, 4);
        row("length not a multiple of eight", "{" + entry("w", "U8", "3", 0, 3) + "} ", 3, 1);
        row("unknown keys are ignored",
            "{\"w\":{\"dtype\":\"U8\",\"extra\":[1,{\"a\":[null,true,-1.5,\"x\"]}],\"more\":{\"dtype\":1},\"last\":7,"
            "\"shape\":[1],\"nothing\":null,\"data_offsets\":[0,1]}}",
            1, 1);
        row("keys in any order", "{\"w\":{\"data_offsets\":[0,1],\"shape\":[1],\"dtype\":\"U8\"}}", 1, 1);
        row("rank eight", "{" + entry("w", "U8", "1,1,1,1,1,1,1,2", 0, 2) + "}", 2, 1);
        row("escaped name", "{" + entry("a\\u0041\\\"\\\\\\n", "U8", "1", 0, 1) + "}", 1, 1);
        row("name beyond ASCII", "{" + entry("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", "U8", "1", 0, 1) + "}", 1, 1);
        row("empty name", "{" + entry("", "U8", "1", 0, 1) + "}", 1, 1);
        row("four-bit pairs", "{" + entry("w", "F4", "3,2", 0, 3) + "}", 3, 1);
        row("six-bit quadruples", "{" + entry("w", "F6_E2M3", "4", 0, 3) + "}", 3, 1);
    }
    void readsWhatTheFormatAllows()
    {
        QFETCH(QString, header);
        QFETCH(int, dataBytes);
        const auto parsed = parse(safetensorsFile(header.toStdString(), std::string(size_t(dataBytes), '\1')));
        QVERIFY2(parsed.ok(), parsed.ok() ? "" : parsed.error().text().c_str());
        QTEST(int(parsed->tensors.size()), "tensors");
    }

    void everyTypeByItsName_data()
    {
        QTest::addColumn<int>("bits");
        const std::pair<const char*, int> types[] = {
            {"BOOL", 8}, {"F4", 4},   {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},   {"I8", 8},
            {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
            {"U16", 16}, {"F16", 16}, {"BF16", 16}, {"I32", 32}, {"U32", 32}, {"F32", 32},
            {"C64", 64}, {"F64", 64}, {"I64", 64}, {"U64", 64}};
        for (const auto& [name, bits] : types)
            QTest::newRow(name) << bits;
    }
    void everyTypeByItsName()
    {
        QFETCH(int, bits);
        const std::string dtype = QTest::currentDataTag();
        const auto bytes = size_t(bits); // of eight values
        const auto source = memorySource("t", bytesOf(safetensorsFile("{" + entry("w", dtype, "2,4", 0, bytes) + "}",
                                                                      std::string(bytes, '\0'))));
        const auto parsed = parseSafetensors(*source);
        QVERIFY(parsed.ok());
        const TensorInfo& tensor = parsed->tensors[0];
        QCOMPARE(std::string(dtypeInfo(tensor.dtype).safetensors), dtype);
        QCOMPARE(tensor.bytes, uint64_t(bytes));
        const auto view = TensorView::create(source, tensor.offset, tensor.dtype, tensor.shape);
        std::vector<float> values(8, -1.0f);
        const bool decodes = view->readFlat(0, 8, values.data()).ok();
        QCOMPARE(decodes, dtype != "C64" && dtype != "F6_E2M3" && dtype != "F6_E3M2");
        QVERIFY(safetensorsTypeOrder(tensor.dtype) >= 0);
    }

    void writesTheCanonicalBytes()
    {
        auto writer = SafetensorsWriter::plan({{"b", DType::U8, {3}}, {"z", DType::F32, {1}}, {"a", DType::F32, {2, 1}},
                                               {"i", DType::I64, {1}}, {"s", DType::BF16, {}}},
                                              {{"format", "pt"}, {"by", "a \"test\""}});
        QVERIFY(writer.ok());
        std::vector<std::string> order;
        for (const auto& planned : writer->order())
            order.push_back(planned.name);
        QCOMPARE(order, (std::vector<std::string>{"i", "a", "z", "s", "b"}));
        const Folder folder;
        QCOMPARE(textOf(writer->begin(folder.path("out.safetensors"))), std::string());
        const std::string data = "IIIIIIIIAAAAaaaaZZZZSSbbb";
        QVERIFY(writer->write(raw(data.substr(0, 5))).ok());
        QVERIFY(writer->write(raw(data.substr(5))).ok());
        QCOMPARE(QFile::exists(QString::fromStdString(folder.path("out.safetensors"))), false);
        QCOMPARE(textOf(writer->finish()), std::string());
        std::string header = "{\"__metadata__\":{\"by\":\"a \\\"test\\\"\",\"format\":\"pt\"}," +
                             entry("i", "I64", "1", 0, 8) + "," + entry("a", "F32", "2,1", 8, 16) + "," +
                             entry("z", "F32", "1", 16, 20) + "," + entry("s", "BF16", "", 20, 22) + "," +
                             entry("b", "U8", "3", 22, 25) + "}";
        header.resize((header.size() + 7) / 8 * 8, ' ');
        QCOMPARE(folder.read("out.safetensors"), safetensorsFile(header, data));
        QCOMPARE(writer->fileBytes(), uint64_t(folder.read("out.safetensors").size()));
        QCOMPARE(folder.entries(), QStringList("out.safetensors"));
    }

    void writesAnEmptyFile()
    {
        auto writer = SafetensorsWriter::plan({});
        const Folder folder;
        QVERIFY(writer->begin(folder.path("e.safetensors")).ok());
        QCOMPARE(textOf(writer->finish()), std::string());
        QCOMPARE(folder.read("e.safetensors"), safetensorsFile("{}      "));
    }

    void refusesBadPlans_data()
    {
        QTest::addColumn<QString>("name");
        QTest::addColumn<int>("dtype");
        QTest::addColumn<QList<qint64>>("shape");
        QTest::addColumn<QString>("code");
        QTest::newRow("same name twice") << "first" << int(DType::F32) << QList<qint64>{1} << "DuplicateTensor";
        QTest::newRow("GGML block") << "w" << int(DType::Q4_0) << QList<qint64>{32} << "UnknownDtype";
        QTest::newRow("half a byte") << "w" << int(DType::F4) << QList<qint64>{3} << "MisalignedSlice";
        QTest::newRow("negative") << "w" << int(DType::F32) << QList<qint64>{-1} << "ShapeOverflow";
        QTest::newRow("too many bytes") << "w" << int(DType::F64) << QList<qint64>{qint64(1) << 60} << "ShapeOverflow";
    }
    void refusesBadPlans()
    {
        QFETCH(QString, name);
        QFETCH(int, dtype);
        QFETCH(QList<qint64>, shape);
        const auto writer = SafetensorsWriter::plan(
            {{"first", DType::F32, {1}}, {name.toStdString(), DType(dtype), Shape(shape.begin(), shape.end())}});
        QVERIFY(!writer.ok());
        const auto code = codeName(writer.error().code);
        QTEST(QString::fromUtf8(code.data(), qsizetype(code.size())), "code");
        QVERIFY(!SafetensorsWriter::plan({{"\xFF", DType::F32, {1}}}).ok());
    }

    void refusesMoreOrLessDataThanPlanned()
    {
        const Folder folder;
        folder.write("out.safetensors", "old");
        auto writer = SafetensorsWriter::plan({{"w", DType::F32, {2}}});
        QVERIFY(writer->begin(folder.path("out.safetensors")).ok());
        QVERIFY(writer->write(raw("1234")).ok());
        QVERIFY(!writer->write(raw("56789")).ok());
        QCOMPARE(codeName(writer->finish().error().code), codeName(ErrorCode::InvalidArgument));
        writer = SafetensorsWriter::plan({});
        QCOMPARE(folder.read("out.safetensors"), std::string("old"));
        QCOMPARE(folder.entries(), QStringList("out.safetensors"));
    }

    void verificationKeepsTheOldFile()
    {
        const Folder folder;
        folder.write("out.safetensors", "old");
        auto writer = SafetensorsWriter::plan({{"w", DType::U8, {4}}});
        QVERIFY(writer->begin(folder.path("out.safetensors")).ok());
        QVERIFY(writer->write(raw("1234")).ok());
        const Status status = writer->finish([](const std::string& temporary) -> Status {
            // Somebody damages the file between writing and reading back.
            std::ofstream(temporary, std::ios::app) << "!";
            QL_TRY(const auto source, openFile(temporary));
            QL_TRY(const auto header, parseSafetensors(*source));
            return {};
        });
        QCOMPARE(codeName(status.error().code), codeName(ErrorCode::VerifyFailed));
        QCOMPARE(folder.read("out.safetensors"), std::string("old"));
        QCOMPARE(folder.entries(), QStringList("out.safetensors"));
    }

    /// Random plans written and read back, names and all.
    void roundTripsRandomFiles()
    {
        std::mt19937 random(11);
        const Folder folder;
        for (int round = 0; round < 30; ++round) {
            std::vector<SafetensorsWriter::Entry> entries;
            const int count = int(random() % 20);
            for (int i = 0; i < count; ++i) {
                Shape shape;
                for (auto rank = random() % 4; rank > 0; --rank)
                    shape.push_back(int64_t(random() % 5));
                shape.push_back(int64_t(random() % 3) * 4);
                entries.push_back({"t\"\n" + std::to_string(i), DType(random() % (int(DType::C64) + 1)), shape});
            }
            auto writer = SafetensorsWriter::plan(entries);
            QVERIFY(writer.ok());
            QVERIFY(writer->begin(folder.path("r.safetensors")).ok());
            std::string data;
            for (size_t i = 0; i < writer->order().size(); ++i)
                data += std::string(writer->dataBytes(i), char('a' + i));
            QVERIFY(writer->write(raw(data)).ok());
            QCOMPARE(textOf(writer->finish()), std::string());
            const auto model = Model::open(folder.path("r.safetensors"));
            QVERIFY(model.ok());
            QCOMPARE((*model)->tensors().size(), entries.size());
            for (const auto& planned : entries) {
                const int index = (*model)->indexOf(planned.name);
                QVERIFY(index >= 0);
                const TensorInfo& tensor = (*model)->tensors()[size_t(index)];
                QVERIFY(tensor.dtype == planned.dtype && tensor.shape == planned.shape);
            }
        }
    }

    void hundredThousandTensorsOpen()
    {
        std::vector<SafetensorsWriter::Entry> entries;
        for (int i = 0; i < 100000; ++i)
            entries.push_back({"model.layers." + std::to_string(i % 100) + ".mlp.experts." + std::to_string(i / 100) +
                                   ".gate_proj.weight",
                               DType::U8, {1, 1}});
        auto writer = SafetensorsWriter::plan(entries);
        const Folder folder;
        QVERIFY(writer->begin(folder.path("many.safetensors")).ok());
        QVERIFY(writer->write(raw(std::string(100000, 'x'))).ok());
        QElapsedTimer timer;
        timer.start();
        QCOMPARE(textOf(writer->finish()), std::string());
        const auto read = timer.restart();
        const auto model = Model::open(folder.path("many.safetensors"));
        qInfo("verified in %lld ms, opened in %lld ms", read, timer.elapsed());
        QVERIFY(model.ok());
        QCOMPARE((*model)->tensors().size(), size_t(100000));
        QCOMPARE((*model)->layerCount(), 100);
    }

    void sparseTwentyGigabytesOpen()
    {
        const Folder folder;
        const uint64_t elements = uint64_t(5) << 30; // 20 GiB of F32
        const std::string header = "{" + entry("model.layers.0.mlp.up_proj.weight", "F32",
                                               "1048576," + std::to_string(elements / 1048576), 0, elements * 4) + "}";
        const std::string path = folder.write("big.safetensors", safetensorsFile(header));
        if (truncate(path.c_str(), off_t(8 + header.size() + elements * 4)) != 0)
            QSKIP("this file system cannot hold sparse files of 20 GB");
        const int64_t before = residentBytes();
        QElapsedTimer timer;
        timer.start();
        const auto model = Model::open(path);
        qInfo("20 GiB opened in %lld ms", timer.elapsed());
        QVERIFY2(model.ok(), model.ok() ? "" : model.error().text().c_str());
        QCOMPARE((*model)->parameters(), elements);
        const auto view = (*model)->view(0);
        std::vector<float> row(size_t(view->cols()), 1.0f);
        QVERIFY(view->readRows(view->rows() - 1, 1, row.data()).ok());
        QCOMPARE(row.back(), 0.0f);
        QVERIFY(residentBytes() - before < int64_t(300) << 20);
    }
};

QTEST_GUILESS_MAIN(TestSafetensors)
#include "tst_safetensors.moc"
