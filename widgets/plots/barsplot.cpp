// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plots/barsplot.h"

#include "widgets/models/numbertext.h"

#include <QKeyEvent>
#include <QWheelEvent>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ql {
namespace {

constexpr int kNameMargin = 176;
constexpr double kRowPixels[] = {18, 26}; // height of a named row
constexpr double kMargin = 1.1;
constexpr size_t kNamedBars = 32; // upright ones that have names on the axis
constexpr int kNamesWidth = 460;  // pixels of the axis in a small window

} // namespace

BarsPlot::BarsPlot(Qt::Orientation bars, QWidget* parent)
    : PlotView(parent)
    , m_orientation(bars)
{
    setTopMargin(isUpright() ? 20 : 12);
    if (isUpright())
        setWholeTicksX();
    else
        setRowAxis(kNameMargin);
}

void BarsPlot::setBars(Bars bars)
{
    const bool others = bars.values.size() != m_bars.values.size();
    m_bars = std::move(bars);
    if (others)
        m_focused = -1;
    arrange();
    if (others)
        resetView();
}

void BarsPlot::setInk(Ink ink)
{
    m_ink = ink;
    refresh();
}

void BarsPlot::setSorted(bool sorted)
{
    m_sorted = sorted;
    m_focused = -1;
    arrange();
}

void BarsPlot::setLogarithmic(bool log)
{
    if (isUpright())
        setLogY(log);
    else
        setLogX(log);
    arrange();
}

void BarsPlot::setReferences(std::vector<Reference> references)
{
    m_references = std::move(references);
    dataChanged();
}

void BarsPlot::setPicked(qint64 bar)
{
    m_picked = bar;
    refresh(Layer::Handles);
}

bool BarsPlot::isDrawn(size_t bar) const
{
    return std::isfinite(m_bars.values[bar]) && (!isLog() || m_bars.values[bar] > 0);
}

/// A few upright bars have their names on the axis, as many as a small window has room for.
void BarsPlot::nameTicks()
{
    QStringList labels;
    if (m_order.size() <= kNamedBars && !m_bars.names.isEmpty()) {
        int width = 0;
        for (const size_t bar : m_order) {
            labels << nameOf(bar);
            width += QFontMetrics(theme::smallFont()).horizontalAdvance(labels.last()) + theme::kSpacing;
        }
        const int stride = width / kNamesWidth + 1;
        for (qsizetype i = 0; i < labels.size(); ++i)
            labels[i] = i % stride == 0 ? labels[i] : QString();
    }
    setCategories(labels);
    if (labels.isEmpty())
        setWholeTicksX();
}

void BarsPlot::arrange()
{
    const auto count = m_bars.values.size();
    m_order.resize(count);
    std::iota(m_order.begin(), m_order.end(), size_t(0));
    if (m_sorted) {
        const auto key = [this](size_t i) { return std::isfinite(m_bars.values[i]) ? m_bars.values[i] : -INFINITY; };
        std::stable_sort(m_order.begin(), m_order.end(), [&](size_t a, size_t b) { return key(a) > key(b); });
    }
    m_places.resize(count);
    for (size_t i = 0; i < count; ++i)
        m_places[m_order[i]] = i;
    const QString measure = m_bars.unit.isEmpty() ? m_bars.measure : tr("%1 (%2)").arg(m_bars.measure, m_bars.unit);
    const QString item = m_sorted ? tr("%1, largest first").arg(m_bars.item) : m_bars.item;
    setTitles(isUpright() ? item : measure, isUpright() ? measure : QString());
    if (hasData() && isUpright()) {
        setHomeX({-0.5, double(count) - 0.5});
        nameTicks();
    } else if (hasData()) {
        const PlotRange values = valuesOf({0, long(count)});
        setHomeX(values);
        setBounds(values, {-0.5, std::max(double(count) - 0.5, fitY(values).hi)});
    }
    dataChanged();
}

bool BarsPlot::hasData() const
{
    return !m_bars.values.empty();
}

QString BarsPlot::nameOf(size_t bar) const
{
    if (qsizetype(bar) < m_bars.names.size())
        return m_bars.names[qsizetype(bar)];
    return QString::number(bar);
}

PlotRange BarsPlot::valuesOf(Span places) const
{
    double low = INFINITY, high = -INFINITY;
    for (long i = places.first; i < places.last; ++i) {
        const size_t bar = m_order[size_t(i)];
        if (!isDrawn(bar))
            continue;
        const double value = m_bars.values[bar], error = errorOf(bar);
        low = std::min(low, isLog() && value - error <= 0 ? value : value - error);
        high = std::max(high, value + error);
    }
    if (low > high)
        return isLog() ? PlotRange{0.1, 1} : PlotRange{0, 1};
    if (isLog())
        return {low / 2, high * 2};
    const double lo = std::min(0.0, low) * kMargin, hi = std::max(0.0, high) * kMargin;
    return hi > lo ? PlotRange{lo, hi} : PlotRange{0, 1};
}

PlotRange BarsPlot::fitY(PlotRange x) const
{
    const auto count = long(m_order.size());
    if (isUpright())
        return valuesOf({std::clamp(long(std::floor(x.lo)), 0L, count), std::clamp(long(std::ceil(x.hi)) + 1, 0L, count)});
    const double height = std::max(1, plotArea().height());
    const double row = std::clamp(height / double(std::max(count, 1L)), kRowPixels[0], kRowPixels[1]);
    return {-0.5, height / row - 0.5};
}

BarsPlot::Span BarsPlot::visible() const
{
    const PlotRange range = isUpright() ? xRange() : yRange();
    const double count = double(m_order.size());
    return {long(std::clamp(std::floor(range.lo), 0.0, count)), long(std::clamp(std::ceil(range.hi) + 1, 0.0, count))};
}

double BarsPlot::pixelsPerBar() const
{
    const QPointF a = toPixel(0, 0), b = toPixel(1, 1);
    return std::max(1e-9, std::abs(isUpright() ? b.x() - a.x() : b.y() - a.y()));
}

size_t BarsPlot::placeAt(QPointF value) const
{
    const double at = isUpright() ? value.x() : value.y();
    const double reach = std::max(0.0, 0.5 / pixelsPerBar() - 0.5), last = double(m_order.size() - 1);
    const auto from = long(std::clamp(std::round(at - reach), 0.0, last));
    const auto to = long(std::clamp(std::round(at + reach), 0.0, last));
    const auto key = [this](size_t bar) { return isDrawn(bar) ? m_bars.values[bar] : -INFINITY; };
    return size_t(std::max_element(m_order.begin() + from, m_order.begin() + to + 1,
                                   [&](size_t a, size_t b) { return key(a) < key(b); }) - m_order.begin());
}

QPointF BarsPlot::barPixel(qint64 bar) const
{
    if (bar < 0 || size_t(bar) >= m_places.size())
        return {};
    const double place = double(m_places[size_t(bar)]);
    return isUpright() ? QPointF(toPixel(place, 1).x(), plotArea().center().y())
                       : QPointF(plotArea().left() + 3, toPixel(1, place).y());
}

QString BarsPlot::valueText(size_t bar) const
{
    if (!std::isfinite(m_bars.values[bar]))
        return tr("not known");
    QString text = shortText(m_bars.values[bar]);
    if (errorOf(bar) > 0)
        text += tr(" ± %1").arg(shortText(errorOf(bar), 2));
    return m_bars.unit.isEmpty() ? text : text + ' ' + m_bars.unit;
}

QString BarsPlot::readout(QPointF value) const
{
    const double place = isUpright() ? value.x() : value.y();
    if (place < -0.5 || place >= double(m_order.size()) - 0.5)
        return {};
    const size_t bar = m_order[placeAt(value)];
    const bool named = qsizetype(bar) < m_bars.names.size();
    QStringList lines{named ? nameOf(bar) : tr("%1 %2").arg(m_bars.item).arg(bar),
                      tr("%1: %2").arg(m_bars.measure, valueText(bar))};
    if (qsizetype(bar) < m_bars.notes.size() && !m_bars.notes[qsizetype(bar)].isEmpty())
        lines << m_bars.notes[qsizetype(bar)];
    if (!m_bars.markedNote.isEmpty() && std::find(m_bars.marked.begin(), m_bars.marked.end(), qint64(bar)) != m_bars.marked.end())
        lines << m_bars.markedNote;
    return lines.join('\n');
}

bool BarsPlot::clicked(QPointF pixel, Qt::KeyboardModifiers)
{
    const QRect reach = isUpright() ? plotArea() : plotArea().adjusted(-kNameMargin, 0, 0, 0);
    const QPointF at = toValue(pixel);
    const double place = isUpright() ? at.x() : at.y();
    if (!reach.contains(pixel.toPoint()) || place < -0.5 || place >= double(m_order.size()) - 0.5)
        return false;
    Q_EMIT picked(qint64(m_order[placeAt(at)]));
    return true;
}

void BarsPlot::reveal(long place)
{
    const PlotRange now = isUpright() ? xRange() : yRange();
    const double past = std::max(0.0, double(place) + 0.5 - now.hi), before = std::max(0.0, now.lo - (double(place) - 0.5));
    if (past == 0 && before == 0)
        return;
    const PlotRange moved{now.lo + past - before, now.hi + past - before};
    if (isUpright())
        setView(moved, yRange());
    else
        setView(xRange(), moved);
}

bool BarsPlot::keyPressed(QKeyEvent* event)
{
    const int forward = isUpright() ? Qt::Key_Right : Qt::Key_Down, back = isUpright() ? Qt::Key_Left : Qt::Key_Up;
    if (m_focused >= 0 && (event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter)) {
        Q_EMIT picked(qint64(m_order[size_t(m_focused)]));
        return true;
    }
    if ((event->key() != forward && event->key() != back) || event->modifiers() & Qt::AltModifier)
        return false;
    m_focused = std::clamp(m_focused + (event->key() == forward ? 1L : -1L), 0L, long(m_order.size()) - 1);
    reveal(m_focused);
    refresh(Layer::Handles);
    return true;
}

/// Rows zoom along the rows: their values always start at the same line.
void BarsPlot::wheelEvent(QWheelEvent* event)
{
    if (isUpright())
        return PlotView::wheelEvent(event);
    QWheelEvent along(event->position(), event->globalPosition(), event->pixelDelta(), event->angleDelta(),
                      event->buttons(), event->modifiers() | Qt::ShiftModifier, event->phase(), event->inverted());
    PlotView::wheelEvent(&along);
    event->setAccepted(along.isAccepted());
}

PlotTable BarsPlot::table() const
{
    const QString measure = m_bars.unit.isEmpty() ? m_bars.measure : tr("%1 (%2)").arg(m_bars.measure, m_bars.unit);
    PlotTable numbers{{m_bars.item, measure}, {}};
    if (!m_bars.errors.empty())
        numbers.header << tr("standard error");
    const Span shown = visible();
    for (long i = shown.first; i < shown.last; ++i) {
        if (!(isUpright() ? xRange() : yRange()).contains(double(i)))
            continue;
        const size_t bar = m_order[size_t(i)];
        QStringList row{nameOf(bar), std::isfinite(m_bars.values[bar]) ? exactText(m_bars.values[bar]) : QString()};
        if (!m_bars.errors.empty())
            row << exactText(errorOf(bar));
        numbers.rows.push_back(row);
    }
    return numbers;
}

QString BarsPlot::summary() const
{
    size_t top = 0;
    for (size_t i = 0; i < m_bars.values.size(); ++i) {
        if (isDrawn(i) && (!isDrawn(top) || m_bars.values[i] > m_bars.values[top]))
            top = i;
    }
    QString text = tr("%1 by %2, %3.")
                       .arg(m_bars.measure, m_bars.item.toLower(), counted(qsizetype(m_order.size()), tr("1 bar"), tr("%1 bars")));
    if (isDrawn(top))
        text += ' ' + tr("Largest: %1 with %2.").arg(nameOf(top), valueText(top));
    if (!m_bars.marked.empty())
        text += ' ' + counted(qsizetype(m_bars.marked.size()), tr("1 bar stands out."), tr("%1 bars stand out."));
    return text;
}

} // namespace ql
