// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The panels that run the model: what they ask for, what they say is loaded, figures of an evaluation with their errors.
#include "widgets/panels/calibratepanel.h"
#include "widgets/panels/evaluatepage.h"
#include "widgets/panels/evaluationfigures.h"
#include "widgets/panels/sequenceform.h"
#include "widgets/plots/barsplot.h"
#include "widgets/theme.h"

#include <QApplication>
#include <QCheckBox>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSignalSpy>
#include <QSpinBox>
#include <QTest>

using namespace ql;

Q_DECLARE_METATYPE(ql::Estimate)

namespace {

QPushButton* button(const QWidget& panel, const QString& text)
{
    const auto buttons = panel.findChildren<QPushButton*>();
    for (QPushButton* made : buttons) {
        if (made->text() == text)
            return made;
    }
    return nullptr;
}

bool shows(const QWidget& panel, const QString& text)
{
    const auto labels = panel.findChildren<QLabel*>();
    return std::any_of(labels.begin(), labels.end(), [&](QLabel* label) { return label->text().contains(text); });
}

SequenceSettings bundled()
{
    SequenceSettings settings;
    settings.path = "/somewhere/calibration.txt";
    settings.length = 256;
    settings.count = 32;
    return settings;
}

Shared<Evaluation> sampleEvaluation()
{
    auto evaluation = std::make_shared<Evaluation>();
    evaluation->text = "heldout.txt (1a2b)";
    evaluation->tokens = 4080;
    evaluation->sequences = 16;
    evaluation->context = 256;
    evaluation->originalPerplexity = {12.3456, 0.21};
    evaluation->perplexity = {13.1, 0.22};
    evaluation->kl = {0.0412, 0.0011};
    evaluation->klMedian = 0.02;
    evaluation->klP99 = 0.3;
    evaluation->klMax = 1.5;
    evaluation->top1Agreement = {0.913, 0.004};
    evaluation->logitRmse = 0.25;
    for (int i = 0; i < 4; ++i)
        evaluation->positions.push_back({i * 64, i * 64 + 63, {2.5, 0.1}, {2.4, 0.1}, {0.04, 0.01}, {0.9, 0.01}});
    return evaluation;
}

} // namespace

class TestRunPanels : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void theFormGivesTheBundledTextUntilAnotherIsNamed()
    {
        SequenceForm form;
        form.setDefaults(bundled(), 128);
        QCOMPARE(form.settings().path, bundled().path);
        QCOMPARE(form.settings().length, int64_t(128)); // the model's context is the limit
        QCOMPARE(form.settings().count, int64_t(32));
        QVERIFY(form.settings().addBegin);
        form.findChild<QLineEdit*>()->setText(" /my/text.jsonl ");
        QCOMPARE(form.settings().path, std::string("/my/text.jsonl"));
        SequenceSettings other = bundled();
        other.seed = 7;
        form.setSettings(other);
        QCOMPARE(form.settings().path, bundled().path);
        QCOMPARE(form.settings().seed, uint64_t(7));
    }

    void calibratingIsAskedForAndCancelled()
    {
        CalibratePanel panel;
        QVERIFY(!button(panel, "Calibrate")->isEnabled()); // no model
        panel.setModel(true, {});
        panel.setDefaults(bundled(), 512);
        QSignalSpy asked(&panel, &CalibratePanel::calibrateRequested), cancelled(&panel, &CalibratePanel::cancelRequested);
        panel.findChild<QCheckBox*>()->setChecked(false);
        QTest::mouseClick(button(panel, "Calibrate"), Qt::LeftButton);
        QCOMPARE(asked.size(), 1);
        QCOMPARE(asked[0][0].value<SequenceSettings>().length, int64_t(256));
        QCOMPARE(asked[0][1].toBool(), false);
        panel.setRunning(true);
        QTest::mouseClick(button(panel, "Cancel"), Qt::LeftButton);
        QCOMPARE(cancelled.size(), 1);
    }

    void aModelThatCannotRunSaysWhyAndStillImports()
    {
        CalibratePanel panel;
        panel.setModel(true, "family mamba is not supported");
        QVERIFY(shows(panel, "mamba"));
        QVERIFY(!button(panel, "Calibrate")->isEnabled());
        QVERIFY(button(panel, "Import…")->isEnabled());
        QVERIFY(!button(panel, "Save…")->isEnabled());
    }

    void whatIsLoadedIsSaid()
    {
        CalibratePanel panel;
        panel.setModel(true, {});
        QVERIFY(shows(panel, "Nothing yet"));
        InputStatistics input;
        input.tensors = {"a.weight"};
        input.channels = 4;
        input.channelMeanSquare = {1, 2, 3, 4};
        CalibrationSource source;
        source.kind = "forward pass";
        source.text = "calibration.txt";
        source.tokens = 4096;
        source.sequences = 16;
        source.partial = true;
        panel.setCalibration(std::make_shared<const Calibration>(source, std::vector{input}));
        QVERIFY(!shows(panel, "Nothing yet"));
        QVERIFY(shows(panel, "forward pass (partial"));
        QVERIFY(shows(panel, "4.10 k in 16 sequences"));
        QVERIFY(button(panel, "Save…")->isEnabled());
        panel.setCalibration({});
        QVERIFY(shows(panel, "Nothing yet"));
    }

    void estimatesCarryTheDigitsTheirErrorAllows_data()
    {
        QTest::addColumn<Estimate>("estimate");
        QTest::addColumn<double>("factor");
        QTest::addColumn<QString>("text");
        QTest::newRow("perplexity") << Estimate{12.3456, 0.21} << 1.0 << "12.35 ± 0.21";
        QTest::newRow("small divergence") << Estimate{0.04123, 0.0011} << 1.0 << "0.0412 ± 0.0011";
        QTest::newRow("share in per cent") << Estimate{0.913, 0.004} << 100.0 << "91.30 ± 0.40";
        QTest::newRow("no error known") << Estimate{3.14159, 0} << 1.0 << "3.14";
        QTest::newRow("exactly nothing") << Estimate{0, 0} << 1.0 << "0";
    }
    void estimatesCarryTheDigitsTheirErrorAllows()
    {
        QFETCH(Estimate, estimate);
        QFETCH(double, factor);
        QFETCH(QString, text);
        QCOMPARE(estimateText(estimate, factor), text);
    }

    void everyFigureOfAnEvaluationHasItsDefinition()
    {
        EvaluatePage page;
        page.setModel(true, {});
        page.setEvaluation(sampleEvaluation());
        int found = 0;
        for (const QLabel* label : page.findChildren<QLabel*>()) {
            for (const EvaluationFigure& figure : evaluationFigures()) {
                if (label->accessibleName() != QLatin1String(figure.name))
                    continue;
                ++found;
                QCOMPARE(label->text(), figure.text(*sampleEvaluation()));
                QVERIFY(label->toolTip().contains(QString::fromUtf8(figure.meaning).left(20).toHtmlEscaped()));
            }
        }
        QCOMPARE(found, int(evaluationFigures().size()));
        QVERIFY(shows(page, "heldout.txt"));
        page.setStale(true, false);
        QVERIFY(shows(page, "earlier policy"));
    }

    void figuresFollowTheTheme()
    {
        theme::apply(*qApp, ThemeMode::Dark);
        EvaluatePage page;
        page.setModel(true, {});
        page.show(); // without figures, which are muted
        QVERIFY(QTest::qWaitForWindowExposed(&page));
        page.setEvaluation(sampleEvaluation());
        for (const ThemeMode mode : {ThemeMode::Light, ThemeMode::Dark}) {
            theme::apply(*qApp, mode);
            QTest::qWait(20);
            for (const QLabel* label : page.findChildren<QLabel*>()) {
                if (label->accessibleName() == QLatin1String(evaluationFigures().front().name))
                    QCOMPARE(label->palette().color(QPalette::WindowText), QApplication::palette().color(QPalette::WindowText));
            }
        }
        QVERIFY(!evaluationFigures().empty());
    }

    void barsSelectTheirTensorAndTheSelfCheckIsShown()
    {
        EvaluatePage page;
        page.resize(600, 700);
        page.setModel(true, {});
        auto attribution = std::make_shared<Attribution>();
        attribution->tokens = 512;
        attribution->entries = {{3, "layers.0.q_proj", Scheme::defaultsFor(Format::Int4), {0.01, 0.001}},
                                {9, "layers.0.v_proj", Scheme::defaultsFor(Format::Int4), {0.03, 0.002}}};
        page.setAttribution(attribution);
        page.showAttribution();
        page.show();
        QVERIFY(QTest::qWaitForWindowExposed(&page));
        QVERIFY(shows(page, "diverges by 0 nats"));
        const auto plots = page.findChildren<BarsPlot*>();
        const auto found = std::find_if(plots.begin(), plots.end(), [](BarsPlot* plot) { return plot->isVisible(); });
        QVERIFY(found != plots.end());
        BarsPlot* bars = *found;
        QSignalSpy picked(&page, &EvaluatePage::tensorPicked);
        QTest::qWait(20);
        QTest::mouseClick(bars, Qt::LeftButton, {}, bars->barPixel(1).toPoint());
        QCOMPARE(picked.size(), 1);
        QCOMPARE(picked[0][0].toInt(), 9);
    }

    void nothingIsCutOffInTheNarrowestPlace()
    {
        EvaluatePage page;
        page.setModel(true, {});
        page.setEvaluation(sampleEvaluation());
        QVERIFY2(page.minimumSizeHint().width() <= 535, qPrintable(QString::number(page.minimumSizeHint().width())));
        CalibratePanel panel;
        panel.setModel(true, {});
        QVERIFY2(panel.minimumSizeHint().width() <= 300, qPrintable(QString::number(panel.minimumSizeHint().width())));
    }
};

QTEST_MAIN(TestRunPanels)
#include "tst_runpanels.moc"
