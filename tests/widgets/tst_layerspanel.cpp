// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// LayersPanel by mouse and keys: selection, filter, grouping, columns, visible rows, state.
#include "tests/support/patience.h"
#include "tests/widgets/testmodel.h"
#include "widgets/delegates/layersdelegate.h"
#include "widgets/models/layersmodel.h"
#include "widgets/panels/layerspanel.h"
#include "widgets/theme.h"

#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QMenu>
#include <QScrollBar>
#include <QSignalSpy>
#include <QTest>
#include <QToolButton>
#include <QTreeView>

using namespace ql;
using namespace ql::test;

namespace {

struct Fixture {
    LayersModel layers;
    LayersPanel panel{&layers};
    QTreeView* view = panel.findChild<QTreeView*>();
    QLineEdit* line = panel.findChild<QLineEdit*>();

    explicit Fixture(int blocks = 3)
    {
        layers.setModel(llamaModel(blocks));
        layers.setDecisions(decisionsFor(*layers.model()));
        panel.resize(330, 500);
        panel.show();
    }
    /// View row of a path such as {1} or {1, 3}.
    QModelIndex row(int top, int child = -1) const
    {
        const QModelIndex group = view->model()->index(top, 0);
        return child < 0 ? group : view->model()->index(child, 0, group);
    }
    void click(const QModelIndex& index, Qt::KeyboardModifiers modifiers = {})
    {
        QTest::mouseClick(view->viewport(), Qt::LeftButton, modifiers, view->visualRect(index).center());
    }
    QString status() const
    {
        for (const QLabel* label : panel.findChildren<QLabel*>()) {
            if (label->accessibleName() == "What the filter shows")
                return label->text();
        }
        return {};
    }
    QMenu* grouping() const
    {
        for (const QToolButton* button : panel.findChildren<QToolButton*>()) {
            if (button->text().startsWith("By ") || button->text().startsWith("Not "))
                return button->menu();
        }
        return nullptr;
    }
};

double luminance(const QColor& c)
{
    const auto linear = [](double v) { return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4); };
    return 0.2126 * linear(c.redF()) + 0.7152 * linear(c.greenF()) + 0.0722 * linear(c.blueF());
}

double contrast(const QColor& a, const QColor& b)
{
    const double la = luminance(a), lb = luminance(b);
    return (std::max(la, lb) + 0.05) / (std::min(la, lb) + 0.05);
}

} // namespace

class TestLayersPanel : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void clicksSelectAndBlocksMeanAllTheyHold()
    {
        Fixture f;
        f.view->expandAll();
        QSignalSpy spy(&f.panel, &LayersPanel::selectionChanged);
        f.click(f.row(1, 1));
        QCOMPARE(f.panel.selectedTensors(), QList<int>({2}));
        QCOMPARE(f.panel.currentTensor(), 2);
        QCOMPARE(spy.last()[0].value<QList<int>>(), QList<int>({2}));
        f.click(f.row(1, 3), Qt::ControlModifier);
        QCOMPARE(f.panel.selectedTensors(), QList<int>({2, 4}));
        f.click(f.row(1, 5), Qt::ShiftModifier);
        QCOMPARE(f.panel.selectedTensors().last(), 6);
        f.click(f.row(2));
        QCOMPARE(f.panel.selectedTensors(), QList<int>({10, 11, 12, 13, 14, 15, 16, 17, 18}));
        QCOMPARE(f.panel.currentTensor(), 10);
        QCOMPARE(spy.last()[1].toInt(), 10);
        f.click(f.row(2, 4), Qt::ControlModifier); // inside the block that is selected already
        QCOMPARE(f.panel.selectedTensors().size(), 9);
    }

    void aFilterThatIsClearedLeavesBlocksAndSelectionAsTheyWere()
    {
        Fixture f;
        f.view->collapse(f.row(2));
        f.click(f.row(1, 1));
        for (const auto& [text, count] : {std::pair("role:v_proj", "3 of"), std::pair("nothing-has-this-name", "0 of")}) {
            f.line->setText(text);
            QL_TRY_VERIFY(f.status().startsWith(count));
        }
        QVERIFY(f.panel.selectedTensors().isEmpty());
        QTest::keyClick(f.line, Qt::Key_Escape);
        QVERIFY(f.view->isExpanded(f.row(1)));
        QVERIFY(!f.view->isExpanded(f.row(2)));
        QVERIFY(f.view->isExpanded(f.row(3)));
        QCOMPARE(f.panel.selectedTensors(), QList<int>({2}));
        QCOMPARE(f.panel.currentTensor(), 2);
    }

    void keysWalkAndOpenBlocks()
    {
        Fixture f;
        QVERIFY(f.view->isExpanded(f.row(1))); // small models show all their tensors
        f.view->collapseAll();
        f.view->setFocus();
        QTest::keyClick(f.view, Qt::Key_Down);
        QTest::keyClick(f.view, Qt::Key_Down);
        QTest::keyClick(f.view, Qt::Key_Return);
        QVERIFY(f.view->isExpanded(f.row(1)));
        QTest::keyClick(f.view, Qt::Key_Down);
        QCOMPARE(f.panel.currentTensor(), 1);
        QTest::keyClick(f.view, Qt::Key_Left);
        QTest::keyClick(f.view, Qt::Key_Left);
        QVERIFY(!f.view->isExpanded(f.row(1)));
    }

    void typingFiltersAndEscapeClears()
    {
        Fixture f;
        f.panel.focusFilter();
        QTest::keyClicks(f.line, "role:v_proj layer:1-");
        QL_TRY_COMPARE(f.status(), QString("2 of 30 tensors"));
        QVERIFY(f.view->isExpanded(f.row(0)));
        QTest::keyClick(f.line, Qt::Key_Return);
        QVERIFY(f.view->hasFocus());
        QTest::keyClick(f.line, Qt::Key_Escape);
        QCOMPARE(f.status(), QString("30 tensors"));
        QTest::keyClicks(f.line, "/(/");
        QL_TRY_VERIFY(f.status().contains("not valid"));
        QCOMPARE(f.view->model()->rowCount(), 6); // an invalid term filters nothing
        f.line->clear();
        QTest::keyClicks(f.line, "nothing-is-called-this");
        QL_TRY_COMPARE(f.view->model()->rowCount(), 0);
    }

    void filteringKeepsTheSelection()
    {
        Fixture f;
        f.panel.selectTensor(4);
        QSignalSpy spy(&f.panel, &LayersPanel::selectionChanged);
        f.line->setText("v_proj");
        QL_TRY_COMPARE(f.status(), QString("3 of 30 tensors"));
        QCOMPARE(f.panel.selectedTensors(), QList<int>({4}));
        f.line->clear();
        QL_TRY_COMPARE(f.status(), QString("30 tensors"));
        QCOMPARE(f.panel.selectedTensors(), QList<int>({4}));
        QCOMPARE(f.panel.currentTensor(), 4);
    }

    void askingForAHiddenTensorDropsTheFilter()
    {
        Fixture f;
        f.line->setText("role:q_proj");
        QL_TRY_COMPARE(f.status(), QString("3 of 30 tensors"));
        f.panel.selectTensor(4);
        QCOMPARE(f.line->text(), QString());
        QCOMPARE(f.panel.selectedTensors(), QList<int>({4}));
    }

    void groupingKeepsTheSelection()
    {
        Fixture f;
        f.panel.selectTensor(4);
        QVERIFY(f.grouping());
        f.grouping()->actions()[1]->trigger();
        QCOMPARE(f.layers.grouping(), LayersModel::Grouping::Role);
        QCOMPARE(f.panel.selectedTensors(), QList<int>({4}));
        QCOMPARE(f.panel.currentTensor(), 4);
        f.layers.setModel(llamaModel(2)); // another model: nothing is selected
        QCOMPARE(f.panel.selectedTensors(), QList<int>());
        QCOMPARE(f.panel.currentTensor(), -1);
    }

    void visibleTensorsAreAnnouncedTopToBottom()
    {
        Fixture f(40);
        f.grouping()->actions()[2]->trigger();
        QSignalSpy spy(&f.panel, &LayersPanel::visibleTensorsChanged);
        QL_TRY_VERIFY(!spy.isEmpty());
        QList<int> visible = spy.last()[0].value<QList<int>>();
        QCOMPARE(visible.first(), 0);
        QVERIFY(visible.size() > 5 && visible.size() < 40);
        spy.clear();
        for (int value = 100; value <= 2000; value += 100)
            f.view->verticalScrollBar()->setValue(value);
        QL_TRY_VERIFY(!spy.isEmpty());
        QTest::qWait(150);
        QCOMPARE(spy.size(), 1); // many steps, one announcement
        visible = spy.last()[0].value<QList<int>>();
        QVERIFY(visible.first() > 5);
        QVERIFY(std::is_sorted(visible.begin(), visible.end()));
    }

    void headerClicksSortAndComeBack()
    {
        Fixture f;
        f.layers.setGrouping(LayersModel::Grouping::None);
        f.layers.setMetrics(4, metricsOf(9));
        f.layers.setMetrics(5, metricsOf(4));
        QHeaderView* header = f.view->header();
        const auto clickHeader = [&](int column) {
            QTest::mouseClick(header->viewport(), Qt::LeftButton, {},
                              QPoint(header->sectionViewportPosition(column) + 8, header->height() / 2));
        };
        clickHeader(LayersModel::SqnrColumn);
        QCOMPARE(f.row(0).data(LayersModel::TensorIndexRole).toInt(), 5);
        clickHeader(LayersModel::SqnrColumn);
        QCOMPARE(f.row(0).data(LayersModel::TensorIndexRole).toInt(), 4);
        clickHeader(LayersModel::SqnrColumn); // a third click: the model's own order
        QCOMPARE(f.row(0).data(LayersModel::TensorIndexRole).toInt(), 0);
    }

    void columnsAreChosenInAMenuAndStateComesBack()
    {
        Fixture f;
        QToolButton* columns = nullptr;
        for (QToolButton* button : f.panel.findChildren<QToolButton*>())
            columns = button->accessibleName() == "Columns" ? button : columns;
        QVERIFY(columns);
        Q_EMIT columns->menu()->aboutToShow();
        for (QAction* action : columns->menu()->actions()) {
            if (action->text() == "Kurtosis")
                action->trigger();
        }
        QVERIFY(f.view->header()->isSectionHidden(LayersModel::KurtosisColumn));
        f.view->header()->moveSection(f.view->header()->visualIndex(LayersModel::SizeColumn), 1);
        f.grouping()->actions()[1]->trigger();
        f.line->setText("proj");
        QL_TRY_VERIFY(f.status().contains("of"));
        const QByteArray state = f.panel.saveState();

        Fixture other;
        other.panel.restoreState(state);
        QVERIFY(other.view->header()->isSectionHidden(LayersModel::KurtosisColumn));
        QCOMPARE(other.view->header()->visualIndex(LayersModel::SizeColumn), 1);
        QCOMPARE(other.layers.grouping(), LayersModel::Grouping::Role);
        QCOMPARE(other.line->text(), QString("proj"));
    }

    void damagedStateIsLeftAlone_data()
    {
        QTest::addColumn<QByteArray>("state");
        LayersModel layers;
        const QByteArray good = LayersPanel(&layers).saveState();
        QTest::newRow("empty") << QByteArray();
        QTest::newRow("noise") << QByteArray("not a state at all");
        QTest::newRow("cut short") << good.left(good.size() / 2);
        QByteArray other = good;
        other[0] = 'x';
        QTest::newRow("of another kind") << other;
    }
    void damagedStateIsLeftAlone()
    {
        QFETCH(QByteArray, state);
        Fixture f;
        f.panel.restoreState(state);
        QCOMPARE(f.layers.grouping(), LayersModel::Grouping::Block);
        QVERIFY(!f.view->header()->isSectionHidden(LayersModel::NameColumn));
    }

    void theEmptyPanelSaysWhatWillAppear()
    {
        LayersModel layers;
        LayersPanel panel(&layers);
        panel.resize(330, 400);
        panel.show();
        bool told = false;
        for (const QLabel* label : panel.findChildren<QLabel*>())
            told = told || (label->isVisible() && label->text().contains("appear here"));
        QVERIFY(told);
    }

    void numbersStayReadableOnEveryTint_data()
    {
        QTest::addColumn<int>("mode");
        QTest::newRow("light") << int(ThemeMode::Light);
        QTest::newRow("dark") << int(ThemeMode::Dark);
    }
    void numbersStayReadableOnEveryTint()
    {
        QFETCH(int, mode);
        theme::apply(*qApp, ThemeMode(mode));
        const QPalette palette = QApplication::palette();
        double before = -1;
        for (double badness = 0; badness <= 1.0; badness += 0.125) {
            const QColor tint = LayersDelegate::tint(palette.color(QPalette::Base), badness);
            QVERIFY2(contrast(tint, palette.color(QPalette::Text)) >= 4.5, qPrintable(tint.name()));
            const double step = contrast(tint, palette.color(QPalette::Base));
            QVERIFY(step >= before); // lightness alone tells more from less
            before = step;
        }
        QVERIFY(before > 1.4);
    }

    void hundredThousandRowsStayUsable()
    {
        Fixture f(11112);
        f.grouping()->actions()[2]->trigger();
        QCOMPARE(f.view->model()->rowCount(), 100011);
        f.panel.selectTensor(90000);
        QCOMPARE(f.panel.currentTensor(), 90000);
        QSignalSpy spy(&f.panel, &LayersPanel::visibleTensorsChanged);
        QL_TRY_VERIFY(!spy.isEmpty());
        QVERIFY(spy.last()[0].value<QList<int>>().contains(90000));
        f.line->setText("layer:5000 role:v_proj");
        QL_TRY_COMPARE(f.status(), QString("1 of 100,011 tensors"));
        f.line->clear();
        f.grouping()->actions()[0]->trigger();
        f.view->expandAll(); // every row is open: layout changes and streaming results must not take quadratic time
        f.line->setText("role:v_proj");
        QL_TRY_COMPARE(f.status(), QString("11,112 of 100,011 tensors"));
        for (int tensor = 0; tensor < 100011; tensor += 2)
            f.layers.setMetrics(tensor, metricsOf(20));
        QTest::qWait(100);
        f.line->clear();
        QL_TRY_COMPARE(f.status(), QString("100,011 tensors"));
    }
};

QTEST_MAIN(TestLayersPanel)
#include "tst_layerspanel.moc"
