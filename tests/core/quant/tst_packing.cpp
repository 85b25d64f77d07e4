// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Packed layouts, and double quantization of scales.
#include "core/quant/doublequant.h"
#include "core/quant/packing.h"
#include "core/quant/quantizer.h"
#include "core/quant/schemetable.h"
#include "support/testtensors.h"

#include <QTest>

#include <bit>

using namespace ql;

namespace {

std::vector<int> bytesOf(const std::vector<std::byte>& packed)
{
    std::vector<int> bytes;
    for (const std::byte b : packed)
        bytes.push_back(int(b));
    return bytes;
}

} // namespace

class TestPacking : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void denseBitsRoundTrip_data()
    {
        QTest::addColumn<int>("bits");
        for (int bits = 1; bits <= 8; ++bits)
            QTest::addRow("%d bits", bits) << bits;
    }
    void denseBitsRoundTrip()
    {
        QFETCH(int, bits);
        test::Random random(uint64_t(bits) + 1);
        for (const int64_t size : test::differentialSizes()) {
            std::vector<uint8_t> codes(static_cast<size_t>(size)), extended(codes.size());
            for (size_t i = 0; i < codes.size(); ++i) {
                codes[i] = uint8_t(random.below(uint64_t(1) << bits));
                const bool negative = codes[i] >> (bits - 1);
                extended[i] = uint8_t(negative ? int(codes[i]) - (1 << bits) : int(codes[i]));
            }
            const auto packed = packBits(codes, bits);
            QCOMPARE(packed.size(), (codes.size() * size_t(bits) + 7) / 8);
            QCOMPARE(unpackBits(packed, bits, codes.size(), false), codes);
            QCOMPARE(unpackBits(packed, bits, codes.size(), true), extended);
            QCOMPARE(bytesOf(packBits(extended, bits)), bytesOf(packed));
        }
    }

    void knownLayouts()
    {
        QCOMPARE(bytesOf(packBits(std::vector<uint8_t>{1, 2, 3}, 4)), (std::vector<int>{0x21, 0x03}));
        // 3 bits: 1, 2, 3 = 001 010 011 from the low end up.
        QCOMPARE(bytesOf(packBits(std::vector<uint8_t>{1, 2, 3}, 3)), (std::vector<int>{0b11010001, 0b0}));
        QCOMPARE(bytesOf(packHighNibbleFirst(std::vector<uint8_t>{1, 2, 3})), (std::vector<int>{0x12, 0x30}));
        for (const int64_t size : test::differentialSizes()) {
            std::vector<uint8_t> codes(static_cast<size_t>(size));
            for (size_t i = 0; i < codes.size(); ++i)
                codes[i] = uint8_t(i * 7 % 16);
            QCOMPARE(unpackHighNibbleFirst(packHighNibbleFirst(codes), codes.size()), codes);
        }
        QVERIFY(packBits({}, 3).empty());
    }

    void rowsTakeTheBytesThatStorageCounts()
    {
        for (const FormatTraits& row : schemeTable()) {
            const Scheme scheme = Scheme::defaultsFor(row.format);
            const int64_t cols = row.blockSize ? std::max(192, row.blockSize) : 131;
            const std::vector<float> x = test::normalValues(2 * cols, 5);
            const auto quantizer = TensorQuantizer::prepare(TensorView::fromFloats(x, 2, cols), scheme);
            const QuantizedTensor q = quantizer->quantizeRows(x.data(), 0, 2);
            uint64_t bytes = packedRow(q, 0).size() + packedRow(q, 1).size();
            if (row.kind != FormatKind::Ggml && row.kind != FormatKind::Micro && row.kind != FormatKind::Keep)
                bytes += q.scales.size() * (scheme.scaleType == ScaleType::F32 ? 4 : 2);
            if (row.format == Format::NVFP4)
                bytes += 4;
            QCOMPARE(bytes, storedBytes(scheme, 2, cols));
        }
    }

    void dynamicMapIsThePublishedOne()
    {
        const auto& map = dynamicMap();
        QCOMPARE(map[0], -0.99296874f);
        QCOMPARE(map[127], 0.0f);
        QCOMPARE(map[255], 1.0f);
        QVERIFY(std::is_sorted(map.begin(), map.end()));
        QVERIFY(std::adjacent_find(map.begin(), map.end()) == map.end());
        // 0.55 * 10^-6 is the only value of the smallest decade.
        QVERIFY(std::abs(double(map[128]) - 0.55e-6) < 1e-13);
        for (size_t i = 1; i < 127; ++i)
            QCOMPARE(map[i], -map[254 - i]);
    }

    void scaleCodesAreNearest()
    {
        test::Random random(6);
        for (int i = 0; i < 20000; ++i) {
            const float offset = float(random.uniform()), block = float(random.uniform() + 0.01);
            const float scale = offset + block * float(2 * random.uniform() - 1);
            const double chosen =
                std::abs(double(decodeScale(encodeScale(scale, offset, block), offset, block)) - double(scale));
            double best = INFINITY;
            for (int code = 0; code < 256; ++code)
                best = std::min(best, std::abs(double(decodeScale(uint8_t(code), offset, block)) - double(scale)));
            QVERIFY(chosen <= best + 2e-7);
        }
        QCOMPARE(int(encodeScale(0.5f, 0.5f, 0.0f)), 127);
        QCOMPARE(decodeScale(127, 0.5f, 0.0f), 0.5f);
    }

    void doubleQuantizationIsQLoRAs()
    {
        // 16 rows of 1280 values: 20 groups per row, 320 in all, so blocks of 256 end inside row 12.
        const int64_t rows = 16, cols = 1280;
        const std::vector<float> x = test::normalValues(rows * cols, 12, 0.02);
        const TensorView view = TensorView::fromFloats(x, rows, cols);
        const auto plain = TensorQuantizer::prepare(view, *Scheme::parse("nf4"));
        const auto twice = TensorQuantizer::prepare(view, *Scheme::parse("nf4,double"));
        const QuantizedTensor p = plain->quantizeRows(x.data(), 0, rows);
        const QuantizedTensor q = twice->quantizeRows(x.data(), 0, rows);
        double mean = 0;
        for (const float s : p.scales)
            mean += double(s) / double(p.scales.size());
        QVERIFY(std::abs(double(q.scaleOffset) - mean) < 1e-8);
        QCOMPARE(q.scaleCodes.size(), size_t(320));
        QCOMPARE(q.scaleScales.size(), size_t(2));
        for (size_t g = 0; g < 320; ++g) {
            QCOMPARE(q.scales[g], decodeScale(q.scaleCodes[g], q.scaleOffset, q.scaleScales[g / 256]));
            // Half of the widest gap of the map, in units of the block's scale.
            QVERIFY(std::abs(q.scales[g] - p.scales[g]) <= 0.0075f * q.scaleScales[g / 256]);
        }
        for (size_t b = 0; b < 2; ++b) {
            float largest = 0;
            for (size_t g = b * 256; g < std::min<size_t>(320, (b + 1) * 256); ++g)
                largest = std::max(largest, std::abs(p.scales[g] - q.scaleOffset));
            QCOMPARE(q.scaleScales[b], largest);
        }
    }

    void slicesOfADoubleQuantizedTensorAgree()
    {
        const int64_t rows = 16, cols = 1280;
        const std::vector<float> x = test::normalValues(rows * cols, 12, 0.02);
        const auto quantizer =
            TensorQuantizer::prepare(TensorView::fromFloats(x, rows, cols), *Scheme::parse("int4,group=64,double"));
        const QuantizedTensor whole = quantizer->quantizeRows(x.data(), 0, rows);
        const QuantizedTensor slice = quantizer->quantizeRows(x.data() + 12 * cols, 12, 2);
        QVERIFY(std::equal(slice.codes.begin(), slice.codes.end(), whole.codes.begin() + 12 * cols));
        QVERIFY(std::equal(slice.scales.begin(), slice.scales.end(), whole.scales.begin() + 12 * 20));
        QVERIFY(std::equal(slice.scaleCodes.begin(), slice.scaleCodes.end(), whole.scaleCodes.begin() + 12 * 20));
        QCOMPARE(slice.scaleScales, whole.scaleScales);
        const QuantizedTensor last = quantizer->quantizeRows(x.data() + 14 * cols, 14, 2);
        QCOMPARE(last.scaleScales, std::vector<float>{whole.scaleScales[1]});
    }
};

QTEST_GUILESS_MAIN(TestPacking)
#include "tst_packing.moc"
