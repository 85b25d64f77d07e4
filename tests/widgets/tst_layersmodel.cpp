// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// LayersModel: tree, texts, raw numbers, what is unknown, groups that add up, batched signals, a large model.
#include "core/quant/schemetable.h"
#include "tests/support/patience.h"
#include "tests/widgets/testmodel.h"
#include "widgets/models/layersmodel.h"

#include <QAbstractItemModelTester>
#include <QElapsedTimer>
#include <QSignalSpy>
#include <QTest>

using namespace ql;
using namespace ql::test;

namespace {

QModelIndex tensorIndex(const LayersModel& model, const char* name, int column)
{
    for (int i = 0; i < int(model.model()->tensors().size()); ++i) {
        if (model.model()->tensors()[size_t(i)].name == name)
            return model.indexOfTensor(i, column);
    }
    return {};
}

constexpr const char* kQ0 = "model.layers.0.self_attn.q_proj.weight";
constexpr int kQ0Index = 2;

} // namespace

class TestLayersModel : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void keepsTheModelContractThroughEveryChange()
    {
        LayersModel model;
        QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        QCOMPARE(model.rowCount(), 0);
        const auto llama = llamaModel(3);
        model.setModel(llama);
        model.setDecisions(decisionsFor(*llama));
        for (auto grouping : {LayersModel::Grouping::Role, LayersModel::Grouping::None, LayersModel::Grouping::Block})
            model.setGrouping(grouping);
        model.setMetrics(kQ0Index, metricsOf(20));
        model.setDistribution(kQ0Index, distributionOf(4, 7));
        model.setFailure(3, "cannot be decoded");
        model.setExpected(true, true);
        model.setOutputError(kQ0Index, OutputError{OutputError::Basis::Gram, 1, 100});
        model.setKl(kQ0Index, 0.01);
        model.forgetOutputErrors();
        QTest::qWait(80);
        model.setModel(nullptr);
        QCOMPARE(model.rowCount(), 0);
        QCOMPARE(model.totals().parameters, 0u);
    }

    void groupsStandWhereTheirFirstTensorStood()
    {
        LayersModel model;
        model.setModel(llamaModel(2));
        QStringList tops;
        for (int row = 0; row < model.rowCount(); ++row)
            tops << model.index(row, 0).data().toString();
        QCOMPARE(tops, QStringList({"model.embed_tokens.weight", "Block 0", "Block 1", "model.norm.weight", "lm_head.weight"}));
        QCOMPARE(model.rowCount(model.index(1, 0)), kBlockTensors);
        model.setGrouping(LayersModel::Grouping::Role);
        QCOMPARE(model.index(0, 0).data().toString(), QString("embedding"));
        model.setGrouping(LayersModel::Grouping::None);
        QCOMPARE(model.rowCount(), 2 * kBlockTensors + 3);
    }

    void namesAreShortInsideGroupsAndFullInTheTooltip()
    {
        LayersModel model;
        model.setModel(llamaModel(2));
        const QModelIndex q = tensorIndex(model, kQ0, LayersModel::NameColumn);
        QCOMPARE(q.data().toString(), QString("self_attn.q_proj"));
        QCOMPARE(q.data(Qt::ToolTipRole).toString(), QString(kQ0));
        QCOMPARE(q.data(LayersModel::FullNameRole).toString(), QString(kQ0));
        model.setGrouping(LayersModel::Grouping::Role);
        QCOMPARE(tensorIndex(model, kQ0, 0).data().toString(), QString("Block 0"));
        model.setGrouping(LayersModel::Grouping::None);
        QCOMPARE(tensorIndex(model, kQ0, 0).data().toString(), QString(kQ0));
    }

    void unknownIsNeverZero_data()
    {
        QTest::addColumn<int>("column");
        for (int column : {LayersModel::SchemeColumn, LayersModel::BitsColumn, LayersModel::SizeColumn,
                           LayersModel::SqnrColumn, LayersModel::RelativeErrorColumn, LayersModel::OutputErrorColumn,
                           LayersModel::KlColumn, LayersModel::KurtosisColumn, LayersModel::OutliersColumn}) {
            LayersModel names;
            QTest::newRow(qPrintable(names.headerData(column, Qt::Horizontal, Qt::DisplayRole).toString())) << column;
        }
    }
    void unknownIsNeverZero()
    {
        QFETCH(int, column);
        LayersModel model;
        model.setModel(llamaModel(1));
        model.setExpected(true, true);
        for (const QModelIndex& cell : {tensorIndex(model, kQ0, column), model.index(1, column)}) {
            QCOMPARE(cell.data().toString(), QString("…"));
            QVERIFY2(cell.data(Qt::ToolTipRole).toString().startsWith("Not yet"), "tooltip");
            QVERIFY(!cell.data(LayersModel::SortRole).isValid());
            QVERIFY(!cell.data(LayersModel::TintRole).isValid());
            QVERIFY(cell.data(Qt::AccessibleTextRole).toString().contains("not yet computed"));
        }
    }

    void figuresFollowFromWhatArrives_data()
    {
        QTest::addColumn<int>("column");
        QTest::addColumn<QString>("text");
        QTest::addColumn<double>("raw");
        QTest::newRow("parameters in thousands") << int(LayersModel::ParametersColumn) << "65.5" << 65536.0;
        QTest::newRow("SQNR in dB") << int(LayersModel::SqnrColumn) << "20.0" << 20.0;
        QTest::newRow("relative error is 10^(-SQNR/20)") << int(LayersModel::RelativeErrorColumn) << "0.100" << 0.1;
        QTest::newRow("kurtosis") << int(LayersModel::KurtosisColumn) << "4.50" << 4.5;
        QTest::newRow("outliers in ppm: 7 of 1e6") << int(LayersModel::OutliersColumn) << "7.00" << 7.0;
        QTest::newRow("bits: 4 + 16 / 128") << int(LayersModel::BitsColumn) << "4.12" << 4.125;
        QTest::newRow("size in the header's kB: 65536 * 4.125 / 8") << int(LayersModel::SizeColumn) << "33.8" << 33792.0;
    }
    void figuresFollowFromWhatArrives()
    {
        QFETCH(int, column);
        QFETCH(QString, text);
        QFETCH(double, raw);
        LayersModel model;
        model.setModel(llamaModel(1));
        model.setDecisions(decisionsFor(*model.model()));
        model.setMetrics(kQ0Index, metricsOf(20));
        model.setDistribution(kQ0Index, distributionOf(4.5, 7));
        const QModelIndex cell = model.indexOfTensor(kQ0Index, column);
        QCOMPARE(cell.data().toString(), text);
        QVERIFY(qAbs(cell.data(LayersModel::SortRole).toDouble() / raw - 1) < 1e-9);
        QCOMPARE(Qt::Alignment(cell.data(Qt::TextAlignmentRole).toInt()), Qt::AlignRight | Qt::AlignVCenter);
        QVERIFY(!model.headerData(column, Qt::Horizontal, Qt::ToolTipRole).toString().isEmpty());
    }

    void sizesAreInTheUnitOfTheHeader()
    {
        LayersModel model;
        model.setModel(llamaModel(1));
        QCOMPARE(model.headerData(LayersModel::SizeColumn, Qt::Horizontal, Qt::DisplayRole).toString(), QString("Size (kB)"));
        model.setModel(llamaModel(1, 8192));
        QCOMPARE(model.headerData(LayersModel::SizeColumn, Qt::Horizontal, Qt::DisplayRole).toString(), QString("Size (MB)"));
    }

    void groupsPoolTheSumsOfWhatIsKnown()
    {
        LayersModel model;
        model.setModel(llamaModel(1));
        model.setDecisions(decisionsFor(*model.model()));
        model.setMetrics(2, metricsOf(10, 1000));
        model.setMetrics(3, metricsOf(30, 3000));
        const QModelIndex block = model.index(1, LayersModel::SqnrColumn);
        // 10 log10((1000 + 3000) / (100 + 3))
        QVERIFY(qAbs(block.data(LayersModel::SortRole).toDouble() - 15.8916) < 1e-3);
        QVERIFY(block.data(Qt::ToolTipRole).toString().contains("over 2 of 9"));
        model.setMetrics(3, std::nullopt);
        QVERIFY(qAbs(block.data(LayersModel::SortRole).toDouble() - 10) < 1e-9);
        model.setDistribution(2, distributionOf(5, 3));
        model.setDistribution(3, distributionOf(9, 5));
        QCOMPARE(block.siblingAtColumn(LayersModel::KurtosisColumn).data().toString(), QString("9.00"));
        QCOMPARE(block.siblingAtColumn(LayersModel::OutliersColumn).data().toString(), QString("4.00"));
    }

    void errorsAtTheOutputAreUnknownUntilTheModelRan()
    {
        LayersModel model;
        model.setModel(llamaModel(1));
        model.setDecisions(decisionsFor(*model.model()));
        const QModelIndex error = model.indexOfTensor(kQ0Index, LayersModel::OutputErrorColumn);
        const QModelIndex kl = model.indexOfTensor(kQ0Index, LayersModel::KlColumn);
        QCOMPARE(error.data().toString(), QString("–"));
        QVERIFY(error.data(Qt::ToolTipRole).toString().contains("calibration"));
        QVERIFY(kl.data(Qt::ToolTipRole).toString().contains("attribution"));
        model.setExpected(true, false);
        QCOMPARE(error.data().toString(), QString("…"));
        QCOMPARE(kl.data().toString(), QString("–"));
        model.setOutputError(kQ0Index, OutputError{OutputError::Basis::Sample, 4, 100});
        model.setOutputError(kQ0Index + 1, OutputError{OutputError::Basis::Sample, 5, 800});
        model.setKl(kQ0Index, 0.002);
        model.setKl(kQ0Index + 1, 0.001);
        QCOMPARE(error.data(LayersModel::SortRole).toDouble(), 0.2);
        QVERIFY(error.data(LayersModel::TintRole).isValid() && kl.data(LayersModel::TintRole).isValid());
        // Groups: root of the sums of squares; divergences add up.
        QCOMPARE(model.index(1, LayersModel::OutputErrorColumn).data(LayersModel::SortRole).toDouble(), 0.1);
        QCOMPARE(model.index(1, LayersModel::KlColumn).data(LayersModel::SortRole).toDouble(), 0.003);
        QVERIFY(model.index(1, LayersModel::KlColumn).data(Qt::ToolTipRole).toString().contains("over 2 of 9"));
        model.forgetOutputErrors();
        QCOMPARE(error.data().toString(), QString("…"));
        QCOMPARE(kl.data().toString(), QString("0.00200"));
    }

    void marksAndReasonsOfSchemes_data()
    {
        QTest::addColumn<int>("source");
        QTest::addColumn<bool>("locked");
        QTest::addColumn<QString>("mark");
        QTest::newRow("default") << int(Decision::Source::Default) << false << "";
        QTest::newRow("rule") << int(Decision::Source::Rule) << false << "rule";
        QTest::newRow("override") << int(Decision::Source::Override) << false << "override";
        QTest::newRow("locked override") << int(Decision::Source::Override) << true << "locked";
    }
    void marksAndReasonsOfSchemes()
    {
        QFETCH(int, source);
        QFETCH(bool, locked);
        QFETCH(QString, mark);
        LayersModel model;
        model.setModel(llamaModel(1));
        auto decisions = decisionsFor(*model.model());
        decisions[kQ0Index].source = Decision::Source(source);
        decisions[kQ0Index].locked = locked;
        decisions[kQ0Index].because = "the reason";
        model.setDecisions(decisions);
        const QModelIndex cell = model.indexOfTensor(kQ0Index, LayersModel::SchemeColumn);
        QCOMPARE(cell.data(LayersModel::MarkRole).toString(), mark);
        QVERIFY(cell.data(Qt::ToolTipRole).toString().contains("the reason"));
        QCOMPARE(model.index(1, LayersModel::SchemeColumn).data().toString(), QString("mixed"));
    }

    void keptAndFailedTensorsSayWhyThereIsNoError()
    {
        LayersModel model;
        model.setModel(llamaModel(1));
        model.setDecisions(decisionsFor(*model.model()));
        const QModelIndex norm = model.indexOfTensor(1, LayersModel::SqnrColumn);
        QCOMPARE(norm.data().toString(), QString("–"));
        QVERIFY(norm.data(Qt::ToolTipRole).toString().contains("floating point"));
        model.setFailure(kQ0Index, "the file was truncated");
        const QModelIndex failed = model.indexOfTensor(kQ0Index, LayersModel::KurtosisColumn);
        QCOMPARE(failed.data().toString(), QString("–"));
        QCOMPARE(failed.data(Qt::ToolTipRole).toString(), QString("the file was truncated"));
        model.setDistribution(kQ0Index, distributionOf(3, 0));
        QCOMPARE(failed.data().toString(), QString("3.00"));
    }

    void tintGrowsWithTheError()
    {
        LayersModel model;
        model.setModel(llamaModel(1));
        double before = 2;
        for (const double sqnr : {2.0, 10.0, 20.0, 34.0}) {
            model.setMetrics(kQ0Index, metricsOf(sqnr));
            const QVariant tint = model.indexOfTensor(kQ0Index, LayersModel::SqnrColumn).data(LayersModel::TintRole);
            QVERIFY(tint.isValid() && tint.toDouble() < before && tint.toDouble() >= 0 && tint.toDouble() <= 1);
            before = tint.toDouble();
        }
        QVERIFY(!model.indexOfTensor(kQ0Index, LayersModel::BitsColumn).data(LayersModel::TintRole).isValid());
    }

    void changesLeaveAsOneSignalPerRunOfRows()
    {
        LayersModel model;
        model.setModel(llamaModel(4));
        model.setGrouping(LayersModel::Grouping::None);
        QSignalSpy spy(&model, &QAbstractItemModel::dataChanged);
        for (int tensor : {5, 3, 4, 3, 4, 5, 20})
            model.setMetrics(tensor, metricsOf(20));
        QCOMPARE(spy.size(), 0);
        QL_TRY_COMPARE(spy.size(), 2);
        QCOMPARE(spy[0][0].toModelIndex().row(), 3);
        QCOMPARE(spy[0][1].toModelIndex().row(), 5);
        QCOMPARE(spy[1][0].toModelIndex().row(), 20);
        spy.clear();
        model.setGrouping(LayersModel::Grouping::Block);
        model.setMetrics(2, metricsOf(20));
        QL_TRY_COMPARE(spy.size(), 2); // the tensor and its group
        QCOMPARE(spy[0][0].toModelIndex().parent(), model.index(1, 0));
        QCOMPARE(spy[1][0].toModelIndex(), model.index(1, 0));
    }

    void sameDecisionsChangeNothing()
    {
        LayersModel model;
        model.setModel(llamaModel(2));
        model.setDecisions(decisionsFor(*model.model()));
        QTest::qWait(80);
        QSignalSpy spy(&model, &QAbstractItemModel::dataChanged);
        auto decisions = decisionsFor(*model.model());
        decisions[kQ0Index].scheme = Scheme::defaultsFor(Format::NF4);
        model.setDecisions(decisions);
        QL_TRY_COMPARE(spy.size(), 2);
        QTest::qWait(60);
        QCOMPARE(spy.size(), 2);
    }

    void totalsAddUp()
    {
        LayersModel model;
        const auto llama = llamaModel(2);
        model.setModel(llama);
        const auto decisions = decisionsFor(*llama);
        model.setDecisions(decisions);
        uint64_t stored = 0, parameters = 0;
        for (size_t i = 0; i < decisions.size(); ++i) {
            const TensorInfo& info = llama->tensors()[i];
            stored += storedBytes(decisions[i].scheme, info.rows(), info.cols());
            parameters += info.parameters();
        }
        model.setMetrics(2, metricsOf(10, 1000));
        model.setMetrics(3, metricsOf(30, 3000));
        const auto totals = model.totals();
        QCOMPARE(totals.parameters, parameters);
        QCOMPARE(totals.storedBytes, stored);
        QCOMPARE(totals.sourceBytes, 2 * parameters);
        QCOMPARE(totals.measured, 2);
        QCOMPARE(totals.quantized, 14);
        QVERIFY(qAbs(totals.bitsPerWeight - 8.0 * double(stored) / double(parameters)) < 1e-12);
        QVERIFY(qAbs(totals.sqnrDb - 15.8916) < 1e-3);
        model.setMetrics(0, metricsOf(90, 1e6)); // the embedding stays in floats: looking at it changes no total
        QVERIFY(decisions[0].scheme.keepsFloat());
        QCOMPARE(model.totals().measured, 2);
        QCOMPARE(model.totals().sqnrDb, totals.sqnrDb);
    }

    void outOfRangeTensorsAreIgnored()
    {
        LayersModel model;
        model.setModel(llamaModel(1));
        model.setMetrics(-1, metricsOf(1));
        model.setMetrics(1000, metricsOf(1));
        model.setFailure(1000, "x");
        model.setDistribution(1000, distributionOf(3, 0));
        model.setDecisions({});
        QVERIFY(!model.indexOfTensor(1000).isValid());
        QCOMPARE(model.totals().measured, 0);
    }

    void hundredThousandTensorsLeaveFewSignals()
    {
        LayersModel model;
        model.setModel(llamaModel(11112, 64)); // 100,011 tensors
        const int tensors = int(model.model()->tensors().size());
        QVERIFY(tensors > 100000);
        QSignalSpy spy(&model, &QAbstractItemModel::dataChanged);
        const auto decisions = decisionsFor(*model.model());
        model.setDecisions(decisions);
        int measured = 0;
        for (int i = 0; i < tensors; i += 2) {
            model.setMetrics(i, metricsOf(20));
            measured += !decisions[size_t(i)].scheme.keepsFloat();
        }
        QL_TRY_VERIFY(!spy.isEmpty());
        QVERIFY2(spy.size() < 12000, qPrintable(QString::number(spy.size())));
        QCOMPARE(model.totals().measured, measured);
    }
};

QTEST_GUILESS_MAIN(TestLayersModel)
#include "tst_layersmodel.moc"
