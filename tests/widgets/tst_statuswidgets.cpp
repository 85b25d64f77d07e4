// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Message bar, job bar and device chip.
#include "widgets/models/jobrate.h"
#include "widgets/panels/jobrow.h"
#include "widgets/panels/statuswidgets.h"
#include "widgets/theme.h"

#include <QClipboard>
#include <QGuiApplication>
#include <QLabel>
#include <QMenu>
#include <QSignalSpy>
#include <QTest>

#include <cmath>

using namespace ql;

namespace {

QToolButton* button(QWidget& parent, const QString& text)
{
    for (QToolButton* candidate : parent.findChildren<QToolButton*>()) {
        if (candidate->text().contains(text) || candidate->accessibleName().contains(text))
            return candidate;
    }
    return nullptr;
}

} // namespace

class TestStatusWidgets : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void theBarSpeaksCopiesAndCloses()
    {
        InlineBar bar;
        QVERIFY(bar.isHidden());
        QCOMPARE(bar.text(), QString());
        bar.showMessage(InlineBar::Level::Error, "x.gguf: cut short; download it again", "byte 12 of 13", "Retry");
        QCOMPARE(bar.text(), QString("x.gguf: cut short; download it again"));
        QVERIFY(bar.accessibleName().startsWith("Error"));
        QSignalSpy actions(&bar, &InlineBar::actionTriggered);
        QTest::mouseClick(button(bar, "Retry"), Qt::LeftButton);
        QCOMPARE(actions.size(), 1);
        QVERIFY(bar.isHidden());
        bar.showMessage(InlineBar::Level::Error, "x.gguf: cut short; download it again", "byte 12 of 13");
        QTest::mouseClick(button(bar, "Copy details"), Qt::LeftButton);
        QCOMPARE(QGuiApplication::clipboard()->text(), QString("byte 12 of 13"));
        QTest::mouseClick(button(bar, "Close"), Qt::LeftButton);
        QCOMPARE(bar.text(), QString());
        bar.showMessage(InlineBar::Level::Info, "hello");
        QVERIFY(button(bar, "Copy details")->isHidden());
        QTest::keyClick(&bar, Qt::Key_Escape);
        QVERIFY(bar.isHidden());
        for (const auto level : {InlineBar::Level::Info, InlineBar::Level::Warning, InlineBar::Level::Error}) {
            bar.showMessage(level, "of before");
            bar.hidePast();
            QCOMPARE(bar.isHidden(), level != InlineBar::Level::Warning);
        }
        bar.showMessage(InlineBar::Level::Error, "again");
        bar.showMessage(InlineBar::Level::Error, "");
        QVERIFY(bar.isHidden());
    }

    void coloursFollowASwitchOfTheTheme()
    {
        theme::apply(*qApp, ThemeMode::Light);
        InlineBar bar;
        bar.showMessage(InlineBar::Level::Error, "x");
        for (const ThemeMode mode : {ThemeMode::Dark, ThemeMode::Light, ThemeMode::Dark}) {
            theme::apply(*qApp, mode);
            QCOMPARE(bar.palette().color(QPalette::Window), theme::color(Ink::ErrorBackground));
            QCOMPARE(bar.grab().toImage().pixelColor(bar.width() / 2, 1), theme::color(Ink::ErrorBackground));
        }
        theme::apply(*qApp, ThemeMode::Light);
    }

    void ratesFollowTheReports()
    {
        JobRate rate;
        QVERIFY(!rate.share() && !rate.secondsLeft() && !rate.perSecond());
        rate.report(0, 0, 1000);
        QCOMPARE(*rate.share(), 0.0);
        QVERIFY(!rate.perSecond());
        rate.report(50, 10, 1000); // too close to say anything
        QVERIFY(!rate.perSecond());
        rate.report(1000, 100, 1000);
        QCOMPARE(*rate.perSecond(), 100.0);
        QCOMPARE(*rate.secondsLeft(), 9.0);
        rate.report(2000, 300, 1000); // 200 B/s now, weighted 1 - exp(-1/3)
        QVERIFY(std::abs(*rate.perSecond() - (100 + 100 * (1 - std::exp(-1.0 / 3)))) < 1e-9);
        rate.report(3000, 2000, 1000);
        QCOMPARE(*rate.share(), 1.0);
        QCOMPARE(*rate.secondsLeft(), 0.0);
        JobRate unknown;
        unknown.report(0, 0, 0);
        unknown.report(1000, 5, 0);
        QVERIFY(!unknown.share() && !unknown.secondsLeft());
    }

    void oneJobStandsInTheBar()
    {
        JobBar bar;
        QVERIFY(bar.isHidden());
        bar.setJob(7, "quantizing", 250000000, 1000000000);
        QVERIFY(!bar.isHidden());
        const auto rows = bar.findChildren<JobRow*>();
        QCOMPARE(rows.size(), 1);
        bool told = false;
        for (const QLabel* label : rows[0]->findChildren<QLabel*>())
            told = told || label->text() == "25 % · 250 MB of 1.00 GB";
        QVERIFY(told);
        QSignalSpy cancels(&bar, &JobBar::cancelRequested);
        bar.show();
        QTest::mouseClick(button(bar, "Cancel"), Qt::LeftButton);
        QCOMPARE(cancels.size(), 1);
        QCOMPARE(cancels[0][0].toULongLong(), 7u);
        QTest::mouseClick(button(bar, "Cancel"), Qt::LeftButton); // it is ending already
        QCOMPARE(cancels.size(), 1);
        bar.removeJob(7);
        QVERIFY(bar.isHidden());
        bar.removeJob(7);
    }

    void jobsThatRunTheModelCountTokens()
    {
        JobBar bar;
        bar.setJob(7, "calibrating", 0, 0, JobUnit::Tokens);
        const auto labels = bar.findChildren<JobRow*>().first()->findChildren<QLabel*>();
        const auto shows = [&](const QString& text) {
            return std::any_of(labels.begin(), labels.end(), [&](QLabel* label) { return label->text() == text; });
        };
        QVERIFY(shows("")); // the text is still being read
        bar.setJob(7, "calibrating", 512, 2048, JobUnit::Tokens);
        QVERIFY(shows("25 % · 512 of 2.05 k tokens"));
    }

    void severalJobsShareALineAndOpenAList()
    {
        JobBar bar;
        bar.setJob(1, "first", 10, 100);
        bar.setJob(2, "second", 40, 100);
        bar.show();
        QToolButton* summary = button(bar, "jobs");
        QVERIFY(summary && summary->isVisible());
        QVERIFY(summary->text().startsWith("2 jobs · 25 %"));
        QTest::mouseClick(summary, Qt::LeftButton);
        const auto rows = bar.findChildren<JobRow*>();
        QCOMPARE(rows.size(), 2);
        QVERIFY(rows[0]->isVisible() && rows[1]->isVisible());
        QSignalSpy cancels(&bar, &JobBar::cancelRequested);
        QTest::mouseClick(button(*rows[1], "Cancel"), Qt::LeftButton);
        QCOMPARE(cancels.size(), 1);
        bar.removeJob(cancels[0][0].toULongLong());
        QVERIFY(!summary->isVisible());
        QVERIFY(!bar.isHidden());
        bar.setJob(3, "size not known", 5, 0);
        QVERIFY2(!summary->text().contains('%'), qPrintable(summary->text()));
    }

    void theChipListsDevicesAndTheirReasons()
    {
        DeviceChip chip;
        const QList<DeviceChip::Entry> entries = {{"cpu", "CPU", "1.2 GB/s", true, false},
                                                  {"opencl:0:0", "A device with a very, very long name indeed", "1.9 GB/s", true, false},
                                                  {"opencl:1:0", "GPU", "driver crashed", false, true}};
        chip.setDevices(entries, "opencl:0:0", "GPU not used: its driver crashed");
        QVERIFY(chip.text().size() < 30);
        QVERIFY(chip.toolTip().contains("very long name indeed"));
        QVERIFY(chip.toolTip().contains("not used"));
        QAction* cpu = nullptr;
        QAction* gpu = nullptr;
        for (QAction* action : chip.menu()->actions()) {
            if (action->text().startsWith("CPU"))
                cpu = action;
            if (action->text().startsWith("GPU\t"))
                gpu = action;
        }
        QVERIFY(cpu && gpu);
        QVERIFY(!gpu->isEnabled());
        QVERIFY(gpu->text().contains("driver crashed"));
        QSignalSpy chosen(&chip, &DeviceChip::deviceChosen);
        cpu->trigger();
        QCOMPARE(chosen.size(), 1);
        QCOMPARE(chosen[0][0].toString(), QString("cpu"));
        chip.setDevices(entries, "cpu", "");
        QCOMPARE(chip.text(), QString("CPU"));
        chip.setDevices({{"opencl:0:0", "pthread-skylake-avx512-AMD EPYC", "PoCL", true, false}}, "opencl:0:0", "");
        QCOMPARE(chip.text(), QString("AMD EPYC (OpenCL)")); // the brand, not the code generator
        QVERIFY(chip.toolTip().contains("pthread-skylake-avx512-AMD EPYC"));
        QVERIFY(!chip.toolTip().contains("not used"));
    }
};

QTEST_MAIN(TestStatusWidgets)
#include "tst_statuswidgets.moc"
