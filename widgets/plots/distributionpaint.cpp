// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// DistributionPlot: everything it paints, and the marks that are placed while painting.
#include "widgets/plots/distributionplot.h"

#include "core/base/format.h"
#include "widgets/plots/labelplacement.h"
#include "widgets/theme.h"

#include <QPainter>
#include <QPainterPath>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

namespace ql {
namespace {

constexpr double kMarkRow = 38; // pixels above the axes where the names of the methods stand

QColor faded(Ink ink, int alpha)
{
    QColor colour = theme::color(ink);
    colour.setAlpha(alpha);
    return colour;
}

} // namespace

void DistributionPlot::paintLayer(Layer layer, QPainter& painter)
{
    painter.setFont(theme::smallFont());
    switch (layer) {
    case Layer::Data:
        painter.save();
        painter.setClipRect(plotArea());
        paintHistogram(painter);
        if (m_overlays.testFlag(Quantized) && m_quantization && m_xMode == XMode::Values)
            paintQuantized(painter);
        if (m_overlays.testFlag(NormalFit) && m_distribution && m_xMode == XMode::Values)
            paintCurve(painter);
        painter.restore();
        break;
    case Layer::Codes:
        if (m_quantization && m_overlays.testFlag(Codes)) {
            const double unit = m_yMode == YMode::Counts ? total() * columns(xRange()).width : 1;
            const double floor = isLogY() ? yRange().lo : 0;
            m_grid.paint(painter,
                         {plotArea(), [this](double x) { return toPixel(x, 1).x(); },
                          [&](double density) { return toPixel(0, std::max(density * unit, floor)).y(); }},
                         m_overlays.testFlag(Occupancy));
        }
        paintClipped(painter);
        break;
    case Layer::Handles:
        paintBrush(painter);
        if (m_overlays.testFlag(Outliers))
            paintOutliers(painter);
        paintMarks(painter);
        paintHandles(painter);
        break;
    case Layer::Back:
    case Layer::Overlay:
        break;
    }
}

void DistributionPlot::paintHistogram(QPainter& painter) const
{
    const Columns shown = columns(xRange());
    if (shown.counts.empty())
        return;
    const double unit = unitOf(shown.width), floor = isLogY() ? yRange().lo : 0, bottom = plotArea().bottom() + 1;
    QPolygonF outline;
    outline << QPointF(toPixel(shown.left(0), 1).x(), bottom);
    for (size_t i = 0; i < shown.counts.size(); ++i) {
        const double y = std::min(bottom, toPixel(0, std::max(shown.counts[i] * unit, floor)).y());
        outline << QPointF(toPixel(shown.left(i), 1).x(), y) << QPointF(toPixel(shown.left(i + 1), 1).x(), y);
    }
    outline << QPointF(toPixel(shown.left(shown.counts.size()), 1).x(), bottom);
    painter.setRenderHint(QPainter::Antialiasing, false);
    painter.setPen(Qt::NoPen);
    painter.setBrush(faded(m_subject.ink, 120));
    painter.drawPolygon(outline);
    painter.setRenderHint(QPainter::Antialiasing, true);
    painter.setPen(QPen(theme::color(m_subject.ink), 1.2));
    painter.drawPolyline(outline);
}

void DistributionPlot::paintQuantized(QPainter& painter) const
{
    const Histogram& reconstructed = m_quantization->reconstructed;
    const Columns shown = columnsOf(reconstructed, xRange(), int(plotArea().width()) / 3);
    const double all = double(reconstructed.total() + reconstructed.below + reconstructed.above);
    if (shown.counts.empty() || !(all > 0))
        return;
    // A sample has fewer values than the tensor; shares are what can be compared.
    const double unit = m_yMode == YMode::Counts ? total() / all * columns(xRange()).width / shown.width
                                                 : 1 / (all * shown.width);
    const double floor = isLogY() ? yRange().lo : 0;
    QPolygonF outline;
    for (size_t i = 0; i < shown.counts.size(); ++i) {
        const double y = toPixel(0, std::max(shown.counts[i] * unit, floor)).y();
        outline << QPointF(toPixel(shown.left(i), 1).x(), y) << QPointF(toPixel(shown.left(i + 1), 1).x(), y);
    }
    painter.setBrush(Qt::NoBrush);
    painter.setPen(QPen(theme::color(Ink::Reconstructed), 1.2));
    painter.drawPolyline(outline);
}

void DistributionPlot::paintCurve(QPainter& painter) const
{
    const double sigma = m_distribution->stats.standardDeviation(), mean = m_distribution->stats.mean;
    if (!(sigma > 0))
        return;
    const double unit = m_yMode == YMode::Counts ? total() * columns(xRange()).width : 1;
    const double floor = isLogY() ? yRange().lo * 0.5 : 0;
    QPolygonF curve;
    for (double px = plotArea().left(); px <= plotArea().right(); px += 2) {
        const double z = (toValue({px, 0}).x() - mean) / sigma;
        const double density = std::exp(-z * z / 2) / (sigma * std::sqrt(2 * std::numbers::pi));
        curve << QPointF(px, toPixel(0, std::max(density * unit, floor)).y());
    }
    painter.setBrush(Qt::NoBrush);
    painter.setPen(QPen(theme::color(Ink::NormalFit), 1.4, Qt::DashLine));
    painter.drawPolyline(curve);
}

void DistributionPlot::paintClipped(QPainter& painter) const
{
    const std::vector<double> handles = m_clip.handles();
    if (handles.empty() || !m_quantization)
        return;
    const QRectF area = plotArea();
    const double lo = std::clamp(toPixel(toX(handles[0]), 1).x(), area.left(), area.right());
    const double hi = std::clamp(toPixel(toX(handles[1]), 1).x(), area.left(), area.right());
    const double share = m_quantization->metrics.clippedShare();
    if (share > 0) {
        const QColor shade = faded(Ink::Clipped, 34);
        painter.fillRect(QRectF(area.left(), area.top(), lo - area.left(), area.height()), shade);
        painter.fillRect(QRectF(hi, area.top(), area.right() - hi, area.height()), shade);
    }
    const QString text = share > 0 ? tr("%1 % clipped").arg(shortText(100 * share)) : tr("nothing clipped");
    const QFontMetricsF metrics(painter.font());
    const double width = metrics.horizontalAdvance(text);
    const bool fits = hi + 6 + width < area.right(); // else on the other side of the handle
    const double clear = fits ? clearTop(hi, hi + 6 + width) : clearTop(hi - 12 - width, hi);
    const double y = std::min(area.top() + area.height() * 0.35 + 28, clear - metrics.height() - 2);
    drawLabel(painter, {hi + (fits ? 6 : -12), std::max(area.top() + metrics.height(), y)},
              fits ? Qt::AlignLeft : Qt::AlignRight, text, theme::color(share > 0 ? Ink::Clipped : Ink::Muted));
}

double DistributionPlot::clearTop(double left, double right) const
{
    double top = plotArea().bottom();
    const Columns shown = columns(xRange());
    const double unit = shown.counts.empty() ? 0 : unitOf(shown.width), floor = isLogY() ? yRange().lo : 0;
    for (size_t i = 0; i < shown.counts.size(); ++i) {
        if (toPixel(shown.left(i + 1), 1).x() >= left && toPixel(shown.left(i), 1).x() <= right)
            top = std::min(top, toPixel(0, std::max(shown.counts[i] * unit, floor)).y());
    }
    return top;
}

void DistributionPlot::paintBrush(QPainter& painter) const
{
    if (m_brushLo == 1 && m_brushHi == 0)
        return;
    const QRectF area = plotArea();
    const double a = toPixel(m_brushLo, 1).x(), b = toPixel(m_brushHi, 1).x();
    const QRectF range = QRectF(std::min(a, b), area.top(), std::abs(b - a), area.height()) & area;
    painter.fillRect(range, faded(Ink::Accent, 40));
    painter.setPen(QPen(theme::color(Ink::Accent), 1));
    painter.drawLine(range.topLeft(), range.bottomLeft());
    painter.drawLine(range.topRight(), range.bottomRight());
}

void DistributionPlot::paintOutliers(QPainter& painter) const
{
    const OutsideCounts outside = countOutside(*histogram(), xRange());
    const QRectF area = plotArea();
    const auto note = [&](uint64_t count, bool high) {
        if (count == 0)
            return;
        const QString amount = QString::fromStdString(formatCount(count));
        QStringList lines{QString()};
        if (count == 1)
            lines[0] = high ? tr("1 value beyond ▸") : tr("◂ 1 value beyond");
        else
            lines[0] = high ? tr("%1 values beyond ▸").arg(amount) : tr("◂ %1 values beyond").arg(amount);
        if (m_xMode == XMode::Values && m_distribution) {
            const TensorStats& stats = m_distribution->stats;
            const double farthest = high ? stats.max : stats.min;
            const double sigmas = stats.standardDeviation() > 0
                                      ? std::abs(farthest - stats.mean) / stats.standardDeviation() : 0;
            lines << tr("farthest %1 (%2 σ)").arg(shortText(farthest), shortText(sigmas));
            if (high && m_distribution->beyond12Sigma > 0)
                lines << tr("%1 in all > 12 σ").arg(QString::fromStdString(formatCount(m_distribution->beyond12Sigma)));
        }
        const double step = QFontMetricsF(painter.font()).height();
        for (int i = 0; i < lines.size(); ++i)
            drawLabel(painter, {high ? area.right() - 4 : area.left() + 6, area.bottom() - 10 - step * (lines.size() - i)},
                      high ? Qt::AlignRight : Qt::AlignLeft, lines[i], theme::color(Ink::Clipped));
    };
    note(outside.below, false);
    note(outside.above, true);
}

std::vector<DistributionPlot::Mark> DistributionPlot::marks() const
{
    std::vector<Mark> placed;
    if (m_clip.handles().empty())
        return placed;
    const QRectF area = plotArea();
    for (size_t i = 0; i < m_marks.size(); ++i)
        placed.push_back({i, toX(m_marks[i].high), {}, m_marks[i].text});
    std::stable_sort(placed.begin(), placed.end(), [](const Mark& a, const Mark& b) { return a.at < b.at; });
    const QFontMetricsF metrics(theme::smallFont());
    std::vector<double> centres, widths;
    for (Mark& mark : placed) {
        const double x = toPixel(mark.at, 1).x();
        if (x > area.right())
            mark.text += " ▸";
        centres.push_back(std::clamp(x, area.left(), area.right()));
        widths.push_back(metrics.horizontalAdvance(mark.text) + 8);
    }
    centres = spread(centres, widths, 4, area.left(), area.right() + 12);
    for (size_t i = 0; i < placed.size(); ++i)
        placed[i].label = QRectF(centres[i] - widths[i] / 2, area.top() - kMarkRow - 8, widths[i], 16);
    return placed;
}

std::optional<size_t> DistributionPlot::markAt(QPointF pixel) const
{
    for (const Mark& mark : marks()) {
        if (mark.label.adjusted(-2, -2, 2, 6).contains(pixel))
            return mark.index;
    }
    return std::nullopt;
}

QPointF DistributionPlot::markPixel(size_t index) const
{
    for (const Mark& mark : marks()) {
        if (mark.index == index)
            return mark.label.center();
    }
    return {};
}

void DistributionPlot::paintMarks(QPainter& painter) const
{
    const QRectF area = plotArea();
    for (const Mark& mark : marks()) {
        const bool active = m_marks[mark.index].chosen;
        const QColor ink = theme::color(active ? Ink::Handle : Ink::Muted);
        const double x = std::clamp(toPixel(mark.at, 1).x(), area.left(), area.right());
        painter.setPen(QPen(ink, active ? 1.4 : 1));
        QPainterPath leader(QPointF(mark.label.center().x(), mark.label.bottom()));
        leader.lineTo(x, area.top() - 17);
        leader.moveTo(x, area.top() - 3);
        leader.lineTo(x, area.top() + 5);
        painter.setBrush(Qt::NoBrush);
        painter.drawPath(leader);
        painter.setBrush(ink);
        const auto pointAt = [&](double at) {
            painter.drawPolygon(QPolygonF({{at - 3, area.top() - 3}, {at + 3, area.top() - 3}, {at, area.top() + 2}}));
        };
        pointAt(x);
        if (const auto low = m_marks[mark.index].low; low && xRange().contains(toX(*low)))
            pointAt(toPixel(toX(*low), 1).x());
        if (active) {
            painter.setPen(Qt::NoPen);
            painter.setBrush(faded(Ink::Handle, 36));
            painter.drawRoundedRect(mark.label, 3, 3);
        }
        painter.setPen(ink);
        painter.drawText(mark.label, Qt::AlignCenter, mark.text);
    }
}

void DistributionPlot::paintHandles(QPainter& painter) const
{
    const std::vector<double> handles = m_clip.handles();
    const QRectF area = plotArea();
    for (size_t i = 0; i < handles.size(); ++i) {
        const QPointF at = handlePixel(i);
        const bool focused = hasFocus() && (m_clip.linked() || m_focused == i);
        const QColor ink = theme::color(Ink::Handle);
        painter.setPen(QPen(ink, focused ? 2 : 1.4));
        painter.drawLine(QPointF(at.x(), area.top()), QPointF(at.x(), area.bottom()));
        painter.setPen(QPen(theme::color(Ink::PlotBackground), 1));
        painter.setBrush(ink);
        painter.drawRoundedRect(QRectF(at.x() - 5, at.y() - 11, 10, 22), 3, 3);
        painter.drawLine(at + QPointF(-1.5, -5), at + QPointF(-1.5, 5));
        painter.drawLine(at + QPointF(1.5, -5), at + QPointF(1.5, 5));
        if (focused && m_focused == i) {
            painter.setBrush(Qt::NoBrush);
            painter.setPen(QPen(theme::color(Ink::Accent), 2));
            painter.drawRoundedRect(QRectF(at.x() - 8, at.y() - 14, 16, 28), 5, 5);
        }
        const bool perTensor = m_clip.isOwn() || m_scheme.granularity == Granularity::Tensor;
        QStringList lines{perTensor ? shortText(handles[i]) : tr("median %1").arg(shortText(handles[i]))};
        if (i == 1 && m_clip.ratio() < 0.9995)
            lines << tr("× %1").arg(shortText(m_clip.ratio()));
        const QFontMetricsF metrics(painter.font());
        double width = 0;
        for (const QString& line : lines)
            width = std::max(width, metrics.horizontalAdvance(line));
        const bool outwards = i == 1;
        const bool fits = outwards ? at.x() + 12 + width < area.right() : at.x() - 12 - width > area.left();
        const bool rightwards = outwards == fits;
        const double x = at.x() + (rightwards ? 12 : -12);
        const double clear = rightwards ? clearTop(x, x + width) : clearTop(x - width, x);
        // Above the columns, and with room for the clipped share between.
        const double y = std::max(double(area.top()), std::min(at.y() - 24, clear - 3 * metrics.height() - 4));
        for (int line = 0; line < lines.size(); ++line)
            drawLabel(painter, {x, y + line * metrics.height()}, rightwards ? Qt::AlignLeft : Qt::AlignRight, lines[line], ink);
    }
}

QString DistributionPlot::tipAt(QPointF pixel) const
{
    if (const auto index = markAt(pixel))
        return m_marks[*index].tip + '\n' + tr("Click to use it (key %1).").arg(*index + 1);
    if (handleAt(pixel))
        return tr("Clip limit: values outside are stored as the outermost level.\n"
                  "Drag it, or press Left and Right (with Shift in fine steps).");
    return {};
}

} // namespace ql
