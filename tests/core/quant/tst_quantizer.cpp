// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The reference quantizer: known codes, every row of the scheme table over all sizes and inputs, and its invariants.
#include "core/quant/packing.h"
#include "core/quant/quantizer.h"
#include "core/quant/schemetable.h"
#include "core/tensor/decode.h"
#include "core/tensor/floats.h"
#include "support/testtensors.h"

#include <QTest>

#include <bit>
#include <map>

using namespace ql;

namespace {

Scheme schemeOf(const char* text)
{
    return *Scheme::parse(text);
}

TensorQuantizer prepared(const std::vector<float>& x, int64_t rows, const Scheme& scheme)
{
    auto quantizer = TensorQuantizer::prepare(TensorView::fromFloats(x, rows, int64_t(x.size()) / rows), scheme);
    if (!quantizer.ok())
        qFatal("%s", quantizer.error().message.c_str());
    return *quantizer;
}

std::vector<float> reconstructed(const QuantizedTensor& q)
{
    std::vector<float> out(size_t(q.rows * q.cols));
    dequantize(q, out.data());
    return out;
}

bool sameBits(const std::vector<float>& a, const std::vector<float>& b)
{
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](float x, float y) {
               return std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(y) || (std::isnan(x) && std::isnan(y));
           });
}

/// One scheme per row of the table, and the variants that take their own paths.
std::vector<Scheme> allSchemes()
{
    std::vector<Scheme> schemes;
    for (const FormatTraits& row : schemeTable())
        schemes.push_back(Scheme::defaultsFor(row.format));
    for (const char* text : {"int4,asym",
                             "int8,asym,channel,scale=f32",
                             "int2,range=full",
                             "int4,tensor",
                             "int5,asym,tensor",
                             "nf4,double",
                             "int3,group=16,double",
                             "nf4-quantile,double",
                             "int4,scale=e8m0",
                             "e2m1,scale=e4m3",
                             "int6,asym,scale=e4m3",
                             "int8,scale=bf16,channel",
                             "int4,clip=mse",
                             "int4,asym,clip=mse,channel",
                             "nf4,clip=percentile:90",
                             "int4,asym,clip=percentile:95",
                             "int4,clip=kl",
                             "int4,tensor,clip=kl",
                             "int3,clip=sigma:2",
                             "int4,clip=ratio:0.5",
                             "fp4,clip=abs:0.01",
                             "int4,tensor,clip=mse",
                             "int8,tensor,clip=percentile:99",
                             "fp8-e5m2,tensor,scale=f32",
                             "int4,round=stochastic:5",
                             "nf4,round=stochastic:9",
                             "fp8-e4m3,round=stochastic:3"})
        schemes.push_back(schemeOf(text));
    return schemes;
}

/// What a plain reader makes of the stored bytes of a row, without the quantizer.
std::vector<float> readBack(const QuantizedTensor& q, int64_t row)
{
    const auto bytes = packedRow(q, row);
    std::vector<float> out(static_cast<size_t>(q.cols));
    const FormatTraits& format = traits(q.scheme.format);
    if (format.kind == FormatKind::Ggml || format.kind == FormatKind::Keep || q.scheme.format == Format::MXFP4) {
        static const std::map<Format, DType> types{{Format::F32, DType::F32},       {Format::F16, DType::F16},
                                                   {Format::BF16, DType::BF16},     {Format::Q4_0, DType::Q4_0},
                                                   {Format::Q4_1, DType::Q4_1},     {Format::Q5_0, DType::Q5_0},
                                                   {Format::Q5_1, DType::Q5_1},     {Format::Q8_0, DType::Q8_0},
                                                   {Format::IQ4_NL, DType::IQ4_NL}, {Format::MXFP4, DType::MXFP4},
                                                   {Format::Q2_K, DType::Q2_K},     {Format::Q3_K, DType::Q3_K},
                                                   {Format::Q4_K, DType::Q4_K},     {Format::Q5_K, DType::Q5_K},
                                                   {Format::Q6_K, DType::Q6_K},     {Format::IQ4_XS, DType::IQ4_XS}};
        if (!decodeToFloat(types.at(q.scheme.format), bytes, out))
            qFatal("undecodable");
        return out;
    }
    const bool highFirst = format.kind == FormatKind::Codebook && q.scheme.format != Format::E2M1;
    const bool isSigned = format.kind == FormatKind::Integer && q.scheme.symmetry == Symmetry::Symmetric;
    std::vector<uint8_t> codes;
    if (format.kind != FormatKind::Micro)
        codes = highFirst ? unpackHighNibbleFirst(bytes, size_t(q.cols))
                          : unpackBits(bytes, format.bits, size_t(q.cols), isSigned);
    const Codebook book = codebookFor(q.scheme);
    for (size_t c = 0; c < out.size(); ++c) {
        if (format.kind == FormatKind::Micro) {
            // NVFP4: superblocks of 64 values, the last one shorter.
            const size_t block = c / 64, groups = std::min<size_t>(4, (out.size() - block * 64) / 16), g = c % 64 / 16;
            const std::byte* start = bytes.data() + block * 36;
            const unsigned pair = unsigned(start[groups + g * 8 + c % 8]);
            const unsigned code = c % 16 < 8 ? pair & 15 : pair >> 4;
            out[c] = e2m1ToFloat(uint8_t(code)) * (e4m3ToFloat(uint8_t(start[g])) * q.globalScale);
            continue;
        }
        const size_t g = q.groupsPerRow ? size_t(row * q.groupsPerRow) + c / size_t(q.groupSize) : 0;
        const int code = isSigned ? int(int8_t(codes[c])) : int(codes[c]);
        const auto level =
            std::find_if(book.levels.begin(), book.levels.end(), [&](const Level& l) { return l.code == code; });
        if (level == book.levels.end())
            qFatal("a stored code has no level");
        out[c] = q.scales[g] * (level->value - (q.zeros.empty() ? 0.0f : float(q.zeros[g])));
    }
    return out;
}

bool close(const std::vector<float>& a, const std::vector<float>& b)
{
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](float x, float y) { return x == y || (std::isnan(x) && std::isnan(y)); });
}

} // namespace

class TestQuantizer : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void tutorialExample()
    {
        const std::vector<float> x{2.1110f,  0.0346f, 0.2632f, 1.6478f,  0.2410f,
                                   -0.0840f, 0.2816f, 0.1709f, -0.7608f, -1.6636f};
        const auto q = prepared(x, 1, schemeOf("int8,channel,scale=f32")).quantizeRows(x.data(), 0, 1);
        const std::vector<int> expected{127, 2, 16, 99, 14, -5, 17, 10, -46, -100};
        for (size_t i = 0; i < x.size(); ++i)
            QCOMPARE(int(int8_t(q.codes[i])), expected[i]);
        QCOMPARE(q.scales, std::vector<float>{2.1110f / 127.0f});
    }

    void asymmetricExample()
    {
        // Range [-1, 2] in 15 steps of 0.2: zero point 5.
        const std::vector<float> x{-1.0f, 2.0f, 0.0f, 0.61f, -0.49f};
        const auto q = prepared(x, 1, schemeOf("int4,asym,channel,scale=f32")).quantizeRows(x.data(), 0, 1);
        QCOMPARE(q.zeros, std::vector<int32_t>{5});
        QCOMPARE(q.codes, (std::vector<uint8_t>{0, 15, 5, 8, 3}));
    }

    void fullRangeExample()
    {
        // limit / 7.5 = 0.4; 3 lies on the boundary 7.5, whose even neighbour 8 does not exist.
        const std::vector<float> x{3.0f, -3.0f, 2.8f, -2.79f, 0.2f};
        const auto q = prepared(x, 1, schemeOf("int4,range=full,channel,scale=f32")).quantizeRows(x.data(), 0, 1);
        QCOMPARE(q.scales, std::vector<float>{3.0f / 7.5f});
        QCOMPARE(int(int8_t(q.codes[0])), 7);
        QCOMPARE(int(int8_t(q.codes[1])), -8);
        QCOMPARE(int(int8_t(q.codes[3])), -7);
    }

    void everySchemeOverAllSizesAndInputs_data()
    {
        QTest::addColumn<QString>("scheme");
        for (const Scheme& scheme : allSchemes())
            QTest::newRow(scheme.text().c_str()) << QString::fromStdString(scheme.text());
    }
    void everySchemeOverAllSizesAndInputs()
    {
        QFETCH(QString, scheme);
        const Scheme s = *Scheme::parse(scheme.toStdString());
        int applied = 0;
        for (const int64_t size : test::differentialSizes()) {
            if (!applicable(s, 3, size).ok())
                continue;
            for (const auto& [input, name] : test::differentialInputs()) {
                ++applied;
                const std::vector<float> x = test::makeInput(input, 3 * size);
                const TensorQuantizer quantizer = prepared(x, 3, s);
                const QuantizedTensor q = quantizer.quantizeRows(x.data(), 0, 3);
                const std::vector<float> hat = reconstructed(q);
                std::vector<float> measuredHat(x.size());
                const ErrorMetrics m = quantizer.measureRows(x.data(), 0, 3, measuredHat.data());
                const QByteArray where = QByteArray(name) + " of " + QByteArray::number(size);
                QVERIFY2(sameBits(hat, measuredHat), where);
                QCOMPARE(m.count, uint64_t(x.size()));
                QVERIFY2(std::isfinite(m.sumSquaredError), where);
                QCOMPARE(m.bytes, storedBytes(s, 3, size));
                uint64_t occupied = 0;
                for (const uint64_t n : m.occupancy)
                    occupied += n;
                QVERIFY(s.keepsFloat() || occupied == m.finite);
                bool sound = true;
                for (size_t i = 0; i < hat.size(); ++i)
                    sound = sound && (std::isfinite(hat[i]) || (s.keepsFloat() && !std::isfinite(x[i])));
                QVERIFY2(sound, where);
                for (int64_t row = 0; row < 3; ++row) {
                    const auto begin = hat.begin() + row * size;
                    QVERIFY2(close(readBack(q, row), std::vector<float>(begin, begin + size)), where);
                }
                // Rows quantize independently of each other.
                const QuantizedTensor last = quantizer.quantizeRows(x.data() + 2 * size, 2, 1);
                QVERIFY2(sameBits(reconstructed(last), std::vector<float>(hat.end() - size, hat.end())), where);
                if (input == test::Input::Zeros)
                    QCOMPARE(m.sumSquaredError, 0.0);
            }
        }
        QVERIFY(applied >= (traits(s.format).blockSize > 32 ? 5 : 40));
    }

    void nearestStaysWithinHalfAStep_data()
    {
        QTest::addColumn<QString>("scheme");
        for (int bits = 2; bits <= 8; ++bits) {
            for (const char* kind : {"sym", "asym"})
                QTest::addRow("int%d %s", bits, kind) << QString("int%1,%2,group=64,scale=f32").arg(bits).arg(kind);
        }
    }
    void nearestStaysWithinHalfAStep()
    {
        QFETCH(QString, scheme);
        const Scheme s = *Scheme::parse(scheme.toStdString());
        const std::vector<float> x = test::normalValues(64 * 500, 21);
        const TensorQuantizer quantizer = prepared(x, 10, s);
        const auto groups = quantizer.chooseParameters(x.data(), 0, 10);
        const std::vector<float> hat = reconstructed(quantizer.quantizeRows(x.data(), 0, 10));
        // The rounded zero point can move an asymmetric grid by half a step, which clips the values at one end.
        const double reach = s.symmetry == Symmetry::Symmetric ? 0.5 : 1.0;
        for (size_t i = 0; i < x.size(); ++i) {
            const double step = double(groups[i / 64].scale);
            const double error = std::abs(double(hat[i]) - double(x[i]));
            const double y = double(x[i]) / step + groups[i / 64].zero;
            const bool inside = y >= 0 && y <= (1 << traits(s.format).bits) - 1;
            QVERIFY(error <= step * (s.symmetry == Symmetry::Symmetric || inside ? 0.5 : reach) * (1 + 1e-5));
        }
    }

    void codesOfReconstructedValuesAreTheSame_data()
    {
        QTest::addColumn<QString>("scheme");
        for (const FormatTraits& row : schemeTable()) {
            if (row.choosesScaleType)
                QTest::newRow(row.name.data()) << QString(row.name.data()) + ",channel,scale=f32";
        }
    }
    void codesOfReconstructedValuesAreTheSame()
    {
        QFETCH(QString, scheme);
        const std::vector<float> x = test::normalValues(4096, 8);
        const TensorQuantizer quantizer = prepared(x, 4, *Scheme::parse(scheme.toStdString()));
        const QuantizedTensor q = quantizer.quantizeRows(x.data(), 0, 4);
        const std::vector<float> hat = reconstructed(q);
        // The scale must be the same for this to hold: it is, because it is given.
        const GroupQuantizer group(q.scheme);
        for (size_t i = 0; i < hat.size(); ++i) {
            const GroupParameters p = group.fromScale(q.scales[i / 1024], {});
            QCOMPARE(int(group.code(group.nearestLevel(hat[i], p))), int(q.codes[i]));
        }
    }

    void groupsAreIndependentAndOrderFree()
    {
        const Scheme s = schemeOf("int4,group=32");
        const int64_t groups = 64;
        std::vector<float> x = test::normalValues(groups * 32, 3);
        const ErrorMetrics whole = prepared(x, 1, s).measureRows(x.data(), 0, 1);
        ErrorMetrics sum;
        for (int64_t g = 0; g < groups; ++g) {
            const std::vector<float> part(x.begin() + g * 32, x.begin() + (g + 1) * 32);
            sum.merge(prepared(part, 1, s).measureRows(part.data(), 0, 1));
        }
        QVERIFY(std::abs(sum.sumSquaredError / whole.sumSquaredError - 1) < 1e-12);
        QCOMPARE(sum.occupancy, whole.occupancy);
        QCOMPARE(sum.maxAbsError, whole.maxAbsError);

        std::vector<float> reversed;
        for (int64_t g = groups; g-- > 0;)
            reversed.insert(reversed.end(), x.begin() + g * 32, x.begin() + (g + 1) * 32);
        const ErrorMetrics other = prepared(reversed, 1, s).measureRows(reversed.data(), 0, 1);
        QVERIFY(std::abs(other.sumSquaredError / whole.sumSquaredError - 1) < 1e-12);
        QCOMPARE(other.occupancy, whole.occupancy);
    }

    void metricsAreThoseOfTheReconstruction()
    {
        const std::vector<float> x = test::normalValues(3 * 1000, 17);
        const TensorQuantizer quantizer = prepared(x, 3, schemeOf("nf4"));
        std::vector<float> hat(x.size());
        const ErrorMetrics m = quantizer.measureRows(x.data(), 0, 3, hat.data());
        const ErrorMetrics c = compare(x.data(), hat.data(), int64_t(x.size()));
        double squared = 0, absolute = 0, largest = 0;
        for (size_t i = 0; i < x.size(); ++i) {
            const double e = double(hat[i]) - double(x[i]);
            squared += e * e;
            absolute += std::abs(e);
            largest = std::max(largest, std::abs(e));
        }
        for (const ErrorMetrics& metrics : {m, c}) {
            QVERIFY(std::abs(metrics.mse() - squared / 3000) < 1e-15);
            QVERIFY(std::abs(metrics.meanAbsError() - absolute / 3000) < 1e-15);
            QCOMPARE(metrics.maxAbsError, largest);
        }
        QCOMPARE(m.clipped, uint64_t(0));
    }

    void valuesThatAreNotFiniteAreLeftOut()
    {
        std::vector<float> x = test::normalValues(256, 2);
        x[3] = NAN;
        x[7] = INFINITY;
        x[100] = -INFINITY;
        const TensorQuantizer quantizer = prepared(x, 2, schemeOf("int8,channel"));
        std::vector<float> hat(x.size());
        const ErrorMetrics m = quantizer.measureRows(x.data(), 0, 2, hat.data());
        QCOMPARE(m.finite, uint64_t(253));
        QVERIFY(m.sqnrDb() > 30);
        QCOMPARE(hat[3], 0.0f);
        QCOMPARE(hat[7], *std::max_element(hat.begin(), hat.begin() + 128));
        QCOMPARE(hat[100], *std::min_element(hat.begin(), hat.begin() + 128));
    }

    void stochasticRoundingIsUnbiasedAndRepeatable()
    {
        const Scheme s = schemeOf("int4,channel,scale=f32,round=stochastic:42");
        // One value sets the scale to 1; the rest lies at 0.3 steps above 2.
        std::vector<float> x(100000, 2.3f);
        x[0] = 7.0f;
        const TensorQuantizer quantizer = prepared(x, 1, s);
        const QuantizedTensor q = quantizer.quantizeRows(x.data(), 0, 1);
        const auto up = std::count(q.codes.begin(), q.codes.end(), uint8_t(3));
        const auto down = std::count(q.codes.begin(), q.codes.end(), uint8_t(2));
        QCOMPARE(up + down, 99999);
        // Five standard deviations of a binomial count.
        QVERIFY(std::abs(double(up) - 30000) < 5 * std::sqrt(100000 * 0.3 * 0.7));
        QCOMPARE(prepared(x, 1, s).quantizeRows(x.data(), 0, 1).codes, q.codes);
        Scheme other = s;
        other.seed = 43;
        QVERIFY(prepared(x, 1, other).quantizeRows(x.data(), 0, 1).codes != q.codes);
    }

    void stochasticRoundingOfTablesFollowsTheDistance()
    {
        std::vector<float> x(100000, 0.5f);
        x[0] = 1.0f;
        const QuantizedTensor q =
            prepared(x, 1, schemeOf("nf4,channel,round=stochastic:1")).quantizeRows(x.data(), 0, 1);
        const double lower = double(nf4Table()[12]), upper = double(nf4Table()[13]);
        const double share = (0.5 - lower) / (upper - lower);
        const auto up = std::count(q.codes.begin(), q.codes.end(), uint8_t(13));
        QVERIFY(std::abs(double(up) - 1e5 * share) < 5 * std::sqrt(1e5 * share * (1 - share)));
        QCOMPARE(up + std::count(q.codes.begin(), q.codes.end(), uint8_t(12)), 99999);
    }

    void stochasticValuesAreFixedForever()
    {
        // The definition of stochastic.h in 64-bit arithmetic, independent of its code.
        const auto mix = [](uint64_t v) {
            v ^= v >> 16;
            v = v * 0x7feb352d % (uint64_t(1) << 32);
            v ^= v >> 15;
            v = v * 0x846ca68b % (uint64_t(1) << 32);
            return v ^ (v >> 16);
        };
        const auto wrap = [](uint64_t v) { return v % (uint64_t(1) << 32); };
        for (const uint64_t seed : {uint64_t(0), uint64_t(5), uint64_t(0xfedcba9876543210)}) {
            const uint64_t first = mix(wrap(seed + 0x9e3779b9));
            const uint64_t second = mix((seed >> 32) ^ first);
            for (const uint64_t index : {uint64_t(0), uint64_t(77), uint64_t(1) << 33 | 5}) {
                const uint64_t inner = mix(wrap(index) ^ first);
                const uint64_t hash = mix(wrap(inner + second + wrap((index >> 32) * 0x9e3779b9)));
                QCOMPARE(double(stochasticUniform(StochasticKey(seed), index)), double(hash >> 8) / 16777216.0);
            }
        }
    }

    void conflictsAreReported()
    {
        const TensorView odd = TensorView::fromFloats(std::vector<float>(66), 2, 33);
        const auto result = TensorQuantizer::prepare(odd, schemeOf("q4_0"));
        QVERIFY(!result.ok());
        QCOMPARE(codeName(result.error().code), codeName(ErrorCode::SchemeConflict));
    }

    void preparationCanBeCancelled()
    {
        std::stop_source source;
        source.request_stop();
        const TensorView tensor = TensorView::fromFloats(test::normalValues(4096), 4, 1024);
        for (const char* text : {"int4,tensor", "nf4,double", "int4,clip=kl", "nvfp4"}) {
            const auto result = TensorQuantizer::prepare(tensor, schemeOf(text), {source.get_token(), {}});
            QVERIFY(!result.ok());
            QCOMPARE(codeName(result.error().code), codeName(ErrorCode::Cancelled));
        }
    }

    void emptyTensorsPass()
    {
        for (const Scheme& scheme : allSchemes()) {
            const TensorView empty = TensorView::fromFloats({}, 0, 64);
            const auto quantizer = TensorQuantizer::prepare(empty, scheme);
            QVERIFY(quantizer.ok());
            QCOMPARE(quantizer->measureRows(nullptr, 0, 0).count, uint64_t(0));
            QVERIFY(quantizer->quantizeRows(nullptr, 0, 0).codes.empty());
        }
    }
};

QTEST_GUILESS_MAIN(TestQuantizer)
#include "tst_quantizer.moc"
