// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Fixed blocks byte for byte: GGML formats against golden files of the gguf package (tests/data/ggml_quant) and of ggml's
// own quantizers with and without importance (tests/data/ggml_search), IQ4_NL, MXFP4 and NVFP4 against slow formulas
// written from the formats alone.
#include "core/quant/ggmlencode.h"
#include "core/quant/quantizer.h"
#include "core/quant/schemetable.h"
#include "core/quant/superblock.h"
#include "core/tensor/floats.h"
#include "support/testtensors.h"

#include <QFile>
#include <QTest>

#include <cmath>
#include <cstring>

using namespace ql;

namespace {

QByteArray golden(const QString& name, const char* folder = "ggml_quant")
{
    QFile file(QString(QL_TEST_DATA) + '/' + folder + '/' + name);
    if (!file.open(QIODevice::ReadOnly))
        qFatal("cannot open %s", qPrintable(file.fileName()));
    return file.readAll();
}

std::vector<float> goldenFloats(const QString& name, const char* folder)
{
    const QByteArray bytes = golden(name, folder);
    std::vector<float> x(size_t(bytes.size()) / sizeof(float));
    std::memcpy(x.data(), bytes.data(), size_t(bytes.size()));
    return x;
}

std::vector<float> goldenInput()
{
    return goldenFloats("input.f32", "ggml_quant");
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

    void searchedBlocksAreGgmls_data()
    {
        QTest::addColumn<QString>("scheme");
        for (const FormatTraits& row : schemeTable()) {
            const QString name = row.name.data();
            if (row.kind == FormatKind::Ggml || row.format == Format::MXFP4)
                QTest::newRow(row.name.data()) << name;
            if (row.choosesImportance)
                QTest::newRow(qPrintable(name + " by importance")) << name + ",imatrix";
        }
    }
    void searchedBlocksAreGgmls()
    {
        QFETCH(QString, scheme);
        constexpr int64_t cols = 512;
        const Scheme s = Scheme::parse(scheme.toStdString()).value();
        const std::vector<float> x = goldenFloats("input.f32", "ggml_search");
        const int64_t rows = int64_t(x.size()) / cols;
        auto importance = std::make_shared<ColumnImportance>();
        importance->cols = cols;
        importance->values = goldenFloats("importance.f32", "ggml_search");
        const TensorView view = TensorView::fromFloats(x, rows, cols).weighted(importance);
        const auto quantizer = TensorQuantizer::prepare(view, s);
        QVERIFY2(quantizer.ok(), quantizer.ok() ? "" : quantizer.error().text().c_str());
        const QuantizedTensor q = quantizer->quantizeRows(x.data(), 0, rows);
        const QByteArray expected =
            golden(QString(traits(s.format).name.data()) + (s.importance ? ".imatrix.bin" : ".bin"), "ggml_search");
        QCOMPARE(qsizetype(q.blocks.size()), expected.size());
        const qsizetype size = traits(s.format).blockBytes;
        for (qsizetype at = 0; at < expected.size(); at += size) {
            const QByteArray block(reinterpret_cast<const char*>(q.blocks.data()) + at, size);
            QVERIFY2(block == expected.mid(at, size), "block " + QByteArray::number(at / size));
        }
    }

    void importanceLowersTheWeightedError_data()
    {
        QTest::addColumn<QString>("scheme");
        for (const FormatTraits& row : schemeTable()) {
            if (row.choosesImportance)
                QTest::newRow(row.name.data()) << QString(row.name.data());
        }
    }
    void importanceLowersTheWeightedError()
    {
        QFETCH(QString, scheme);
        constexpr int64_t cols = 256, rows = 64;
        const std::vector<float> x = test::normalValues(cols * rows, 3, 0.05);
        // Two experts, each with its own important columns.
        auto importance = std::make_shared<ColumnImportance>();
        importance->cols = cols;
        for (int64_t i = 0; i < 2 * cols; ++i)
            importance->values.push_back(i % 7 == i / cols ? 400.0f : 0.01f);
        const TensorView view = TensorView::fromFloats(x, rows, cols).weighted(importance);
        const auto errorOf = [&](const QString& text) {
            const auto quantizer = TensorQuantizer::prepare(view, Scheme::parse(text.toStdString()).value());
            std::vector<float> hat(x.size());
            quantizer->measureRows(x.data(), 0, rows, hat.data());
            double sum = 0;
            for (size_t i = 0; i < x.size(); ++i) {
                const float* own = importance->ofRow(int64_t(i) / cols, rows);
                sum += double(own[i % cols]) * double(hat[i] - x[i]) * double(hat[i] - x[i]);
            }
            return sum;
        };
        const double plain = errorOf(scheme), weighted = errorOf(scheme + ",imatrix");
        QVERIFY2(weighted < 0.9 * plain, qPrintable(QString("%1 against %2").arg(weighted).arg(plain)));
    }

    void importanceThatIsMissingOrOfAnotherShapeIsRefused()
    {
        const Scheme scheme = Scheme::parse("q4_k,imatrix").value();
        const TensorView view = TensorView::fromFloats(test::normalValues(512, 1), 2, 256);
        QCOMPARE(TensorQuantizer::prepare(view, scheme).error().code, ErrorCode::SchemeConflict);
        auto narrow = std::make_shared<ColumnImportance>();
        narrow->cols = 128;
        narrow->values.assign(128, 1.0f);
        QCOMPARE(TensorQuantizer::prepare(view.weighted(narrow), scheme).error().code, ErrorCode::CalibrationMismatch);
        for (const char* text : {"q8_0,imatrix", "int4,imatrix", "nf4,imatrix", "mxfp4,imatrix"})
            QCOMPARE(Scheme::parse(text).error().code, ErrorCode::SchemeConflict);
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
        std::vector<float> wide = test::normalValues(256, 5);
        wide[40] = INFINITY;
        wide[41] = -INFINITY;
        wide[42] = NAN;
        const std::vector<float> importance(256, 1.0f);
        for (const Format format :
             {Format::Q2_K, Format::Q3_K, Format::Q4_K, Format::Q5_K, Format::Q6_K, Format::IQ4_XS}) {
            for (const float* columns : {static_cast<const float*>(nullptr), importance.data()}) {
                const SuperBlock block = encodeSuperBlock(format, wide.data(), columns);
                const GroupQuantizer group(Scheme::defaultsFor(format));
                const int at = group.levelOfCode(block.codes[40]), opposite = group.levelOfCode(block.codes[41]);
                QCOMPARE(std::min(at, opposite), 0);
                QCOMPARE(std::max(at, opposite), int(group.codebook().levels.size()) - 1);
                for (int g = 0; g < kSuperBlock / traits(format).groupSize; ++g)
                    QVERIFY(std::isfinite(block.group(g).scale) && std::isfinite(block.group(g).minimum));
            }
        }
        const std::vector<float> huge(32, 3e30f);
        QCOMPARE(encodeGgmlBlock(Format::Q8_0, huge.data()).parameters.scale, 65504.0f);
    }
};

QTEST_GUILESS_MAIN(TestBlocks)
#include "tst_blocks.moc"
