// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plots/seriesplot.h"

#include "widgets/models/numbertext.h"
#include "widgets/plots/labelplacement.h"
#include "widgets/theme.h"

#include <QKeyEvent>
#include <QPainter>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>
#include <utility>

namespace ql {
namespace {

constexpr size_t kColours = 8;      // more curves than colours: only the largest few are coloured
constexpr int kLargest = 5;
constexpr double kCurveReach = 8;        // pixels around a curve that take hold of it
constexpr int kMostLabelPixels = 140;
constexpr double kSmallestShare = 1e-6; // of the largest value on a logarithmic axis

} // namespace

SeriesPlot::SeriesPlot(QWidget* parent)
    : PlotView(parent)
{
    setTopMargin(12);
    setRightMargin(kMostLabelPixels / 2);
    setWholeTicksX();
}

void SeriesPlot::setAxes(const QString& position, const QString& measure)
{
    m_position = position;
    m_measure = measure;
    setTitles(position, measure);
}

void SeriesPlot::setSeries(std::vector<Series> series)
{
    m_series = std::move(series);
    const size_t before = std::exchange(m_length, 0);
    m_focused = -1;
    double widest = 0;
    const QFontMetricsF metrics(theme::smallFont());
    for (const Series& one : m_series) {
        m_length = std::max(m_length, one.values.size());
        widest = std::max(widest, metrics.horizontalAdvance(one.name));
    }
    setRightMargin(int(std::clamp(widest + 20, 40.0, double(kMostLabelPixels))));
    rank();
    if (m_length != before)
        fitHome();
    dataChanged();
}

void SeriesPlot::rank()
{
    std::vector<double> means;
    for (const Series& one : m_series) {
        double sum = 0, known = 0;
        for (const double value : one.values) {
            if (std::isfinite(value)) {
                sum += value;
                ++known;
            }
        }
        means.push_back(known > 0 ? sum / known : -INFINITY);
    }
    std::vector<size_t> order(means.size());
    std::iota(order.begin(), order.end(), size_t(0));
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return means[a] > means[b]; });
    m_rank.resize(means.size());
    for (size_t i = 0; i < order.size(); ++i)
        m_rank[order[i]] = int(i);
}

void SeriesPlot::fitHome()
{
    const auto last = double(std::max<size_t>(m_length, 2));
    setHomeX(isLogX() ? PlotRange{1, last} : PlotRange{0, last + 0.5});
    resetView();
}

void SeriesPlot::setPicked(int series)
{
    m_picked = series;
    refresh();
}

void SeriesPlot::setLogarithmicX(bool log)
{
    if (log == isLogX())
        return;
    setLogX(log);
    if (!log)
        setWholeTicksX();
    fitHome();
}

void SeriesPlot::setLogarithmicY(bool log)
{
    setLogY(log);
}

bool SeriesPlot::hasData() const
{
    return m_length > 0;
}

std::pair<long, long> SeriesPlot::visible() const
{
    const double most = double(m_length);
    return {long(std::clamp(std::floor(xRange().lo) - 1, 0.0, most)), long(std::clamp(std::ceil(xRange().hi), 0.0, most))};
}

PlotRange SeriesPlot::fitY(PlotRange) const
{
    const auto [first, last] = visible();
    double lo = INFINITY, hi = -INFINITY;
    for (const Series& one : m_series) {
        for (long i = first; i < std::min(last, long(one.values.size())); ++i) {
            const double value = one.values[size_t(i)];
            if (!std::isfinite(value) || (isLogY() && value <= 0))
                continue;
            const double error = one.errors.empty() ? 0 : one.errors[size_t(i)];
            lo = std::min(lo, isLogY() ? value : value - error);
            hi = std::max(hi, value + error);
        }
    }
    if (lo > hi)
        return isLogY() ? PlotRange{0.1, 1} : PlotRange{0, 1};
    if (isLogY())
        return {std::max(lo, hi * kSmallestShare) / 1.5, hi * 1.5};
    return {std::min(0.0, lo * 1.1), hi > 0 ? hi * 1.1 : lo < 0 ? 0.0 : 1.0};
}

SeriesPlot::Curve SeriesPlot::curveOf(size_t series, double errors) const
{
    Curve curve;
    const auto [first, last] = visible();
    const Series& one = m_series[series];
    const std::vector<double>& values = one.values;
    QPolygonF piece;
    double sumX = 0, sumY = 0, column = 0;
    long held = 0;
    const auto flush = [&] {
        if (!held)
            return;
        const QPointF mean = toPixel(sumX / double(held), sumY / double(held));
        piece << mean;
        curve.end = mean;
        curve.drawn = true;
        sumX = sumY = 0;
        held = 0;
    };
    const auto part = [&] {
        flush();
        if (!piece.isEmpty())
            curve.pieces << std::exchange(piece, {});
    };
    for (long i = first; i < std::min(last, long(values.size())); ++i) {
        const double value = values[size_t(i)], x = double(i) + 1;
        if (!std::isfinite(value) || (isLogY() && value <= 0)) {
            part();
            continue;
        }
        const double here = std::floor(toPixel(x, 1).x());
        if (here != column)
            flush();
        column = here;
        const double moved = errors != 0 ? value + errors * one.errors[size_t(i)] : value;
        sumX += x;
        sumY += isLogY() ? std::max(moved, value * kSmallestShare) : moved;
        ++held;
    }
    part();
    return curve;
}

bool SeriesPlot::isLabelled(size_t series) const
{
    return m_series.size() <= kColours || int(series) == m_picked || m_rank[series] < kLargest;
}

QColor SeriesPlot::colourOf(size_t series) const
{
    if (m_series.size() <= kColours)
        return theme::categorical(int(series));
    if (!isLabelled(series))
        return theme::color(Ink::Axis);
    return theme::categorical(int(series) == m_picked && m_rank[series] >= kLargest ? kLargest : m_rank[series]);
}

void SeriesPlot::paintLayer(Layer layer, QPainter& painter)
{
    if (layer == Layer::Handles) {
        paintLabels(painter);
        return;
    }
    if (layer != Layer::Data)
        return;
    painter.save();
    painter.setClipRect(plotArea());
    paintBands(painter);
    painter.setBrush(Qt::NoBrush);
    const auto draw = [&](size_t i) {
        const bool strong = int(i) == m_picked || int(i) == m_focused;
        QColor colour = colourOf(i);
        if (m_picked >= 0 && !strong)
            colour.setAlpha(isLabelled(i) ? 150 : 90);
        painter.setPen(QPen(colour, strong ? 2.4 : isLabelled(i) ? 1.4 : 1));
        for (const QPolygonF& piece : curveOf(i).pieces) {
            painter.drawPolyline(piece);
            if (piece.size() == 1)
                painter.drawEllipse(piece.first(), 1.5, 1.5);
        }
    };
    for (const bool labelled : {false, true}) {
        for (size_t i = 0; i < m_series.size(); ++i) {
            if (isLabelled(i) == labelled && int(i) != m_picked)
                draw(i);
        }
    }
    if (m_picked >= 0 && size_t(m_picked) < m_series.size())
        draw(size_t(m_picked));
    painter.restore();
}

void SeriesPlot::paintBands(QPainter& painter) const
{
    painter.setPen(Qt::NoPen);
    for (size_t i = 0; i < m_series.size(); ++i) {
        if (m_series[i].errors.empty())
            continue;
        QColor colour = colourOf(i);
        colour.setAlpha(45);
        painter.setBrush(colour);
        const Curve above = curveOf(i, 1), below = curveOf(i, -1);
        for (qsizetype piece = 0; piece < above.pieces.size(); ++piece) {
            QPolygonF band = above.pieces[piece];
            std::reverse_copy(below.pieces[piece].begin(), below.pieces[piece].end(), std::back_inserter(band));
            painter.drawPolygon(band);
        }
    }
}

void SeriesPlot::paintLabels(QPainter& painter) const
{
    const QRectF area = plotArea();
    painter.setFont(theme::smallFont());
    struct Label {
        size_t series;
        QPointF end;
    };
    std::vector<Label> labels;
    for (size_t i = 0; i < m_series.size(); ++i) {
        if (const Curve curve = isLabelled(i) ? curveOf(i) : Curve(); curve.drawn)
            labels.push_back({i, {curve.end.x(), std::clamp(curve.end.y(), area.top(), area.bottom())}});
    }
    std::stable_sort(labels.begin(), labels.end(), [](const Label& a, const Label& b) { return a.end.y() < b.end.y(); });
    const QFontMetricsF metrics(painter.font());
    std::vector<double> centres, heights(labels.size(), metrics.height() - 2);
    for (const Label& label : labels)
        centres.push_back(label.end.y());
    centres = spread(centres, heights, 0, area.top() - 4, area.bottom() + 4);
    const double room = width() - area.right() - 12;
    for (size_t i = 0; i < labels.size(); ++i) {
        QColor colour = colourOf(labels[i].series);
        const bool strong = int(labels[i].series) == m_picked || int(labels[i].series) == m_focused;
        painter.setPen(QPen(colour, 1));
        painter.drawLine(labels[i].end, {area.right() + 6, centres[i]});
        QFont font = theme::smallFont();
        font.setBold(strong);
        painter.setFont(font);
        painter.drawText(QRectF(area.right() + 8, centres[i] - metrics.height() / 2, room, metrics.height()),
                         Qt::AlignLeft | Qt::AlignVCenter,
                         QFontMetricsF(font).elidedText(m_series[labels[i].series].name, Qt::ElideRight, room));
    }
}

std::optional<size_t> SeriesPlot::curveAt(QPointF pixel) const
{
    const double position = toValue(pixel).x();
    std::optional<size_t> found;
    double nearest = kCurveReach;
    for (size_t i = 0; i < m_series.size(); ++i) {
        const QPointF at = curvePixel(int(i), position);
        const double distance = at.isNull() ? INFINITY : std::abs(at.y() - pixel.y());
        if (distance < nearest || (found && distance == nearest && int(i) == m_picked)) {
            nearest = distance;
            found = i;
        }
    }
    return found;
}

QPointF SeriesPlot::curvePixel(int series, double position) const
{
    if (series < 0 || size_t(series) >= m_series.size())
        return {};
    const double x = toPixel(position, 1).x();
    QPointF before;
    for (const QPolygonF& piece : curveOf(size_t(series)).pieces) {
        for (const QPointF& point : piece) {
            if (point.x() >= x) {
                const double width = point.x() - before.x();
                if (before.isNull() || width <= 0)
                    return point.x() - x < kCurveReach ? point : QPointF();
                return {x, before.y() + (point.y() - before.y()) * (x - before.x()) / width};
            }
            before = point;
        }
    }
    return !before.isNull() && x - before.x() < kCurveReach ? before : QPointF();
}

QString SeriesPlot::readout(QPointF value) const
{
    const auto index = long(std::round(value.x())) - 1;
    if (index < 0 || index >= long(m_length))
        return {};
    QStringList lines{tr("%1: %2").arg(m_position).arg(index + 1)};
    const auto series = curveAt(toPixel(value.x(), value.y()));
    for (const int wanted : {series ? int(*series) : -1, m_picked}) {
        if (wanted < 0 || size_t(wanted) >= m_series.size() || (wanted == m_picked && series && int(*series) == m_picked && lines.size() > 1))
            continue;
        const Series& one = m_series[size_t(wanted)];
        if (size_t(index) >= one.values.size() || !std::isfinite(one.values[size_t(index)]))
            continue;
        const QString text = shortText(one.values[size_t(index)]);
        lines << tr("%1: %2").arg(one.name, one.errors.empty() ? text : tr("%1 ± %2").arg(text, shortText(one.errors[size_t(index)])));
    }
    return lines.join('\n');
}

bool SeriesPlot::clicked(QPointF pixel, Qt::KeyboardModifiers)
{
    const auto series = plotArea().contains(pixel.toPoint()) ? curveAt(pixel) : std::nullopt;
    if (series)
        Q_EMIT picked(int(*series));
    return series.has_value();
}

bool SeriesPlot::keyPressed(QKeyEvent* event)
{
    if (m_focused >= 0 && (event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter)) {
        Q_EMIT picked(m_focused);
        return true;
    }
    if ((event->key() != Qt::Key_Down && event->key() != Qt::Key_Up) || event->modifiers() & Qt::AltModifier)
        return false;
    const int from = m_focused >= 0 ? m_focused : m_picked;
    m_focused = std::clamp(from + (event->key() == Qt::Key_Down ? 1 : -1), 0, int(m_series.size()) - 1);
    refresh();
    return true;
}

PlotTable SeriesPlot::table() const
{
    PlotTable numbers{{m_position}, {}};
    const auto cell = [](const std::vector<double>& values, long i) {
        return size_t(i) < values.size() && std::isfinite(values[size_t(i)]) ? exactText(values[size_t(i)]) : QString();
    };
    for (const Series& one : m_series) {
        numbers.header << one.name;
        if (!one.errors.empty())
            numbers.header << tr("%1, standard error").arg(one.name);
    }
    const auto [first, last] = visible();
    for (long i = first; i < last; ++i) {
        if (!xRange().contains(double(i) + 1))
            continue;
        QStringList row{QString::number(i + 1)};
        for (const Series& one : m_series) {
            row << cell(one.values, i);
            if (!one.errors.empty())
                row << cell(one.errors, i);
        }
        numbers.rows.push_back(row);
    }
    return numbers;
}

QString SeriesPlot::summary() const
{
    QString text = tr("%1 against %2, %3.")
                       .arg(m_measure, m_position.toLower(), counted(qsizetype(m_series.size()), tr("1 curve"), tr("%1 curves")));
    for (size_t i = 0; i < m_series.size(); ++i) {
        if (m_rank[i] == 0)
            text += ' ' + tr("Largest on average: %1.").arg(m_series[i].name);
    }
    return text;
}

} // namespace ql
