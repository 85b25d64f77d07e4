// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The weights page, driven by mouse, wheel and keyboard.
#include "tests/support/sampleanalyses.h"
#include "widgets/panels/weightspage.h"
#include "widgets/plots/channelsplot.h"
#include "widgets/plots/clipsweepplot.h"
#include "widgets/plots/distributionplot.h"
#include "widgets/plots/errorplot.h"
#include "widgets/plots/formatsplot.h"
#include "widgets/plots/occupancyplot.h"
#include "widgets/theme.h"

#include <QApplication>
#include <QClipboard>
#include <QDialog>
#include <QLabel>
#include <QSignalSpy>
#include <QTableView>
#include <QTemporaryDir>
#include <QTest>
#include <QWheelEvent>
#include <QXmlStreamReader>

#include <cmath>

using namespace ql;

namespace {

Scheme parsed(const char* text)
{
    const auto scheme = Scheme::parse(text);
    Q_ASSERT(scheme.ok());
    return *scheme;
}

/// A shown page of one scheme with every result in place.
struct Fixture {
    explicit Fixture(const char* text, double freedom = 6, int outliers = 0)
        : data(64, 512, freedom, outliers)
        , scheme(parsed(text))
    {
        page.resize(700, 620);
        page.setSubject("model · tensor", "", scheme);
        page.setDistribution(data.distribution());
        page.setQuantization(data.quantization(scheme));
        page.setClipStudy(data.clipStudy(scheme));
        page.show();
        settle();
    }
    static void settle() { QTest::qWait(20); }

    DistributionPlot& plot() { return *page.findChild<DistributionPlot*>(); }
    void drag(QWidget& widget, QPointF from, QPointF to, Qt::MouseButton button = Qt::LeftButton,
              Qt::KeyboardModifiers modifiers = {})
    {
        QTest::mousePress(&widget, button, modifiers, from.toPoint());
        move(widget, (from + to) / 2, button, modifiers);
        move(widget, to, button, modifiers);
        QTest::mouseRelease(&widget, button, modifiers, to.toPoint());
        settle();
    }
    static void move(QWidget& widget, QPointF to, Qt::MouseButton button, Qt::KeyboardModifiers modifiers)
    {
        QMouseEvent event(QEvent::MouseMove, to.toPoint(), widget.mapToGlobal(to.toPoint()), Qt::NoButton, button,
                          modifiers);
        QApplication::sendEvent(&widget, &event);
    }
    static void wheel(QWidget& widget, QPointF at, int notches)
    {
        QWheelEvent event(at, widget.mapToGlobal(at), QPoint(), QPoint(0, 120 * notches), Qt::NoButton,
                          Qt::NoModifier, Qt::NoScrollPhase, false);
        QApplication::sendEvent(&widget, &event);
        settle();
    }

    testing::SampleAnalyses data;
    Scheme scheme;
    WeightsPage page;
};

Scheme schemeAt(const QSignalSpy& spy, int index)
{
    return spy.at(index).at(0).value<Scheme>();
}

} // namespace

class TestWeightsPage : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void initTestCase()
    {
        qRegisterMetaType<Scheme>("ql::Scheme");
        theme::apply(*qApp, ThemeMode::Light);
    }

    void draggingAHandleEdits_data()
    {
        QTest::addColumn<QByteArray>("scheme");
        QTest::addColumn<int>("handle");
        QTest::newRow("one scale per tensor, upper") << QByteArray("int4,tensor") << 1;
        QTest::newRow("one scale per tensor, lower") << QByteArray("int8,tensor") << 0;
        QTest::newRow("per channel") << QByteArray("int4,channel") << 1;
        QTest::newRow("per group") << QByteArray("int4,group=128") << 1;
        QTest::newRow("codebook per group") << QByteArray("nf4") << 0;
        QTest::newRow("asymmetric, upper") << QByteArray("int4,tensor,asym") << 1;
        QTest::newRow("asymmetric, lower") << QByteArray("int4,tensor,asym") << 0;
    }
    void draggingAHandleEdits()
    {
        QFETCH(QByteArray, scheme);
        QFETCH(int, handle);
        Fixture f(scheme.constData());
        QSignalSpy edits(&f.page, &WeightsPage::schemeEdited);
        DistributionPlot& plot = f.plot();
        plot.setView({-0.5, 0.5}, plot.yRange()); // every limit of this data is inside
        f.settle();
        const double before = plot.clip().handles()[size_t(handle)];
        const QPointF from = plot.handlePixel(size_t(handle));
        const QPointF to(std::round(plot.toPixel(before * 0.6, 1).x()), std::round(from.y()));
        f.drag(plot, from.toPoint(), to);

        QVERIFY(edits.size() >= 3);
        for (int i = 0; i < edits.size(); ++i)
            QCOMPARE(edits.at(i).at(1).toBool(), i == edits.size() - 1);
        const Scheme last = schemeAt(edits, int(edits.size()) - 1);
        // The pointer took the handle up to half a pixel beside its line, and keeps that distance.
        const double position = plot.toValue(to + (from - QPointF(from.toPoint()))).x();
        const bool absolute = last.granularity == Granularity::Tensor;
        QCOMPARE(last.clip, absolute ? ClipMethod::Absolute : ClipMethod::Ratio);
        const double expected = absolute ? std::abs(position) : position / before;
        QVERIFY2(std::abs(last.clipParameter - expected) <= 0.0006 * expected,
                 qPrintable(QString("%1 instead of %2").arg(last.clipParameter).arg(expected)));
        Scheme rest = last;
        rest.clip = f.scheme.clip;
        rest.clipParameter = f.scheme.clipParameter;
        QCOMPARE(QString::fromStdString(rest.text()), QString::fromStdString(f.scheme.text()));
        // Four digits, so that the text of the scheme stays short and reads back the same.
        QVERIFY(Scheme::parse(last.text()).value() == last);
    }

    void handlesFollowTheExactResult()
    {
        Fixture f("int4,tensor");
        DistributionPlot& plot = f.plot();
        const Scheme clipped = parsed("int4,tensor,clip=abs:0.05");
        f.page.setScheme(clipped);
        f.page.setQuantization(f.data.quantization(clipped));
        QCOMPARE(plot.clip().handles(), (std::vector<double>{-0.05, 0.05}));
        QVERIFY(std::abs(plot.clip().ratio() - 0.05 / f.data.distribution()->stats.absMax()) < 1e-12);
    }

    void escapeGivesUpADrag()
    {
        Fixture f("int4,tensor");
        QSignalSpy edits(&f.page, &WeightsPage::schemeEdited);
        DistributionPlot& plot = f.plot();
        const QPointF from = plot.handlePixel(1);
        QTest::mousePress(&plot, Qt::LeftButton, {}, from.toPoint());
        f.move(plot, from - QPointF(60, 0), Qt::LeftButton, {});
        QVERIFY(!edits.isEmpty());
        QTest::keyClick(&plot, Qt::Key_Escape);
        QVERIFY(edits.last().at(1).toBool());
        QCOMPARE(schemeAt(edits, int(edits.size()) - 1), f.scheme);
        QTest::mouseRelease(&plot, Qt::LeftButton, {}, from.toPoint());
    }

    void formatsWithoutAChoiceHaveNoHandles()
    {
        Fixture f("q4_0");
        QVERIFY(f.plot().clip().handles().empty());
        QVERIFY(f.plot().hasData());
    }

    void clickingAMarkAdoptsItsMethod()
    {
        Fixture f("int4,group=128");
        QSignalSpy edits(&f.page, &WeightsPage::schemeEdited);
        const auto study = f.data.clipStudy(f.scheme);
        for (size_t i = 0; i < study->marks.size(); ++i) {
            edits.clear();
            QTest::mouseClick(&f.plot(), Qt::LeftButton, {}, f.plot().markPixel(i).toPoint());
            QCOMPARE(edits.size(), 1);
            QCOMPARE(schemeAt(edits, 0).clip, study->marks[i].method);
            QCOMPARE(schemeAt(edits, 0).clipParameter, study->marks[i].parameter);
            QVERIFY(edits.first().at(1).toBool());
        }
        edits.clear();
        QTest::keyClick(&f.plot(), Qt::Key_3);
        QCOMPARE(schemeAt(edits, 0).clip, study->marks[2].method);
    }

    void arrowKeysMoveTheHandle()
    {
        Fixture f("int4,tensor");
        QSignalSpy edits(&f.page, &WeightsPage::schemeEdited);
        DistributionPlot& plot = f.plot();
        plot.setFocus();
        const double before = plot.clip().handles()[1];
        QTest::keyClick(&plot, Qt::Key_Left);
        QCOMPARE(edits.size(), 2);
        QVERIFY(!edits[0].at(1).toBool() && edits[1].at(1).toBool());
        QVERIFY(std::abs(schemeAt(edits, 1).clipParameter - 0.99 * before) < 6e-4 * before); // four digits
        QTest::keyClick(&plot, Qt::Key_Left, Qt::ShiftModifier);
        QVERIFY(std::abs(schemeAt(edits, 3).clipParameter - 0.988 * before) < 9e-4 * before);
        QVERIFY(schemeAt(edits, 3).clipParameter < schemeAt(edits, 1).clipParameter);
    }

    void tabVisitsBothHandlesOfAnAsymmetricGrid()
    {
        Fixture f("int4,tensor,asym");
        QSignalSpy edits(&f.page, &WeightsPage::schemeEdited);
        DistributionPlot& plot = f.plot();
        plot.setFocus();
        QTest::keyClick(&plot, Qt::Key_Backtab, Qt::ShiftModifier); // from the upper to the lower handle
        const std::vector<double> before = plot.clip().handles();
        QTest::keyClick(&plot, Qt::Key_Right);
        QVERIFY(plot.clip().handles()[0] > before[0]);
        QVERIFY(!edits.isEmpty());
    }

    void scaleUnitsShowOneExactGrid()
    {
        Fixture f("int4,group=128");
        DistributionPlot& plot = f.plot();
        plot.setXMode(DistributionPlot::XMode::ScaleUnits);
        f.settle();
        QVERIFY(plot.xRange().contains(-7) && plot.xRange().contains(7) && plot.xRange().hi < 12);
        const PlotTable table = plot.table();
        QVERIFY(table.header[0].contains("w/s"));
        QCOMPARE(table.rows[table.rows.size() / 2][4], QString("0"));
        // The densities of the visible columns are shares of all values.
        double share = 0;
        for (const QStringList& row : table.rows)
            share += row[3].toDouble() * (row[1].toDouble() - row[0].toDouble());
        QVERIFY(std::abs(share - 1) < 1e-9);
    }

    void wheelZoomsAtThePointerAndDoubleClickResets()
    {
        Fixture f("int4,group=128");
        DistributionPlot& plot = f.plot();
        const PlotRange home = plot.xRange();
        const QPointF at = plot.toPixel(0.02, 5);
        f.wheel(plot, at, 3);
        QVERIFY(plot.isZoomed());
        QVERIFY(std::abs(plot.xRange().span() - home.span() / std::pow(1.2, 3)) < 1e-9);
        QVERIFY(std::abs(plot.toPixel(0.02, 5).x() - at.x()) < 0.5);
        f.drag(plot, plot.plotArea().center() + QPoint(3, 60), plot.plotArea().center() + QPoint(53, 60));
        QVERIFY(plot.toPixel(0.02, 5).x() > at.x() + 45);
        QTest::mouseDClick(&plot, Qt::LeftButton, {}, plot.plotArea().center());
        QCOMPARE(plot.xRange(), home);
        QVERIFY(!plot.isZoomed());
    }

    void boxZoomsWithShiftAndWithTheRightButton_data()
    {
        QTest::addColumn<int>("button");
        QTest::addColumn<int>("modifiers");
        QTest::newRow("shift") << int(Qt::LeftButton) << int(Qt::ShiftModifier);
        QTest::newRow("right button") << int(Qt::RightButton) << 0;
    }
    void boxZoomsWithShiftAndWithTheRightButton()
    {
        QFETCH(int, button);
        QFETCH(int, modifiers);
        Fixture f("int4,group=128");
        DistributionPlot& plot = f.plot();
        const QPointF from = plot.toPixel(-0.03, 12), to = plot.toPixel(0.01, 3);
        f.drag(plot, from, to, Qt::MouseButton(button), Qt::KeyboardModifiers(modifiers));
        QVERIFY(std::abs(plot.xRange().lo + 0.03) < 0.001 && std::abs(plot.xRange().hi - 0.01) < 0.001);
        QVERIFY(std::abs(plot.yRange().lo - 3) < 0.3 && std::abs(plot.yRange().hi - 12) < 0.3);
    }

    void brushingTellsTheRange()
    {
        Fixture f("int4,group=128");
        DistributionPlot& plot = f.plot();
        QSignalSpy brushed(&f.page, &WeightsPage::rangeBrushed);
        f.drag(plot, plot.toPixel(0.06, 3), plot.toPixel(0.02, 3), Qt::LeftButton, Qt::ControlModifier);
        QCOMPARE(brushed.size(), 1);
        QVERIFY(std::abs(brushed[0][0].toDouble() - 0.02) < 0.001 && std::abs(brushed[0][1].toDouble() - 0.06) < 0.001);
        QTest::mouseClick(&plot, Qt::LeftButton, Qt::ControlModifier, plot.plotArea().center());
        QVERIFY(brushed[1][0].toDouble() > brushed[1][1].toDouble());
        f.drag(plot, plot.toPixel(0.06, 3), plot.toPixel(0.02, 3), Qt::LeftButton, Qt::ControlModifier);
        f.page.setSubject("another tensor", {}, f.scheme);
        QCOMPARE(brushed.size(), 4); // the range meant values that are gone
        QVERIFY(brushed[3][0].toDouble() > brushed[3][1].toDouble());
    }

    void previewIsMarkedAndAxesStay()
    {
        Fixture f("int4,group=128");
        DistributionPlot& plot = f.plot();
        const QImage exact = plot.grab().toImage();
        const PlotRange x = plot.xRange(), y = plot.yRange();
        f.page.setQuantization(f.data.quantization(f.scheme, true));
        f.settle();
        QVERIFY(plot.grab().toImage() != exact);
        QCOMPARE(plot.xRange(), x);
        QCOMPARE(plot.yRange(), y);
        f.page.setQuantization(f.data.quantization(f.scheme));
        f.settle();
        QVERIFY(plot.grab().toImage() == exact);
    }

    void formatsAdoptByClickAndKey()
    {
        Fixture f("int4,group=128");
        f.page.setSecondPlot(SecondPlot::Formats);
        const auto study = f.data.formatStudy();
        f.page.setFormatStudy(study);
        f.settle();
        auto& formats = *f.page.findChild<FormatsPlot*>();
        QSignalSpy edits(&f.page, &WeightsPage::schemeEdited);
        QTest::mouseClick(&formats, Qt::LeftButton, {}, formats.pointPixel(3).toPoint());
        QCOMPARE(edits.size(), 1);
        QVERIFY(edits[0].at(1).toBool());
        const auto distance = [&](const Scheme& scheme) {
            for (size_t i = 0; i < study->points.size(); ++i) {
                if (study->points[i].scheme == scheme)
                    return QLineF(formats.pointPixel(i), formats.pointPixel(3)).length();
            }
            return 1e9;
        };
        QVERIFY(distance(schemeAt(edits, 0)) < 2); // another point may lie on the same pixel
        formats.setFocus();
        QTest::keyClick(&formats, Qt::Key_Right);
        QTest::keyClick(&formats, Qt::Key_Return);
        const auto smallest = std::min_element(study->points.begin(), study->points.end(), [](auto& a, auto& b) {
            return a.bitsPerWeight < b.bitsPerWeight;
        });
        QCOMPARE(schemeAt(edits, 1), smallest->scheme);
    }

    void sweepMarksAdopt()
    {
        Fixture f("int4,channel");
        auto& sweep = *f.page.findChild<ClipSweepPlot*>();
        QSignalSpy edits(&f.page, &WeightsPage::schemeEdited);
        QTest::mouseClick(&sweep, Qt::LeftButton, {}, sweep.markPixel(0).toPoint());
        QCOMPARE(schemeAt(edits, 0).clip, ClipMethod::MinMax);
        QCOMPARE(int(sweep.table().rows.size()), int(f.data.clipStudy(f.scheme)->sweep.mse.size()));
    }

    void channelsSortAndPick()
    {
        Fixture f("int4,group=128");
        f.page.setSecondPlot(SecondPlot::Channels);
        const auto study = f.data.channelStudy(f.scheme);
        f.page.setChannelStudy(study);
        f.settle();
        auto& plot = *f.page.findChild<ChannelsPlot*>();
        QSignalSpy picked(&f.page, &WeightsPage::channelPicked);
        QTest::mouseClick(&plot, Qt::LeftButton, {}, plot.toPixel(17, plot.yRange().centre()).toPoint());
        QCOMPARE(picked[0][0].toLongLong(), 17);
        plot.setSorted(true);
        f.settle();
        const auto& all = study->channels.absMax;
        QTest::mouseClick(&plot, Qt::LeftButton, {}, plot.toPixel(0, plot.yRange().centre()).toPoint());
        QCOMPARE(picked[1][0].toLongLong(), std::max_element(all.begin(), all.end()) - all.begin());
    }

    void secondPlotIsAnnouncedAndRestored()
    {
        Fixture f("int4,group=128");
        QSignalSpy changed(&f.page, &WeightsPage::secondPlotChanged);
        f.page.setSecondPlot(SecondPlot::Occupancy);
        f.page.setSecondPlot(SecondPlot::Occupancy);
        QCOMPARE(changed.size(), 1);
        f.plot().setLogarithmic(true);
        const QByteArray state = f.page.saveState();
        WeightsPage other;
        other.restoreState(state);
        QCOMPARE(other.secondPlot(), SecondPlot::Occupancy);
        other.restoreState("rubbish");
        QCOMPARE(other.secondPlot(), SecondPlot::Occupancy);
    }

    void occupancyAddsUp()
    {
        Fixture f("nf4");
        f.page.setSecondPlot(SecondPlot::Occupancy);
        const PlotTable table = f.page.findChild<OccupancyPlot*>()->table();
        QCOMPARE(int(table.rows.size()), 16);
        double share = 0;
        for (const QStringList& row : table.rows)
            share += row[3].toDouble();
        QVERIFY(std::abs(share - 100) < 1e-9);
    }

    void picturesAndTablesAreWritten()
    {
        Fixture f("int4,group=128");
        DistributionPlot& plot = f.plot();
        QTemporaryDir folder;
        QVERIFY(plot.savePicture(folder.filePath("a.png")).ok());
        QVERIFY(plot.savePicture(folder.filePath("a.svg")).ok());
        QVERIFY(plot.saveCsv(folder.filePath("a.csv")).ok());
        const QImage image(folder.filePath("a.png"));
        QCOMPARE(image.width(), 2 * plot.width());
        QFile svg(folder.filePath("a.svg"));
        QVERIFY(svg.open(QIODevice::ReadOnly));
        QXmlStreamReader xml(&svg);
        QString texts;
        while (!xml.atEnd()) {
            if (xml.readNext() == QXmlStreamReader::Characters)
                texts += xml.text();
        }
        QVERIFY2(!xml.hasError(), qPrintable(xml.errorString()));
        QVERIFY(texts.contains("Weight value") && texts.contains("model · tensor"));
        QFile csv(folder.filePath("a.csv"));
        QVERIFY(csv.open(QIODevice::ReadOnly));
        const QList<QByteArray> lines = csv.readAll().split('\n');
        QVERIFY(lines[0].startsWith("# model"));
        QCOMPARE(lines[1].split(',').size(), lines[2].split(',').size());
        QVERIFY(lines.size() > 100);
        const Status refused = plot.savePicture("/no such folder/a.png");
        QVERIFY(!refused.ok());
        QVERIFY(refused.error().text().find("a.png") != std::string::npos);
        QCOMPARE(plot.savePicture(folder.filePath("a.bmp")).error().code, ErrorCode::InvalidArgument);
    }

    void dataIsShownAsATableAndCopied()
    {
        Fixture f("int4,group=128");
        f.plot().copyData();
        QVERIFY(QApplication::clipboard()->text().contains("density"));
        f.plot().showTable();
        const auto* view = f.plot().findChild<QDialog*>()->findChild<QTableView*>();
        QCOMPARE(view->model()->rowCount(), int(f.plot().table().rows.size()));
        QVERIFY(f.plot().accessibleDescription().contains("standard deviation"));
    }

    void everyPlotSaysWhatWillAppear()
    {
        WeightsPage page;
        page.setSubject("m", "", parsed("int4"));
        for (const PlotView* view : page.findChildren<PlotView*>()) {
            QVERIFY(!view->hasData());
            QVERIFY2(view->accessibleDescription().size() > 20, qPrintable(view->accessibleName()));
        }
        page.setFailure("tensor cannot be decoded");
        page.show();
        bool said = false;
        for (const QLabel* label : page.findChildren<QLabel*>())
            said |= label->isVisible() && label->text().contains("cannot be decoded");
        QVERIFY(said);
    }

    void survivesOddTensors_data()
    {
        QTest::addColumn<double>("value");
        QTest::newRow("all zero") << 0.0;
        QTest::newRow("constant") << 0.25;
        QTest::newRow("constant, negative") << -3.0;
    }
    void survivesOddTensors()
    {
        QFETCH(double, value);
        Fixture f("int4,group=128");
        auto distribution = std::make_shared<Distribution>();
        const std::vector<float> values(256, float(value));
        distribution->stats = computeStats(values.data(), 256);
        distribution->histogram.lo = distribution->histogram.hi = value;
        distribution->histogram.counts = std::vector<uint64_t>(kHistogramBins);
        distribution->histogram.counts[0] = 256;
        auto quantization = std::make_shared<Quantization>();
        quantization->provenance.scheme = f.scheme;
        quantization->codebook = codebookFor(f.scheme);
        quantization->metrics.occupancy.resize(quantization->codebook.levels.size());
        f.page.setSubject("m", "", f.scheme);
        f.page.setDistribution(distribution);
        f.page.setQuantization(quantization);
        for (const auto mode : {DistributionPlot::XMode::ScaleUnits, DistributionPlot::XMode::Values}) {
            f.plot().setXMode(mode);
            f.settle();
            QVERIFY(std::isfinite(f.plot().xRange().span()) && f.plot().xRange().span() > 0);
            QVERIFY(std::isfinite(f.plot().yRange().span()) && f.plot().yRange().span() > 0);
        }
    }

    void switchingTheThemeRepaints()
    {
        Fixture f("nf4");
        const QColor light = f.plot().grab().toImage().pixelColor(5, 5);
        theme::apply(*qApp, ThemeMode::Dark);
        f.settle();
        QVERIFY(f.plot().grab().toImage().pixelColor(5, 5).lightness() < light.lightness() - 100);
        theme::apply(*qApp, ThemeMode::Light);
    }
};

QTEST_MAIN(TestWeightsPage)
#include "tst_weightspage.moc"
