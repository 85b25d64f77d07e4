// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The theme: modes, contrast of every ink, colour maps and icons.
#include "widgets/theme.h"

#include <QApplication>
#include <QDir>
#include <QImage>
#include <QTest>

#include <cmath>

using namespace ql;

namespace {

/// Relative luminance and contrast as WCAG 2 defines them.
double luminance(const QColor& colour)
{
    const auto linear = [](double c) { return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4); };
    return 0.2126 * linear(colour.redF()) + 0.7152 * linear(colour.greenF()) + 0.0722 * linear(colour.blueF());
}

double contrast(const QColor& a, const QColor& b)
{
    const double la = luminance(a), lb = luminance(b);
    return (std::max(la, lb) + 0.05) / (std::min(la, lb) + 0.05);
}

} // namespace

class TestTheme : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void switchesModes()
    {
        theme::apply(*qApp, ThemeMode::Dark);
        QVERIFY(theme::isDark());
        const QColor dark = theme::color(Ink::Weights);
        theme::apply(*qApp, ThemeMode::Light);
        QVERIFY(!theme::isDark());
        QVERIFY(theme::color(Ink::Weights) != dark);
    }

    void inksStandOutFromThePlot_data()
    {
        QTest::addColumn<int>("mode");
        QTest::newRow("light") << int(ThemeMode::Light);
        QTest::newRow("dark") << int(ThemeMode::Dark);
    }
    void inksStandOutFromThePlot()
    {
        QFETCH(int, mode);
        theme::apply(*qApp, ThemeMode(mode));
        const QColor background = theme::color(Ink::PlotBackground);
        for (const Ink ink : {Ink::AxisText, Ink::Muted, Ink::Good, Ink::Bad, Ink::Accent, Ink::Preview, Ink::Handle})
            QVERIFY2(contrast(theme::color(ink), background) >= 4.5, qPrintable(QString("text ink %1").arg(int(ink))));
        for (const Ink ink : {Ink::Weights, Ink::Activations, Ink::Keys, Ink::Values, Ink::Grid, Ink::Clipped, Ink::Error,
                              Ink::Reconstructed, Ink::NormalFit})
            QVERIFY2(contrast(theme::color(ink), background) >= 3, qPrintable(QString("data ink %1").arg(int(ink))));
        for (int i = 0; i < 8; ++i)
            QVERIFY2(contrast(theme::categorical(i), background) >= 2.8, qPrintable(QString("category %1").arg(i)));
    }

    void magnitudeBrightensEvenly()
    {
        for (int i = 1; i <= 100; ++i)
            QVERIFY(luminance(theme::magnitude(i / 100.0)) > luminance(theme::magnitude((i - 1) / 100.0)));
        QCOMPARE(theme::magnitude(0), QColor(0x44, 0x01, 0x54));
        QCOMPARE(theme::magnitude(7), QColor(0xfd, 0xe7, 0x25));
    }

    void divergingIsBalanced()
    {
        theme::apply(*qApp, ThemeMode::Light);
        const double middle = luminance(theme::diverging(0));
        for (const double share : {0.33, 0.66, 1.0}) {
            QVERIFY(luminance(theme::diverging(share)) < middle);
            QVERIFY(std::abs(luminance(theme::diverging(share)) - luminance(theme::diverging(-share))) < 0.12);
        }
    }

    void everyIconPaints()
    {
        theme::apply(*qApp, ThemeMode::Light);
        const QStringList files = QDir(QL_RESOURCES "/icons").entryList({"*.svg"});
        QVERIFY(files.size() > 20);
        for (const QString& file : files) {
            const QImage image = theme::icon(file.chopped(4)).pixmap(32, 32).toImage();
            int painted = 0;
            for (int y = 0; y < image.height(); ++y) {
                for (int x = 0; x < image.width(); ++x)
                    painted += qAlpha(image.pixel(x, y)) > 128;
            }
            QVERIFY2(painted > 20, qPrintable(file + " paints nothing: is it listed in resources.qrc?"));
        }
    }

    void fontsHaveTabularFigures()
    {
        const QFontMetricsF metrics(theme::numberFont());
        for (const char digit : {'1', '4', '7'})
            QCOMPARE(metrics.horizontalAdvance(QChar(digit)), metrics.horizontalAdvance(QChar('0')));
        QVERIFY(theme::smallFont().pointSizeF() < QApplication::font().pointSizeF());
    }
};

QTEST_MAIN(TestTheme)
#include "tst_theme.moc"
