// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// GGML blocks against the values that the gguf package reads from them (tests/data/ggml/make_golden.py), bit for bit.
#include "core/tensor/decode.h"
#include "core/tensor/ggmldecode.h"

#include <QFile>
#include <QTest>

#include <bit>
#include <cstring>
#include <vector>

using namespace ql;

namespace {

struct Golden {
    std::vector<std::byte> blocks;
    std::vector<float> values;
};

Golden load(const QString& name)
{
    QFile file(QString(QL_TEST_DATA "/ggml/%1.bin").arg(name));
    if (!file.open(QIODevice::ReadOnly))
        return {};
    const QByteArray bytes = file.readAll();
    uint32_t size = 0;
    std::memcpy(&size, bytes.constData(), 4);
    Golden golden;
    golden.blocks.resize(size);
    golden.values.resize((static_cast<size_t>(bytes.size()) - 4 - size) / 4);
    std::memcpy(golden.blocks.data(), bytes.constData() + 4, size);
    std::memcpy(golden.values.data(), bytes.constData() + 4 + size, golden.values.size() * 4);
    return golden;
}

} // namespace

class TestGgmlDecode : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void agreesBitForBit_data()
    {
        QTest::addColumn<DType>("type");
        QTest::newRow("q4_0") << DType::Q4_0;
        QTest::newRow("q4_1") << DType::Q4_1;
        QTest::newRow("q5_0") << DType::Q5_0;
        QTest::newRow("q5_1") << DType::Q5_1;
        QTest::newRow("q8_0") << DType::Q8_0;
        QTest::newRow("q2_k") << DType::Q2_K;
        QTest::newRow("q3_k") << DType::Q3_K;
        QTest::newRow("q4_k") << DType::Q4_K;
        QTest::newRow("q5_k") << DType::Q5_K;
        QTest::newRow("q6_k") << DType::Q6_K;
        QTest::newRow("iq4_nl") << DType::IQ4_NL;
        QTest::newRow("iq4_xs") << DType::IQ4_XS;
        QTest::newRow("mxfp4") << DType::MXFP4;
        QTest::newRow("nvfp4") << DType::NVFP4;
    }
    void agreesBitForBit()
    {
        QFETCH(DType, type);
        const Golden golden = load(QTest::currentDataTag());
        QCOMPARE(golden.values.size(), size_t(1024));
        std::vector<float> values(golden.values.size(), -1.0f);
        QVERIFY(decodeToFloat(type, golden.blocks, values));
        for (size_t i = 0; i < values.size(); ++i) {
            if (std::bit_cast<uint32_t>(values[i]) != std::bit_cast<uint32_t>(golden.values[i]))
                QFAIL(qPrintable(QString("element %1: %2 instead of %3").arg(i).arg(values[i]).arg(golden.values[i])));
        }
    }

    void sizesMustAgree_data() { agreesBitForBit_data(); }
    void sizesMustAgree()
    {
        QFETCH(DType, type);
        const DTypeInfo& info = dtypeInfo(type);
        const std::vector<std::byte> bytes(static_cast<size_t>(3 * info.blockBytes));
        std::vector<float> values(static_cast<size_t>(3 * info.blockElements));
        QVERIFY(decodeGgmlBlocks(type, bytes, values));
        QVERIFY(decodeGgmlBlocks(type, {}, {}));
        QVERIFY(!decodeGgmlBlocks(type, std::span(bytes).first(bytes.size() - 1), values));
        QVERIFY(!decodeGgmlBlocks(type, bytes, std::span(values).first(values.size() - 1)));
        QVERIFY(!decodeGgmlBlocks(type, bytes, std::span(values).first(values.size() / 3)));
        QVERIFY(!decodeGgmlBlocks(type, {}, values));
    }

    void othersAreRefused_data()
    {
        QTest::addColumn<DType>("type");
        for (const DType type : {DType::Q8_1, DType::Q8_K, DType::IQ2_XXS, DType::IQ2_XS, DType::IQ3_XXS, DType::IQ1_S,
                                 DType::IQ3_S, DType::IQ2_S, DType::IQ1_M, DType::TQ1_0, DType::TQ2_0, DType::Q1_0,
                                 DType::Q2_0, DType::F32})
            QTest::newRow(std::string(dtypeInfo(type).name).c_str()) << type;
    }
    void othersAreRefused()
    {
        QFETCH(DType, type);
        const DTypeInfo& info = dtypeInfo(type);
        const std::vector<std::byte> bytes(static_cast<size_t>(info.blockBytes));
        std::vector<float> values(static_cast<size_t>(info.blockElements));
        QVERIFY(!decodeGgmlBlocks(type, bytes, values));
    }
};

QTEST_GUILESS_MAIN(TestGgmlDecode)
#include "tst_ggmldecode.moc"
