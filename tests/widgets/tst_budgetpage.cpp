// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The budget page and its parts on the measured bundled model: table, front, target, candidates, driven by mouse and keys.
#include "core/compute/cpubackend.h"
#include "core/quant/schemetable.h"
#include "core/search/candidates.h"
#include "widgets/models/budgetmodel.h"
#include "widgets/panels/budgetpage.h"
#include "widgets/panels/budgettarget.h"
#include "widgets/panels/candidatesform.h"
#include "widgets/panels/numberstable.h"
#include "widgets/plots/barsplot.h"
#include "widgets/theme.h"

#include <QAbstractItemModelTester>
#include <QAbstractButton>
#include <QComboBox>
#include <QDoubleSpinBox>
#include <QLabel>
#include <QSignalSpy>
#include <QSlider>
#include <QStandardItemModel>
#include <QTest>

#include <cmath>

using namespace ql;

namespace {

const char* const kQuery = "model.layers.0.self_attn.q_proj.weight";

struct Searched {
    std::shared_ptr<const Model> model = Model::open(QL_RESOURCES "/models/loupe-3m").value();
    Shared<CostTable> table;
    SearchWish wish;

    Searched()
    {
        auto pool = std::make_shared<ThreadPool>(2);
        CpuBackend backend(pool);
        SensitivityRequest request;
        request.model = model;
        request.policy.tensors[kQuery] = {Scheme::parse("int8,channel").value(), true, {}};
        wish.candidates = request.candidates = parseCandidates("int3,group=64;int4,group=64;int6,group=64").value();
        table = measureCosts(backend, request, *pool, {}).value();
    }
    Shared<BudgetSearch> search(bool share = false) const
    {
        return std::make_shared<const BudgetSearch>(BudgetSearch::create(model, {}, table, share).value());
    }
};

const Searched& searched()
{
    static const Searched once;
    return once;
}

Allocation middle(const BudgetSearch& search)
{
    return search.problem().solve((search.problem().smallestBytes() + search.problem().largestBytes()) / 2).value();
}

template <class T>
T* named(QWidget& page, const char* name)
{
    for (T* child : page.findChildren<T*>()) {
        if (child->accessibleName() == QLatin1String(name))
            return child;
    }
    return nullptr;
}

QAbstractButton* button(QWidget& page, const char* text)
{
    for (QAbstractButton* child : page.findChildren<QAbstractButton*>()) {
        if (child->text() == QLatin1String(text))
            return child;
    }
    return nullptr;
}

void show(QWidget& widget, QSize size)
{
    widget.resize(size);
    widget.show();
    QVERIFY(QTest::qWaitForWindowExposed(&widget));
    QTest::qWait(30);
}

double number(const QModelIndex& index)
{
    return index.data().toString().replace(QChar(0x2212), QLatin1Char('-')).toDouble();
}

} // namespace

class TestBudgetPage : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { theme::apply(*qApp, ThemeMode::Light); }

    void theTableTellsWhatWasChosen()
    {
        BudgetModel model;
        QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        const Shared<BudgetSearch> search = searched().search();
        model.setSearch(search);
        QCOMPARE(model.rowCount(), 28); // four blocks of seven; what stays as stored has no row
        QCOMPARE(model.index(0, BudgetModel::SchemeText).data().toString(), kPendingText);
        const Allocation found = middle(*search);
        model.setFound(found);
        double share = 0, bytes = 0;
        for (int row = 0; row < model.rowCount(); ++row) {
            share += model.index(row, BudgetModel::Share).data(BudgetModel::kSortRole).toDouble();
            bytes += model.index(row, BudgetModel::Size).data(BudgetModel::kSortRole).toDouble();
            const int tensor = model.tensorOf(row);
            QCOMPARE(model.rowOf(tensor), row);
            const TensorInfo& info = searched().model->tensors()[size_t(tensor)];
            const double bits = model.index(row, BudgetModel::Bits).data(BudgetModel::kSortRole).toDouble();
            QCOMPARE(bits * double(info.parameters()) / 8, model.index(row, BudgetModel::Size).data(BudgetModel::kSortRole).toDouble());
        }
        QVERIFY(std::abs(share - found.cost) < 1e-12);
        uint64_t kept = 0;
        for (const CostTable::Row& row : searched().table->rows)
            kept += row.asStored ? row.cells[0].bytes : 0;
        QCOMPARE(bytes + double(kept), double(found.bytes));
        model.setSearch({});
        QCOMPARE(model.rowCount(), 0);
    }

    void stepsAreThoseOfTheProblem()
    {
        BudgetModel model;
        const Shared<BudgetSearch> search = searched().search();
        model.setSearch(search);
        const Allocation found = middle(*search);
        model.setFound(found);
        const int locked = model.rowOf(searched().model->indexOf(kQuery));
        for (int row = 0; row < model.rowCount(); ++row) {
            const int tensor = model.tensorOf(row);
            int part = 0;
            while (search->parts()[size_t(part)].tensors.front() != tensor)
                ++part;
            const auto up = search->problem().stepUp(part, found.choice[size_t(part)]);
            const QModelIndex cell = model.index(row, BudgetModel::StepUp);
            QCOMPARE(cell.data().toString() == kNothingText, !up.has_value());
            const QString tip = cell.data(Qt::ToolTipRole).toString();
            if (up) {
                QVERIFY2(tip.contains(QString::fromStdString(search->schemeOf(part, up->candidate).text())), qPrintable(tip));
                QVERIFY2(tip.contains(numberText(-100 * up->cost / found.cost)), qPrintable(tip));
                QVERIFY(cell.data().toString().contains(QStringLiteral("+")));
            }
            if (row == locked)
                QVERIFY2(tip.contains("locked"), qPrintable(tip));
        }
        QVERIFY(model.bestStepText().contains("% of the error"));
        model.setFound(search->problem().solve(search->problem().largestBytes()).value());
        QCOMPARE(model.bestStepText(), QString());
    }

    void sumsByLayerAndRoleHoldEverything()
    {
        BudgetModel model;
        const Shared<BudgetSearch> search = searched().search(true);
        model.setSearch(search);
        QCOMPARE(model.rowCount(), 16); // qkv, out, gate and up, down
        const Allocation found = middle(*search);
        QVERIFY(model.sums(BudgetModel::By::Layer).empty());
        model.setFound(found);
        for (const auto by : {BudgetModel::By::Layer, BudgetModel::By::Role}) {
            double error = 0;
            for (const BudgetModel::Sum& sum : model.sums(by)) {
                error += sum.error;
                QVERIFY(sum.bits() > 3 && sum.bits() < 9);
            }
            QVERIFY(std::abs(error - found.cost) < 1e-12);
        }
        QCOMPARE(int(model.sums(BudgetModel::By::Layer).size()), 4);
        QCOMPARE(model.sums(BudgetModel::By::Role).front().name, QString("q_proj"));
    }

    void theBudgetIsDraggedAndPointsAreClicked()
    {
        const Shared<BudgetSearch> search = searched().search();
        const auto front = search->problem().front();
        FrontPlot plot;
        QVERIFY(!plot.hasData());
        plot.setFront({front.begin(), front.end()}, searched().model->parameters(), "Weight error", {});
        const auto half = (front.front().bytes + front.back().bytes) / 2;
        plot.setMarks({{"now", FrontPlot::Kind::Present, {half, 2 * front.front().cost}},
                       {"preset", FrontPlot::Kind::Preset, {front.front().bytes, 1.5 * front.front().cost}}});
        plot.setBudget(half);
        show(plot, {600, 320});
        QSignalSpy moved(&plot, &FrontPlot::budgetMoved), picked(&plot, &FrontPlot::markPicked);
        QTest::mouseClick(&plot, Qt::LeftButton, {}, plot.markPixel(1).toPoint());
        QCOMPARE(picked.takeFirst()[0].toInt(), 1);
        QVERIFY(moved.isEmpty());
        const QPoint from = plot.budgetPixel().toPoint(), to = from + QPoint(100, 0);
        QTest::mousePress(&plot, Qt::LeftButton, {}, from);
        QTest::mouseMove(&plot, to);
        QVERIFY(!moved.isEmpty() && !moved.last()[1].toBool());
        QTest::mouseRelease(&plot, Qt::LeftButton, {}, to);
        QVERIFY(moved.last()[1].toBool());
        QVERIFY(std::abs(plot.budgetPixel().x() - to.x()) < 1.5);
        QVERIFY(moved.last()[0].toULongLong() > half);
        QTest::mouseMove(&plot, from);
        QTest::mousePress(&plot, Qt::LeftButton, {}, to);
        QTest::mouseMove(&plot, {plot.width() + 500, to.y()});
        QCOMPARE(moved.last()[0].toULongLong(), front.back().bytes); // never beyond what helps
        QTest::keyClick(&plot, Qt::Key_Escape);
        QVERIFY(std::abs(plot.budgetPixel().x() - to.x()) < 1.5);
        QTest::mouseRelease(&plot, Qt::LeftButton, {}, from);
    }

    void theFrontIsUsedWithKeys()
    {
        const Shared<BudgetSearch> search = searched().search();
        const auto front = search->problem().front();
        FrontPlot plot;
        plot.setFront({front.begin(), front.end()}, searched().model->parameters(), "Weight error", {});
        plot.setMarks({{"large", FrontPlot::Kind::Preset, {front.back().bytes, 1}},
                       {"small", FrontPlot::Kind::Saved, {front.front().bytes, 1}}});
        plot.setBudget(front.front().bytes);
        show(plot, {600, 320});
        QSignalSpy moved(&plot, &FrontPlot::budgetMoved), picked(&plot, &FrontPlot::markPicked);
        QTest::keyClick(&plot, Qt::Key_Right);
        const auto step = moved.last()[0].toULongLong() - front.front().bytes;
        QVERIFY(step > 0 && step <= (front.back().bytes - front.front().bytes) / 99);
        QTest::keyClick(&plot, Qt::Key_Left);
        QTest::keyClick(&plot, Qt::Key_Left);
        QCOMPARE(moved.last()[0].toULongLong(), front.front().bytes);
        QTest::keyClick(&plot, Qt::Key_Return); // no point chosen
        QVERIFY(picked.isEmpty());
        QTest::keyClick(&plot, Qt::Key_Up);
        QTest::keyClick(&plot, Qt::Key_Return);
        QCOMPARE(picked.last()[0].toInt(), 1);
        QTest::keyClick(&plot, Qt::Key_Up);
        QTest::keyClick(&plot, Qt::Key_Return);
        QCOMPARE(picked.last()[0].toInt(), 0);
    }

    void theFrontAsATable()
    {
        const Shared<BudgetSearch> search = searched().search();
        const auto front = search->problem().front();
        FrontPlot plot;
        plot.setFront({front.begin(), front.end()}, searched().model->parameters(), "Weight error", "nats");
        plot.setMarks({{"now", FrontPlot::Kind::Present, {front.front().bytes, 7}}});
        show(plot, {600, 320});
        const PlotTable numbers = plot.table();
        QCOMPARE(numbers.rows.size(), front.size() + 1);
        QCOMPARE(numbers.rows[0], QStringList({"now", QString::number(front.front().bytes),
                                               exactText(8.0 * double(front.front().bytes) / double(searched().model->parameters())), "7"}));
        QCOMPARE(numbers.rows[1][3].toDouble(), front.front().cost);
        const PlotRange bits = plot.xRange();
        plot.setUnit(FrontPlot::Unit::Bytes);
        QVERIFY(plot.xRange().contains(double(front.back().bytes) / 1e6) || plot.xRange().contains(double(front.back().bytes) / 1e3));
        QVERIFY(!(plot.xRange() == bits));
        QCOMPARE(plot.table().rows.size(), numbers.rows.size());
        QVERIFY2(plot.summary().contains("now"), qPrintable(plot.summary()));
    }

    void sliderAndFieldsFollowEachOther()
    {
        BudgetTarget target;
        QVERIFY(!target.isEnabled());
        target.setRange(1'000'000, 3'000'000, 4'000'000); // 2 to 6 bits
        target.setBytes(2'000'000);
        show(target, {500, 40});
        auto* slider = target.findChild<QSlider*>();
        auto* bits = named<QDoubleSpinBox>(target, "Target in bits per weight");
        auto* size = named<QDoubleSpinBox>(target, "Target size");
        QCOMPARE(bits->value(), 4.0);
        QCOMPARE(size->value(), 2.0);
        QCOMPARE(size->suffix(), QString(" MB"));
        QCOMPARE(slider->value(), (slider->minimum() + slider->maximum()) / 2);
        QSignalSpy changed(&target, &BudgetTarget::changed);
        bits->setFocus();
        bits->selectAll();
        QTest::keyClicks(bits, "5");
        QTest::keyClick(bits, Qt::Key_Return);
        QCOMPARE(changed.size(), 1);
        QCOMPARE(target.bytes(), quint64(2'500'000));
        QCOMPARE(size->value(), 2.5);
        QTest::keyClick(slider, Qt::Key_Home);
        QCOMPARE(target.bytes(), quint64(1'000'000));
        QCOMPARE(bits->value(), 2.0);
        QTest::keyClick(slider, Qt::Key_End);
        QCOMPARE(size->value(), 3.0);
        target.clear();
        QVERIFY(!target.isEnabled());
        QCOMPARE(target.bytes(), quint64(0));
    }

    void candidatesAreCrossedAndWritten()
    {
        CandidatesForm form;
        show(form, {600, 220});
        QCOMPARE(*form.candidates(), defaultCandidates());
        for (const FormatTraits& row : schemeTable())
            form.setFormatChecked(row.format, row.format == Format::Int4 || row.format == Format::Q4_0);
        QTest::mouseClick(button(form, "32"), Qt::LeftButton);
        QTest::mouseClick(button(form, "64"), Qt::LeftButton);
        QTest::mouseClick(button(form, "min-max"), Qt::LeftButton);
        form.setOwnSchemes("int8,channel; int4,group=32");
        QStringList texts;
        const auto candidates = form.candidates();
        QVERIFY(candidates.ok());
        for (const Scheme& scheme : *candidates)
            texts << QString::fromStdString(scheme.text());
        QCOMPARE(texts, QStringList({"int4,group=32", "int4,group=64", "q4_0", "int8,channel"}));
        form.setOwnSchemes("int4;int99");
        QVERIFY(!form.candidates().ok());
        bool said = false;
        for (const QLabel* label : form.findChildren<QLabel*>())
            said |= label->text().contains("int99");
        QVERIFY(said);
        form.setOwnSchemes({});
        form.setNoOutputClip("needs a calibration");
        QVERIFY(!button(form, "output error")->isEnabled());
        for (const FormatTraits& row : schemeTable())
            form.setFormatChecked(row.format, false);
        QCOMPARE(form.candidates().error().code, ErrorCode::EmptySelection);
        QTest::mouseClick(button(form, "Defaults"), Qt::LeftButton);
        QCOMPARE(*form.candidates(), defaultCandidates());
    }

    void thePageLeadsFromMeasuringToAdopting()
    {
        BudgetPage page;
        show(page, {600, 660});
        QVERIFY(!button(page, "Measure")->isEnabled()); // no model
        page.setModel(true, "loupe-3m");
        QSignalSpy measure(&page, &BudgetPage::measureRequested), cancel(&page, &BudgetPage::cancelRequested);
        QSignalSpy budget(&page, &BudgetPage::budgetChanged), adopt(&page, &BudgetPage::adoptRequested);
        QTest::mouseClick(button(page, "Measure"), Qt::LeftButton);
        QCOMPARE(measure.size(), 1);
        page.setMeasuring(true);
        QTest::mouseClick(button(page, "Cancel"), Qt::LeftButton);
        QCOMPARE(cancel.size(), 1);
        page.setMeasuring(false);
        QVERIFY(!button(page, "Adopt")->isEnabled());

        const Shared<BudgetSearch> search = searched().search();
        page.setSearch(search, *page.wish());
        QVERIFY(!page.findChild<CandidatesForm*>()->isVisible()); // the front gets the room
        const Allocation found = middle(*search);
        page.setBudget(found.bytes);
        page.setFound(found);
        auto* state = named<QLabel>(page, "Result of the search");
        QVERIFY2(state->text().contains("the least there is"), qPrintable(state->text()));
        Allocation rough = found;
        rough.exact = false;
        rough.bound = 0.99 * found.cost;
        page.setFound(rough);
        QVERIFY2(state->text().contains("at most 1.0 % above"), qPrintable(state->text()));
        QTest::keyClick(page.findChild<QSlider*>(), Qt::Key_End);
        QCOMPARE(budget.last()[0].toULongLong(), search->problem().largestBytes());
        auto* front = page.findChild<FrontPlot*>();
        front->setFocus();
        QTest::keyClick(front, Qt::Key_Left);
        QVERIFY(budget.last()[0].toULongLong() < search->problem().largestBytes());
        QCOMPARE(page.findChild<BudgetTarget*>()->bytes(), budget.last()[0].toULongLong());
        QTest::mouseClick(button(page, "Adopt"), Qt::LeftButton);
        QCOMPARE(adopt.size(), 1);
        page.setStale("Locks have changed.");
        QVERIFY(!button(page, "Adopt")->isEnabled());
        QCOMPARE(state->text(), QString("Locks have changed."));
        page.setStale({});
        page.findChild<CandidatesForm*>()->setFormatChecked(Format::Q8_0, true);
        QVERIFY2(state->text().contains("another choice"), qPrintable(state->text()));
    }

    void measuresSayWhyTheyCannotBeHad()
    {
        BudgetPage page;
        page.setModel(true, "loupe-3m");
        page.setUnavailable({QString(), QString(), QStringLiteral("needs a calibration (F6)"), QString()});
        auto* measure = named<QComboBox>(page, "Measure of the search");
        QVERIFY(measure->itemText(int(SearchMeasure::Output)).contains("needs a calibration"));
        const auto* items = static_cast<QStandardItemModel*>(measure->model());
        QVERIFY(!items->item(int(SearchMeasure::Output))->isEnabled());
        QVERIFY(items->item(int(SearchMeasure::Kl))->isEnabled());
        page.setMeasure(SearchMeasure::Output);
        QVERIFY(!button(page, "Measure")->isEnabled());
        page.setUnavailable({});
        QVERIFY(button(page, "Measure")->isEnabled());
        QCOMPARE(page.wish()->measure, SearchMeasure::Output);
        page.setSharedByPolicy(true);
        QVERIFY(!button(page, "One scheme in q/k/v, gate/up")->isEnabled());
    }

    void theTableIsSortedByNumbersAndChoosesTensors()
    {
        BudgetPage page;
        page.setModel(true, "loupe-3m");
        const Shared<BudgetSearch> search = searched().search();
        page.setSearch(search, searched().wish);
        page.setFound(middle(*search));
        show(page, {1000, 900});
        auto* table = page.findChild<NumbersTable*>();
        QSignalSpy picked(&page, &BudgetPage::tensorPicked);
        table->setCurrentIndex(table->model()->index(0, 0));
        QTest::keyClick(table, Qt::Key_Return);
        QCOMPARE(picked.takeFirst()[0].toInt(), searched().model->indexOf(kQuery));
        table->sortByColumn(BudgetModel::Share, Qt::DescendingOrder);
        for (int row = 1; row < table->model()->rowCount(); ++row)
            QVERIFY(number(table->model()->index(row, BudgetModel::Share)) <= number(table->model()->index(row - 1, BudgetModel::Share)));
        const int down = searched().model->indexOf("model.layers.3.mlp.down_proj.weight");
        page.setCurrentTensor(down);
        QCOMPARE(table->currentIndex().siblingAtColumn(0).data().toString(), QString("3.mlp.down_proj"));
        QVERIFY(table->csv().startsWith("Weights,Scheme,Size "));
        auto* bars = page.findChild<BarsPlot*>();
        QTest::mouseClick(button(page, "Bits by layer"), Qt::LeftButton);
        QVERIFY(bars->isVisible() && bars->bars().values.size() == 4);
        QTest::mouseClick(button(page, "Bits by role"), Qt::LeftButton);
        QCOMPARE(int(bars->bars().values.size()), 7);
    }
};

QTEST_MAIN(TestBudgetPage)
#include "tst_budgetpage.moc"
