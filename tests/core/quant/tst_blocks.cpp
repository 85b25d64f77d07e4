// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Fixed blocks byte for byte: GGML formats against golden files of the gguf package (tests/data/ggml_quant), IQ4_NL,
// MXFP4 and NVFP4 against slow formulas written from the formats alone.
#include "core/quant/ggmlencode.h"
#include "core/quant/quantizer.h"
#include "core/quant/schemetable.h"
#include "core/tensor/floats.h"
#include "support/testtensors.h"

#include <QFile>
#include <QTest>

#include <cmath>
#include <cstring>

using namespace ql;

namespace {

QByteArray golden(const QString& name)
{
    QFile file(QString(QL_TEST_DATA) + "/ggml_quant/" + name);
    if (!file.open(QIODevice::ReadOnly))
        qFatal("cannot open %s", qPrintable(file.fileName()));
    return file.readAll();
}

std::vector<float> goldenInput()
{
    const QByteArray bytes = golden("input.f32");
    std::vector<float> x(size_t(bytes.size()) / sizeof(float));
    std::memcpy(x.data(), bytes.data(), size_t(bytes.size()));
    return x;
}

QByteArray blocksOf(const std::vector<float>& x, int64_t cols, Format format)
{
    const TensorView view = TensorView::fromFloats(x, int64_t(x.size()) / cols, cols);
    const auto quantizer = TensorQuantizer::prepare(view, Scheme::defaultsFor(format));
    if (!quantizer.ok())
        qFatal("%s", quantizer.error().message.c_str());
    const QuantizedTensor q = quantizer->quantizeRows(x.data(), 0, view.rows());
    return QByteArray(reinterpret_cast<const char*>(q.blocks.data()), qsizetype(q.blocks.size()));
}

/// All kinds of blocks of 32: the golden input, scaled copies of it, and random ones.
std::vector<float> manyBlocks()
{
    std::vector<float> x = goldenInput();
    const size_t n = x.size();
    for (const float scale : {1e-3f, 37.0f, 1e-12f})
        for (size_t i = 0; i < n; ++i)
            x.push_back(x[i] * scale);
    for (const float v : test::normalValues(32 * 2000, 99, 0.05))
        x.push_back(v);
    return x;
}

void appendHalfSplit(const std::array<int, 32>& codes, int first, int count, QByteArray& out)
{
    for (int j = 0; j < count / 2; ++j)
        out.append(char(codes[size_t(first + j)] | codes[size_t(first + j + count / 2)] << 4));
}

constexpr std::array<int, 16> kIq4{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

int slowIq4Index(float y)
{
    int best = 0;
    for (int i = 1; i < 16; ++i) {
        if (std::abs(double(y) - kIq4[size_t(i)]) <= std::abs(double(y) - kIq4[size_t(best)]))
            best = i;
    }
    return best;
}

/// formats: least-squares scale for the codes at each of 16 trial inverses, the best by (sum wqx)^2 / sum wq^2.
QByteArray slowIq4(const float* x)
{
    float largest = 0;
    for (int i = 0; i < 32; ++i)
        largest = std::abs(x[i]) > std::abs(largest) ? x[i] : largest;
    float d = 0;
    float best = -1;
    for (int trial = 0; trial < 16 && std::abs(largest) >= 1e-15f; ++trial) {
        const float inverse = trial == 0 ? 1 / (largest / 127) : (float(trial - 8) - 127) / largest;
        float product = 0, square = 0;
        for (int i = 0; i < 32; ++i) {
            const float q = float(kIq4[size_t(slowIq4Index(inverse * x[i]))]);
            const float w = x[i] * x[i];
            product += w * q * x[i];
            square += w * q * q;
        }
        if (trial == 0 || (square > 0 && product * product > best * square)) {
            d = product / square;
            best = d * product;
        }
    }
    const uint16_t half = floatToHalf(d);
    QByteArray out;
    out.append(char(half & 255)).append(char(half >> 8));
    std::array<int, 32> codes{};
    for (int i = 0; i < 32; ++i)
        codes[size_t(i)] = slowIq4Index(d != 0 ? x[i] * (1 / d) : 0);
    appendHalfSplit(codes, 0, 32, out);
    return out;
}

constexpr std::array<double, 8> kE2m1{0, 0.5, 1, 1.5, 2, 3, 4, 6};

/// Scan over the magnitudes: the first of the smallest errors, or the even code of two equal ones.
int slowE2m1(double y, bool evenTies)
{
    int best = 0;
    for (int i = 1; i < 8; ++i) {
        const double error = std::abs(std::abs(y) - kE2m1[size_t(i)]);
        const double previous = std::abs(std::abs(y) - kE2m1[size_t(best)]);
        if (error < previous || (evenTies && error == previous && i % 2 == 0))
            best = i;
    }
    return best == 0 ? 0 : best | (y < 0 ? 8 : 0);
}

QByteArray slowMxfp4(const float* x)
{
    double amax = 0;
    for (int i = 0; i < 32; ++i)
        amax = std::max(amax, std::abs(double(x[i])));
    const int exponent = amax > 0 ? std::max(0, int(std::floor(std::log2(amax))) - 2 + 127) : 0;
    QByteArray out(1, char(exponent));
    std::array<int, 32> codes{};
    for (int i = 0; i < 32; ++i)
        codes[size_t(i)] = slowE2m1(double(x[i]) * std::exp2(127 - exponent), false);
    appendHalfSplit(codes, 0, 32, out);
    return out;
}

} // namespace

class TestBlocks : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void ggmlGoldenBytes_data()
    {
        QTest::addColumn<int>("format");
        for (const Format format : {Format::Q4_0, Format::Q4_1, Format::Q5_0, Format::Q5_1, Format::Q8_0})
            QTest::newRow(traits(format).name.data()) << int(format);
    }
    void ggmlGoldenBytes()
    {
        QFETCH(int, format);
        const FormatTraits& row = traits(Format(format));
        const QByteArray expected = golden(QString(row.name.data()) + ".bin");
        const QByteArray blocks = blocksOf(goldenInput(), 32, row.format);
        QCOMPARE(blocks.size(), expected.size());
        for (qsizetype at = 0; at < blocks.size(); at += row.blockBytes) {
            const QByteArray where = "block " + QByteArray::number(at / row.blockBytes);
            QVERIFY2(blocks.mid(at, row.blockBytes) == expected.mid(at, row.blockBytes), where);
        }
        // Several blocks in a row come one after the other.
        QVERIFY(blocksOf(goldenInput(), 128, row.format) == expected);
    }

    void iq4NlFollowsTheSlowFormula()
    {
        const std::vector<float> x = manyBlocks();
        const QByteArray blocks = blocksOf(x, 32, Format::IQ4_NL);
        for (size_t b = 0; b < x.size() / 32; ++b)
            QVERIFY2(blocks.mid(qsizetype(b * 18), 18) == slowIq4(&x[b * 32]), QByteArray::number(qulonglong(b)));
    }

    void mxfp4FollowsTheSlowFormula()
    {
        std::vector<float> x = manyBlocks();
        // Halfway values of every pair of levels, and blocks at the ends of the exponent range.
        for (int i = 0; i < 32; ++i)
            x.push_back(float(i - 16) * 0.25f);
        for (int i = 0; i < 32; ++i)
            x.push_back(float(i) * 1e-42f);
        for (int i = 0; i < 32; ++i)
            x.push_back(float(i - 16) * 2e37f);
        const QByteArray blocks = blocksOf(x, 32, Format::MXFP4);
        for (size_t b = 0; b < x.size() / 32; ++b)
            QVERIFY2(blocks.mid(qsizetype(b * 17), 17) == slowMxfp4(&x[b * 32]), QByteArray::number(qulonglong(b)));
    }

    void nvfp4FollowsTheSlowFormula()
    {
        const std::vector<float> x = test::normalValues(64 * 200, 4, 0.03);
        const QByteArray blocks = blocksOf(x, 64, Format::NVFP4);
        QCOMPARE(blocks.size(), qsizetype(200 * 36));
        float amax = 0;
        for (const float v : x)
            amax = std::max(amax, std::abs(v));
        // The factor is a few units in the last place above, so that dividing by its inverse gives the same scales.
        const auto quantizer = TensorQuantizer::prepare(TensorView::fromFloats(x, 200, 64), Scheme::defaultsFor(Format::NVFP4));
        const float global = quantizer->parameters().globalScale;
        QVERIFY(global >= amax / (6.0f * 448.0f) && double(global) < double(amax) / (6.0 * 448.0) * 1.001);
        for (int code = 1; code <= 0x7E; ++code)
            QCOMPARE(e4m3ToFloat(uint8_t(code)) * global, e4m3ToFloat(uint8_t(code)) / (1.0f / global));
        for (size_t b = 0; b < 200; ++b) {
            for (size_t g = 0; g < 4; ++g) {
                const float* group = &x[b * 64 + g * 16];
                float most = 0;
                for (int i = 0; i < 16; ++i)
                    most = std::max(most, std::abs(group[i]));
                const double wished = double(most / 6.0f / global);
                int scale = 0;
                for (int code = 1; code <= 0x7E; ++code) {
                    const double error = std::abs(double(e4m3ToFloat(uint8_t(code))) - wished);
                    const double previous = std::abs(double(e4m3ToFloat(uint8_t(scale))) - wished);
                    if (error < previous || (error == previous && code % 2 == 0))
                        scale = code;
                }
                const char* block = blocks.constData() + b * 36;
                QCOMPARE(int(uint8_t(block[g])), scale);
                const float inverse = 1.0f / (e4m3ToFloat(uint8_t(scale)) * global);
                for (size_t i = 0; i < 16; ++i) {
                    const unsigned pair = uint8_t(block[4 + g * 8 + i % 8]);
                    QCOMPARE(int(i < 8 ? pair & 15 : pair >> 4), slowE2m1(double(group[i] * inverse), true));
                }
            }
        }
    }

    void shortSuperblocksKeepTheirScalesInFront()
    {
        // 80 values: a superblock of four groups and one of a single group.
        const std::vector<float> x = test::normalValues(80, 6);
        const QByteArray whole = blocksOf(x, 80, Format::NVFP4);
        QCOMPARE(whole.size(), qsizetype(45));
        const TensorView view = TensorView::fromFloats(x, 1, 80);
        const auto quantizer = TensorQuantizer::prepare(view, Scheme::defaultsFor(Format::NVFP4));
        const QuantizedTensor q = quantizer->quantizeRows(x.data(), 0, 1);
        QCOMPARE(int(uint8_t(whole[36])), int(floatToE4m3(q.scales[4] / q.globalScale)));
        QCOMPARE(int(uint8_t(whole[37])), int(q.codes[64] | q.codes[72] << 4));
    }

    void blocksOutsideGgmlsDomainStayFinite()
    {
        std::vector<float> x = test::normalValues(32, 5);
        x[4] = INFINITY;
        x[5] = -INFINITY;
        x[6] = NAN;
        for (const Format format :
             {Format::Q4_0, Format::Q4_1, Format::Q5_0, Format::Q5_1, Format::Q8_0, Format::IQ4_NL}) {
            const GgmlBlock block = encodeGgmlBlock(format, x.data());
            const Codebook book = codebookFor(Scheme::defaultsFor(format));
            const GroupQuantizer group(Scheme::defaultsFor(format));
            // A negative scale turns the grid around: the infinities lie on opposite ends either way.
            const int at = group.levelOfCode(block.codes[4]), opposite = group.levelOfCode(block.codes[5]);
            QCOMPARE(std::min(at, opposite), 0);
            QCOMPARE(std::max(at, opposite), int(book.levels.size()) - 1);
            QVERIFY(std::isfinite(block.parameters.scale) && std::isfinite(block.parameters.minimum));
        }
        const std::vector<float> huge(32, 3e30f);
        QCOMPARE(encodeGgmlBlock(Format::Q8_0, huge.data()).parameters.scale, 65504.0f);
    }
};

QTEST_GUILESS_MAIN(TestBlocks)
#include "tst_blocks.moc"
