// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What plots share: columns of a histogram, placing of labels, tables as CSV.
#include "widgets/plots/binning.h"
#include "widgets/plots/labelplacement.h"
#include "widgets/plots/plottable.h"

#include <QTest>

#include <numeric>

using namespace ql;

namespace {

Histogram ramp(int bins)
{
    Histogram h;
    h.lo = -1;
    h.hi = 1;
    h.counts.resize(size_t(bins));
    std::iota(h.counts.begin(), h.counts.end(), uint64_t(1));
    return h;
}

double sum(const std::vector<double>& values)
{
    return std::accumulate(values.begin(), values.end(), 0.0);
}

} // namespace

class TestPlots : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void columnsKeepEveryValue_data()
    {
        QTest::addColumn<int>("bins");
        QTest::addColumn<int>("most");
        QTest::newRow("fewer bins than pixels") << 10 << 700;
        QTest::newRow("many bins per column") << 4096 << 300;
        QTest::newRow("bundle does not divide") << 4097 << 100;
        QTest::newRow("one column") << 50 << 1;
    }
    void columnsKeepEveryValue()
    {
        QFETCH(int, bins);
        QFETCH(int, most);
        const Columns columns = columnsOf(ramp(bins), {-2, 2}, most);
        QVERIFY(int(columns.counts.size()) <= most);
        QCOMPARE(sum(columns.counts), double(bins) * (bins + 1) / 2);
        QCOMPARE(columns.first, -1.0);
    }

    void panningKeepsBundles()
    {
        const Columns a = columnsOf(ramp(4096), {-0.5, 0.5}, 300), b = columnsOf(ramp(4096), {-0.43, 0.57}, 300);
        QCOMPARE(a.width, b.width);
        const double shift = (b.first - a.first) / a.width;
        QCOMPARE(shift, std::round(shift));
        QCOMPARE(b.counts[0], a.counts[size_t(shift)]);
    }

    void columnsOfNothingAreEmpty()
    {
        QVERIFY(columnsOf({}, {0, 1}, 100).counts.empty());
        QVERIFY(columnsOf(ramp(10), {5, 6}, 100).counts.empty());
    }

    void countsWhatIsOutsideTheView()
    {
        Histogram h = ramp(10); // bins of 0.2: -1 .. -0.8 holds 1, ... 0.8 .. 1 holds 10
        h.above = 3;
        const OutsideCounts outside = countOutside(h, {-0.6, 0.8});
        QCOMPARE(outside.below, uint64_t(1 + 2));
        QCOMPARE(outside.above, uint64_t(10 + 3));
    }

    void thinnedLabelsNeverOverlap_data()
    {
        QTest::addColumn<int>("count");
        QTest::addColumn<double>("step");
        QTest::newRow("16 codes, wide") << 16 << 40.0;
        QTest::newRow("16 codes, narrow") << 16 << 7.0;
        QTest::newRow("256 codes on 500 pixels") << 256 << 2.0;
        QTest::newRow("all on one pixel") << 256 << 0.0;
    }
    void thinnedLabelsNeverOverlap()
    {
        QFETCH(int, count);
        QFETCH(double, step);
        std::vector<double> centres, widths;
        for (int i = 0; i < count; ++i) {
            centres.push_back(i * step);
            widths.push_back(12 + i % 9);
        }
        const size_t anchor = size_t(count / 2);
        const std::vector<size_t> chosen = thinned(centres, widths, 4, anchor);
        QVERIFY(std::find(chosen.begin(), chosen.end(), anchor) != chosen.end());
        for (size_t k = 1; k < chosen.size(); ++k) {
            const size_t a = chosen[k - 1], b = chosen[k];
            QVERIFY(centres[b] - widths[b] / 2 >= centres[a] + widths[a] / 2 + 4);
        }
        QVERIFY(step > 20 ? chosen.size() == centres.size() : chosen.size() < centres.size());
    }

    void spreadLabelsStayInOrderAndInside()
    {
        const std::vector<double> widths{40, 50, 30, 60};
        const std::vector<double> placed = spread({100, 102, 300, 301}, widths, 6, 0, 320);
        for (size_t i = 0; i < placed.size(); ++i) {
            QVERIFY(placed[i] - widths[i] / 2 >= 0 && placed[i] + widths[i] / 2 <= 320);
            if (i > 0)
                QVERIFY(placed[i] - widths[i] / 2 >= placed[i - 1] + widths[i - 1] / 2 + 6 - 1e-9);
        }
    }

    void namesStandBesideTheirPoints()
    {
        const std::vector<QPointF> points{{100, 100}, {106, 100}, {100, 106}, {5, 5}};
        const std::vector<QSizeF> sizes(points.size(), QSizeF(60, 14));
        const QRectF area(0, 0, 300, 200), caption(112, 90, 80, 20);
        const auto boxes = placedBeside(points, sizes, 4, area, {caption}, {});
        for (size_t i = 0; i < points.size(); ++i) {
            QVERIFY(boxes[i]);
            QVERIFY(area.contains(*boxes[i]) && !boxes[i]->intersects(caption));
            for (size_t k = 0; k < points.size(); ++k)
                QVERIFY(!boxes[i]->contains(points[k]) && (i == k || !boxes[i]->intersects(*boxes[k])));
        }
        QVERIFY(!placedBeside({{10, 10}}, {{400, 14}}, 4, area, {}, {})[0]); // no room at all
        QVERIFY(placedBeside({{100, 100}}, {{60, 14}}, 4, area, {}, {area})[0]); // better across a line than nowhere
    }

    void tablesBecomeCsv()
    {
        const PlotTable table{{"code", "share (%)"}, {{"a,b", "1.5"}, {"say \"x\"", "2"}}};
        QCOMPARE(table.csv("model · tensor"), QByteArray("# model · tensor\ncode,share (%)\n\"a,b\",1.5\n\"say \"\"x\"\"\",2\n"));
        QCOMPARE(PlotTable({"x"}, {}).csv(""), QByteArray("x\n"));
        QCOMPARE(exactText(0.1), QString("0.1"));
        QCOMPARE(shortText(-0.012345), QString(QChar(0x2212)) + "0.0123");
    }
};

QTEST_GUILESS_MAIN(TestPlots)
#include "tst_plots.moc"
