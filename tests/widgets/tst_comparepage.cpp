// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The compare page and its tables, and the table of an export's plan.
#include "core/compute/cpubackend.h"
#include "support/testmodels.h"
#include "widgets/models/planmodel.h"
#include "widgets/panels/comparefigures.h"
#include "widgets/panels/comparepage.h"
#include "widgets/panels/numberstable.h"
#include "widgets/panels/segmentedchoice.h"
#include "widgets/plots/overlayplot.h"

#include <QAbstractItemModelTester>
#include <QLineEdit>
#include <QPushButton>
#include <QSignalSpy>
#include <QSortFilterProxyModel>
#include <QTest>
#include <QToolButton>

#include <stdexcept>

using namespace ql;

namespace {

template <class T>
T valueOf(Result<T> result)
{
    if (!result.ok())
        throw std::runtime_error(result.error().text());
    return std::move(result).value();
}

ErrorMetrics metricsOf(double squared, double error, uint64_t bytes)
{
    ErrorMetrics metrics;
    metrics.count = metrics.finite = 100;
    metrics.sumSquare = metrics.sumHatSquare = squared;
    metrics.sumDot = squared;
    metrics.sumSquaredError = error;
    metrics.bytes = bytes;
    metrics.bitsPerWeight = 8.0 * double(bytes) / 100;
    return metrics;
}

QString cell(const QAbstractItemModel& model, int row, int column)
{
    return model.index(row, column).data().toString();
}

} // namespace

class TestComparePage : public QObject
{
    Q_OBJECT

    CpuBackend m_backend{std::make_shared<ThreadPool>(2)};
    TensorView m_weights = TensorView::fromFloats(test::normalValues(64 * 128, 5), 64, 128);
    Shared<Distribution> m_distribution = valueOf(analyseDistribution(m_backend, m_weights, {}));

    Shared<Quantization> quantized(const char* scheme)
    {
        return valueOf(analyseQuantization(m_backend, m_weights, valueOf(Scheme::parse(scheme)), m_distribution.get(), {}));
    }
    static std::vector<TensorChange> changes()
    {
        return {{3, "blk.0.q", "int4", "int8", 10'000'000, 20'000'000, {}, {}},
                {7, "blk.1.q", "int4", "nf4", 30'000'000, 25'000'000, 0.1, 0.05}};
    }
    void showBoth(ComparePage& page)
    {
        page.setSubject(0, "model · w");
        page.setDistribution(m_distribution);
        page.setResult(ComparePage::A, "int4", quantized("int4,tensor"));
        page.setResult(ComparePage::B, "nf4", quantized("nf4,tensor"));
    }

private Q_SLOTS:
    void changesKnowSizesAndErrors()
    {
        ChangesModel model;
        QAbstractItemModelTester tester(&model);
        model.setChanges(changes());
        QCOMPARE(cell(model, 0, ChangesModel::SizeColumn), QStringLiteral("+10.0"));
        QCOMPARE(model.headerData(ChangesModel::SizeColumn, Qt::Horizontal).toString(), QStringLiteral("Δ size (MB)"));
        QCOMPARE(cell(model, 0, ChangesModel::ErrorColumn), QStringLiteral("…"));
        QCOMPARE(cell(model, 1, ChangesModel::ErrorFromColumn), QStringLiteral("10.0"));
        QCOMPARE(cell(model, 1, ChangesModel::ErrorColumn), QStringLiteral("−5.00"));
        QSignalSpy changed(&model, &QAbstractItemModel::dataChanged);
        model.setErrors(0, 0.2, 0.01);
        QCOMPARE(changed.size(), 1);
        QCOMPARE(cell(model, 0, ChangesModel::ErrorColumn), QStringLiteral("−19.0"));
        QCOMPARE(model.rowOfTensor(7), 1);
        QCOMPARE(model.rowOfTensor(8), -1);
        QSortFilterProxyModel sorted;
        sorted.setSourceModel(&model);
        sorted.setSortRole(ChangesModel::SortRole);
        sorted.sort(ChangesModel::SizeColumn);
        QCOMPARE(cell(sorted, 0, 0), QStringLiteral("blk.1.q")); // −5 MB comes before +10 MB
    }

    void figuresShowTheirDifference()
    {
        CompareFigures model;
        QAbstractItemModelTester tester(&model);
        QVERIFY(model.rowCount() > 8);
        QCOMPARE(cell(model, 0, CompareFigures::AColumn), QStringLiteral("…"));
        model.setFigures(metricsOf(100, 1, 50), metricsOf(100, 0.1, 100));
        QCOMPARE(cell(model, 0, CompareFigures::MeasureColumn), QStringLiteral("SQNR (dB)"));
        QCOMPARE(cell(model, 0, CompareFigures::AColumn), QStringLiteral("20.0"));
        QCOMPARE(cell(model, 0, CompareFigures::BColumn), QStringLiteral("30.0"));
        QCOMPARE(cell(model, 0, CompareFigures::DeltaColumn), QStringLiteral("+10.0"));
        for (int row = 0; row < model.rowCount(); ++row)
            QVERIFY(!model.index(row, 0).data(Qt::ToolTipRole).toString().isEmpty());
        model.setFigures(metricsOf(100, 0, 50), metricsOf(100, 1, 50));
        QCOMPARE(cell(model, 0, CompareFigures::DeltaColumn), QStringLiteral("–")); // from infinity
    }

    void aPlanSortsByRawNumbers()
    {
        PlanModel model;
        QAbstractItemModelTester tester(&model);
        PlanEntry small{"small", {}, 9'000, 2'000, 4.5, {}}, large{"large", {}, 10'000'000, 1'000'000, 4, {"norm quantized"}};
        small.decision.scheme = valueOf(Scheme::parse("int4"));
        large.decision.scheme = valueOf(Scheme::parse("q4_0"));
        large.decision.fallback = "kept as stored instead of q4_0: reasons";
        model.setEntries(std::make_shared<std::vector<PlanEntry>>(std::vector<PlanEntry>{small, large}));
        QVERIFY(model.isLess(0, 1, PlanModel::FromColumn) && !model.isLess(0, 1, PlanModel::TensorColumn));
        QVERIFY(model.isLess(0, 1, PlanModel::RemarksColumn));
        QCOMPARE(model.fallbacks(), 1);
        QCOMPARE(model.remarkable(), 1);
        QCOMPARE(model.headerData(PlanModel::FromColumn, Qt::Horizontal).toString(), QStringLiteral("From (MB)"));
        QCOMPARE(cell(model, 0, PlanModel::FromColumn), QStringLiteral("0.00900"));
        QCOMPARE(cell(model, 1, PlanModel::RemarksColumn),
                 QStringLiteral("kept as stored instead of q4_0: reasons; norm quantized"));
        QVERIFY(model.index(1, PlanModel::ToColumn).data(Qt::ToolTipRole).toString().startsWith("1"));
        QSortFilterProxyModel sorted;
        sorted.setSourceModel(&model);
        sorted.setSortRole(PlanModel::SortRole);
        sorted.sort(PlanModel::FromColumn, Qt::DescendingOrder);
        QCOMPARE(cell(sorted, 0, 0), QStringLiteral("large"));
    }

    void bothSidesAreDrawnOverTheOriginal()
    {
        ComparePage page;
        page.resize(600, 640);
        page.show();
        auto* plot = page.findChild<OverlayPlot*>();
        QVERIFY(!plot->hasData());
        showBoth(page);
        QVERIFY(plot->hasData());
        QVERIFY2(plot->summary().contains("Original"), qPrintable(plot->summary()));
        QVERIFY2(plot->summary().contains("A with 15 levels, B with 16 levels"), qPrintable(plot->summary()));
        const PlotTable table = plot->table();
        QVERIFY(table.rows.size() > 100);
        // The original's values inside the view are all counted.
        uint64_t counted = 0;
        for (const QStringList& row : table.rows)
            counted += row[0] == "Original" ? row[3].toULongLong() : 0;
        QVERIFY(counted > 64 * 128 * 9 / 10);
        page.findChildren<SegmentedChoice*>().at(0)->chosen(1);
    }

    void aSideThatKeepsTheValuesHasNoError()
    {
        ComparePage page;
        page.setSubject(0, "w");
        page.setDistribution(m_distribution);
        page.setResult(ComparePage::A, "as stored", nullptr, 16'384);
        page.setResult(ComparePage::B, "int4", quantized("int4"));
        const auto* figures = page.findChild<CompareFigures*>();
        QCOMPARE(cell(*figures, 0, CompareFigures::AColumn), QStringLiteral("∞"));
        QVERIFY(cell(*figures, 0, CompareFigures::BColumn) != QStringLiteral("…"));
        for (int row = 0; row < figures->rowCount(); ++row) {
            if (cell(*figures, row, 0).startsWith("Storage"))
                QCOMPARE(cell(*figures, row, CompareFigures::AColumn), QStringLiteral("16.0"));
        }
    }

    void swappingExchangesTheOperands()
    {
        ComparePage page;
        QSignalSpy changed(&page, &ComparePage::operandsChanged);
        const CompareOperand a = page.operand(ComparePage::A), b = page.operand(ComparePage::B);
        page.swap();
        QCOMPARE(changed.size(), 1);
        QVERIFY(page.operand(ComparePage::A) == b && page.operand(ComparePage::B) == a);
        ComparePage other;
        other.restoreState(page.saveState());
        QVERIFY(other.operand(ComparePage::A) == b && other.operand(ComparePage::B) == a);
    }

    void aSchemeIsTypedAndCheckedFirst()
    {
        ComparePage page;
        QSignalSpy changed(&page, &ComparePage::operandsChanged);
        auto* edit = page.findChildren<QLineEdit*>().at(1);
        edit->setText("int5,group=64");
        Q_EMIT edit->editingFinished();
        QCOMPARE(page.operand(ComparePage::B).text, QStringLiteral("int5,group=64"));
        QCOMPARE(changed.size(), 1);
        edit->setText("int99");
        Q_EMIT edit->editingFinished();
        QCOMPARE(page.operand(ComparePage::B).text, QStringLiteral("int5,group=64"));
        QCOMPARE(changed.size(), 1);
        QVERIFY(edit->toolTip().contains("int99"));
    }

    void selectedChangesCanBeApplied()
    {
        ComparePage page;
        page.resize(600, 640);
        page.show();
        page.setAllTensors(true);
        auto* apply = page.findChild<QPushButton*>();
        page.setChanges(changes(), "KV cache differs", "B");
        QVERIFY(apply->isVisible());
        QVERIFY(!apply->isEnabled());
        QSignalSpy picked(&page, &ComparePage::tensorPicked), wished(&page, &ComparePage::applyRequested);
        auto* table = page.findChildren<NumbersTable*>().at(1);
        table->setCurrentIndex(table->model()->index(1, 0));
        QCOMPARE(picked.size(), 1);
        QCOMPARE(picked[0][0].toInt(), 7);
        QVERIFY(apply->isEnabled());
        apply->click();
        QCOMPARE(wished.size(), 1);
        QCOMPARE(wished[0][0].value<QList<int>>(), QList<int>{7});
        page.setSubject(3, "w"); // selected elsewhere: the table follows and asks for nothing
        QCOMPARE(picked.size(), 1);
        QCOMPARE(table->currentIndex().row(), 0);
        page.setChanges(changes(), {}, {});
        QVERIFY(!apply->isEnabled());
    }
};

QTEST_MAIN(TestComparePage)
#include "tst_comparepage.moc"
