// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Small floating-point formats, every code, against the definition of each format computed in double.
#include "core/tensor/floats.h"

#include <QTest>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

using namespace ql;

namespace {

/// A format as its standard defines it, evaluated with ldexp.
struct Definition {
    int exponentBits;
    int mantissaBits;
    int bias;
    bool ieeeSpecials; ///< top exponent holds Inf and NaN
    bool nanOnAllOnes; ///< only the all-ones magnitude is NaN

    int magnitudeBits() const { return exponentBits + mantissaBits; }
    double value(uint32_t code) const
    {
        const uint32_t magnitude = code & ((1u << magnitudeBits()) - 1);
        const double sign = code >> magnitudeBits() ? -1 : 1;
        const int exponent = int(magnitude >> mantissaBits);
        const int mantissa = int(magnitude & ((1u << mantissaBits) - 1));
        if (ieeeSpecials && exponent == (1 << exponentBits) - 1)
            return mantissa ? std::nan("") : sign * INFINITY;
        if (nanOnAllOnes && magnitude == (1u << magnitudeBits()) - 1)
            return std::nan("");
        if (exponent == 0)
            return sign * std::ldexp(mantissa, 1 - bias - mantissaBits);
        return sign * std::ldexp((1 << mantissaBits) + mantissa, exponent - bias - mantissaBits);
    }
    /// Nearest magnitude code by search over all finite ones, ties to the even code.
    uint32_t nearest(double magnitude) const
    {
        uint32_t best = 0;
        for (uint32_t code = 1; code < (1u << magnitudeBits()); ++code) {
            const double candidate = value(code);
            if (!std::isfinite(candidate))
                break;
            const double difference = std::abs(candidate - magnitude) - std::abs(value(best) - magnitude);
            if (difference < 0 || (difference == 0 && code % 2 == 0))
                best = code;
        }
        return best;
    }
};

const Definition kHalf{5, 10, 15, true, false};
const Definition kBf16{8, 7, 127, true, false};
const Definition kE4m3{4, 3, 7, false, true};
const Definition kE5m2{5, 2, 15, true, false};
const Definition kE2m1{2, 1, 1, false, false};

bool same(float a, double b)
{
    return std::isnan(a) ? std::isnan(b) : double(a) == b && std::signbit(a) == std::signbit(b);
}

} // namespace

Q_DECLARE_METATYPE(Definition)
using Decode = std::function<float(uint32_t)>;
using Encode = std::function<uint32_t(float)>;
Q_DECLARE_METATYPE(Decode)
Q_DECLARE_METATYPE(Encode)

class TestFloats : public QObject
{
    Q_OBJECT

    static void formats(bool wideOnesToo = true)
    {
        QTest::addColumn<Definition>("definition");
        QTest::addColumn<Decode>("decode");
        QTest::addColumn<Encode>("encode");
        if (wideOnesToo) {
            QTest::newRow("binary16") << kHalf << Decode([](uint32_t c) { return halfToFloat(uint16_t(c)); })
                                  << Encode([](float v) { return floatToHalf(v); });
            QTest::newRow("bfloat16") << kBf16 << Decode([](uint32_t c) { return bf16ToFloat(uint16_t(c)); })
                                  << Encode([](float v) { return floatToBf16(v); });
        }
        QTest::newRow("E4M3") << kE4m3 << Decode([](uint32_t c) { return e4m3ToFloat(uint8_t(c)); })
                              << Encode([](float v) { return floatToE4m3(v); });
        QTest::newRow("E5M2") << kE5m2 << Decode([](uint32_t c) { return e5m2ToFloat(uint8_t(c)); })
                              << Encode([](float v) { return floatToE5m2(v); });
        QTest::newRow("E2M1") << kE2m1 << Decode([](uint32_t c) { return e2m1ToFloat(uint8_t(c)); })
                              << Encode([](float v) { return floatToE2m1(v); });
    }

private Q_SLOTS:
    void everyCodeDecodesAsDefined_data() { formats(); }
    void everyCodeDecodesAsDefined()
    {
        QFETCH(Definition, definition);
        QFETCH(Decode, decode);
        for (uint32_t code = 0; code < (2u << definition.magnitudeBits()); ++code) {
            if (!same(decode(code), definition.value(code)))
                QFAIL(qPrintable(QString("code 0x%1 gives %2").arg(code, 0, 16).arg(double(decode(code)))));
        }
    }

    void everyCodeSurvivesARoundTrip_data() { formats(); }
    void everyCodeSurvivesARoundTrip()
    {
        QFETCH(Definition, definition);
        QFETCH(Decode, decode);
        QFETCH(Encode, encode);
        for (uint32_t code = 0; code < (2u << definition.magnitudeBits()); ++code) {
            if (std::isfinite(decode(code)))
                QCOMPARE(encode(decode(code)), code);
        }
    }

    /// Every midpoint between neighbours and the floats on either side of it decide the rounding completely.
    void roundsToNearestWithTiesToEven_data() { formats(); }
    void roundsToNearestWithTiesToEven()
    {
        QFETCH(Definition, definition);
        QFETCH(Encode, encode);
        const uint32_t signBit = 1u << definition.magnitudeBits();
        for (uint32_t code = 0; code + 1 < signBit; ++code) {
            const double low = definition.value(code);
            const double high = definition.value(code + 1);
            if (!std::isfinite(high))
                break;
            const auto middle = float((low + high) / 2);
            if (double(middle) != (low + high) / 2)
                continue; // the midpoint of two bf16 subnormals is no float
            const uint32_t even = code % 2 == 0 ? code : code + 1;
            QCOMPARE(encode(middle), even);
            QCOMPARE(encode(-middle), even | signBit);
            QCOMPARE(encode(std::nextafter(middle, 0.0f)), code);
            QCOMPARE(encode(std::nextafter(middle, INFINITY)), code + 1);
        }
    }

    void randomValuesRoundAsASearchDoes_data() { formats(false); }
    void randomValuesRoundAsASearchDoes()
    {
        QFETCH(Definition, definition);
        QFETCH(Encode, encode);
        std::mt19937 random(7);
        std::uniform_real_distribution<float> exponent(-20, 17);
        for (int i = 0; i < 20000; ++i) {
            const float value = std::exp2(exponent(random));
            QCOMPARE(encode(value), definition.nearest(value));
        }
    }

    void specialValues()
    {
        const float nan = std::numeric_limits<float>::quiet_NaN();
        const float inf = std::numeric_limits<float>::infinity();
        QCOMPARE(floatToHalf(65519.0f), uint16_t(0x7BFF));
        QCOMPARE(floatToHalf(65520.0f), uint16_t(0x7C00));
        QCOMPARE(floatToHalf(-inf), uint16_t(0xFC00));
        QVERIFY(std::isnan(halfToFloat(floatToHalf(nan))));
        QVERIFY(std::isnan(halfToFloat(floatToHalf(std::bit_cast<float>(0x7F800001u)))));
        QCOMPARE(floatToBf16(3.4e38f), uint16_t(0x7F80));
        QCOMPARE(floatToBf16(inf), uint16_t(0x7F80));
        QVERIFY(std::isnan(bf16ToFloat(floatToBf16(std::bit_cast<float>(0x7F800001u)))));
        QCOMPARE(floatToE4m3(1e9f), uint8_t(0x7E));
        QCOMPARE(floatToE4m3(-inf), uint8_t(0xFE));
        QCOMPARE(floatToE4m3(nan), uint8_t(0x7F));
        QCOMPARE(e4m3ToFloat(0x7E), 448.0f);
        QCOMPARE(floatToE5m2(1e9f), uint8_t(0x7B));
        QCOMPARE(floatToE5m2(nan), uint8_t(0x7F));
        QCOMPARE(e5m2ToFloat(0x7B), 57344.0f);
        QCOMPARE(floatToE2m1(100.0f), uint8_t(7));
        QCOMPARE(floatToE2m1(-100.0f), uint8_t(15));
        QCOMPARE(floatToE2m1(nan), uint8_t(0));
    }

    void powersOfTwoScales()
    {
        for (int code = 0; code < 255; ++code)
            QCOMPARE(double(e8m0ToFloat(uint8_t(code))), std::ldexp(1.0, code - 127));
        QVERIFY(std::isnan(e8m0ToFloat(255)));
    }

    void spansAgreeWithSingleValues()
    {
        std::vector<uint16_t> codes(65536);
        for (size_t i = 0; i < codes.size(); ++i)
            codes[i] = uint16_t(i);
        std::vector<float> values(codes.size());
        std::vector<uint16_t> back(codes.size());
        halfToFloat(codes, values);
        for (size_t i = 0; i < codes.size(); ++i)
            QVERIFY(std::bit_cast<uint32_t>(values[i]) == std::bit_cast<uint32_t>(halfToFloat(uint16_t(i))));
        floatToHalf(values, back);
        for (size_t i = 0; i < codes.size(); ++i)
            QCOMPARE(back[i], floatToHalf(values[i]));
        bf16ToFloat(codes, values);
        floatToBf16(values, back);
        for (size_t i = 0; i < codes.size(); ++i)
            QCOMPARE(back[i], std::isnan(values[i]) ? uint16_t(codes[i] | 64) : codes[i]);
    }
};

QTEST_GUILESS_MAIN(TestFloats)
#include "tst_floats.moc"
