// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/theme.h"

#include <QApplication>
#include <QFontDatabase>
#include <QFontMetrics>
#include <QIconEngine>
#include <QPainter>
#include <QPalette>
#include <QPixmap>
#include <QProxyStyle>
#include <QStyleOption>
#include <QSvgRenderer>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

static void initResources()
{
    Q_INIT_RESOURCE(resources); // the linker drops a static library's resources unless someone asks for them
}

namespace ql::theme {
namespace {

struct InkPair {
    QRgb light, dark;
};

InkPair inkPair(Ink ink)
{
    switch (ink) {
    case Ink::Weights: return {0xff2f7ab5, 0xff5aaeea};
    case Ink::Activations: return {0xff6a4fb3, 0xffb29cf0};
    case Ink::Keys: return {0xff0f7c8a, 0xff4cc3d0};
    case Ink::Values: return {0xff6b7a1f, 0xffb5c25a};
    case Ink::Grid: return {0xffb97a00, 0xffe3a62f};
    case Ink::GridFill: return {0x12b97a00, 0x14e3a62f};
    case Ink::Clipped: return {0xffd55e00, 0xfff07f35};
    case Ink::Error: return {0xffa8487f, 0xffd98abb};
    case Ink::Reconstructed: return {0xff00805c, 0xff2fc596};
    case Ink::NormalFit: return {0xff3d434b, 0xffd3d7dc};
    case Ink::Handle: return {0xffc24a00, 0xffff9a5a};
    case Ink::Preview: return {0xff8a5a00, 0xfff0c060};
    case Ink::Accent: return {0xff1f66c1, 0xff62a8ff};
    case Ink::Axis: return {0xff8b929a, 0xff737a83};
    case Ink::AxisText: return {0xff4a5058, 0xffb4bac2};
    case Ink::PlotGrid: return {0xffeaecef, 0xff2b2e33};
    case Ink::PlotBackground: return {0xffffffff, 0xff1a1c1f};
    case Ink::Muted: return {0xff626971, 0xff9aa1a9};
    case Ink::Good: return {0xff00735c, 0xff35c9a0};
    case Ink::Bad: return {0xffb84a00, 0xfff58a45};
    case Ink::WarningBackground: return {0xfffff3d1, 0xff3f3514};
    case Ink::ErrorBackground: return {0xfffde5dc, 0xff47261a};
    case Ink::InfoBackground: return {0xffe3effb, 0xff1c3149};
    }
    Q_UNREACHABLE();
}

QColor between(std::span<const QRgb> stops, double share)
{
    const double at = std::clamp(std::isnan(share) ? 0.0 : share, 0.0, 1.0) * double(stops.size() - 1);
    const auto i = std::min(size_t(at), stops.size() - 2);
    const double t = at - double(i);
    const auto mix = [t](int a, int b) { return int(std::lround(a + (b - a) * t)); };
    return QColor(mix(qRed(stops[i]), qRed(stops[i + 1])), mix(qGreen(stops[i]), qGreen(stops[i + 1])),
                  mix(qBlue(stops[i]), qBlue(stops[i + 1])));
}

QPalette makePalette(bool dark)
{
    const auto pick = [dark](QRgb light, QRgb night) { return QColor(dark ? night : light); };
    const QColor text = pick(0xff1f2328, 0xffdfe2e6);
    const QColor muted = pick(0xff8d949c, 0xff70777f);
    QPalette palette;
    palette.setColor(QPalette::Window, pick(0xfff3f4f6, 0xff222427));
    palette.setColor(QPalette::WindowText, text);
    palette.setColor(QPalette::Base, pick(0xffffffff, 0xff1a1c1f));
    palette.setColor(QPalette::AlternateBase, pick(0xfff8f9fa, 0xff1f2124));
    palette.setColor(QPalette::Text, text);
    palette.setColor(QPalette::Button, pick(0xfff3f4f6, 0xff2c2f33));
    palette.setColor(QPalette::ButtonText, text);
    palette.setColor(QPalette::BrightText, pick(0xffffffff, 0xffffffff));
    palette.setColor(QPalette::ToolTipBase, pick(0xffffffff, 0xff2c2f33));
    palette.setColor(QPalette::ToolTipText, text);
    palette.setColor(QPalette::PlaceholderText, muted);
    palette.setColor(QPalette::Light, pick(0xffffffff, 0xff3a3d42));
    palette.setColor(QPalette::Midlight, pick(0xffe9ebee, 0xff313439));
    palette.setColor(QPalette::Mid, pick(0xffc3c8ce, 0xff3f4349));
    palette.setColor(QPalette::Dark, pick(0xffa3a9b1, 0xff16181a));
    palette.setColor(QPalette::Shadow, pick(0xff70767d, 0xff0c0d0e));
    palette.setColor(QPalette::Highlight, pick(0xff1f66c1, 0xff2e6fc4));
    palette.setColor(QPalette::HighlightedText, QColor(Qt::white));
    palette.setColor(QPalette::Link, pick(0xff1f66c1, 0xff62a8ff));
    palette.setColor(QPalette::LinkVisited, pick(0xff6a4fb3, 0xffb29cf0));
    for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText})
        palette.setColor(QPalette::Disabled, role, muted);
    palette.setColor(QPalette::Disabled, QPalette::Highlight, pick(0xffd5d9de, 0xff3a3d42));
    palette.setColor(QPalette::Disabled, QPalette::HighlightedText, muted);
    palette.setColor(QPalette::Disabled, QPalette::Base, palette.color(QPalette::Window));
    return palette;
}

QString styleSheet(bool dark)
{
    const QString line = dark ? "#34373c" : "#dcdfe3";
    const QString hover = dark ? "#33363b" : "#e4e7eb";
    const QString checked = dark ? "#274566" : "#d5e5f8";
    return QString("QToolTip { border: 1px solid %1; padding: 4px; }"
                   "QMainWindow::separator { width: 5px; height: 5px; background: palette(window); }"
                   "QSplitter::handle { background: palette(window); }"
                   "QStatusBar::item { border: none; }"
                   "QDockWidget::title { padding: 6px 8px; background: palette(window); }"
                   "QGroupBox { border: none; margin-top: 22px; font-weight: 600; }"
                   "QGroupBox::title { subcontrol-origin: margin; left: 0px; top: 2px; }"
                   "QHeaderView::section { background: palette(window); border: none; padding: 3px 6px;"
                   " border-bottom: 1px solid %1; border-right: 1px solid %1; }"
                   "QTableView, QTreeView, QListView { border: 1px solid %1; gridline-color: %1; }"
                   "QToolBar { border: none; spacing: 4px; padding: 2px 4px; }"
                   "QToolButton { border: 1px solid transparent; border-radius: 4px; padding: 3px 6px; }"
                   "QToolButton:hover { background: %2; }"
                   "QToolButton:checked { background: %3; }"
                   "QToolButton:focus { border: 1px solid palette(highlight); }"
                   "QToolButton::menu-indicator { image: none; }")
        .arg(line, hover, checked);
}

/// Fusion, with check boxes and fields whose outline is seen on a dark background too.
class Style : public QProxyStyle
{
public:
    Style() : QProxyStyle(QStringLiteral("Fusion")) {}

    void drawPrimitive(PrimitiveElement element, const QStyleOption* option, QPainter* painter, const QWidget* widget) const override
    {
        QProxyStyle::drawPrimitive(element, option, painter, widget);
        const bool enabled = option->state & State_Enabled;
        if (element == PE_IndicatorCheckBox || element == PE_IndicatorItemViewItemCheck)
            outline(painter, option->rect, enabled ? QColor(0xff70777f) : QColor(0xff4a4f56));
        else if (element == PE_FrameLineEdit && !(option->state & State_HasFocus))
            outline(painter, option->rect, QColor(enabled ? 0xff474c52 : 0xff34373c));
    }
    void drawComplexControl(ComplexControl control, const QStyleOptionComplex* option, QPainter* painter,
                            const QWidget* widget) const override
    {
        QProxyStyle::drawComplexControl(control, option, painter, widget);
        if (control == CC_SpinBox && !(option->state & State_HasFocus))
            outline(painter, option->rect, QColor(option->state & State_Enabled ? 0xff474c52 : 0xff34373c));
    }

private:
    static void outline(QPainter* painter, const QRect& rect, const QColor& color)
    {
        if (!isDark())
            return;
        painter->save();
        painter->setRenderHint(QPainter::Antialiasing);
        painter->setPen(color);
        painter->setBrush(Qt::NoBrush);
        painter->drawRoundedRect(QRectF(rect).adjusted(0.5, 0.5, -0.5, -0.5), 1.5, 1.5);
        painter->restore();
    }
};

/// Paints an SVG's shape in the text colour of the present palette, so that icons follow a switch by themselves.
class TintedIcon : public QIconEngine
{
public:
    explicit TintedIcon(const QString& file) : m_file(file) {}

    void paint(QPainter* painter, const QRect& rect, QIcon::Mode mode, QIcon::State state) override
    {
        const qreal ratio = painter->device()->devicePixelRatioF();
        QPixmap picture = draw(rect.size() * ratio, mode, state);
        picture.setDevicePixelRatio(ratio);
        painter->drawPixmap(rect.topLeft(), picture);
    }
    QPixmap pixmap(const QSize& size, QIcon::Mode mode, QIcon::State state) override { return draw(size, mode, state); }
    QPixmap scaledPixmap(const QSize& size, QIcon::Mode mode, QIcon::State state, qreal) override
    {
        return draw(size, mode, state);
    }
    QIconEngine* clone() const override { return new TintedIcon(m_file); }
    bool isNull() override { return false; }

private:
    QPixmap draw(const QSize& size, QIcon::Mode mode, QIcon::State state) const
    {
        QPixmap picture(size);
        picture.fill(Qt::transparent);
        if (size.isEmpty())
            return picture;
        QPainter painter(&picture);
        const int side = std::min(size.width(), size.height());
        QSvgRenderer(m_file).render(&painter,
                                    QRectF((size.width() - side) / 2, (size.height() - side) / 2, side, side));
        painter.setCompositionMode(QPainter::CompositionMode_SourceIn);
        painter.fillRect(picture.rect(), tint(mode, state));
        return picture;
    }
    static QColor tint(QIcon::Mode mode, QIcon::State state)
    {
        const QPalette palette = QApplication::palette();
        if (mode == QIcon::Disabled)
            return palette.color(QPalette::Disabled, QPalette::ButtonText);
        if (mode == QIcon::Selected)
            return palette.color(QPalette::HighlightedText);
        return state == QIcon::On ? color(Ink::Accent) : palette.color(QPalette::ButtonText);
    }

    QString m_file;
};

} // namespace

void apply(QApplication& application, ThemeMode mode)
{
    // A style sheet that is in force restores the palettes that widgets set for themselves in answer to the new one.
    application.setStyleSheet(QString());
    application.setStyle(new Style);
    bool dark = mode == ThemeMode::Dark;
    if (mode == ThemeMode::System) {
        application.setPalette(QPalette()); // back to what the desktop says
        dark = isDark();
    }
    application.setPalette(makePalette(dark));
    application.setStyleSheet(styleSheet(dark));
}

bool isDark()
{
    return QApplication::palette().color(QPalette::Window).lightness() < 128;
}

QColor color(Ink ink)
{
    const InkPair pair = inkPair(ink);
    return QColor::fromRgba(isDark() ? pair.dark : pair.light);
}

QColor categorical(int index)
{
    // Okabe and Ito 2008; yellow and black exchanged for shades with enough contrast on the background.
    static constexpr std::array<QRgb, 8> kLight = {0xff0072b2, 0xffd55e00, 0xff009e73, 0xffb5619a,
                                                   0xffc28500, 0xff3f9fd6, 0xff8a8000, 0xff3d434b};
    static constexpr std::array<QRgb, 8> kDark = {0xff56b4e9, 0xffe8763a, 0xff2fbf92, 0xffd98abb,
                                                  0xffe69f00, 0xff4a90d9, 0xfff0e442, 0xffd3d7dc};
    const auto& colours = isDark() ? kDark : kLight;
    return QColor(colours[size_t(std::abs(index)) % colours.size()]);
}

QColor magnitude(double share)
{
    static constexpr std::array<QRgb, 9> kViridis = {0xff440154, 0xff472c7a, 0xff3b518b, 0xff2c718e, 0xff21908d,
                                                     0xff27ad81, 0xff5cc863, 0xffaadc32, 0xfffde725};
    return between(kViridis, share);
}

QColor diverging(double signedShare)
{
    static constexpr std::array<QRgb, 7> kLight = {0xff12427e, 0xff2f7ab5, 0xff9dc6e2, 0xfff6f6f4,
                                                   0xfff3bd84, 0xffd0751c, 0xff7f3b08};
    static constexpr std::array<QRgb, 7> kDark = {0xffaed8fb, 0xff4a9be0, 0xff225282, 0xff24262a,
                                                  0xff7a4a14, 0xffe08a2e, 0xffffd9a8};
    return between(isDark() ? kDark : kLight, (signedShare + 1) / 2);
}

QFont smallFont()
{
    QFont font = QApplication::font();
    font.setPointSizeF(std::max(6.5, font.pointSizeF() * 0.88));
    return font;
}

QFont numberFont()
{
    const QFont font = QApplication::font();
    const QFontMetricsF metrics(font);
    const double zero = metrics.horizontalAdvance('0');
    for (char digit = '1'; digit <= '9'; ++digit) {
        if (std::abs(metrics.horizontalAdvance(digit) - zero) > 0.01) {
            QFont fixed = QFontDatabase::systemFont(QFontDatabase::FixedFont);
            fixed.setPointSizeF(font.pointSizeF());
            return fixed;
        }
    }
    return font;
}

QIcon icon(const QString& name)
{
    initResources();
    return QIcon(new TintedIcon(":/icons/" + name + ".svg"));
}

} // namespace ql::theme
