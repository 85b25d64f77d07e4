// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The map page, driven by mouse, wheel and keyboard.
#include "tests/support/patience.h"
#include "tests/support/sampleanalyses.h"
#include "widgets/panels/groupmodel.h"
#include "widgets/panels/mappage.h"
#include "widgets/plots/mapview.h"
#include "widgets/theme.h"

#include <QAbstractItemModelTester>
#include <QApplication>
#include <QLabel>
#include <QPlainTextEdit>
#include <QScrollBar>
#include <QSignalSpy>
#include <QTableView>
#include <QTemporaryDir>
#include <QTest>
#include <QToolButton>
#include <QWheelEvent>

using namespace ql;

namespace {

struct Fixture {
    Fixture()
        : data(64, 512)
        , scheme(Scheme::parse("int4,group=128").value())
    {
        page.resize(700, 620);
        page.setSubject("model · tensor", data.rows(), data.cols(), scheme);
        page.setMap(data.tileMap(scheme, {}, MapView::kMaxTiles), {});
        page.show();
        QTest::qWait(20);
    }
    MapView& map() { return *page.findChild<MapView*>(); }

    testing::SampleAnalyses data;
    Scheme scheme;
    MapPage page;
};

} // namespace

class TestMapPage : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void initTestCase()
    {
        qRegisterMetaType<MapRegion>("ql::MapRegion");
        theme::apply(*qApp, ThemeMode::Light);
    }

    void clickPicksTheGroupUnderThePointer()
    {
        Fixture f;
        QSignalSpy picked(&f.page, &MapPage::groupPicked);
        QTest::mouseClick(&f.map(), Qt::LeftButton, {}, f.map().toPixel(300.5, 17.5).toPoint());
        QCOMPARE(picked[0][0].toLongLong(), 17);
        QVERIFY(std::abs(picked[0][1].toLongLong() - 300) <= 1);
    }

    void inspectorFitsBesideTheDocksOfASmallWindow()
    {
        Fixture f;
        f.page.resize(575, 620);
        f.page.setGroup(f.data.groupDetail(f.scheme, 17, 300));
        QTest::qWait(20);
        auto* table = f.page.findChild<QTableView*>();
        QVERIFY(table->isVisible());
        QCOMPARE(table->horizontalScrollBar()->maximum(), 0);
        QCOMPARE(f.page.findChild<QPlainTextEdit*>()->horizontalScrollBar()->maximum(), 0);
    }

    void inspectorShowsEveryValueAndTheBytes()
    {
        Fixture f;
        const auto group = f.data.groupDetail(f.scheme, 17, 300);
        f.page.setGroup(group);
        const QAbstractItemModel* model = f.page.findChild<QTableView*>()->model();
        QCOMPARE(model->rowCount(), 128);
        QCOMPARE(model->index(0, GroupModel::Position).data().toString(), QString("256"));
        const auto number = [&](int row, int column) {
            return model->index(row, column).data().toString().replace(QChar(0x2212), '-').toDouble();
        };
        for (int i = 0; i < 128; ++i) {
            QVERIFY(std::abs(number(i, GroupModel::Weight) - group->values[size_t(i)]) <= 0.006 * std::abs(group->values[size_t(i)]));
            QCOMPARE(int(number(i, GroupModel::Code)), group->codes[size_t(i)]);
        }
        const QString bytes = f.page.findChild<QPlainTextEdit*>()->toPlainText();
        QStringList cells;
        for (const QString& line : bytes.split('\n'))
            cells << line.mid(4).split(' ', Qt::SkipEmptyParts);
        QCOMPARE(cells.size(), 64);
        QCOMPARE(cells[5].toInt(nullptr, 16), int(group->packed[5]));
    }

    void groupModelKeepsItsPromises()
    {
        Fixture f;
        GroupModel model;
        QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        model.setGroup(f.data.groupDetail(f.scheme, 3, 0));
        QCOMPARE(model.rowCount(), 128);
        model.setGroup({});
        QCOMPARE(model.rowCount(), 0);
    }

    void zoomAsksForFinerTilesDownToSingleValues()
    {
        Fixture f;
        QSignalSpy asked(&f.page, &MapPage::regionRequested);
        const QPointF at = f.map().toPixel(200, 30);
        for (int i = 0; i < 20; ++i) {
            QWheelEvent event(at, f.map().mapToGlobal(at), QPoint(), QPoint(0, 120), Qt::NoButton, Qt::NoModifier,
                              Qt::NoScrollPhase, false);
            QApplication::sendEvent(&f.map(), &event);
        }
        QL_TRY_COMPARE(asked.size(), 1); // one request once the view rests, not one per notch
        const auto region = asked[0][0].value<MapRegion>();
        QVERIFY(region.firstRow <= 30 && region.firstRow + region.rows > 30 && region.rows < 8);
        QVERIFY(region.firstCol <= 200 && region.firstCol + region.cols > 200 && region.firstCol % 128 == 0);
        const auto fine = f.data.tileMap(f.scheme, region, MapView::kMaxTiles);
        QCOMPARE(fine->rowsPerTile * fine->colsPerTile, 1);
        f.page.setMap(fine, region);
        const PlotTable table = f.map().table();
        QVERIFY(!table.rows.empty());
        for (const QStringList& row : table.rows) {
            const float w = f.data.weights()[size_t(row[0].toInt() * 512 + row[1].toInt())];
            QVERIFY(std::abs(row[4].toDouble() - std::abs(w)) < 1e-7);
        }
        QTest::mouseDClick(&f.map(), Qt::LeftButton, {}, f.map().plotArea().center());
        QCOMPARE(f.map().xRange(), (PlotRange{0, 512}));
        QCOMPARE(f.map().yRange(), (PlotRange{0, 64}));
    }

    void zoomNeverLeavesTheMatrix()
    {
        Fixture f;
        for (int i = 0; i < 10; ++i) {
            QTest::keyClick(&f.map(), i < 5 ? Qt::Key_Plus : Qt::Key_Minus);
            QVERIFY(f.map().xRange().lo >= 0 && f.map().xRange().hi <= 512);
            QVERIFY(f.map().yRange().lo >= 0 && f.map().yRange().hi <= 64);
        }
    }

    void arrowsMoveThePick()
    {
        Fixture f;
        f.page.setGroup(f.data.groupDetail(f.scheme, 17, 300));
        QSignalSpy picked(&f.page, &MapPage::groupPicked);
        QTest::keyClick(&f.map(), Qt::Key_Down);
        QTest::keyClick(&f.map(), Qt::Key_Left);
        QCOMPARE(picked[0], (QVariantList{18, 256}));
        QCOMPARE(picked[1], (QVariantList{17, 128}));
        f.page.setGroup(f.data.groupDetail(f.scheme, 0, 0));
        QTest::keyClick(&f.map(), Qt::Key_Up);
        QCOMPARE(picked.size(), 2);
    }

    void measuresColourTheTiles()
    {
        Fixture f;
        QSet<QRgb> centres;
        for (const char* name : {"Magnitude", "Signed", "Scale", "Error", "Relative error"}) {
            for (QToolButton* button : f.page.findChildren<QToolButton*>()) {
                if (button->text() == name)
                    button->click();
            }
            QTest::qWait(10);
            QVERIFY(f.map().colourRange().span() > 0);
            QVERIFY(name != QString("Signed") || f.map().colourRange().lo == -f.map().colourRange().hi);
            centres.insert(f.map().grab().toImage().pixel(f.map().toPixel(300, 20.5).toPoint()));
        }
        QVERIFY(centres.size() >= 3);
    }

    void brushDimsTilesWithoutSuchValues()
    {
        Fixture f;
        const auto tiles = f.data.tileMap(f.scheme, {}, MapView::kMaxTiles);
        const auto colourAt = [&](size_t tile) {
            const auto row = int64_t(tile) / tiles->tileCols, col = int64_t(tile) % tiles->tileCols;
            const QPointF at = f.map().toPixel((double(col) + 0.5) * double(tiles->colsPerTile), double(row) + 0.5);
            return f.map().grab().toImage().pixelColor(at.toPoint());
        };
        const auto top = size_t(std::max_element(tiles->highest.begin(), tiles->highest.end()) - tiles->highest.begin());
        const auto low = size_t(std::min_element(tiles->highest.begin(), tiles->highest.end()) - tiles->highest.begin());
        const QColor topBefore = colourAt(top), lowBefore = colourAt(low);
        f.page.setBrush(tiles->highest[top] * 0.99, 10);
        QTest::qWait(10);
        QCOMPARE(colourAt(top), topBefore);
        QVERIFY(colourAt(low).lightness() > lowBefore.lightness() + 40);
        f.page.setBrush(1, 0);
        QTest::qWait(10);
        QCOMPARE(colourAt(low), lowBefore);
    }

    void channelButtonNamesTheRow()
    {
        Fixture f;
        QSignalSpy channel(&f.page, &MapPage::channelPicked);
        f.page.setGroup(f.data.groupDetail(f.scheme, 9, 0));
        for (QToolButton* button : f.page.findChildren<QToolButton*>()) {
            if (button->text().contains("distribution"))
                button->click();
        }
        QCOMPARE(channel.size(), 1);
        QCOMPARE(channel[0][0].toLongLong(), 9);
    }

    void picturesAndFailures()
    {
        Fixture f;
        QTemporaryDir folder;
        QVERIFY(f.map().savePicture(folder.filePath("map.png")).ok());
        QVERIFY(f.map().saveCsv(folder.filePath("map.csv")).ok());
        QVERIFY(!QImage(folder.filePath("map.png")).isNull());
        QCOMPARE(int(f.map().table().rows.size()), 64 * 512);
        f.page.setFailure("cannot be decoded");
        bool said = false;
        for (const QLabel* label : f.page.findChildren<QLabel*>())
            said |= label->isVisible() && label->text().contains("cannot be decoded");
        QVERIFY(said);
    }
};

QTEST_MAIN(TestMapPage)
#include "tst_mappage.moc"
