// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Well-made GGUF files: what the header says is what is read.
#include "core/io/gguf.h"
#include "core/tensor/tensorview.h"
#include "support/ggufbuilder.h"

#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QTest>

using namespace ql;
using namespace ql::test;

namespace {

/// Counts how much of the file is read.
class CountingSource : public ByteSource
{
public:
    explicit CountingSource(std::shared_ptr<const ByteSource> inner) : m_inner(std::move(inner)) {}
    const std::string& name() const override { return m_inner->name(); }
    uint64_t size() const override { return m_inner->size(); }
    std::optional<std::span<const std::byte>> view(uint64_t, uint64_t) const override { return {}; }
    Status read(uint64_t offset, std::span<std::byte> out) const override
    {
        bytesRead += out.size();
        return m_inner->read(offset, out);
    }
    mutable uint64_t bytesRead = 0;

private:
    std::shared_ptr<const ByteSource> m_inner;
};

} // namespace

class TestGguf : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void readsHeaderFacts_data()
    {
        QTest::addColumn<uint32_t>("version");
        QTest::newRow("version 2") << 2u;
        QTest::newRow("version 3") << 3u;
    }
    void readsHeaderFacts()
    {
        GgufBuilder builder = smallGguf();
        QFETCH(uint32_t, version);
        builder.version = version;
        const auto file = parseGguf(builder.source());
        QVERIFY2(file, file ? "" : file.error().text().c_str());
        QCOMPARE(file->version, version);
        QCOMPARE(file->alignment, uint64_t(32));
        QCOMPARE(file->dataOffset % 32, uint64_t(0));
        QCOMPARE(file->trailingBytes, uint64_t(0));
        QCOMPARE(file->metadata.size(), size_t(7));
        QCOMPARE(file->tensors.size(), size_t(3));
        const GgufTensor& embedding = file->tensors[0];
        QCOMPARE(QString::fromStdString(embedding.name), QString("token_embd.weight"));
        QCOMPARE(embedding.shape, (Shape{3, 64}));
        QCOMPARE(embedding.bytes, uint64_t(768));
        QCOMPARE(embedding.offset, file->dataOffset);
        QCOMPARE(file->tensors[1].dtype, DType::Q4_0);
        QCOMPARE(file->tensors[1].bytes, uint64_t(72));
        QCOMPARE(file->tensors[2].offset, file->dataOffset + 768 + 96);
    }

    void tensorDataIsWhereTheHeaderSays()
    {
        const auto file = parseGguf(smallGguf().source());
        QVERIFY(file);
        const GgufTensor& norm = file->tensors[2];
        const auto view = TensorView::create(file->source, norm.offset, norm.dtype, norm.shape);
        QVERIFY(view);
        float values[5] = {};
        QVERIFY(view->readFlat(0, 5, values));
        for (int i = 0; i < 5; ++i)
            QCOMPARE(values[i], float(i + 1));
    }

    void keepsEveryScalarType_data()
    {
        QTest::addColumn<int>("type");
        QTest::addColumn<QByteArray>("raw");
        QTest::addColumn<QString>("text");
        const auto row = [](const char* name, GgufType type, auto value, const char* text) {
            QTest::newRow(name) << int(type) << QByteArray(reinterpret_cast<const char*>(&value), sizeof value) << text;
        };
        row("u8", GgufType::U8, uint8_t(255), "255");
        row("i8", GgufType::I8, int8_t(-128), "-128");
        row("u16", GgufType::U16, uint16_t(65535), "65535");
        row("i16", GgufType::I16, int16_t(-32768), "-32768");
        row("u32", GgufType::U32, uint32_t(4294967295u), "4294967295");
        row("i32", GgufType::I32, int32_t(-7), "-7");
        row("f32", GgufType::F32, 1e-5f, "1e-05");
        row("bool true", GgufType::Bool, true, "true");
        row("bool false", GgufType::Bool, false, "false");
        row("u64", GgufType::U64, UINT64_MAX, "18446744073709551615");
        row("i64", GgufType::I64, INT64_MIN, "-9223372036854775808");
        row("f64", GgufType::F64, 0.1, "0.1");
    }
    void keepsEveryScalarType()
    {
        QFETCH(int, type);
        QFETCH(QByteArray, raw);
        GgufBuilder builder;
        builder.key("a.key", uint32_t(type), Bytes().raw({raw.constData(), size_t(raw.size())}));
        const auto file = parseGguf(builder.source());
        QVERIFY2(file, file ? "" : file.error().text().c_str());
        const GgufValue* value = file->find("a.key");
        QVERIFY(value);
        QCOMPARE(int(typeOf(*value)), type);
        QTEST(QString::fromStdString(toText(*value)), "text");
        QVERIFY(!file->find("a.ke"));
    }

    void numbersConvertOnlyWhereNothingIsLost()
    {
        QCOMPARE(toInteger(GgufValue(int8_t(-3))), std::optional<int64_t>(-3));
        QCOMPARE(toInteger(GgufValue(uint64_t(INT64_MAX))), std::optional<int64_t>(INT64_MAX));
        QVERIFY(!toInteger(GgufValue(uint64_t(1) << 63)));
        QVERIFY(!toInteger(GgufValue(1.0f)));
        QVERIFY(!toInteger(GgufValue(true)));
        QVERIFY(!toInteger(GgufValue(std::string("1"))));
        QCOMPARE(toNumber(GgufValue(uint16_t(3))), std::optional<double>(3.0));
        QCOMPARE(toNumber(GgufValue(0.5f)), std::optional<double>(0.5));
        QVERIFY(!toNumber(GgufValue(GgufArray{})));
    }

    void arraysAreReadByTheirOwnType()
    {
        const auto file = parseGguf(smallGguf().source());
        QVERIFY(file);
        QCOMPARE(file->strings("tokenizer.ggml.tokens").value(), (std::vector<std::string>{"a", "", "bc"}));
        QCOMPARE(file->floats("tokenizer.ggml.scores").value(), (std::vector<float>{0.5f, -1.0f}));
        QCOMPARE(file->floats("tokenizer.ggml.tokens").error().code, ErrorCode::BadValueType);
        QCOMPARE(file->strings("tokenizer.ggml.scores").error().code, ErrorCode::BadValueType);
        QCOMPARE(file->integers("tokenizer.ggml.scores").error().code, ErrorCode::BadValueType);
        QCOMPARE(file->strings("general.name").error().code, ErrorCode::BadValueType);
        QCOMPARE(file->strings("absent").error().code, ErrorCode::JsonMissingKey);
        QCOMPARE(QString::fromStdString(toText(*file->find("tokenizer.ggml.tokens"))), QString("[3 string]"));
    }

    void aByteArrayIsNeverReadAsWiderNumbers()
    {
        GgufBuilder builder;
        builder.array("token_type", uint32_t(GgufType::U8), 3, Bytes().u8(1).u8(2).u8(3));
        const auto file = parseGguf(builder.source());
        QVERIFY(file);
        QCOMPARE(file->integers("token_type").value(), (std::vector<int64_t>{1, 2, 3}));
        QCOMPARE(file->floats("token_type").error().code, ErrorCode::BadValueType);
    }

    void metadataBecomeJson()
    {
        GgufBuilder builder = smallGguf();
        builder.text("bad.text", "a\xFF");
        builder.array("long", uint32_t(GgufType::U8), 1000, Bytes().zeros(1000));
        const auto file = parseGguf(builder.source());
        QVERIFY(file);
        const QJsonObject json = QJsonDocument::fromJson(QByteArray::fromStdString(file->metadataJson())).object();
        QCOMPARE(json["general.architecture"].toString(), QString("llama"));
        QCOMPARE(json["llama.block_count"].toInt(), 1);
        QCOMPARE(json["tokenizer.ggml.tokens"].toArray(), (QJsonArray{"a", "", "bc"}));
        QCOMPARE(json["long"].toObject()["count"].toInt(), 1000);
        QCOMPARE(json["bad.text"].toString(), QString("a\uFFFD"));
    }

    void oddButLegalFiles_data()
    {
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<int>("tensors");
        const auto row = [](const char* name, const GgufBuilder& builder) {
            const Bytes bytes = builder.build();
            QTest::newRow(name) << QByteArray(reinterpret_cast<const char*>(bytes.data().data()),
                                              qsizetype(bytes.size()))
                                << int(builder.tensors.size());
        };
        GgufBuilder empty;
        row("no keys, no tensors", empty);
        empty.padded = false;
        row("no keys, no tensors, no padding", empty);
        GgufBuilder scalar;
        scalar.tensor("scalar", {}, 0, Bytes().number(1.0f));
        row("a tensor of no dimensions", scalar);
        GgufBuilder zero;
        zero.tensor("zero", {32, 0, 4}, 2, Bytes());
        zero.tensor("after", {2}, 0, Bytes().zeros(8));
        row("a zero dimension", zero);
        GgufBuilder longest;
        longest.tensor(std::string(63, 'n'), {1, 1, 1, 1}, 24, Bytes().zeros(1));
        row("a name of 63 bytes, four dimensions", longest);
        GgufBuilder aligned;
        aligned.alignment = 4096;
        aligned.u32("general.alignment", 4096);
        aligned.tensor("a", {3}, 0, Bytes().zeros(12));
        aligned.tensor("b", {3}, 0, Bytes().zeros(12));
        row("alignment 4096", aligned);
        GgufBuilder tight;
        tight.alignment = 1;
        tight.u32("general.alignment", 1);
        tight.tensor("a", {3}, 24, Bytes().zeros(3));
        tight.tensor("b", {3}, 24, Bytes().zeros(3));
        row("alignment 1", tight);
        GgufBuilder unpadded = smallGguf();
        unpadded.dropped = 12;
        row("the last tensor without its padding", unpadded);
        GgufBuilder unicode;
        unicode.tensor("gewicht.ä.重み", {1}, 0, Bytes().zeros(4));
        row("names in any script", unicode);
    }
    void oddButLegalFiles()
    {
        QFETCH(QByteArray, bytes);
        const auto file = parseGguf(Bytes().raw({bytes.constData(), size_t(bytes.size())}).source());
        QVERIFY2(file, file ? "" : file.error().text().c_str());
        QTEST(int(file->tensors.size()), "tensors");
    }

    void everyKnownTypeIsListedWithItsSize()
    {
        // type number, elements and bytes of a block: ggml.h and ggml-common.h
        constexpr uint32_t types[][3] = {
            {0, 1, 4},      {1, 1, 2},     {2, 32, 18},    {3, 32, 20},    {6, 32, 22},   {7, 32, 24},   {8, 32, 34},
            {9, 32, 36},    {10, 256, 84}, {11, 256, 110}, {12, 256, 144}, {13, 256, 176}, {14, 256, 210}, {15, 256, 292},
            {16, 256, 66},  {17, 256, 74}, {18, 256, 98},  {19, 256, 50},  {20, 32, 18},  {21, 256, 110}, {22, 256, 82},
            {23, 256, 136}, {24, 1, 1},    {25, 1, 2},     {26, 1, 4},     {27, 1, 8},    {28, 1, 8},    {29, 256, 56},
            {30, 1, 2},     {34, 256, 54}, {35, 256, 66},  {39, 32, 17},   {40, 64, 36},  {41, 128, 18}, {42, 64, 18},
        };
        for (const auto& [type, elements, bytes] : types) {
            GgufBuilder builder;
            builder.tensor("t", {int64_t(2 * elements), 3}, type, Bytes().zeros(6 * bytes));
            const auto file = parseGguf(builder.source());
            QVERIFY2(file, file ? "" : file.error().text().c_str());
            QCOMPARE(file->tensors[0].bytes, uint64_t(6 * bytes));
        }
    }

    void trailingBytesAreNoticed()
    {
        Bytes bytes = smallGguf().build();
        bytes.zeros(100);
        const auto file = parseGguf(bytes.source());
        QVERIFY(file);
        QCOMPARE(file->trailingBytes, uint64_t(100));
    }

    void opensWithoutTouchingTensorData()
    {
        GgufBuilder builder;
        builder.text("general.architecture", "llama");
        builder.tensor("big", {1 << 20, 4}, 0, Bytes().zeros(16 << 20));
        const auto source = std::make_shared<CountingSource>(builder.source());
        QVERIFY(parseGguf(source));
        QVERIFY(source->bytesRead <= 64 << 10);
    }

    void aHundredThousandTensorsAndTokens()
    {
        GgufBuilder builder;
        Bytes tokens;
        for (int i = 0; i < 150000; ++i)
            tokens.string("token " + std::to_string(i));
        builder.array("tokenizer.ggml.tokens", uint32_t(GgufType::String), 150000, tokens);
        for (int i = 0; i < 100000; ++i)
            builder.tensor("blk." + std::to_string(i) + ".weight", {32}, 2, Bytes().zeros(18));
        const auto source = builder.source();
        Result<GgufFile> file = Error{};
        QBENCHMARK_ONCE { file = parseGguf(source); }
        QVERIFY(file);
        QCOMPARE(file->tensors.size(), size_t(100000));
        QCOMPARE(file->tensors.back().offset, file->dataOffset + 99999 * 32);
        const auto strings = file->strings("tokenizer.ggml.tokens");
        QVERIFY(strings);
        QCOMPARE(strings->back(), std::string("token 149999"));
    }
};

QTEST_GUILESS_MAIN(TestGguf)
#include "tst_gguf.moc"
