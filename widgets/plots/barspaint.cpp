// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// BarsPlot: everything it paints.
#include "widgets/plots/barsplot.h"

#include <QPainter>

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

constexpr double kThickest = 16; // pixels of a named row's bar
constexpr double kGap = 3;       // pixels per bar from which bars stand apart
constexpr size_t kMostNames = 24;

} // namespace

QRectF BarsPlot::barRect(double first, double last, double from, double to) const
{
    const double pixels = pixelsPerBar(), floor = isLog() ? (isUpright() ? yRange() : xRange()).lo : 0;
    const double half = std::min(pixels > kGap ? pixels * 0.4 : pixels * 0.5, isUpright() ? pixels : kThickest / 2);
    if (isLog()) {
        from = std::max(from, floor);
        to = std::max(to, floor);
    }
    if (isUpright()) {
        double left = toPixel(first, 1).x() - half, right = toPixel(last, 1).x() + half;
        if (pixels <= kGap) { // neighbours meet without a seam
            left = std::round(left);
            right = std::round(right);
        }
        const double a = toPixel(0, from).y(), b = toPixel(0, to).y();
        return {left, std::min(a, b), std::max(1.0, right - left), std::abs(a - b)};
    }
    const double top = toPixel(1, first).y() - half, bottom = toPixel(1, last).y() + half;
    const double a = toPixel(from, 0).x(), b = toPixel(to, 0).x();
    return {std::min(a, b), top, std::abs(a - b), std::max(1.0, bottom - top)};
}

void BarsPlot::paintLayer(Layer layer, QPainter& painter)
{
    painter.setFont(theme::smallFont());
    painter.save();
    painter.setClipRect(plotArea());
    if (layer == Layer::Data) {
        painter.setRenderHint(QPainter::Antialiasing, false);
        paintBars(painter);
        paintMarked(painter);
        painter.setRenderHint(QPainter::Antialiasing, true);
        paintErrors(painter);
    } else if (layer == Layer::Handles) {
        paintReferences(painter);
    }
    painter.restore();
    if (layer == Layer::Data && !isUpright())
        paintNames(painter);
    if (layer == Layer::Handles) {
        if (isUpright())
            paintMarkedNames(painter);
        paintChoice(painter);
    }
}

void BarsPlot::paintBars(QPainter& painter) const
{
    const double pixels = pixelsPerBar();
    QColor fill = theme::color(m_ink), pale = fill;
    fill.setAlpha(pixels > kGap ? 190 : 255);
    pale.setAlpha(110);
    // Bars that share a pixel are drawn as one from their lowest to their highest value.
    const auto bundle = long(std::max(1.0, std::ceil(1 / pixels)));
    const Span shown = visible();
    for (long i = shown.first / bundle * bundle; i < shown.last; i += bundle) {
        const long end = std::min(i + bundle, long(m_order.size()));
        double low = INFINITY, high = -INFINITY;
        for (long k = i; k < end; ++k) {
            if (const size_t bar = m_order[size_t(k)]; isDrawn(bar)) {
                low = std::min(low, m_bars.values[bar]);
                high = std::max(high, m_bars.values[bar]);
            }
        }
        if (low > high)
            continue;
        if (bundle == 1) {
            painter.fillRect(barRect(double(i), double(i), 0, high), fill);
        } else {
            painter.fillRect(barRect(double(i), double(end - 1), 0, low), pale);
            painter.fillRect(barRect(double(i), double(end - 1), low, high), fill);
        }
    }
}

void BarsPlot::paintMarked(QPainter& painter) const
{
    const Span shown = visible();
    const QColor fill = theme::color(Ink::Clipped);
    for (const qint64 bar : m_bars.marked) {
        if (bar < 0 || size_t(bar) >= m_places.size() || !isDrawn(size_t(bar)))
            continue;
        const auto place = long(m_places[size_t(bar)]);
        if (place >= shown.first && place < shown.last)
            painter.fillRect(barRect(double(place), double(place), 0, m_bars.values[size_t(bar)]), fill);
    }
}

void BarsPlot::paintErrors(QPainter& painter) const
{
    const double pixels = pixelsPerBar();
    if (m_bars.errors.empty() || pixels < 4)
        return;
    painter.setPen(QPen(theme::color(Ink::NormalFit), 1.2));
    const Span shown = visible();
    for (long i = shown.first; i < shown.last; ++i) {
        const size_t bar = m_order[size_t(i)];
        if (!isDrawn(bar) || !(errorOf(bar) > 0))
            continue;
        const QRectF whole = barRect(double(i), double(i), m_bars.values[bar] - errorOf(bar), m_bars.values[bar] + errorOf(bar));
        const QPointF c = whole.center();
        const double cap = std::min(3.0, pixels / 4);
        const QPointF a = isUpright() ? QPointF(c.x(), whole.top()) : QPointF(whole.left(), c.y());
        const QPointF b = isUpright() ? QPointF(c.x(), whole.bottom()) : QPointF(whole.right(), c.y());
        const QPointF across = isUpright() ? QPointF(cap, 0) : QPointF(0, cap);
        painter.drawLine(a, b);
        painter.drawLine(a - across, a + across);
        painter.drawLine(b - across, b + across);
    }
}

void BarsPlot::paintNames(QPainter& painter) const
{
    const QRectF area = plotArea();
    const QFontMetricsF metrics(painter.font());
    const Span shown = visible();
    const long stride = std::max(1L, long(std::ceil(metrics.height() / pixelsPerBar())));
    for (long i = (shown.first + stride - 1) / stride * stride; i < shown.last; i += stride) {
        const double y = toPixel(1, double(i)).y();
        if (y < area.top() || y > area.bottom())
            continue;
        const size_t bar = m_order[size_t(i)];
        const bool picked = qint64(bar) == m_picked;
        painter.setPen(theme::color(picked ? Ink::Accent : isDrawn(bar) ? Ink::AxisText : Ink::Muted));
        const QRectF box(12, y - metrics.height() / 2, area.left() - 20, metrics.height());
        painter.drawText(box, Qt::AlignRight | Qt::AlignVCenter,
                         metrics.elidedText(nameOf(bar), Qt::ElideLeft, box.width()));
    }
    const long below = long(m_order.size()) - long(std::floor(yRange().hi + 0.5));
    if (below > 0)
        drawLabel(painter, area.bottomRight() + QPointF(-4, -4), Qt::AlignRight | Qt::AlignBottom,
                  tr("%n more below", nullptr, int(below)), theme::color(Ink::Muted));
}

void BarsPlot::paintMarkedNames(QPainter& painter) const
{
    const QRectF area = plotArea();
    const QFontMetricsF metrics(painter.font());
    std::vector<QRectF> taken;
    for (const qint64 bar : m_bars.marked) {
        if (taken.size() == kMostNames)
            break;
        if (bar < 0 || size_t(bar) >= m_places.size() || !isDrawn(size_t(bar)))
            continue;
        const QPointF top = toPixel(double(m_places[size_t(bar)]), m_bars.values[size_t(bar)]);
        if (top.x() < area.left() || top.x() > area.right())
            continue;
        const QString name = nameOf(size_t(bar));
        const double width = metrics.horizontalAdvance(name) + 4;
        const double left = std::clamp(top.x() - width / 2, area.left(), area.right() - width);
        const double y = std::clamp(top.y(), area.top(), area.bottom()) - 2;
        const QRectF box(left, y - metrics.height(), width, metrics.height());
        if (std::any_of(taken.begin(), taken.end(), [&](const QRectF& other) { return other.intersects(box); }))
            continue;
        taken.push_back(box);
        drawLabel(painter, {box.center().x(), box.bottom()}, Qt::AlignHCenter | Qt::AlignBottom, name,
                  theme::color(Ink::Clipped));
    }
}

double BarsPlot::roomFor(double width) const
{
    const QRectF area = plotArea();
    std::vector<double> taken{area.left()};
    for (const qint64 bar : m_bars.marked) {
        const double x = bar >= 0 && size_t(bar) < m_places.size() ? toPixel(double(m_places[size_t(bar)]), 1).x() : -1;
        if (x > area.left() && x < area.right())
            taken.push_back(x);
    }
    std::sort(taken.begin(), taken.end());
    double end = area.right();
    for (size_t i = taken.size(); i-- > 0; end = taken[i]) {
        if (end - taken[i] >= width)
            return end - 14; // names are wider than their bars
    }
    return area.right() - 4;
}

void BarsPlot::paintReferences(QPainter& painter) const
{
    const QRectF area = plotArea();
    for (const Reference& reference : m_references) {
        const QPointF at = isUpright() ? QPointF(area.right() - 4, toPixel(0, reference.value).y())
                                       : QPointF(toPixel(reference.value, 0).x(), area.bottom() - 4);
        if (!std::isfinite(reference.value) || !area.contains(at))
            continue;
        painter.setPen(QPen(theme::color(Ink::AxisText), 1, Qt::DashLine));
        if (isUpright())
            painter.drawLine(QPointF(area.left(), at.y()), QPointF(area.right(), at.y()));
        else
            painter.drawLine(QPointF(at.x(), area.top()), QPointF(at.x(), area.bottom()));
        if (!isUpright()) {
            drawLabel(painter, at - QPointF(4, 0), Qt::AlignRight | Qt::AlignBottom, reference.text, theme::color(Ink::AxisText));
            continue;
        }
        const double width = QFontMetricsF(painter.font()).horizontalAdvance(reference.text) + 20;
        drawLabel(painter, {roomFor(width), at.y() - 2}, Qt::AlignRight | Qt::AlignBottom, reference.text,
                  theme::color(Ink::AxisText));
    }
}

void BarsPlot::paintChoice(QPainter& painter) const
{
    const QRectF area = plotArea();
    const auto frame = [&](double place) {
        return isUpright() ? QRectF(toPixel(place, 1).x() - 6, area.top(), 12, area.height())
                           : QRectF(4, toPixel(1, place).y() - 9, area.right() - 4, 18);
    };
    if (m_picked >= 0 && size_t(m_picked) < m_places.size() && isUpright()) {
        const double x = frame(double(m_places[size_t(m_picked)])).center().x();
        painter.setPen(QPen(theme::color(Ink::Clipped), 1.5));
        if (x >= area.left() && x <= area.right())
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()));
    }
    if (m_focused < 0 || !hasFocus() || size_t(m_focused) >= m_order.size())
        return;
    painter.setPen(QPen(theme::color(Ink::Accent), 2));
    painter.setBrush(Qt::NoBrush);
    const QRectF box = frame(double(m_focused));
    painter.drawRoundedRect(box, 3, 3);
    if (isUpright()) {
        const size_t bar = m_order[size_t(m_focused)];
        const bool left = box.center().x() < area.center().x();
        drawLabel(painter, QPointF(left ? box.right() + 4 : box.left() - 4, area.top() + 8),
                  (left ? Qt::AlignLeft : Qt::AlignRight) | Qt::AlignVCenter, nameOf(bar) + "  " + valueText(bar),
                  theme::color(Ink::Accent));
    }
}

} // namespace ql
