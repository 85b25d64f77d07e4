// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The Activations page, driven by mouse and keyboard.
#include "tests/support/samplestudies.h"
#include "widgets/models/rangemarksmodel.h"
#include "widgets/panels/activationspage.h"
#include "widgets/panels/elidedlabel.h"
#include "widgets/panels/formatcombo.h"
#include "widgets/panels/numberstable.h"
#include "widgets/panels/segmentedchoice.h"
#include "widgets/plots/barsplot.h"
#include "widgets/plots/distributionplot.h"
#include "widgets/plots/errorplot.h"
#include "widgets/plots/rangesplot.h"

#include <QAbstractItemModelTester>
#include <QApplication>
#include <QClipboard>
#include <QDoubleSpinBox>
#include <QLabel>
#include <QMouseEvent>
#include <QPushButton>
#include <QSignalSpy>
#include <QTest>
#include <QToolButton>

#include <cmath>

using namespace ql;
using testing::SampleStudies;

namespace {

using Per = ActivationScheme::Granularity;
using Range = ActivationScheme::Range;
using MaybeScheme = std::optional<ActivationScheme>;

MaybeScheme parsed(const char* text)
{
    if (!*text)
        return {};
    const auto scheme = ActivationScheme::parse(text);
    Q_ASSERT(scheme.ok());
    return *scheme;
}

const SampleStudies& data()
{
    static const SampleStudies studies(64, 96, {17, 80});
    return studies;
}

/// A shown page of one scheme with its study in place.
struct Fixture {
    explicit Fixture(const char* text)
        : scheme(parsed(text))
    {
        page.resize(592, 715);
        page.setCalibrationState(CalibrationState::Ready);
        page.setSubject("model · tensor", scheme);
        page.setStudy(data().study(page.studyScheme()));
        page.show();
        QTest::qWait(20);
    }
    DistributionPlot& plot() { return *page.findChild<DistributionPlot*>(); }
    SegmentedChoice& choice(const char* name)
    {
        for (auto* one : page.findChildren<SegmentedChoice*>()) {
            if (one->accessibleName() == QLatin1String(name))
                return *one;
        }
        qFatal("no choice %s", name);
    }
    QAbstractButton& option(const char* name, const char* text)
    {
        for (auto* button : choice(name).findChildren<QAbstractButton*>()) {
            if (button->text() == QLatin1String(text))
                return *button;
        }
        qFatal("no option %s", text);
    }
    static void move(QWidget& widget, QPointF to)
    {
        QMouseEvent event(QEvent::MouseMove, to.toPoint(), widget.mapToGlobal(to.toPoint()), Qt::NoButton, Qt::LeftButton,
                          Qt::NoModifier);
        QApplication::sendEvent(&widget, &event);
    }
    void drag(QPointF from, QPointF to)
    {
        QTest::mousePress(&plot(), Qt::LeftButton, {}, from.toPoint());
        move(plot(), (from + to) / 2);
        move(plot(), to);
        QTest::mouseRelease(&plot(), Qt::LeftButton, {}, to.toPoint());
    }

    MaybeScheme scheme;
    ActivationsPage page;
};

MaybeScheme schemeAt(const QSignalSpy& spy, int index)
{
    return spy.at(index).at(0).value<MaybeScheme>();
}

bool shows(const QWidget& page, const QString& text)
{
    for (const QLabel* label : page.findChildren<QLabel*>()) {
        if (label->isVisible() && label->text().contains(text))
            return true;
    }
    return false;
}

} // namespace

class TestActivationsPage : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { theme::apply(*qApp, ThemeMode::Light); }

    void draggingAHandleSetsLimits_data()
    {
        QTest::addColumn<QByteArray>("scheme");
        QTest::addColumn<int>("handle");
        QTest::newRow("symmetric, upper") << QByteArray("int8,tensor") << 1;
        QTest::newRow("symmetric, lower") << QByteArray("int4,tensor,clip=mse") << 0;
        QTest::newRow("codebook") << QByteArray("nf4,tensor") << 1;
        QTest::newRow("asymmetric, upper") << QByteArray("int8,tensor,asym") << 1;
        QTest::newRow("asymmetric, lower") << QByteArray("int8,tensor,asym") << 0;
    }
    void draggingAHandleSetsLimits()
    {
        QFETCH(QByteArray, scheme);
        QFETCH(int, handle);
        Fixture f(scheme);
        QSignalSpy edits(&f.page, &ActivationsPage::schemeEdited);
        DistributionPlot& plot = f.plot();
        const std::vector<double> before = plot.clip().handles();
        const double target = handle ? 20 : -20;
        f.drag(plot.handlePixel(size_t(handle)), QPointF(plot.toPixel(target, 1).x(), plot.handlePixel(size_t(handle)).y()));
        QCOMPARE(f.page.width(), 592); // as narrow as the smallest window leaves it, with every control in sight
        QVERIFY(edits.size() >= 2);
        QVERIFY(!edits.first().at(1).toBool() && edits.last().at(1).toBool());
        const MaybeScheme last = schemeAt(edits, int(edits.size()) - 1);
        QVERIFY(last && last->check().ok());
        QCOMPARE(last->range, Range::Absolute);
        QCOMPARE(last->granularity, Per::Tensor);
        QCOMPARE(f.page.scheme(), last);
        const double pixel = std::abs(plot.toValue({1, 0}).x() - plot.toValue({0, 0}).x());
        const bool symmetric = last->symmetry == Symmetry::Symmetric;
        const double moved = handle || symmetric ? last->rangeParameter : -last->rangeLow;
        QVERIFY2(std::abs(moved - 20) < 1.5 * pixel, qPrintable(QString::number(moved)));
        if (symmetric)
            QCOMPARE(last->rangeLow, 0.0);
        else // the other limit stays where it was
            QVERIFY(std::abs((handle ? last->rangeLow : last->rangeParameter) - before[handle ? 0 : 1]) < 0.01);
        const std::vector<double> after = plot.clip().handles();
        QVERIFY(std::abs(after[size_t(handle)] - (handle ? moved : -moved)) < 1e-9);
        f.page.setStudy(data().study(*last)); // the result changes nothing about where the handles stand
        QCOMPARE(plot.clip().handles(), after);
    }

    void aHandleAtTheEndMeansMinMax()
    {
        Fixture f("int8,tensor,clip=abs:20");
        QSignalSpy edits(&f.page, &ActivationsPage::schemeEdited);
        DistributionPlot& plot = f.plot();
        f.drag(plot.handlePixel(1), QPointF(plot.plotArea().right(), plot.handlePixel(1).y()));
        QCOMPARE(schemeAt(edits, int(edits.size()) - 1), parsed("int8,tensor"));
    }

    void escapeGivesUpADrag()
    {
        Fixture f("int8,tensor,clip=abs:20");
        QSignalSpy edits(&f.page, &ActivationsPage::schemeEdited);
        DistributionPlot& plot = f.plot();
        const QPointF from = plot.handlePixel(1);
        QTest::mousePress(&plot, Qt::LeftButton, {}, from.toPoint());
        f.move(plot, from + QPointF(40, 0));
        QTest::keyClick(&plot, Qt::Key_Escape);
        QVERIFY(edits.last().at(1).toBool());
        QCOMPARE(schemeAt(edits, int(edits.size()) - 1), f.scheme);
        QTest::mouseRelease(&plot, Qt::LeftButton, {}, from.toPoint());
    }

    void arrowKeysMoveAHandle()
    {
        Fixture f("int8,tensor,clip=abs:20");
        QSignalSpy edits(&f.page, &ActivationsPage::schemeEdited);
        f.plot().setFocus();
        QTest::keyClick(&f.plot(), Qt::Key_Left);
        QCOMPARE(edits.size(), 2);
        QVERIFY(edits[1].at(1).toBool());
        QCOMPARE(schemeAt(edits, 1)->rangeParameter, 19.8);
    }

    void marksAdopt()
    {
        Fixture f("int8,tensor");
        QSignalSpy edits(&f.page, &ActivationsPage::schemeEdited);
        const auto study = data().study(*f.scheme);
        for (size_t i = 0; i < study->marks.size(); ++i) {
            QTest::mouseClick(&f.plot(), Qt::LeftButton, {}, f.plot().markPixel(i).toPoint());
            QCOMPARE(edits.size(), int(i) + 1);
            QCOMPARE(schemeAt(edits, int(i))->range, study->marks[i].range);
            QCOMPARE(schemeAt(edits, int(i))->rangeParameter, study->marks[i].parameter);
            // The handle goes there at once, before any new study.
            QVERIFY(std::abs(f.plot().clip().handles()[1] - double(study->marks[i].limits.hi)) < 1e-6);
        }
        QTest::keyClick(&f.plot(), Qt::Key_2);
        QCOMPARE(schemeAt(edits, int(edits.size()) - 1)->range, study->marks[1].range);
    }

    void theTableAdoptsForDynamicSchemesToo()
    {
        Fixture f("int8,token");
        QVERIFY(f.plot().clip().handles().empty());
        f.page.setSecondPlot(ActivationPlot::Ranges);
        QSignalSpy edits(&f.page, &ActivationsPage::schemeEdited);
        auto& table = *f.page.findChild<NumbersTable*>();
        QCOMPARE(table.model()->rowCount(), 5);
        table.setCurrentIndex(table.model()->index(2, 0));
        QTest::keyClick(&table, Qt::Key_Return);
        QCOMPARE(schemeAt(edits, 0), parsed("int8,tensor,clip=percentile:99.9"));
        QVERIFY(table.model()->index(2, 0).data().toString().startsWith(QStringLiteral("●")));
        QTest::keyClick(&table, Qt::Key_C, Qt::ControlModifier);
        QCOMPARE(QApplication::clipboard()->text().count('\n'), 6);
    }

    void limitsOfSymmetricGridsAreSymmetric()
    {
        Fixture f("int8,tensor");
        auto lopsided = std::make_shared<ActivationStudy>(*data().study(*f.scheme));
        for (RangeMark& mark : lopsided->marks)
            mark.limits = {-1, 4};
        f.page.setStudy(lopsided);
        f.page.setScheme(parsed("int8,tensor,clip=mse"));
        QCOMPARE(f.page.findChild<RangeMarksModel*>()->index(0, RangeMarksModel::Limits).data().toString(),
                 QStringLiteral("± 4.00"));
        QCOMPARE(f.plot().clip().handles(), (std::vector<double>{-4, 4}));
    }

    void marksModelHolds()
    {
        RangeMarksModel model;
        QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        const auto study = data().study(*parsed("int8,tensor"));
        model.setMarks(study->marks);
        model.setScheme(study->scheme);
        model.setMarks(study->marks);
        model.setMarks({});
        QCOMPARE(model.rowCount(), 0);
    }

    void controlsEditTheScheme()
    {
        Fixture f("int8,token");
        QSignalSpy edits(&f.page, &ActivationsPage::schemeEdited);
        const auto expect = [&](const char* text) {
            QVERIFY(!edits.isEmpty());
            QCOMPARE(schemeAt(edits, int(edits.size()) - 1), parsed(text));
            QVERIFY(edits.last().at(1).toBool());
        };
        f.option("Symmetry", "Asymmetric").click();
        expect("int8,token,asym");
        f.option("Scale per", "Tensor").click();
        expect("int8,tensor,asym");
        f.option("Scale per", "Group").click();
        expect("int8,group=128,asym");
        f.option("Symmetry", "Symmetric").click();
        f.option("Codes", "Full").click();
        expect("int8,group=128,range=full");
        auto& format = *f.page.findChild<FormatCombo*>();
        const auto choose = [&](int index) {
            format.setCurrentIndex(index);
            Q_EMIT format.activated(index);
        };
        choose(format.findText("NF4"));
        expect("nf4,group=128");
        choose(0);
        expect("");
        QVERIFY(!f.page.scheme());
        QCOMPARE(f.page.studyScheme(), *parsed("nf4,group=128")); // the histogram goes on under the last one
        QVERIFY(f.plot().hasData());
        choose(format.findText("INT4"));
        expect("int4,group=128");
    }

    void percentilesSettleWhenTheyStandStill()
    {
        Fixture f("int8,tensor,clip=percentile:99.9");
        QSignalSpy edits(&f.page, &ActivationsPage::schemeEdited);
        for (auto* box : f.page.findChildren<QDoubleSpinBox*>()) {
            if (box->isVisible())
                box->setValue(99);
        }
        QCOMPARE(edits.size(), 1);
        QVERIFY(!edits[0].at(1).toBool());
        QVERIFY(QTest::qWaitFor([&] { return edits.size() == 2; }, 2000));
        QVERIFY(edits[1].at(1).toBool());
        QCOMPARE(schemeAt(edits, 1), parsed("int8,tensor,clip=percentile:99"));
    }

    void whatMakesNoSenseIsDisabledAndSaysWhy()
    {
        Fixture f("nf4,token");
        const auto disabled = [&](const char* name, const char* text) {
            const QAbstractButton& button = f.option(name, text);
            return !button.isEnabled() && button.toolTip().size() > 15;
        };
        QVERIFY(disabled("Symmetry", "Asymmetric"));
        QVERIFY(disabled("Codes", "Full"));
        QVERIFY(f.option("Scale per", "Tensor").isEnabled());
        f.page.setCalibrationState(CalibrationState::Missing);
        QVERIFY(disabled("Scale per", "Tensor") && disabled("Scale per", "Channel"));
        QVERIFY(f.option("Scale per", "Token").isEnabled());
        f.page.setScheme({});
        QVERIFY(disabled("Scale per", "Token") && disabled("Symmetry", "Symmetric"));
    }

    void sourceIsAlwaysStated()
    {
        Fixture f("int8,token");
        auto& source = *f.page.findChild<ElidedLabel*>();
        QVERIFY(source.isVisible());
        QCOMPARE(source.text(), QString("loupe-3m, calibration.txt, 64 tokens"));
        auto partial = std::make_shared<ActivationStudy>(*data().study(*f.scheme));
        partial->tokens = 32768;
        partial->source.partial = true;
        partial->source.text = "calibration.txt (SHA-256 0123)"; // the digest is for files
        f.page.setStudy(partial);
        QVERIFY2(source.text().contains("32,768 tokens") && source.text().contains("partial"), qPrintable(source.text()));
        QVERIFY(!source.text().contains("SHA"));
        QVERIFY(f.plot().caption().contains("32,768") && f.plot().caption().contains("int8"));
    }

    void channelsNameTheirOutliers()
    {
        Fixture f("int8,token");
        f.page.setSecondPlot(ActivationPlot::Channels);
        auto& channels = *f.page.findChild<BarsPlot*>();
        QCOMPARE(channels.bars().marked.size(), size_t(2));
        QVERIFY(channels.summary().contains("2"));
        for (QToolButton* button : f.page.findChildren<QToolButton*>()) {
            if (button->text() == "Sort")
                button->click();
        }
        const std::vector<float> largest = data().study(*f.scheme)->channelAbsMax;
        const auto top = std::max_element(largest.begin(), largest.end()) - largest.begin();
        QCOMPARE(channels.table().rows[0][0], QString::number(top));
    }

    void secondMomentsShowChannelsAndSaySo()
    {
        Fixture f("int8,token");
        f.page.setStudy(data().secondMoments(*f.scheme));
        f.page.setSecondPlot(ActivationPlot::Channels);
        QTest::qWait(20);
        auto& channels = *f.page.findChild<BarsPlot*>();
        QVERIFY(channels.hasData() && !f.plot().hasData());
        QCOMPARE(channels.table().header[1], QString("Root mean square"));
        QVERIFY(f.plot().accessibleDescription().contains("no histogram"));
        QVERIFY(!f.option("Scale per", "Tensor").isEnabled());
        QVERIFY(f.page.findChild<ElidedLabel*>()->text().contains("importance matrix"));
        for (const ActivationPlot plot : {ActivationPlot::Ranges, ActivationPlot::Tokens, ActivationPlot::Error}) {
            f.page.setSecondPlot(plot);
            QTest::qWait(5);
        }
        QVERIFY(f.page.findChild<RangesPlot*>()->accessibleDescription().contains("second moments"));
        QVERIFY(f.page.findChild<ErrorPlot*>()->accessibleDescription().contains("second moments"));
    }

    void oddInputsAreSurvived_data()
    {
        QTest::addColumn<int>("channels");
        QTest::newRow("nothing finite") << 0;
        QTest::newRow("one channel") << 1;
        QTest::newRow("100,000 channels") << 100000;
    }
    void oddInputsAreSurvived()
    {
        QFETCH(int, channels);
        Fixture f("int8,tensor");
        if (channels == 0)
            f.page.setStudy(SampleStudies::nothingFinite(*f.scheme, 100, 8));
        else
            f.page.setStudy(SampleStudies(channels == 1 ? 50 : 2, channels).study(*f.scheme));
        for (int plot = 0; plot <= int(ActivationPlot::Occupancy); ++plot) {
            f.page.setSecondPlot(ActivationPlot(plot));
            QTest::qWait(10);
        }
        for (const PlotView* view : f.page.findChildren<PlotView*>()) {
            QVERIFY(std::isfinite(view->xRange().span()) && view->xRange().span() > 0);
            QVERIFY(std::isfinite(view->yRange().span()) && view->yRange().span() > 0);
        }
        if (channels == 0)
            QVERIFY(f.plot().accessibleDescription().contains("finite"));
        else
            QCOMPARE(int(f.page.findChild<BarsPlot*>()->table().rows.size()), channels);
    }

    void emptyStatesSayHow_data()
    {
        QTest::addColumn<int>("state");
        QTest::addColumn<QString>("says");
        QTest::addColumn<int>("buttons"); // enabled and visible
        QTest::newRow("no model") << int(CalibrationState::NoModel) << "Open a model" << 0;
        QTest::newRow("cannot run") << int(CalibrationState::CannotRun) << "mamba" << 1;
        QTest::newRow("missing") << int(CalibrationState::Missing) << "Calibrate to run" << 2;
        QTest::newRow("running") << int(CalibrationState::Running) << "mamba" << 0;
        QTest::newRow("a norm") << int(CalibrationState::NotAnInput) << "linear layers" << 0;
        QTest::newRow("not covered") << int(CalibrationState::NotCovered) << "mamba" << 2;
    }
    void emptyStatesSayHow()
    {
        QFETCH(int, state);
        QFETCH(QString, says);
        QFETCH(int, buttons);
        Fixture f("int8,token");
        QSignalSpy calibrate(&f.page, &ActivationsPage::calibrateWanted), import(&f.page, &ActivationsPage::importWanted);
        f.page.setCalibrationState(CalibrationState(state), "family mamba");
        QTest::qWait(10);
        QVERIFY(shows(f.page, says));
        int clickable = 0;
        for (QPushButton* button : f.page.findChildren<QPushButton*>()) {
            if (button->isVisible() && button->isEnabled()) {
                button->click();
                ++clickable;
            }
        }
        QCOMPARE(clickable, buttons);
        QCOMPARE(int(calibrate.size() + import.size()), buttons);
    }

    void anotherGridIsNeverShownWithTheOldCodes()
    {
        Fixture f("int8,tensor");
        const QStringList before = f.plot().table().rows[f.plot().table().rows.size() / 2];
        QVERIFY(!before[4].isEmpty());
        f.page.setScheme(parsed("int4,tensor"));
        QVERIFY(f.plot().table().rows[0][4].isEmpty());
        f.page.setStudy(data().study(*parsed("int8,tensor"))); // late: of the old scheme
        QVERIFY(f.plot().table().rows[0][4].isEmpty());
        f.page.setStudy(data().study(*parsed("int4,tensor")));
        QVERIFY(!f.plot().table().rows[0][4].isEmpty());
    }

    void stateIsRestored()
    {
        Fixture f("int8,token");
        f.page.setSecondPlot(ActivationPlot::Tokens);
        const QByteArray state = f.page.saveState();
        ActivationsPage other;
        other.restoreState(state);
        QCOMPARE(other.secondPlot(), ActivationPlot::Tokens);
        other.restoreState("rubbish");
        QCOMPARE(other.secondPlot(), ActivationPlot::Tokens);
    }
};

QTEST_MAIN(TestActivationsPage)
#include "tst_activationspage.moc"
