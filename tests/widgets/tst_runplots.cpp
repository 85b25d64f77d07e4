// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The plots of what a running model shows: bars per channel or module, ranges per token, curves over positions.
#include "widgets/plots/barsplot.h"
#include "widgets/plots/rangesplot.h"
#include "widgets/plots/seriesplot.h"

#include <QApplication>
#include <QSignalSpy>
#include <QTest>
#include <QWheelEvent>

#include <cmath>
#include <limits>

using namespace ql;

namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

Bars ramp(int count)
{
    Bars bars;
    bars.item = "Channel";
    bars.measure = "Absolute maximum";
    for (int i = 0; i < count; ++i)
        bars.values.push_back(1 + i % 7);
    return bars;
}

void show(PlotView& plot, QSize size = {700, 300})
{
    plot.resize(size);
    plot.show();
    QTest::qWait(20);
}

void press(QWidget& widget, int key)
{
    QTest::keyClick(&widget, Qt::Key(key));
}

} // namespace

class TestRunPlots : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { theme::apply(*qApp, ThemeMode::Light); }

    void clickingABarPicksIt_data()
    {
        QTest::addColumn<int>("orientation");
        QTest::addColumn<bool>("sorted");
        QTest::newRow("upright") << int(Qt::Vertical) << false;
        QTest::newRow("upright, sorted") << int(Qt::Vertical) << true;
        QTest::newRow("rows") << int(Qt::Horizontal) << false;
        QTest::newRow("rows, sorted") << int(Qt::Horizontal) << true;
    }
    void clickingABarPicksIt()
    {
        QFETCH(int, orientation);
        QFETCH(bool, sorted);
        BarsPlot plot{Qt::Orientation(orientation)};
        plot.setBars(ramp(12));
        plot.setSorted(sorted);
        show(plot);
        QSignalSpy picked(&plot, &BarsPlot::picked);
        for (const qint64 bar : {0, 5, 11}) {
            QTest::mouseClick(&plot, Qt::LeftButton, {}, plot.barPixel(bar).toPoint());
            QCOMPARE(picked.last()[0].toLongLong(), bar);
        }
        QCOMPARE(picked.size(), 3);
    }

    void sortingPutsTheLargestFirstAndTheUnknownLast()
    {
        BarsPlot plot;
        Bars bars = ramp(5);
        bars.values = {2, kNothing, 9, -1, 5};
        plot.setBars(bars);
        plot.setSorted(true);
        show(plot);
        QStringList names;
        for (const QStringList& row : plot.table().rows)
            names << row[0];
        QCOMPARE(names, QStringList({"2", "4", "0", "3", "1"}));
        QCOMPARE(plot.table().rows[4][1], QString()); // an unknown value is not a zero
        QVERIFY(plot.yRange().lo < -1 && plot.yRange().hi > 9);
    }

    void keysWalkAlongTheBars()
    {
        BarsPlot upright, rows(Qt::Horizontal);
        for (BarsPlot* plot : {&upright, &rows}) {
            plot->setBars(ramp(200));
            show(*plot);
            QSignalSpy picked(plot, &BarsPlot::picked);
            const int forward = plot == &rows ? Qt::Key_Down : Qt::Key_Right;
            for (int i = 0; i < 100; ++i)
                press(*plot, forward);
            press(*plot, Qt::Key_Return);
            QCOMPARE(picked[0][0].toLongLong(), 99);
            const PlotRange range = plot == &rows ? plot->yRange() : plot->xRange();
            QVERIFY(range.contains(99)); // it was brought into sight
        }
    }

    void wheelZoomsRowsAlongTheRows()
    {
        BarsPlot plot(Qt::Horizontal);
        plot.setBars(ramp(40));
        show(plot);
        const PlotRange values = plot.xRange(), before = plot.yRange();
        const QPointF at = plot.plotArea().center();
        QWheelEvent event(at, plot.mapToGlobal(at), {}, QPoint(0, 240), Qt::NoButton, Qt::NoModifier,
                          Qt::NoScrollPhase, false);
        QApplication::sendEvent(&plot, &event);
        QCOMPARE(plot.xRange(), values);
        QVERIFY(plot.yRange().span() < 0.8 * before.span());
    }

    void errorBarsBelongToTheRange()
    {
        BarsPlot plot;
        Bars bars = ramp(3);
        bars.errors = {0, 100, 0};
        plot.setBars(bars);
        show(plot);
        QVERIFY(plot.yRange().hi > 102 && plot.yRange().lo < -98);
        QCOMPARE(plot.table().rows[1][2], QString("100"));
    }

    void aHundredThousandBarsKeepTheirOutlier()
    {
        BarsPlot plot;
        Bars bars = ramp(100000);
        bars.values[77777] = 50;
        bars.marked = {77777};
        plot.setBars(bars);
        show(plot);
        const QColor marked = theme::color(Ink::Clipped);
        const QImage picture = plot.grab().toImage();
        const QPoint at = plot.toPixel(77777, 30).toPoint();
        bool seen = false;
        for (int x = at.x() - 2; x <= at.x() + 2; ++x)
            seen |= picture.pixelColor(x, at.y()) == marked;
        QVERIFY(seen);
        QSignalSpy picked(&plot, &BarsPlot::picked);
        QTest::mouseClick(&plot, Qt::LeftButton, {}, at);
        QCOMPARE(picked[0][0].toLongLong(), 77777); // the tallest of the bars under one pixel
        QVERIFY(plot.summary().contains("77777"));
    }

    void oddBarsAreSurvived_data()
    {
        QTest::addColumn<QVector<double>>("values");
        QTest::newRow("none") << QVector<double>{};
        QTest::newRow("one") << QVector<double>{3};
        QTest::newRow("only unknown") << QVector<double>{kNothing, kNothing};
        QTest::newRow("infinite") << QVector<double>{1, INFINITY};
        QTest::newRow("all zero") << QVector<double>{0, 0, 0};
        QTest::newRow("all negative") << QVector<double>{-1, -2};
    }
    void oddBarsAreSurvived()
    {
        QFETCH(QVector<double>, values);
        for (const auto orientation : {Qt::Vertical, Qt::Horizontal}) {
            BarsPlot plot(orientation);
            Bars bars = ramp(0);
            bars.values.assign(values.begin(), values.end());
            bars.marked = {0, 1, 99, -1};
            plot.setBars(bars);
            for (const bool log : {false, true}) {
                plot.setLogarithmic(log);
                show(plot);
                QCOMPARE(plot.hasData(), !values.isEmpty());
                QVERIFY(std::isfinite(plot.xRange().span()) && plot.xRange().span() > 0);
                QVERIFY(std::isfinite(plot.yRange().span()) && plot.yRange().span() > 0);
                press(plot, Qt::Key_Right);
                QCOMPARE(plot.table().rows.size(), size_t(values.size()));
            }
        }
    }

    void rangesKeepTheirExtremes_data()
    {
        QTest::addColumn<int>("tokens");
        QTest::newRow("one") << 1;
        QTest::newRow("a few") << 40;
        QTest::newRow("more than pixels") << 200000;
    }
    void rangesKeepTheirExtremes()
    {
        QFETCH(int, tokens);
        RangesPlot plot;
        Ranges ranges{std::vector<float>(size_t(tokens), -1), std::vector<float>(size_t(tokens), 2), "Token", "Value"};
        ranges.hi[size_t(tokens) / 2] = 90;
        ranges.lo[0] = ranges.hi.front() == 90 ? -5 : NAN; // one that is not known
        plot.setRanges(ranges);
        plot.setLimits(PlotRange{-1, 50});
        show(plot);
        QVERIFY(plot.yRange().hi > 90 && plot.yRange().lo < -1);
        QCOMPARE(plot.table().rows.size(), size_t(tokens));
        const QImage picture = plot.grab().toImage();
        const QPoint at = plot.toPixel(tokens / 2, 80).toPoint();
        bool seen = false;
        for (int x = at.x() - 2; x <= at.x() + 2; ++x)
            seen |= picture.pixelColor(x, at.y()) != theme::color(Ink::PlotBackground);
        QVERIFY(seen);
        QVERIFY(plot.summary().contains("90"));
    }

    void rangesWithoutFiniteValuesAreSurvived()
    {
        RangesPlot plot;
        plot.setRanges({{NAN, NAN}, {NAN, NAN}, "Token", "Value"});
        show(plot);
        QVERIFY(plot.yRange().span() > 0);
        QVERIFY(plot.table().rows[0][1].isEmpty());
        plot.setRanges({});
        QVERIFY(!plot.hasData());
    }

    void bandsShowStandardErrors()
    {
        SeriesPlot plot;
        plot.setAxes("Position", "Loss");
        plot.setSeries({{"policy", std::vector<double>(50, 2.0), std::vector<double>(50, 0.5)}});
        show(plot);
        const QImage image = plot.grab().toImage();
        const auto colourAt = [&](double loss) { return image.pixelColor((plot.toPixel(25.5, loss) * image.devicePixelRatio()).toPoint()); };
        QCOMPARE(colourAt(1.8), colourAt(2.2));
        QCOMPARE(colourAt(1.3), colourAt(2.7));
        QVERIFY(colourAt(1.8) != colourAt(1.3));
        QCOMPARE(plot.table().header, QStringList({"Position", "policy", "policy, standard error"}));
        QCOMPARE(plot.table().rows.front().last(), QString("0.5"));
    }

    void curvesArePicked()
    {
        SeriesPlot plot;
        plot.setAxes("Position", "Error");
        std::vector<Series> series(3);
        for (int s = 0; s < 3; ++s) {
            series[size_t(s)].name = QString("layer %1").arg(s);
            for (int i = 0; i < 100; ++i)
                series[size_t(s)].values.push_back((s + 1) * std::sqrt(i + 1.0));
        }
        plot.setSeries(series);
        show(plot);
        QSignalSpy picked(&plot, &SeriesPlot::picked);
        for (int s = 0; s < 3; ++s) {
            QTest::mouseClick(&plot, Qt::LeftButton, {}, plot.curvePixel(s, 60).toPoint());
            QCOMPARE(picked.last()[0].toInt(), s);
        }
        plot.setPicked(0);
        press(plot, Qt::Key_Down);
        press(plot, Qt::Key_Return);
        QCOMPARE(picked.last()[0].toInt(), 1);
        QVERIFY(plot.summary().contains("layer 2"));
        QCOMPARE(plot.table().header, QStringList({"Position", "layer 0", "layer 1", "layer 2"}));
    }

    void logarithmicPositionsBeginAtOne()
    {
        SeriesPlot plot;
        plot.setSeries({{"a", std::vector<double>(1000, 3.0)}});
        plot.setLogarithmicX(true);
        show(plot);
        QCOMPARE(plot.xRange(), (PlotRange{1, 1000}));
        const double decade = plot.toPixel(10, 1).x() - plot.toPixel(1, 1).x();
        QVERIFY(std::abs(plot.toPixel(100, 1).x() - plot.toPixel(10, 1).x() - decade) < 1e-6);
        plot.setLogarithmicX(false);
        QCOMPARE(plot.table().rows.size(), size_t(1000));
    }

    void oddCurvesAreSurvived_data()
    {
        QTest::addColumn<QVector<double>>("values");
        QTest::newRow("none") << QVector<double>{};
        QTest::newRow("one") << QVector<double>{3};
        QTest::newRow("only unknown") << QVector<double>{kNothing, kNothing};
        QTest::newRow("gaps") << QVector<double>{1, kNothing, 2, INFINITY, 3};
        QTest::newRow("all zero") << QVector<double>{0, 0, 0};
    }
    void oddCurvesAreSurvived()
    {
        QFETCH(QVector<double>, values);
        for (const int curves : {1, 20}) {
            SeriesPlot plot;
            plot.setSeries(std::vector<Series>(size_t(curves), {"curve", {values.begin(), values.end()}}));
            for (const bool log : {false, true}) {
                plot.setLogarithmicX(log);
                plot.setLogarithmicY(log);
                show(plot);
                QVERIFY(std::isfinite(plot.xRange().span()) && plot.xRange().span() > 0);
                QVERIFY(std::isfinite(plot.yRange().span()) && plot.yRange().span() > 0);
                QTest::mouseMove(&plot, plot.plotArea().center());
                QTest::mouseClick(&plot, Qt::LeftButton, {}, plot.plotArea().center());
                QCOMPARE(plot.table().rows.size(), size_t(values.size()));
            }
        }
    }
};

QTEST_MAIN(TestRunPlots)
#include "tst_runplots.moc"
