// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ModelPage, its heat map and its stacks: what is coloured how, what a click selects, what is unknown, sums of bytes.
#include "tests/support/patience.h"
#include "tests/widgets/testmodel.h"
#include "widgets/models/layersmodel.h"
#include "widgets/panels/modelpage.h"
#include "widgets/plots/heatmap.h"
#include "widgets/plots/sizeplot.h"
#include "widgets/theme.h"

#include <QComboBox>
#include <QPushButton>
#include <QSignalSpy>
#include <QTest>

using namespace ql;
using namespace ql::test;

namespace {

HeatMap::Matrix sample(bool highIsBad, bool logarithmic)
{
    HeatMap::Matrix matrix;
    matrix.measure = "error";
    matrix.rowTitle = "Layer";
    matrix.columns = QStringList{"q", "k"};
    matrix.rows = 2;
    matrix.cells = {{true, 1.0, {}}, {true, 10.0, {}}, {true, {}, {}}, {false, {}, {}}};
    matrix.highIsBad = highIsBad;
    matrix.logarithmic = logarithmic;
    return matrix;
}

struct Fixture {
    LayersModel layers;
    ModelPage page{&layers};
    HeatMap* map = page.findChild<HeatMap*>();

    Fixture()
    {
        layers.setModel(llamaModel(3));
        layers.setDecisions(decisionsFor(*layers.model()));
        page.resize(600, 640);
        page.show();
    }
};

} // namespace

class TestModelPage : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void theBrightEndIsTheBadOne_data()
    {
        QTest::addColumn<bool>("highIsBad");
        QTest::newRow("errors") << true;
        QTest::newRow("signal to noise") << false;
    }
    void theBrightEndIsTheBadOne()
    {
        QFETCH(bool, highIsBad);
        HeatMap map;
        map.setMatrix(sample(highIsBad, false));
        QCOMPARE(map.colourOf(10), theme::magnitude(highIsBad ? 1 : 0));
        QCOMPARE(map.colourOf(1), theme::magnitude(highIsBad ? 0 : 1));
        QCOMPARE(map.colourOf(5.5), theme::magnitude(0.5));
    }

    void decadesAreSpreadByTheirLogarithm()
    {
        HeatMap map;
        map.setMatrix(sample(true, true));
        QCOMPARE(map.colourOf(std::sqrt(10.0)), theme::magnitude(0.5));
        QCOMPARE(map.colourOf(0), theme::magnitude(0)); // no logarithm: the good end
    }

    void cellsArePickedByMouseAndKeyboardAndHolesAreSkipped()
    {
        HeatMap map;
        map.resize(500, 300);
        map.setMatrix(sample(true, false));
        map.show();
        QVERIFY(QTest::qWaitForWindowExposed(&map));
        QSignalSpy picked(&map, &HeatMap::cellPicked);
        QTest::mouseClick(&map, Qt::LeftButton, {}, map.toPixel(1, 0).toPoint());
        QCOMPARE(picked.takeFirst(), QVariantList({0, 1}));
        QTest::mouseClick(&map, Qt::LeftButton, {}, map.toPixel(1, 1).toPoint()); // nothing exists there
        QTest::keyClick(&map, Qt::Key_Down);
        QVERIFY(picked.isEmpty());
        QTest::keyClick(&map, Qt::Key_Left);
        QTest::keyClick(&map, Qt::Key_Down);
        QCOMPARE(picked.size(), 2);
        QCOMPARE(picked.last(), QVariantList({1, 0}));
    }

    void unknownCellsAreInTheTableWithoutANumber()
    {
        HeatMap map;
        map.setMatrix(sample(true, false));
        QCOMPARE(int(map.table().rows.size()), 3); // the hole is no cell
        QCOMPARE(map.table().rows[0], QStringList({"0", "q", "1"}));
        QCOMPARE(map.table().rows[2], QStringList({"1", "q", ""}));
        QVERIFY2(map.summary().contains("worst is Layer 0 k"), qPrintable(map.summary()));
    }

    void theMapShowsWhatTheTableKnows()
    {
        Fixture f;
        QVERIFY(!f.map->hasData()); // nothing measured
        f.layers.setMetrics(2, metricsOf(12)); // block 0, q_proj
        f.layers.setMetrics(2 + kBlockTensors, metricsOf(30));
        QL_TRY_VERIFY(f.map->hasData());
        QCOMPARE(f.map->colourRange().lo, 12.0);
        QCOMPARE(f.map->colourRange().hi, 30.0);
        QCOMPARE(int(f.map->table().rows.size()), 3 * 7);
        f.page.setMeasure(ModelPage::Measure::Bits);
        QVERIFY(f.map->hasData());
        f.layers.setModel(nullptr);
        QVERIFY(!f.map->hasData());
    }

    void aClickSelectsTheTensor()
    {
        Fixture f;
        f.page.setMeasure(ModelPage::Measure::Bits);
        QVERIFY(QTest::qWaitForWindowExposed(&f.page));
        QSignalSpy picked(&f.page, &ModelPage::tensorPicked);
        QTest::qWait(20);
        QTest::mouseClick(f.map, Qt::LeftButton, {}, f.map->toPixel(2, 1).toPoint());
        QCOMPARE(picked.size(), 1);
        const auto& tensor = f.layers.model()->tensors()[size_t(picked[0][0].toInt())];
        QCOMPARE(tensor.name, std::string("model.layers.1.self_attn.v_proj.weight"));
    }

    void measuresThatNeedARunOfferIt()
    {
        Fixture f;
        QPushButton* get = f.page.findChild<QPushButton*>();
        QVERIFY(!get->isVisible());
        QSignalSpy calibrate(&f.page, &ModelPage::calibrateRequested), attribute(&f.page, &ModelPage::attributionRequested);
        f.page.setMeasure(ModelPage::Measure::OutputError);
        QVERIFY(get->isVisible());
        get->click();
        f.page.setMeasure(ModelPage::Measure::Kl);
        get->click();
        QCOMPARE(calibrate.size(), 1);
        QCOMPARE(attribute.size(), 1);
        f.page.setCannotRun("family mamba is not supported");
        QVERIFY(!get->isEnabled());
        QCOMPARE(get->toolTip(), QString("family mamba is not supported"));
        f.layers.setKl(2, 0.01);
        QL_TRY_VERIFY(!get->isVisible());
    }

    void theUnitOfDivergencesFollowsTheirSize()
    {
        Fixture f;
        const auto* measure = f.page.findChild<QComboBox*>();
        f.page.setMeasure(ModelPage::Measure::Kl);
        QCOMPARE(measure->currentText(), QString("KL (nats)"));
        f.layers.setKl(2, 0.01);
        QL_TRY_COMPARE(measure->currentText(), QString("KL (10⁻³ nats)"));
        f.layers.setKl(2, 1.5);
        QL_TRY_COMPARE(measure->currentText(), QString("KL (nats)"));
    }

    void stacksHoldEveryByte()
    {
        Fixture f;
        const auto* sizes = f.page.findChild<SizePlot*>();
        double before = 0, after = 0;
        for (const QStringList& row : sizes->table().rows)
            (row[0] == "in the file" ? before : after) += row[4].toDouble();
        QCOMPARE(before, double(f.layers.totals().sourceBytes));
        QCOMPARE(after, double(f.layers.totals().storedBytes));
        QVERIFY(sizes->summary().contains("INT4"));
    }
};

QTEST_MAIN(TestModelPage)
#include "tst_modelpage.moc"
