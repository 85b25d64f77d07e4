// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plots/overlayplot.h"

#include "widgets/models/numbertext.h"
#include "widgets/theme.h"

#include <QPainter>

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

constexpr int kStrip = 18; ///< height of one grid's strip
constexpr int kOverlayMargin = 12;
constexpr double kFewest = 1e-6; ///< share per unit at which logarithmic axes end, of the highest

double totalOf(const Histogram& histogram)
{
    return std::max(1.0, double(histogram.total() + histogram.below + histogram.above));
}

} // namespace

OverlayPlot::OverlayPlot(QWidget* parent) : PlotView(parent)
{
    setAccessibleName(tr("Overlaid distributions"));
    setTitles(tr("Value"), tr("Share per unit"));
    setTopMargin(kOverlayMargin);
}

void OverlayPlot::setCurves(const QString& axis, std::vector<Curve> curves, PlotRange home)
{
    m_curves = std::move(curves);
    setTitles(axis, tr("Share per unit"));
    if (home.span() > 0)
        setHomeX(home);
    dataChanged();
}

void OverlayPlot::setGrids(std::vector<Grid> grids)
{
    m_grids = std::move(grids);
    setTopMargin(kOverlayMargin + kStrip * int(m_grids.size()));
    refresh();
}

void OverlayPlot::setLogarithmic(bool log)
{
    setLogY(log);
    dataChanged();
}

Columns OverlayPlot::columns(const Curve& curve, PlotRange x) const
{
    const int most = std::max(16, plotArea().width() / (curve.filled ? 1 : 3));
    return columnsOf(curve.histogram, x, most);
}

PlotRange OverlayPlot::fitY(PlotRange x) const
{
    // Reconstructed values pile up on the levels; the reference decides where there is one.
    const bool reference = std::any_of(m_curves.begin(), m_curves.end(), [](const Curve& curve) { return curve.filled; });
    double most = 0;
    for (const Curve& curve : m_curves) {
        if (reference && !curve.filled)
            continue;
        const Columns shown = columns(curve, x);
        for (const double count : shown.counts)
            most = std::max(most, count / (totalOf(curve.histogram) * shown.width));
    }
    if (!(most > 0))
        most = 1;
    return isLogY() ? PlotRange{most * kFewest, most * 4} : PlotRange{0, most * (reference ? 1.6 : 1.15)};
}

void OverlayPlot::paintCurve(QPainter& painter, const Curve& curve) const
{
    const Columns shown = columns(curve, xRange());
    if (shown.counts.empty())
        return;
    const double unit = 1 / (totalOf(curve.histogram) * shown.width), floor = isLogY() ? yRange().lo : 0;
    const double bottom = plotArea().bottom() + 1;
    QPolygonF outline;
    outline << QPointF(toPixel(shown.left(0), 1).x(), bottom);
    for (size_t i = 0; i < shown.counts.size(); ++i) {
        const double y = std::min(bottom, toPixel(0, std::max(shown.counts[i] * unit, floor)).y());
        outline << QPointF(toPixel(shown.left(i), 1).x(), y) << QPointF(toPixel(shown.left(i + 1), 1).x(), y);
    }
    outline << QPointF(toPixel(shown.left(shown.counts.size()), 1).x(), bottom);
    if (curve.filled) {
        QColor fill = curve.colour;
        fill.setAlpha(90);
        painter.setPen(Qt::NoPen);
        painter.setBrush(fill);
        painter.drawPolygon(outline);
    } else {
        painter.setPen(QPen(curve.colour, 1.3));
        painter.setBrush(Qt::NoBrush);
        painter.drawPolyline(outline);
    }
}

/// One strip per grid above the axes: a tick per level, with its code where there is room.
void OverlayPlot::paintGrids(QPainter& painter) const
{
    const QRect area = plotArea();
    const QFontMetricsF metrics(theme::smallFont());
    painter.setFont(theme::smallFont());
    for (size_t g = 0; g < m_grids.size(); ++g) {
        const Grid& grid = m_grids[g];
        const double top = area.top() - kStrip * double(m_grids.size() - g), bottom = top + kStrip;
        drawLabel(painter, {double(area.left()) - 6, top + 2}, Qt::AlignRight, grid.name, grid.colour);
        double free = area.left();
        for (const CodeGrid::Line& line : grid.lines) {
            const double x = toPixel(line.at, 1).x();
            if (x < area.left() || x > area.right())
                continue;
            painter.setPen(QPen(grid.colour, 1));
            painter.drawLine(QPointF(x, bottom - 5), QPointF(x, bottom - 1));
            QColor faint = grid.colour;
            faint.setAlpha(grid.lines.size() > 40 ? 0 : 70);
            painter.setPen(QPen(faint, 1, g == 0 ? Qt::SolidLine : Qt::DashLine));
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()));
            const double width = metrics.horizontalAdvance(line.label);
            if (x - width / 2 < free)
                continue;
            drawLabel(painter, {x - width / 2, top}, Qt::AlignLeft, line.label, grid.colour);
            free = x + width / 2 + 5;
        }
    }
}

void OverlayPlot::paintNames(QPainter& painter) const
{
    painter.setFont(theme::smallFont());
    const QFontMetricsF metrics(theme::smallFont());
    double y = plotArea().top() + 4;
    for (const Curve& curve : m_curves) {
        const double right = plotArea().right() - 6;
        const double width = metrics.horizontalAdvance(curve.name);
        const double middle = y + metrics.height() / 2;
        painter.setPen(QPen(curve.colour, curve.filled ? 6 : 2));
        painter.drawLine(QPointF(right - width - 22, middle), QPointF(right - width - 8, middle));
        drawLabel(painter, {right, y}, Qt::AlignRight, curve.name, theme::color(Ink::AxisText));
        y += metrics.height() + 2;
    }
}

void OverlayPlot::paintLayer(Layer layer, QPainter& painter)
{
    if (layer == Layer::Data) {
        painter.save();
        painter.setClipRect(plotArea());
        for (const Curve& curve : m_curves)
            paintCurve(painter, curve);
        painter.restore();
    } else if (layer == Layer::Codes) {
        paintGrids(painter);
    } else if (layer == Layer::Handles) {
        paintNames(painter);
    }
}

QString OverlayPlot::readout(QPointF value) const
{
    QStringList lines{shortText(value.x())};
    for (const Curve& curve : m_curves) {
        const Columns shown = columns(curve, xRange());
        const double at = (value.x() - shown.first) / shown.width;
        const double count = at >= 0 && at < double(shown.counts.size()) ? shown.counts[size_t(at)] : 0;
        lines << tr("%1: %2 %").arg(curve.name, shortText(100 * count / totalOf(curve.histogram)));
    }
    return lines.join(QLatin1Char('\n'));
}

PlotTable OverlayPlot::table() const
{
    PlotTable numbers{{tr("distribution"), tr("from"), tr("to"), tr("values"), tr("share per unit")}, {}};
    for (const Curve& curve : m_curves) {
        const Columns shown = columns(curve, xRange());
        for (size_t i = 0; i < shown.counts.size(); ++i)
            numbers.rows.push_back({curve.name, exactText(shown.left(i)), exactText(shown.left(i + 1)),
                                    QString::number(uint64_t(shown.counts[i])),
                                    exactText(shown.counts[i] / (totalOf(curve.histogram) * shown.width))});
    }
    return numbers;
}

QString OverlayPlot::summary() const
{
    QStringList names;
    for (const Curve& curve : m_curves)
        names << curve.name;
    QStringList grids;
    for (const Grid& grid : m_grids)
        grids << tr("%1 with %2").arg(grid.name, counted(qsizetype(grid.lines.size()), tr("1 level"), tr("%1 levels")));
    return tr("Overlaid distributions of %1. Code grids: %2.")
        .arg(names.join(QStringLiteral(", ")), grids.isEmpty() ? tr("none") : grids.join(QStringLiteral(", ")));
}

} // namespace ql
