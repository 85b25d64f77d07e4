// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The type table, decoding of plain types, and TensorView: bounds, odd rows, transposition.
#include "core/tensor/decode.h"
#include "core/tensor/floats.h"
#include "core/tensor/tensorview.h"

#include <QTest>

#include <cmath>
#include <cstring>
#include <numeric>

using namespace ql;

namespace {

template <class T>
std::vector<std::byte> bytesOf(const std::vector<T>& values)
{
    std::vector<std::byte> bytes(values.size() * sizeof(T));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
}

/// The same bytes, but only readable: what a file that is not mapped looks like.
class ReadOnlySource final : public ByteSource
{
public:
    explicit ReadOnlySource(std::vector<std::byte> bytes) : m_memory(memorySource("read", std::move(bytes))) {}
    const std::string& name() const override { return m_memory->name(); }
    uint64_t size() const override { return m_memory->size(); }
    std::optional<std::span<const std::byte>> view(uint64_t, uint64_t) const override { return std::nullopt; }
    Status read(uint64_t offset, std::span<std::byte> out) const override { return m_memory->read(offset, out); }

private:
    std::shared_ptr<const ByteSource> m_memory;
};

std::vector<float> counting(size_t n)
{
    std::vector<float> values(n);
    std::iota(values.begin(), values.end(), 0.0f);
    return values;
}

} // namespace

class TestTensorView : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void typeTableIsConsistent()
    {
        for (int i = 0; i <= int(DType::Q2_0); ++i) {
            const DTypeInfo& info = dtypeInfo(DType(i));
            QCOMPARE(int(info.type), i);
            QVERIFY(!info.name.empty() && info.blockElements > 0 && info.blockBytes > 0);
            if (info.ggmlId >= 0)
                QVERIFY(dtypeFromGgml(uint32_t(info.ggmlId)) == info.type);
            if (!info.safetensors.empty())
                QVERIFY(dtypeFromSafetensors(info.safetensors) == info.type);
            QCOMPARE(info.ggmlBlock, info.safetensors.empty());
        }
        for (const uint32_t removed : {4u, 5u, 31u, 32u, 33u, 36u, 37u, 38u, 43u, ~0u})
            QVERIFY(!dtypeFromGgml(removed));
        QVERIFY(!dtypeFromSafetensors("f32"));
        QVERIFY(!dtypeFromSafetensors(""));
        QCOMPARE(dtypeBytes(DType::Q4_K, 512).value(), uint64_t(288));
        QVERIFY(!dtypeBytes(DType::Q4_K, 500));
        QVERIFY(!dtypeBytes(DType::F4, 3));
        QVERIFY(!dtypeBytes(DType::F64, ~uint64_t(0) / 8 + 1));
    }

    void shapesMultiplyWithoutWrapping()
    {
        QCOMPARE(elementCount({}).value(), uint64_t(1));
        QCOMPARE(elementCount({3, 0, 5}).value(), uint64_t(0));
        QVERIFY(!elementCount({-1}));
        QVERIFY(!elementCount({int64_t(1) << 32, int64_t(1) << 32}));
        QCOMPARE(QString::fromStdString(toString(Shape{4096, 11008})), QString("[4096, 11008]"));
    }

    void plainTypesDecode()
    {
        const auto check = [](DType type, const std::vector<std::byte>& bytes, const std::vector<float>& expected) {
            std::vector<float> out(expected.size());
            return decodeToFloat(type, bytes, out) && out == expected;
        };
        QVERIFY(check(DType::F64, bytesOf<double>({1.5, -1e300}), {1.5f, -INFINITY}));
        QVERIFY(check(DType::F32, bytesOf<float>({1.5f, -2.25f}), {1.5f, -2.25f}));
        QVERIFY(check(DType::F16, bytesOf<uint16_t>({0x3C00, 0xC000, 0x0001}), {1, -2, 0x1p-24f}));
        QVERIFY(check(DType::BF16, bytesOf<uint16_t>({0x3F80, 0xC000}), {1, -2}));
        QVERIFY(check(DType::F8E4M3, bytesOf<uint8_t>({0x38, 0xFE}), {1, -448}));
        QVERIFY(check(DType::F8E5M2, bytesOf<uint8_t>({0x3C, 0xFC}), {1, -INFINITY}));
        QVERIFY(check(DType::F8E8M0, bytesOf<uint8_t>({127, 130, 0}), {1, 8, 0x1p-127f}));
        QVERIFY(check(DType::F8E4M3FNUZ, bytesOf<uint8_t>({0x40, 0x7F, 0x01}), {1, 240, 0x1p-10f}));
        QVERIFY(check(DType::F8E5M2FNUZ, bytesOf<uint8_t>({0x40, 0x7F, 0x01}), {1, 57344, 0x1p-17f}));
        QVERIFY(check(DType::F4, bytesOf<uint8_t>({0x72, 0x9F}), {1, 6, -6, -0.5f}));
        QVERIFY(check(DType::I8, bytesOf<int8_t>({-128, 127}), {-128, 127}));
        QVERIFY(check(DType::U8, bytesOf<uint8_t>({0, 255}), {0, 255}));
        QVERIFY(check(DType::I16, bytesOf<int16_t>({-32768, 5}), {-32768, 5}));
        QVERIFY(check(DType::U16, bytesOf<uint16_t>({65535}), {65535}));
        QVERIFY(check(DType::I32, bytesOf<int32_t>({-7, 16777217}), {-7, 16777216}));
        QVERIFY(check(DType::U32, bytesOf<uint32_t>({4294967295u}), {4294967296.0f}));
        QVERIFY(check(DType::I64, bytesOf<int64_t>({-(int64_t(1) << 62)}), {-0x1p62f}));
        QVERIFY(check(DType::U64, bytesOf<uint64_t>({~uint64_t(0)}), {0x1p64f}));
        QVERIFY(check(DType::Bool, bytesOf<uint8_t>({0, 1, 2}), {0, 1, 1}));
    }

    void decodingRefusesWrongSizes()
    {
        std::vector<float> out(2);
        const std::vector<std::byte> bytes(8);
        QVERIFY(decodeToFloat(DType::F32, bytes, out));
        QVERIFY(!decodeToFloat(DType::F64, bytes, out));
        QVERIFY(!decodeToFloat(DType::C64, std::vector<std::byte>(16), out));
        QVERIFY(!decodeToFloat(DType::Q4_0, std::vector<std::byte>(18), out));
        std::vector<float> block(256);
        QVERIFY(!decodeToFloat(DType::IQ1_S, std::vector<std::byte>(50), block));
    }

    void refusesTensorsOutsideTheirSource_data()
    {
        QTest::addColumn<quint64>("offset");
        QTest::addColumn<int>("dtype");
        QTest::addColumn<QList<qint64>>("dims");
        QTest::addColumn<QString>("code");
        QTest::newRow("fits exactly") << quint64(0) << int(DType::F32) << QList<qint64>{4, 4} << "";
        QTest::newRow("scalar") << quint64(60) << int(DType::F32) << QList<qint64>{} << "";
        QTest::newRow("empty at the end") << quint64(64) << int(DType::F32) << QList<qint64>{0, 4} << "";
        QTest::newRow("one byte too far") << quint64(1) << int(DType::F32) << QList<qint64>{16} << "TensorOutOfFile";
        QTest::newRow("offset beyond") << quint64(65) << int(DType::F32) << QList<qint64>{0} << "TensorOutOfFile";
        QTest::newRow("offset wraps") << ~quint64(0) << int(DType::F32) << QList<qint64>{1} << "TensorOutOfFile";
        QTest::newRow("negative dim") << quint64(0) << int(DType::F32) << QList<qint64>{-1} << "ShapeOverflow";
        QTest::newRow("product wraps") << quint64(0) << int(DType::F32)
                                       << QList<qint64>{qint64(1) << 62, 8} << "ShapeOverflow";
        QTest::newRow("rows beyond 63 bits") << quint64(0) << int(DType::F32)
                                             << QList<qint64>{qint64(1) << 62, 2, 0} << "ShapeOverflow";
        QTest::newRow("bytes wrap") << quint64(0) << int(DType::F64) << QList<qint64>{qint64(1) << 61}
                                    << "ShapeOverflow";
        QTest::newRow("half a block") << quint64(0) << int(DType::Q4_0) << QList<qint64>{16} << "SizeMismatch";
    }
    void refusesTensorsOutsideTheirSource()
    {
        QFETCH(quint64, offset);
        QFETCH(int, dtype);
        QFETCH(QList<qint64>, dims);
        const auto view = TensorView::create(memorySource("m", std::vector<std::byte>(64)), offset, DType(dtype),
                                             Shape(dims.begin(), dims.end()));
        const auto code = view ? std::string_view() : codeName(view.error().code);
        QTEST(QString::fromUtf8(code.data(), qsizetype(code.size())), "code");
    }

    void readsRowsAndPieces()
    {
        const TensorView view = TensorView::fromFloats(counting(12), 3, 4);
        QCOMPARE(view.rows(), int64_t(3));
        QCOMPARE(view.cols(), int64_t(4));
        std::vector<float> out(4);
        QVERIFY(view.readRows(1, 1, out.data()).ok());
        QCOMPARE(out, (std::vector<float>{4, 5, 6, 7}));
        QVERIFY(view.readFlat(3, 4, out.data()).ok());
        QCOMPARE(out, (std::vector<float>{3, 4, 5, 6}));
        QVERIFY(view.bytes().has_value());
        QVERIFY(!view.readRows(3, 1, out.data()).ok());
        QVERIFY(!view.readRows(-1, 1, out.data()).ok());
        QVERIFY(!view.readFlat(9, 4, out.data()).ok());
        QVERIFY(!view.readFlat(0, -1, out.data()).ok());
        QVERIFY(view.readFlat(12, 0, out.data()).ok());
    }

    void vectorsAndScalarsAreOneRow()
    {
        const auto source = memorySource("m", bytesOf(counting(8)));
        const auto vector = TensorView::create(source, 0, DType::F32, {8});
        QCOMPARE(vector->rows(), int64_t(1));
        QCOMPARE(vector->cols(), int64_t(8));
        const auto scalar = TensorView::create(source, 28, DType::F32, {});
        QCOMPARE(scalar->count(), int64_t(1));
        float value = 0;
        QVERIFY(scalar->readFlat(0, 1, &value).ok());
        QCOMPARE(value, 7.0f);
        const auto cube = TensorView::create(source, 0, DType::F32, {2, 2, 2});
        QCOMPARE(cube->rows(), int64_t(4));
    }

    void everyPieceOfATransposedTensor_data()
    {
        QTest::addColumn<int>("stored");
        QTest::addColumn<int>("length");
        QTest::newRow("square") << 4 << 4;
        QTest::newRow("wide") << 3 << 7;
        QTest::newRow("tall") << 7 << 3;
        QTest::newRow("one row") << 1 << 5;
        QTest::newRow("one column") << 5 << 1;
    }
    void everyPieceOfATransposedTensor()
    {
        QFETCH(int, stored);
        QFETCH(int, length);
        const auto bytes = bytesOf(counting(size_t(stored * length)));
        for (const std::shared_ptr<const ByteSource>& source :
             {memorySource("m", bytes), std::shared_ptr<const ByteSource>(new ReadOnlySource(bytes))}) {
            const auto view = TensorView::create(source, 0, DType::F32, {stored, length}, true);
            QCOMPARE(view->rows(), int64_t(length));
            QCOMPARE(view->cols(), int64_t(stored));
            QVERIFY(!view->bytes());
            const int64_t count = view->count();
            for (int64_t first = 0; first < count; ++first) {
                for (int64_t n = 1; n <= count - first; ++n) {
                    std::vector<float> out(size_t(n), -1.0f);
                    QVERIFY(view->readFlat(first, n, out.data()).ok());
                    for (int64_t i = 0; i < n; ++i) {
                        const int64_t row = (first + i) / stored;
                        const int64_t col = (first + i) % stored;
                        QCOMPARE(out[size_t(i)], float(col * length + row));
                    }
                }
            }
        }
    }

    void largeTransposedTensorCrossesTiles()
    {
        const int64_t stored = 131;
        const int64_t length = 2053;
        const auto source = memorySource("m", bytesOf(counting(size_t(stored * length))));
        const auto view = TensorView::create(source, 0, DType::F32, {stored, length}, true);
        std::vector<float> out(size_t(view->count()));
        QVERIFY(view->readRows(0, view->rows(), out.data()).ok());
        for (int64_t row = 0; row < length; ++row) {
            for (int64_t col = 0; col < stored; ++col)
                QVERIFY(out[size_t(row * stored + col)] == float(col * length + row));
        }
    }

    void halfBytesMayStartInTheMiddleOfAByte()
    {
        std::vector<uint8_t> bytes(9);
        for (size_t i = 0; i < bytes.size(); ++i)
            bytes[i] = uint8_t(((2 * i + 1) % 8) << 4 | ((2 * i) % 8));
        for (const std::shared_ptr<const ByteSource>& source :
             {memorySource("m", bytesOf(bytes)), std::shared_ptr<const ByteSource>(new ReadOnlySource(bytesOf(bytes)))}) {
            const auto view = TensorView::create(source, 0, DType::F4, {6, 3});
            for (int64_t row = 0; row < 6; ++row) {
                float out[3];
                QVERIFY(view->readRows(row, 1, out).ok());
                for (int64_t col = 0; col < 3; ++col)
                    QCOMPARE(out[col], e2m1ToFloat(uint8_t((row * 3 + col) % 8)));
            }
        }
    }

    void longReadsCrossTiles()
    {
        const size_t n = 200001;
        std::vector<uint8_t> bytes((n + 1) / 2);
        for (size_t i = 0; i < bytes.size(); ++i)
            bytes[i] = uint8_t(i * 37);
        const auto view = TensorView::create(memorySource("m", bytesOf(bytes)), 0, DType::F4, {int64_t(n) + 1});
        std::vector<float> out(n - 1);
        QVERIFY(view->readFlat(1, int64_t(n) - 1, out.data()).ok());
        for (size_t i = 0; i < out.size(); ++i) {
            const uint8_t code = (i + 1) % 2 ? bytes[(i + 1) / 2] >> 4 : bytes[(i + 1) / 2] & 15;
            QVERIFY(out[i] == e2m1ToFloat(code));
        }
    }

    void undecodableTypesSaySo()
    {
        const auto view = TensorView::create(memorySource("file.gguf", std::vector<std::byte>(50)), 0, DType::IQ1_S,
                                             {256});
        std::vector<float> out(256);
        const Status status = view->readFlat(0, 256, out.data());
        QCOMPARE(codeName(status.error().code), codeName(ErrorCode::CannotDecode));
        QVERIFY(status.error().text().find("IQ1_S") != std::string::npos);
    }

    void shortSourcesReportTruncation()
    {
        const auto source = memorySource("m", std::vector<std::byte>(8));
        std::vector<std::byte> out(8);
        QVERIFY(source->read(0, out).ok());
        QCOMPARE(codeName(source->read(1, out).error().code), codeName(ErrorCode::FileTruncated));
        QVERIFY(!source->view(1, 8));
    }
};

QTEST_GUILESS_MAIN(TestTensorView)
#include "tst_tensorview.moc"
