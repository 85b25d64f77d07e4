// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plots/rangesplot.h"

#include <QPainter>

#include <algorithm>
#include <cmath>

namespace ql {

RangesPlot::RangesPlot(QWidget* parent)
    : PlotView(parent)
{
    setTopMargin(12);
    setWholeTicksX();
}

void RangesPlot::setRanges(Ranges ranges)
{
    const long before = count();
    m_ranges = std::move(ranges);
    setTitles(m_ranges.item, m_ranges.measure);
    if (hasData())
        setHomeX({-0.5, double(count()) - 0.5});
    dataChanged();
    if (count() != before)
        resetView();
}

void RangesPlot::setInk(Ink ink)
{
    m_ink = ink;
    refresh();
}

void RangesPlot::setLimits(std::optional<PlotRange> limits)
{
    m_limits = limits;
    refresh();
}

bool RangesPlot::hasData() const
{
    return count() > 0;
}

RangesPlot::Column RangesPlot::columnOf(long first, long last) const
{
    Column column;
    for (long i = std::max(0L, first); i < std::min(last, count()); ++i) {
        const double lo = m_ranges.lo[size_t(i)], hi = m_ranges.hi[size_t(i)];
        if (!std::isfinite(lo) || !std::isfinite(hi))
            continue;
        column.lo = column.known ? std::min(column.lo, lo) : lo;
        column.hi = column.known ? std::max(column.hi, hi) : hi;
        column.meanLo += lo;
        column.meanHi += hi;
        ++column.known;
    }
    column.meanLo /= double(std::max(1L, column.known));
    column.meanHi /= double(std::max(1L, column.known));
    return column;
}

long RangesPlot::bundle() const
{
    const double pixels = std::max(1e-9, toPixel(1, 0).x() - toPixel(0, 0).x());
    return long(std::max(1.0, std::ceil(1 / pixels)));
}

PlotRange RangesPlot::fitY(PlotRange x) const
{
    const double most = double(count());
    const Column all = columnOf(long(std::clamp(std::floor(x.lo), 0.0, most)), long(std::clamp(std::ceil(x.hi) + 1, 0.0, most)));
    const double lo = std::min(all.lo, 0.0), hi = std::max(all.hi, 0.0), margin = 0.06 * (hi - lo);
    return hi > lo ? PlotRange{lo - margin, hi + margin} : PlotRange{-1, 1};
}

void RangesPlot::paintLayer(Layer layer, QPainter& painter)
{
    const QRectF area = plotArea();
    painter.save();
    painter.setClipRect(area);
    painter.setFont(theme::smallFont());
    if (layer == Layer::Data) {
        painter.setRenderHint(QPainter::Antialiasing, false);
        const QColor strong = theme::color(m_ink);
        QColor pale = strong;
        pale.setAlpha(90);
        const long step = bundle();
        const PlotRange x = xRange();
        const auto first = long(std::clamp(std::floor(x.lo), 0.0, double(count()))) / step * step;
        const auto last = long(std::clamp(std::ceil(x.hi) + 1, 0.0, double(count())));
        const double gap = toPixel(1, 0).x() - toPixel(0, 0).x() > 4 ? 0.1 : 0;
        for (long i = first; i < last; i += step) {
            const Column column = columnOf(i, i + step);
            if (!column.known)
                continue;
            const double left = std::round(toPixel(double(i) - 0.5 + gap, 0).x());
            const double width = std::max(1.0, std::round(toPixel(double(std::min(i + step, count())) - 0.5 - gap, 0).x()) - left);
            const auto fill = [&](double lo, double hi, const QColor& colour) {
                const double top = toPixel(0, hi).y(), bottom = toPixel(0, lo).y();
                painter.fillRect(QRectF(left, top, width, std::max(1.0, bottom - top)), colour);
            };
            if (step > 1)
                fill(column.lo, column.hi, pale);
            fill(column.meanLo, column.meanHi, strong);
        }
    } else if (layer == Layer::Handles && m_limits) {
        painter.setPen(QPen(theme::color(Ink::Handle), 1.4));
        for (const double limit : {m_limits->lo, m_limits->hi}) {
            const double y = toPixel(0, limit).y();
            if (y < area.top() || y > area.bottom())
                continue;
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y));
            // Outside the limits, where two that lie close together do not meet; inside at the edge of the plot.
            const double room = QFontMetricsF(painter.font()).height() + 2;
            const bool above = limit > 0 ? y - area.top() > room : area.bottom() - y < room;
            drawLabel(painter, {area.right() - 4, above ? y - 2 : y + 2},
                      Qt::AlignRight | (above ? Qt::AlignBottom : Qt::AlignTop), tr("limit %1").arg(shortText(limit)),
                      theme::color(Ink::Handle));
            painter.setPen(QPen(theme::color(Ink::Handle), 1.4));
        }
    }
    painter.restore();
}

QString RangesPlot::readout(QPointF value) const
{
    const auto at = long(std::round(value.x()));
    if (at < 0 || at >= count())
        return {};
    const long step = bundle(), first = step > 1 ? at / step * step : at, last = std::min(first + step, count());
    const Column column = columnOf(first, last);
    const QString name = last - first > 1 ? tr("%1 %2 to %3").arg(m_ranges.item).arg(first).arg(last - 1)
                                          : tr("%1 %2").arg(m_ranges.item).arg(first);
    return column.known ? tr("%1\nlowest %2\nhighest %3").arg(name, shortText(column.lo), shortText(column.hi))
                        : tr("%1\nno finite value").arg(name);
}

PlotTable RangesPlot::table() const
{
    PlotTable numbers{{m_ranges.item, tr("lowest"), tr("highest")}, {}};
    const auto text = [](float value) { return std::isfinite(value) ? exactText(double(value)) : QString(); };
    for (long i = 0; i < count(); ++i) {
        if (xRange().contains(double(i)))
            numbers.rows.push_back({QString::number(i), text(m_ranges.lo[size_t(i)]), text(m_ranges.hi[size_t(i)])});
    }
    return numbers;
}

QString RangesPlot::summary() const
{
    const Column all = columnOf(0, count());
    if (!all.known)
        return tr("No finite value.");
    return tr("Lowest and highest value of %1 items (%2): from %3 to %4, on average from %5 to %6.")
        .arg(count())
        .arg(m_ranges.item.toLower(), shortText(all.lo), shortText(all.hi), shortText(all.meanLo), shortText(all.meanHi));
}

} // namespace ql
