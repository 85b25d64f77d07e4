// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The quantized cache: what stays in full precision, error bounds, and the weights' quantizer as an independent witness.
#include "core/evaluation/kvcache.h"
#include "core/quant/quantizer.h"
#include "core/quant/schemetable.h"
#include "support/testtensors.h"

#include <QTest>

using namespace ql;

namespace {

constexpr AttentionShape kShape{8, 2, 32, 0.2, 0, 0, true};
constexpr int64_t kWidth = 64;

RowMatrix normalMatrix(int64_t rows, uint64_t seed)
{
    const std::vector<float> values = test::normalValues(rows * kWidth, seed);
    return ConstRowMatrixMap(values.data(), rows, kWidth);
}

KvScheme parsed(const QString& text)
{
    return KvScheme::parse(text.toStdString()).value();
}

double squaredError(const RowMatrix& a, const RowMatrix& b)
{
    return (a - b).cast<double>().squaredNorm();
}

/// `x` (rows are groups) as the quantizer of weights reconstructs it.
RowMatrix reconstructed(const RowMatrix& x, const Scheme& scheme)
{
    const TensorView view =
        TensorView::fromFloats(std::vector<float>(x.data(), x.data() + x.size()), x.rows(), x.cols());
    const TensorQuantizer quantizer = TensorQuantizer::prepare(view, scheme).value();
    RowMatrix out(x.rows(), x.cols());
    dequantize(quantizer.quantizeRows(x.data(), 0, x.rows()), out.data());
    return out;
}

} // namespace

class TestKvCache : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void keepsWhatTheSchemeKeeps_data()
    {
        QTest::addColumn<QString>("scheme");
        QTest::addColumn<int>("length");
        QTest::addColumn<int>("first");
        QTest::addColumn<int>("end");
        QTest::newRow("window longer than the text") << "int8,recent=100" << 100 << 0 << 0;
        QTest::newRow("less than one segment") << "int4,keys=channel,segment=32" << 31 << 0 << 0;
        QTest::newRow("whole segments only") << "int4,keys=channel,segment=32" << 100 << 0 << 96;
        QTest::newRow("per token too") << "int8,segment=16" << 100 << 0 << 96;
        QTest::newRow("recent window") << "int8,segment=1,recent=10" << 100 << 0 << 90;
        QTest::newRow("first tokens") << "int4,segment=16,first=4,recent=8" << 100 << 4 << 84;
        QTest::newRow("nothing but first tokens") << "int4,segment=16,first=200" << 100 << 200 << 200;
    }
    void keepsWhatTheSchemeKeeps()
    {
        QFETCH(QString, scheme);
        QFETCH(int, length);
        QFETCH(int, first);
        QFETCH(int, end);
        const RowMatrix keys = normalMatrix(length, 1);
        const RowMatrix values = normalMatrix(length, 2);
        const CachedView view = quantizeCache(parsed(scheme), kShape, keys, values);
        QCOMPARE(view.first, int64_t(first));
        QCOMPARE(view.quantizedEnd.size(), size_t(length));
        QCOMPARE(view.quantizedEnd.back(), int64_t(end));
        for (size_t t = 1; t < view.quantizedEnd.size(); ++t)
            QVERIFY(view.quantizedEnd[t] >= view.quantizedEnd[t - 1] && view.quantizedEnd[t] <= std::max<int64_t>(first, int64_t(t) + 1));
        for (int t = 0; t < length; ++t) {
            const bool kept = t < first || t >= end;
            QCOMPARE(keys.row(t) == view.keys.row(t), kept);
            QCOMPARE(values.row(t) == view.values.row(t), kept);
        }
    }

    void errorIsAtMostHalfAStep_data()
    {
        QTest::addColumn<QString>("scheme");
        QTest::addColumn<int>("tokens"); ///< that share a scale of the keys
        QTest::addColumn<int>("channels");
        QTest::newRow("symmetric per head") << "int8,sym,segment=1" << 1 << 32;
        QTest::newRow("asymmetric per head") << "int8,asym,segment=1" << 1 << 32;
        QTest::newRow("groups of channels") << "int8,group=8,segment=1" << 1 << 8;
        QTest::newRow("per channel") << "int8,keys=channel,segment=16" << 16 << 1;
        QTest::newRow("per channel, symmetric int4") << "int4,sym,keys=channel,segment=16" << 16 << 1;
    }
    void errorIsAtMostHalfAStep()
    {
        QFETCH(QString, scheme);
        QFETCH(int, tokens);
        QFETCH(int, channels);
        const KvScheme kv = parsed(scheme);
        const RowMatrix keys = normalMatrix(64, 3);
        const CachedView view = quantizeCache(kv, kShape, keys, keys);
        const double codes = kv.format == Format::Int8 ? 127 : 7;
        bool changed = false;
        for (int64_t row = 0; row < keys.rows(); row += tokens) {
            for (int64_t col = 0; col < kWidth; col += channels) {
                const RowMatrix patch = keys.block(row, col, tokens, channels);
                const double lo = std::min(0.0f, patch.minCoeff());
                const double hi = std::max(0.0f, patch.maxCoeff());
                const double step = kv.symmetry == Symmetry::Symmetric ? std::max(-lo, hi) / codes : (hi - lo) / 255;
                const double error = (patch - view.keys.block(row, col, tokens, channels)).cwiseAbs().maxCoeff();
                // The zero point of asymmetric codes is rounded too, which moves the ends of the grid.
                QVERIFY2(error <= (kv.symmetry == Symmetry::Symmetric ? 0.5001 : 1.0001) * step, qPrintable(scheme));
                changed = changed || error > 0;
            }
        }
        QVERIFY(changed);
    }

    void everyFormatIsTheGroupQuantizers_data()
    {
        QTest::addColumn<QString>("format");
        for (const FormatTraits& row : schemeTable()) {
            if (KvScheme::takes(row.format))
                QTest::newRow(row.name.data()) << QString::fromUtf8(row.name.data(), qsizetype(row.name.size()));
        }
    }
    void everyFormatIsTheGroupQuantizers()
    {
        QFETCH(QString, format);
        const RowMatrix keys = normalMatrix(64, 5);
        const RowMatrix values = normalMatrix(64, 6);
        // Per token and head: the rows of a (tokens * heads) x headDim matrix.
        const KvScheme perToken = parsed(format + ",segment=8");
        const CachedView tokens = quantizeCache(perToken, kShape, keys, values);
        const RowMatrix heads = ConstRowMatrixMap(keys.data(), 128, 32);
        const RowMatrix expected = reconstructed(heads, perToken.groupScheme(false));
        QVERIFY(RowMatrix(ConstRowMatrixMap(tokens.keys.data(), 128, 32)) == expected);
        const RowMatrix valueHeads = ConstRowMatrixMap(values.data(), 128, 32);
        QVERIFY(RowMatrix(ConstRowMatrixMap(tokens.values.data(), 128, 32)) ==
                reconstructed(valueHeads, perToken.groupScheme(true)));
        // Per channel: the rows of the transposed segment.
        const KvScheme perChannel = parsed(format + ",keys=channel,segment=16");
        const CachedView channels = quantizeCache(perChannel, kShape, keys, values);
        for (int64_t row = 0; row < 64; row += 16) {
            const RowMatrix segment = keys.middleRows(row, 16).transpose();
            const RowMatrix found = channels.keys.middleRows(row, 16).transpose();
            QVERIFY(found == reconstructed(segment, perChannel.groupScheme(false)));
        }
        QVERIFY(channels.values == quantizeCache(parsed(format + ",segment=16"), kShape, keys, values).values);
    }

    void keysAndValuesMayDiffer()
    {
        const RowMatrix x = normalMatrix(64, 7);
        const CachedView view = quantizeCache(parsed("int8,values=int4"), kShape, x, x);
        QVERIFY(squaredError(view.values, x) > 50 * squaredError(view.keys, x));
    }

    void perChannelKeysSurviveOutlierChannels()
    {
        RowMatrix keys = normalMatrix(128, 8);
        for (const int channel : {3, 17, 40})
            keys.col(channel) *= 30;
        const RowMatrix values = normalMatrix(128, 9);
        const CachedView tokens = quantizeCache(parsed("int4"), kShape, keys, values);
        const CachedView channels = quantizeCache(parsed("int4,keys=channel"), kShape, keys, values);
        // The ordinary channels are what outliers rob of resolution.
        const auto ordinary = [&](const CachedView& view) { return squaredError(view.keys.col(20), keys.col(20)); };
        QVERIFY(ordinary(channels) * 20 < ordinary(tokens));
        QVERIFY(channels.values == tokens.values);
    }

    void degenerateInputsAreHarmless()
    {
        const KvScheme scheme = parsed("int4,keys=channel,segment=4");
        const RowMatrix none(0, kWidth);
        QVERIFY(quantizeCache(scheme, kShape, none, none).quantizedEnd.empty());
        const RowMatrix zeros = RowMatrix::Zero(8, kWidth);
        QVERIFY(quantizeCache(scheme, kShape, zeros, zeros).keys == zeros);
        RowMatrix odd = normalMatrix(8, 10);
        odd(2, 5) = std::numeric_limits<float>::quiet_NaN();
        odd(3, 6) = std::numeric_limits<float>::infinity();
        QVERIFY(quantizeCache(scheme, kShape, odd, odd).keys.allFinite());
    }
};

QTEST_GUILESS_MAIN(TestKvCache)
#include "tst_kvcache.moc"
