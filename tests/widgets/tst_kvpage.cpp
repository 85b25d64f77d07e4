// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The page of the KV cache, driven by mouse and keyboard.
#include "tests/support/samplestudies.h"
#include "widgets/models/kvlayersmodel.h"
#include "widgets/panels/elidedlabel.h"
#include "widgets/panels/formatcombo.h"
#include "widgets/panels/kvpage.h"
#include "widgets/panels/numberstable.h"
#include "widgets/panels/segmentedchoice.h"
#include "widgets/plots/barsplot.h"
#include "widgets/plots/distributionplot.h"
#include "widgets/plots/seriesplot.h"
#include "widgets/theme.h"

#include <QAbstractItemModelTester>
#include <QApplication>
#include <QLabel>
#include <QPushButton>
#include <QSignalSpy>
#include <QSpinBox>
#include <QTest>

#include <cmath>

using namespace ql;
using testing::sampleKvStudy;

namespace {

using MaybeScheme = std::optional<KvScheme>;
constexpr int kHeadDim = 16;

MaybeScheme parsed(const char* text)
{
    if (!*text)
        return {};
    const auto scheme = KvScheme::parse(text);
    Q_ASSERT(scheme.ok());
    return *scheme;
}

/// A shown page of four layers with their study in place; layer 2 is kept.
struct Fixture {
    explicit Fixture(const char* text = "int4")
        : schemes(4, parsed(text))
    {
        schemes[2].reset();
        page.resize(592, 715);
        page.setSubject("model", 4, kHeadDim);
        page.setSchemes(schemes);
        page.setStudy(sampleKvStudy(4, 2, kHeadDim, 200, schemes));
        page.show();
        QTest::qWait(20);
    }
    QAbstractButton& button(const char* text)
    {
        for (auto* one : page.findChildren<QAbstractButton*>()) {
            if (one->text() == QLatin1String(text))
                return *one;
        }
        qFatal("no button %s", text);
    }
    template <class T>
    T& named(const char* name)
    {
        for (auto* one : page.findChildren<T*>()) {
            if (one->accessibleName() == QLatin1String(name))
                return *one;
        }
        qFatal("no widget %s", name);
    }
    NumbersTable& table() { return *page.findChild<NumbersTable*>(); }
    QString cell(int layer, int column) { return table().model()->index(layer, column).data().toString(); }

    std::vector<MaybeScheme> schemes;
    KvPage page;
};

MaybeScheme schemeAt(const QSignalSpy& spy, int index)
{
    return spy.at(index).at(1).value<MaybeScheme>();
}

} // namespace

class TestKvPage : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { theme::apply(*qApp, ThemeMode::Light); }

    void controlsEditAllLayersOrOne_data()
    {
        QTest::addColumn<QString>("scope");
        QTest::addColumn<int>("layer");
        QTest::newRow("all layers") << "All layers" << -1;
        QTest::newRow("this layer") << "This layer" << 1;
    }
    void controlsEditAllLayersOrOne()
    {
        QFETCH(QString, scope);
        QFETCH(int, layer);
        Fixture f;
        QCOMPARE(f.page.width(), 592); // every control fits the smallest window
        f.page.setLayer(1);
        f.button(qPrintable(scope)).click();
        QSignalSpy edits(&f.page, &KvPage::schemeEdited);
        const auto expect = [&](const char* text) {
            QVERIFY(!edits.isEmpty());
            QCOMPARE(edits.last().at(0).toInt(), layer);
            QCOMPARE(schemeAt(edits, int(edits.size()) - 1), parsed(text));
        };
        f.button("Channel").click();
        expect("int4,keys=channel");
        f.button("Sym.").click();
        expect("int4,keys=channel,sym");
        const auto choose = [](FormatCombo& combo, int index) {
            combo.setCurrentIndex(index);
            Q_EMIT combo.activated(index);
        };
        auto& keys = f.named<FormatCombo>("Format of the keys");
        auto& values = f.named<FormatCombo>("Format of the values");
        choose(values, values.findText("INT8"));
        expect("int4,values=int8,keys=channel,sym");
        choose(values, values.findText("INT4"));
        choose(keys, keys.findText("NF4"));
        expect("nf4,keys=channel"); // the values' format went with the keys'
        QVERIFY(!f.button("Sym.").isEnabled() && f.button("Sym.").toolTip().contains("integers"));
        choose(keys, 0);
        expect("");
        QVERIFY(!f.button("Channel").isEnabled() && !f.button("Channel").toolTip().isEmpty());
    }

    void numbersArriveOnceTheyStandStill()
    {
        Fixture f;
        QSignalSpy edits(&f.page, &KvPage::schemeEdited);
        f.named<QSpinBox>("Recent tokens kept").setValue(64);
        f.named<QSpinBox>("Recent tokens kept").setValue(128);
        f.named<QSpinBox>("First tokens kept").setValue(4);
        f.named<QSpinBox>("Segment in tokens").setValue(16);
        QCOMPARE(edits.size(), 0);
        QVERIFY(QTest::qWaitFor([&] { return edits.size() == 1; }, 2000));
        QCOMPARE(schemeAt(edits, 0), parsed("int4,segment=16,recent=128,first=4"));
    }

    void tableTellsSchemesAndFigures()
    {
        Fixture f;
        QCOMPARE(f.table().model()->rowCount(), 4);
        QCOMPARE(f.cell(0, KvLayersModel::SchemeText), QString("int4"));
        QVERIFY(f.cell(0, KvLayersModel::OutputError).toDouble() > 0);
        QVERIFY(f.cell(3, KvLayersModel::OutputError).toDouble() > f.cell(0, KvLayersModel::OutputError).toDouble());
        QCOMPARE(f.cell(2, KvLayersModel::SchemeText), QString("kept"));
        QCOMPARE(f.cell(2, KvLayersModel::OutputError), QStringLiteral("–")); // never an invented zero
        QCOMPARE(f.cell(2, KvLayersModel::Bits), QString("16.0"));
        QVERIFY(f.cell(0, KvLayersModel::Bits).toDouble() > 4);
    }

    void figuresOfAnotherSchemeAreNotShown()
    {
        Fixture f;
        f.schemes[1] = parsed("int8");
        f.page.setSchemes(f.schemes);
        QCOMPARE(f.cell(1, KvLayersModel::KeySqnr), QStringLiteral("…"));
        QVERIFY(f.cell(0, KvLayersModel::KeySqnr).toDouble() > 0);
        QVERIFY(f.page.findChild<ElidedLabel*>()->text().contains("changed"));
        QCOMPARE(int(f.page.findChild<SeriesPlot*>()->table().header.size()), 3); // position, layers 0 and 3
        QVERIFY(f.named<DistributionPlot>("Distribution of the keys").hasData()); // which no scheme changes
    }

    void layersArePickedEverywhere()
    {
        Fixture f;
        QSignalSpy chosen(&f.page, &KvPage::layerChosen);
        f.table().setFocus();
        QTest::keyClick(&f.table(), Qt::Key_Down);
        QCOMPARE(f.page.layer(), 1);
        f.page.setLayer(3); // from elsewhere: nothing comes back
        QCOMPARE(chosen.size(), 1);
        QCOMPARE(f.table().currentIndex().row(), 3);
        f.page.setPlot(KvPlot::Position);
        QTest::qWait(20);
        auto& curves = *f.page.findChild<SeriesPlot*>();
        QTest::mouseClick(&curves, Qt::LeftButton, {}, curves.curvePixel(0, 100).toPoint());
        QCOMPARE(chosen.last()[0].toInt(), 0);
        QTest::mouseClick(&curves, Qt::LeftButton, {}, curves.curvePixel(2, 100).toPoint());
        QCOMPARE(chosen.last()[0].toInt(), 3); // the kept layer has no curve
        f.page.setLayer(77);
        QCOMPARE(f.page.layer(), 3);
    }

    void keyOutliersAreNamedByHead()
    {
        Fixture f;
        f.page.setPlot(KvPlot::KeyChannels);
        QTest::qWait(20);
        const auto& keys = f.named<BarsPlot>("Key channels");
        QCOMPARE(keys.bars().marked, (std::vector<qint64>{5, kHeadDim + 5}));
        QCOMPARE(keys.table().rows[kHeadDim + 5][0], QString("1:5"));
        QVERIFY(f.named<BarsPlot>("Value channels").bars().marked.empty());
    }

    void measuringIsAskedForAndAnnounced()
    {
        Fixture f;
        QSignalSpy wanted(&f.page, &KvPage::studyWanted);
        f.button("Measure").click();
        QCOMPARE(wanted.size(), 1);
        f.page.setBusy(true);
        QVERIFY(!f.button("Measure").isEnabled());
        QVERIFY(f.page.findChild<ElidedLabel*>()->text().contains("measuring"));
        f.page.setFailure("out of memory");
        QVERIFY(f.button("Measure").isEnabled());
    }

    void emptyPlotsSayHow()
    {
        KvPage page;
        page.setSubject("model", 3, kHeadDim);
        page.show();
        for (const PlotView* view : page.findChildren<PlotView*>()) {
            QVERIFY(!view->hasData());
            QVERIFY2(view->accessibleDescription().contains("Measure"), qPrintable(view->accessibleName()));
        }
        page.setStudy(sampleKvStudy(3, 1, kHeadDim, 20, {}));
        QVERIFY(page.findChild<SeriesPlot*>()->accessibleDescription().contains("keeps"));
        page.setSubject("model", 0, 0, "family mamba is not supported");
        bool said = false;
        for (const QLabel* label : page.findChildren<QLabel*>())
            said |= label->isVisible() && label->text().contains("mamba");
        QVERIFY(said);
    }

    void oddStudiesAreSurvived()
    {
        Fixture f;
        auto odd = std::make_shared<KvStudy>(*sampleKvStudy(4, 1, 1, 1, f.schemes));
        odd->layers[0].keyChannelAbsMax = {NAN};
        odd->layers[0].keys.reset();
        odd->layers[1].positionError = {NAN};
        odd->layers.resize(2);
        f.page.setStudy(odd);
        for (int plot = 0; plot <= int(KvPlot::Position); ++plot) {
            f.page.setPlot(KvPlot(plot));
            for (int layer = 0; layer < 4; ++layer) {
                f.page.setLayer(layer);
                QTest::qWait(5);
            }
        }
        for (const PlotView* view : f.page.findChildren<PlotView*>())
            QVERIFY(std::isfinite(view->yRange().span()) && view->yRange().span() > 0);
        f.page.setStudy(sampleKvStudy(4, 100, 1024, 2, f.schemes)); // 102,400 channels
        f.page.setPlot(KvPlot::KeyChannels);
        QTest::qWait(20);
        QCOMPARE(f.named<BarsPlot>("Key channels").bars().marked.size(), size_t(100));
    }

    void modelHolds()
    {
        KvLayersModel model;
        QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        const std::vector<MaybeScheme> schemes{parsed("int8"), {}, parsed("nf4")};
        model.setSchemes(schemes, kHeadDim);
        model.setStudy(sampleKvStudy(3, 1, kHeadDim, 4, schemes));
        QVERIFY(!model.isStale() && model.valid(0) && !model.valid(3) && !model.valid(-1));
        model.setSchemes({parsed("int4"), {}, parsed("nf4")}, kHeadDim);
        QVERIFY(model.isStale() && !model.valid(0) && model.valid(2));
        model.setSchemes({}, 0);
        model.setStudy({});
        QCOMPARE(model.rowCount(), 0);
    }

    void stateIsRestored()
    {
        Fixture f;
        f.page.setPlot(KvPlot::Position);
        f.button("Log x").click();
        const QByteArray state = f.page.saveState();
        KvPage other;
        other.restoreState(state);
        QCOMPARE(other.plot(), KvPlot::Position);
        other.restoreState("rubbish");
        QCOMPARE(other.plot(), KvPlot::Position);
    }
};

QTEST_MAIN(TestKvPage)
#include "tst_kvpage.moc"
