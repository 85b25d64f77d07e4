// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The filter line: grammar, messages, and the filtered and sorted table.
#include "tests/support/patience.h"
#include "tests/widgets/testmodel.h"
#include "widgets/models/layersfiltermodel.h"

#include <QAbstractItemModelTester>
#include <QTest>

using namespace ql;
using namespace ql::test;

namespace {

/// Short names of the tensors that pass, in shown order, "block/name".
QStringList shown(const LayersFilterModel& filter)
{
    QStringList names;
    for (int row = 0; row < filter.rowCount(); ++row) {
        const QModelIndex top = filter.index(row, 0);
        if (top.data(LayersModel::TensorIndexRole).toInt() >= 0)
            names << top.data().toString();
        for (int child = 0; child < filter.rowCount(top); ++child)
            names << QString::number(top.data(LayersModel::LayerRole).toInt()) + '/' +
                         filter.index(child, 0, top).data().toString();
    }
    return names;
}

struct Fixture {
    LayersModel layers;
    LayersFilterModel filter{&layers};

    Fixture()
    {
        layers.setModel(llamaModel(3));
        auto decisions = decisionsFor(*layers.model());
        decisions[4].scheme = Scheme::parse("nf4,group=128").value(); // 0/v_proj
        decisions[4].source = Decision::Source::Override;
        decisions[4].locked = true;
        layers.setDecisions(decisions);
        layers.setMetrics(2, metricsOf(12)); // 0/q_proj
        layers.setMetrics(3, metricsOf(25)); // 0/k_proj
        layers.setMetrics(11, metricsOf(15)); // 1/q_proj
        layers.setOutputError(2, OutputError{OutputError::Basis::Sample, 4, 100}); // 0.2
        layers.setOutputError(3, OutputError{OutputError::Basis::Sample, 1, 10000}); // 0.01
        layers.setKl(11, 0.002);
        layers.setDistribution(2, distributionOf(3.1, 0));
        layers.setDistribution(3, distributionOf(9, 40));
    }
};

} // namespace

class TestLayersFilter : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void termsSelectTensors_data()
    {
        QTest::addColumn<QString>("text");
        QTest::addColumn<QStringList>("names");
        const auto row = [](const char* text, const QStringList& names) { QTest::newRow(text) << text << names; };
        row("v_proj", {"0/self_attn.v_proj", "1/self_attn.v_proj", "2/self_attn.v_proj"});
        row("V_PROJ layers.1", {"1/self_attn.v_proj"});
        row("\"layers.2.mlp.up\"", {"2/mlp.up_proj"});
        row("/layers\\.[02].*\\.q_/", {"0/self_attn.q_proj", "2/self_attn.q_proj"});
        row("/LM_HEAD/i", {"lm_head.weight"});
        row("/LM_HEAD/", {});
        row("/lm_(head/ -layer:0- -role:norm", // an invalid pattern is left out, see messages
            {"model.embed_tokens.weight", "lm_head.weight"});
        row("/embed.*", {"model.embed_tokens.weight"}); // still being typed
        row("role:q_proj,k_proj layer:0-1",
            {"0/self_attn.q_proj", "0/self_attn.k_proj", "1/self_attn.q_proj", "1/self_attn.k_proj"});
        row("role:q_proj layer:1-", {"1/self_attn.q_proj", "2/self_attn.q_proj"});
        row("role:q_proj layer:0,2", {"0/self_attn.q_proj", "2/self_attn.q_proj"});
        row("role:q_proj layer>=2", {"2/self_attn.q_proj"});
        row("scheme:nf4", {"0/self_attn.v_proj"});
        row("scheme:group=128", {"0/self_attn.v_proj"});
        row("mark:locked", {"0/self_attn.v_proj"});
        row("sqnr<18", {"0/self_attn.q_proj", "1/self_attn.q_proj"});
        row("-sqnr<18", {"0/self_attn.k_proj"}); // what is unknown passes neither
        row("outerr>0.1", {"0/self_attn.q_proj"});
        row("outerr<=0.1", {"0/self_attn.k_proj"});
        row("kl>0.001", {"1/self_attn.q_proj"});
        row("sqnr<18 -layer:0", {"1/self_attn.q_proj"});
        row("error>0.2", {"0/self_attn.q_proj"});
        row("kurtosis>4", {"0/self_attn.k_proj"});
        row("outliers>=40", {"0/self_attn.k_proj"});
        row("bits>4.2 role:v_proj", {"0/self_attn.v_proj"}); // f32 scales: 4 + 32 / 128
        row("size>400k", {"model.embed_tokens.weight", "lm_head.weight"});
        row("params>=2.6e5", {"model.embed_tokens.weight", "lm_head.weight"});
        row("params=65536 layer:0 -o_proj", {"0/self_attn.q_proj"});
        row("type:bf16", {});
        row("-layer:0- -role:norm", {"model.embed_tokens.weight", "lm_head.weight"});
        row("weight -layer:0-", {"model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"});
    }
    void termsSelectTensors()
    {
        QFETCH(QString, text);
        QFETCH(QStringList, names);
        Fixture f;
        QAbstractItemModelTester tester(&f.filter, QAbstractItemModelTester::FailureReportingMode::QtTest);
        f.filter.setFilterText(text);
        QCOMPARE(shown(f.filter), names);
        QCOMPARE(f.filter.shownTensors(), int(names.size()));
    }

    void whatIsNotUnderstoodIsSaid_data()
    {
        QTest::addColumn<QString>("text");
        QTest::addColumn<QString>("part");
        QTest::newRow("fine") << "role:v_proj sqnr<18 /x/ -y" << "";
        QTest::newRow("empty") << "   " << "";
        QTest::newRow("invalid pattern") << "/(/" << "not valid";
        QTest::newRow("unknown facet names the known ones") << "colour:red" << "role, type, scheme";
        QTest::newRow("unknown figure") << "snr<3" << "no facet";
        QTest::newRow("not a number") << "sqnr<low" << "not a number";
        QTest::newRow("a number wants a comparison") << "sqnr:18" << "sqnr<18";
        QTest::newRow("text wants a colon") << "role<v" << "role:v";
        QTest::newRow("value still missing") << "role:" << "value";
        QTest::newRow("bad block range") << "layer:a-b" << "layer:0-3";
        QTest::newRow("infinite number") << "sqnr<1e999" << "not a number";
    }
    void whatIsNotUnderstoodIsSaid()
    {
        QFETCH(QString, text);
        QFETCH(QString, part);
        const auto expression = FilterExpression::parse(text);
        QCOMPARE(expression.message().isEmpty(), part.isEmpty());
        QVERIFY2(expression.message().contains(part), qPrintable(expression.message()));
    }

    void aRunawayPatternGivesUp()
    {
        const auto expression = FilterExpression::parse("/(a+)+$/");
        const QString text = QString(64, 'a') + '!';
        QVERIFY(!expression.accepts([&](FilterExpression::Key) { return QVariant(text); }));
    }

    void anyLineOfCharactersIsSafe()
    {
        const QString alphabet = "ab:/\"-<>=,. \\()[1k";
        quint32 state = 12345;
        for (int round = 0; round < 3000; ++round) {
            QString text;
            for (int i = 0; i < 12; ++i) {
                state = state * 1664525u + 1013904223u;
                text += alphabet[(state >> 16) % quint32(alphabet.size())];
            }
            const auto expression = FilterExpression::parse(text);
            expression.accepts([](FilterExpression::Key) { return QVariant(1); });
        }
        QVERIFY(!FilterExpression::help().isEmpty());
    }

    void sortsByRawNumbersWithUnknownLast_data()
    {
        QTest::addColumn<int>("order");
        QTest::addColumn<QStringList>("first");
        QTest::newRow("ascending") << int(Qt::AscendingOrder) << QStringList{"12.0", "15.0", "25.0", "…"};
        QTest::newRow("descending") << int(Qt::DescendingOrder) << QStringList{"25.0", "15.0", "12.0", "…"};
    }
    void sortsByRawNumbersWithUnknownLast()
    {
        QFETCH(int, order);
        QFETCH(QStringList, first);
        Fixture f;
        f.layers.setGrouping(LayersModel::Grouping::None);
        f.filter.setFilterText("_proj");
        f.filter.sort(LayersModel::SqnrColumn, Qt::SortOrder(order));
        QStringList texts;
        for (int row = 0; row < 4; ++row)
            texts << f.filter.index(row, LayersModel::SqnrColumn).data().toString();
        QCOMPARE(texts, first);
        QCOMPARE(f.filter.index(f.filter.rowCount() - 1, LayersModel::SqnrColumn).data().toString(), QString("…"));
        f.filter.sort(-1);
        QCOMPARE(f.filter.index(0, 0).data().toString(), QString("model.layers.0.self_attn.q_proj.weight"));
    }

    void namesSortNaturally()
    {
        LayersModel layers;
        layers.setModel(llamaModel(12));
        LayersFilterModel filter(&layers);
        filter.sort(LayersModel::NameColumn, Qt::DescendingOrder);
        QStringList tops;
        for (int row = 0; row < 6; ++row)
            tops << filter.index(row, 0).data().toString();
        QCOMPARE(tops, QStringList({"lm_head.weight", "model.norm.weight", "Block 11", "Block 10", "Block 9", "Block 8"}));
    }

    void lateNumbersMoveRowsAndPassTheFilter()
    {
        Fixture f;
        f.filter.setFilterText("sqnr<18");
        f.filter.sort(LayersModel::SqnrColumn, Qt::AscendingOrder);
        QCOMPARE(f.filter.shownTensors(), 2);
        f.layers.setMetrics(12, metricsOf(3)); // 1/k_proj
        QL_TRY_COMPARE(f.filter.shownTensors(), 3);
        QL_TRY_COMPARE(shown(f.filter).first(), QString("1/self_attn.k_proj"));
        f.layers.setMetrics(12, metricsOf(30));
        QL_TRY_COMPARE(f.filter.shownTensors(), 2);
    }
};

QTEST_GUILESS_MAIN(TestLayersFilter)
#include "tst_layersfilter.moc"
