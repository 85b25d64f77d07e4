// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Code grids against published tables and slow nearest-level searches; error metrics against their definitions.
#include "core/quant/codebook.h"
#include "core/quant/metrics.h"
#include "core/quant/schemetable.h"
#include "core/tensor/floats.h"
#include "support/testtensors.h"

#include <QTest>

using namespace ql;

namespace {

Codebook bookOf(const char* text)
{
    return codebookFor(*Scheme::parse(text));
}

} // namespace

class TestCodebook : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void quantilesOfTheNormalDistribution()
    {
        // From tables of the normal distribution.
        const std::pair<double, double> known[]{{0.5, 0.0},
                                                {0.975, 1.959963984540054},
                                                {0.995, 2.5758293035489004},
                                                {0.9999, 3.719016485455709},
                                                {1e-6, -4.753424308822899},
                                                {1e-12, -7.034483825301131}};
        for (const auto& [p, z] : known)
            QVERIFY2(std::abs(inverseNormalCdf(p) - z) < 1e-9, qPrintable(QString::number(p)));
        for (double z = -6; z <= 6; z += 0.01) {
            const double p = 0.5 * std::erfc(-z / std::numbers::sqrt2);
            if (z < 5)
                QVERIFY(std::abs(inverseNormalCdf(p) - z) < 1e-9);
        }
    }

    void nf4FollowsFromItsDefinition()
    {
        const std::vector<float> computed = nf4FromDefinition();
        QCOMPARE(computed.size(), nf4Table().size());
        for (size_t i = 0; i < computed.size(); ++i)
            QVERIFY2(std::abs(computed[i] - nf4Table()[i]) <= 1e-7f, qPrintable(QString::number(i)));
    }

    void quantileAndTutorialTables()
    {
        const Codebook quantile = bookOf("nf4-quantile");
        QCOMPARE(quantile.levels.size(), size_t(16));
        for (size_t i = 0; i < 16; ++i)
            QCOMPARE(quantile.levels[i].value, -quantile.levels[15 - i].value);
        QCOMPARE(quantile.levels[15].value, 1.0f);
        const double ratio = inverseNormalCdf(8.5 / 16) / inverseNormalCdf(15.5 / 16);
        QVERIFY(std::abs(double(quantile.levels[8].value) - ratio) < 1e-7);

        const Codebook tutorial = bookOf("nf4-sym15");
        QCOMPARE(tutorial.levels.size(), size_t(15));
        QCOMPARE(tutorial.levels[7].value, 0.0f);
        QCOMPARE(tutorial.levels[13].value, 0.696f);
    }

    void bitsandbytesFp4Codes()
    {
        const Codebook book = bookOf("fp4");
        QCOMPARE(book.levels.size(), size_t(15));
        const std::array<double, 8> twelfths{0, 0.0625, 8, 12, 4, 6, 2, 3};
        for (const Level& level : book.levels) {
            const double magnitude = twelfths[size_t(level.code & 7)] / 12;
            QVERIFY(std::abs(double(level.value) - (level.code & 8 ? -magnitude : magnitude)) < 1e-7);
        }
        QCOMPARE(book.levels[size_t(book.nearest(0.9f))].code, 3);
        QCOMPARE(book.levels[size_t(book.nearest(-0.7f))].code, 8 + 2);
        QCOMPARE(book.levels[size_t(book.nearest(0.0026f))].code, 0);
        QCOMPARE(book.levels[size_t(book.nearest(-0.0027f))].code, 8 + 1);
        // On a published limit itself the smaller magnitude wins, for both signs.
        QCOMPARE(book.levels[size_t(book.nearest(0.0859375f))].code, 1);
        QCOMPARE(book.levels[size_t(book.nearest(-0.0859375f))].code, 9);
    }

    void tiesGoWhereTheFormatSays_data()
    {
        QTest::addColumn<QString>("scheme");
        QTest::addColumn<double>("y");
        QTest::addColumn<double>("level");
        const auto row = [](const char* scheme, double y, double level) {
            QTest::addRow("%s at %g", scheme, y) << scheme << y << level;
        };
        // OCP: to the even code. ggml: to the first level with the smallest error.
        for (const auto& [tie, even, down] : {std::tuple{0.25, 0.0, 0.0},
                                              {0.75, 1.0, 0.5},
                                              {1.25, 1.0, 1.0},
                                              {1.75, 2.0, 1.5},
                                              {2.5, 2.0, 2.0},
                                              {3.5, 4.0, 3.0},
                                              {5.0, 4.0, 4.0}}) {
            for (const double sign : {1.0, -1.0}) {
                row("e2m1", sign * tie, sign * even);
                row("nvfp4", sign * tie, sign * even);
                row("mxfp4", sign * tie, sign * down);
            }
        }
        row("int4", 0.5, 0);
        row("int4", 1.5, 2);
        row("int4", -2.5, -2);
        row("int4", 100, 7);
        row("int4,range=full", -100, -8);
        row("q4_0", 0.5, 1);
        row("q4_0", -0.5, 0);
        row("q8_0", 2.5, 3);
        row("q8_0", -2.5, -3);
        row("iq4_nl", -4.5, 1);
        row("iq4_nl", 101, 113);
        row("nf4", 0.0, 0.0);
    }
    void tiesGoWhereTheFormatSays()
    {
        QFETCH(QString, scheme);
        QFETCH(double, y);
        QFETCH(double, level);
        const Codebook book = codebookFor(*Scheme::parse(scheme.toStdString()));
        QCOMPARE(double(book.levels[size_t(book.nearest(float(y)))].value), level);
    }

    void nearestIsNearest_data()
    {
        QTest::addColumn<int>("format");
        for (const FormatTraits& row : schemeTable()) {
            // The decision limits of bitsandbytes' FP4 are rounded midpoints; tested above.
            if (row.kind != FormatKind::Keep && row.format != Format::FP4)
                QTest::newRow(row.name.data()) << int(row.format);
        }
    }
    void nearestIsNearest()
    {
        QFETCH(int, format);
        const Codebook book = codebookFor(Scheme::defaultsFor(Format(format)));
        QCOMPARE(book.thresholds.size() + 1, book.levels.size());
        QVERIFY(std::is_sorted(book.thresholds.begin(), book.thresholds.end()));
        test::Random random(3);
        for (int i = 0; i < 20000; ++i) {
            const float y = float((random.uniform() * 2.4 - 1.2) * double(book.maxMagnitude));
            double best = INFINITY;
            for (const Level& level : book.levels)
                best = std::min(best, std::abs(double(level.value) - double(y)));
            const double chosen = std::abs(double(book.levels[size_t(book.nearest(y))].value) - double(y));
            QVERIFY2(chosen <= best + 1e-7 * double(book.maxMagnitude), qPrintable(QString::number(double(y))));
        }
        QCOMPARE(book.nearest(INFINITY), int(book.levels.size()) - 1);
        QCOMPARE(book.nearest(-INFINITY), 0);
        QCOMPARE(book.nearest(NAN), book.nearest(0));
    }

    void float8GridIsTheFormatsOwnRounding_data()
    {
        QTest::addColumn<bool>("e4m3");
        QTest::newRow("E4M3") << true;
        QTest::newRow("E5M2") << false;
    }
    void float8GridIsTheFormatsOwnRounding()
    {
        QFETCH(bool, e4m3);
        const Codebook book = bookOf(e4m3 ? "fp8-e4m3" : "fp8-e5m2");
        QCOMPARE(book.levels.size(), size_t(e4m3 ? 253 : 247));
        test::Random random(5);
        for (int i = 0; i < 100000; ++i) {
            const float y = std::ldexp(float(random.uniform() * 2 - 1), int(random.below(36)) - 18);
            const float direct = e4m3 ? e4m3ToFloat(floatToE4m3(y)) : e5m2ToFloat(floatToE5m2(y));
            QCOMPARE(book.levels[size_t(book.nearest(y))].value, direct);
        }
        for (const float threshold : book.thresholds) {
            for (const float y :
                 {threshold, std::nextafter(threshold, INFINITY), std::nextafter(threshold, -INFINITY)}) {
                const float direct = e4m3 ? e4m3ToFloat(floatToE4m3(y)) : e5m2ToFloat(floatToE5m2(y));
                QCOMPARE(book.levels[size_t(book.nearest(y))].value, direct);
            }
        }
    }

    void metricsMeanWhatTheySay()
    {
        ErrorMetrics m;
        // x = 3, 4 and x^ = 3, 2.
        m.count = 3;
        m.finite = 2;
        m.sumSquare = 25;
        m.sumHatSquare = 13;
        m.sumDot = 17;
        m.sumSquaredError = 4;
        m.sumAbsError = 2;
        m.sumError = -2;
        m.maxAbsError = 2;
        m.clipped = 1;
        m.occupancy = {1, 1, 2, 0};
        QCOMPARE(m.mse(), 2.0);
        QCOMPARE(m.rmse(), std::sqrt(2.0));
        QCOMPARE(m.sqnrDb(), 10 * std::log10(25.0 / 4));
        QCOMPARE(m.relativeError(), 2.0 / 5);
        QCOMPARE(m.meanAbsError(), 1.0);
        QCOMPARE(m.cosine(), 17 / std::sqrt(25.0 * 13));
        QCOMPARE(m.clippedShare(), 0.5);
        QCOMPARE(m.entropyBits(), 1.5);
    }

    void metricsOfNothing()
    {
        const ErrorMetrics m;
        QCOMPARE(m.mse(), 0.0);
        QVERIFY(std::isinf(m.sqnrDb()));
        QCOMPARE(m.relativeError(), 0.0);
        QCOMPARE(m.cosine(), 1.0);
        QCOMPARE(m.clippedShare(), 0.0);
        QCOMPARE(m.entropyBits(), 0.0);
    }

    void metricsMerge()
    {
        ErrorMetrics a;
        a.count = a.finite = 10;
        a.sumSquaredError = 1;
        a.maxAbsError = 0.5;
        a.occupancy = {4, 6};
        a.bytes = 5;
        ErrorMetrics b = a;
        b.maxAbsError = 0.7;
        b.bytes = 15;
        a.merge(b);
        QCOMPARE(a.count, uint64_t(20));
        QCOMPARE(a.mse(), 0.1);
        QCOMPARE(a.maxAbsError, 0.7);
        QCOMPARE(a.occupancy, (std::vector<uint64_t>{8, 12}));
        QCOMPARE(a.bytes, uint64_t(20));
        QCOMPARE(a.bitsPerWeight, 8.0);
        ErrorMetrics empty;
        empty.merge(a);
        QCOMPARE(empty.mse(), a.mse());
        QCOMPARE(empty.occupancy, a.occupancy);
    }
};

QTEST_GUILESS_MAIN(TestCodebook)
#include "tst_codebook.moc"
