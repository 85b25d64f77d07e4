// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// MetricsPanel: values, units, changes with direction in words and symbols, preview mark, unknown state.
#include "widgets/panels/metricfigures.h"
#include "widgets/panels/metricspanel.h"
#include "widgets/theme.h"

#include <QLabel>
#include <QTest>

using namespace ql;

namespace {

ErrorMetrics sample(double error, uint64_t clipped = 0)
{
    ErrorMetrics m;
    m.count = m.finite = 1000;
    m.sumSquare = 1000;
    m.sumHatSquare = 1000;
    m.sumSquaredError = error;
    m.sumDot = 1000 - error / 2;
    m.sumAbsError = 20;
    m.maxAbsError = 0.25;
    m.clipped = clipped;
    m.occupancy = {250, 250, 250, 250};
    m.bitsPerWeight = 4.125;
    m.bytes = 515625;
    return m;
}

QLabel* valueOf(const QWidget& panel, const QString& name)
{
    const auto labels = panel.findChildren<QLabel*>();
    for (QLabel* label : labels) {
        if (label->accessibleName() == name)
            return label;
    }
    return nullptr;
}

bool shows(const QWidget& panel, const QString& text)
{
    const auto labels = panel.findChildren<QLabel*>();
    return std::any_of(labels.begin(), labels.end(), [&](QLabel* l) { return l->text().contains(text); });
}

} // namespace

class TestMetricsPanel : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void figuresFollowFromTheSums_data()
    {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("text");
        QTest::newRow("SQNR: 10 log10(1000 / 10)") << "SQNR" << "20.0";
        QTest::newRow("MSE: 10 / 1000") << "MSE" << "0.0100";
        QTest::newRow("relative error: sqrt(10 / 1000)") << "Relative error" << "0.100";
        QTest::newRow("max error") << "Max error" << "0.250";
        QTest::newRow("mean absolute error: 20 / 1000") << "Mean abs. error" << "0.0200";
        QTest::newRow("cosine: 995 / 1000") << "Cosine" << "0.995";
        QTest::newRow("clipped: 5 of 1000 in per cent") << "Clipped" << "0.500";
        QTest::newRow("entropy of four equal codes") << "Code entropy" << "2.00";
        QTest::newRow("storage") << "Storage" << "4.12";
        QTest::newRow("size in its unit") << "Size" << "516";
    }
    void figuresFollowFromTheSums()
    {
        QFETCH(QString, name);
        QFETCH(QString, text);
        MetricsPanel panel;
        panel.setMetrics(sample(10, 5), std::nullopt, false);
        QVERIFY(valueOf(panel, name));
        QCOMPARE(valueOf(panel, name)->text(), text);
        QVERIFY(!valueOf(panel, name)->toolTip().isEmpty());
    }

    void unknownIsNeverZero()
    {
        MetricsPanel panel;
        for (const MetricFigure& figure : metricFigures()) {
            QLabel* value = valueOf(panel, figure.name);
            QVERIFY(value);
            QCOMPARE(value->text(), QString("–"));
            QVERIFY(value->accessibleDescription().contains("not yet"));
        }
        QVERIFY(shows(panel, "not yet computed"));
    }

    void perfectIsInfinite()
    {
        MetricsPanel panel;
        panel.setMetrics(sample(0), std::nullopt, false);
        QCOMPARE(valueOf(panel, "SQNR")->text(), QString("∞"));
    }

    void changesSayBetterOrWorseWithoutColour_data()
    {
        QTest::addColumn<double>("error");
        QTest::addColumn<QString>("symbol");
        QTest::addColumn<QString>("word");
        QTest::newRow("less error") << 5.0 << "▲" << "better";
        QTest::newRow("more error") << 20.0 << "▼" << "worse";
        QTest::newRow("the same") << 10.0 << "=" << "as before";
    }
    void changesSayBetterOrWorseWithoutColour()
    {
        QFETCH(double, error);
        QFETCH(QString, symbol);
        QFETCH(QString, word);
        MetricsPanel panel;
        panel.setMetrics(sample(error), sample(10), false);
        const auto labels = panel.findChildren<QLabel*>();
        int told = 0;
        for (QLabel* label : labels) {
            if (label->toolTip().startsWith("SQNR is")) {
                ++told;
                QVERIFY2(label->text().contains(symbol), qPrintable(label->text()));
                QVERIFY(label->toolTip().contains(word));
                QVERIFY(label->accessibleDescription().contains(word));
            }
        }
        QCOMPARE(told, 1);
    }

    void lowerIsBetterForErrors()
    {
        for (const MetricFigure& figure : metricFigures()) {
            const bool up = trendOf(figure, 2, 1) == Trend::Better;
            QCOMPARE(up, figure.higherIsBetter);
            QCOMPARE(trendOf(figure, 1, 1), Trend::Same);
        }
    }

    void previewIsMarked()
    {
        MetricsPanel panel;
        panel.setMetrics(sample(10), std::nullopt, true);
        QVERIFY(shows(panel, "preview"));
        panel.setMetrics(sample(10), std::nullopt, false);
        QVERIFY(!shows(panel, "preview"));
    }

    void nothingMovesWhileNumbersChange()
    {
        MetricsPanel panel;
        panel.resize(300, 280);
        panel.setMetrics(sample(10), sample(11), false);
        panel.show();
        const QRect before = valueOf(panel, "Cosine")->geometry();
        panel.setMetrics(sample(123.456), sample(0.000123), true);
        QTest::qWait(0);
        QCOMPARE(valueOf(panel, "Cosine")->geometry(), before);
        QVERIFY2(panel.minimumSizeHint().width() <= 300, qPrintable(QString::number(panel.minimumSizeHint().width())));
    }

    void coloursFollowASwitchOfTheTheme()
    {
        theme::apply(*qApp, ThemeMode::Light);
        MetricsPanel panel;
        panel.setMetrics(sample(5), sample(10), false);
        theme::apply(*qApp, ThemeMode::Dark);
        panel.show(); // what was never shown learns of the palette now
        int told = 0;
        for (const QLabel* label : panel.findChildren<QLabel*>()) {
            if (!label->toolTip().startsWith("SQNR is"))
                continue;
            ++told;
            QCOMPARE(label->palette().color(QPalette::WindowText), theme::color(Ink::Good));
        }
        QCOMPARE(told, 1);
        theme::apply(*qApp, ThemeMode::Light);
    }

    void errorsAtTheOutputStandBesideThoseOfTheWeights()
    {
        MetricsPanel panel;
        panel.setMetrics(sample(10), std::nullopt, false);
        panel.setOutputError(std::nullopt, std::nullopt, false, "needs a calibration");
        QCOMPARE(valueOf(panel, "Output error")->text(), QString("–"));
        QVERIFY(shows(panel, "needs a calibration"));
        const OutputError now{OutputError::Basis::Gram, 1, 100}, before{OutputError::Basis::Gram, 4, 100};
        panel.setOutputError(now, before, true, "sample of 64 rows");
        QCOMPARE(valueOf(panel, "Output error")->text(), QString("0.100"));
        QCOMPARE(valueOf(panel, "Output SQNR")->text(), QString("20.0"));
        QVERIFY(shows(panel, "preview, sample of 64 rows"));
        QCOMPARE(valueOf(panel, "SQNR")->text(), QString("20.0")); // of the weights, and exact
        QVERIFY(shows(panel, "exact"));
        const auto labels = panel.findChildren<QLabel*>();
        QVERIFY(std::any_of(labels.begin(), labels.end(), [](QLabel* label) {
            return label->toolTip().startsWith("Output error is better") && label->text().contains("▲");
        }));
    }

    void notesAppearAndGo()
    {
        MetricsPanel panel;
        panel.setNote("12 NaN, first at [3, 77]: metrics over finite values");
        QVERIFY(shows(panel, "12 NaN"));
        panel.setNote({});
        QVERIFY(!shows(panel, "12 NaN"));
    }
};

QTEST_MAIN(TestMetricsPanel)
#include "tst_metricspanel.moc"
