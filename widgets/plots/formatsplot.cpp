// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plots/formatsplot.h"

#include "core/quant/schemetable.h"
#include "widgets/models/schemelabel.h"
#include "widgets/theme.h"

#include <QKeyEvent>
#include <QPainter>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ql {
namespace {

constexpr double kFormatReach = 10; // pixels around a point that count as on it
constexpr double kDot = 4;

QColor inkOf(const Scheme& scheme)
{
    return theme::categorical(int(traits(scheme.format).kind));
}

} // namespace

FormatsPlot::FormatsPlot(QWidget* parent)
    : PlotView(parent)
{
    setAccessibleName(tr("Formats"));
    setEmptyText(tr("Trying every format on this tensor: signal to noise against size appears here…"));
    setTitles(tr("Bits per weight, scales included"), tr("SQNR (dB)"));
    setTopMargin(12);
    setFreeY(true);
}

void FormatsPlot::setStudy(const Shared<FormatStudy>& study)
{
    m_study = study;
    m_focused = -1;
    setPreview(study && study->provenance.preview);
    if (hasData()) {
        double lo = 1e9, hi = 0;
        for (const FormatPoint& point : study->points) {
            lo = std::min(lo, point.bitsPerWeight);
            if (!point.scheme.keepsFloat()) // 16 bits would squeeze what one chooses from into half the width
                hi = std::max(hi, point.bitsPerWeight);
        }
        setHomeX({lo - 0.5, std::max(hi, lo) + 0.8});
    }
    dataChanged();
}

void FormatsPlot::setScheme(const Scheme& scheme)
{
    m_scheme = scheme;
    refresh(Layer::Handles);
}

bool FormatsPlot::hasData() const
{
    return m_study && !m_study->points.empty();
}

PlotRange FormatsPlot::fitY(PlotRange x) const
{
    double lo = 1e9, hi = -1e9;
    for (const FormatPoint& point : m_study->points) {
        if (x.contains(point.bitsPerWeight) && std::isfinite(point.sqnrDb)) {
            lo = std::min(lo, point.sqnrDb);
            hi = std::max(hi, point.sqnrDb);
        }
    }
    if (lo > hi)
        return {0, 50};
    const double margin = std::max(1.0, 0.1 * (hi - lo));
    return {lo - margin, hi + margin};
}

QPointF FormatsPlot::pointPixel(size_t index) const
{
    const FormatPoint& point = m_study->points[index];
    return toPixel(point.bitsPerWeight, point.sqnrDb);
}

std::optional<size_t> FormatsPlot::pointAt(QPointF pixel) const
{
    std::optional<size_t> found;
    double nearest = kFormatReach;
    for (size_t i = 0; hasData() && i < m_study->points.size(); ++i) {
        const double distance = QLineF(pixel, pointPixel(i)).length();
        if (distance < nearest) {
            nearest = distance;
            found = i;
        }
    }
    return found;
}

bool FormatsPlot::clicked(QPointF pixel, Qt::KeyboardModifiers)
{
    const auto index = pointAt(pixel);
    if (index)
        Q_EMIT schemeEdited(m_study->points[*index].scheme, true);
    return index.has_value();
}

Qt::CursorShape FormatsPlot::cursorAt(QPointF pixel) const
{
    return pointAt(pixel) ? Qt::PointingHandCursor : Qt::ArrowCursor;
}

bool FormatsPlot::keyPressed(QKeyEvent* event)
{
    const int count = int(m_study->points.size());
    const bool enter = event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter || event->key() == Qt::Key_Space;
    if (enter && m_focused >= 0) {
        Q_EMIT schemeEdited(m_study->points[size_t(m_focused)].scheme, true);
        return true;
    }
    const bool right = event->key() == Qt::Key_Right, left = event->key() == Qt::Key_Left;
    if ((!left && !right) || event->modifiers() & Qt::AltModifier)
        return false;
    std::vector<int> order(static_cast<size_t>(count));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [this](int a, int b) {
        return m_study->points[size_t(a)].bitsPerWeight < m_study->points[size_t(b)].bitsPerWeight;
    });
    const auto at = std::find(order.begin(), order.end(), m_focused);
    const auto place = at == order.end() ? (right ? -1 : count) : int(at - order.begin());
    m_focused = order[size_t(std::clamp(place + (right ? 1 : -1), 0, count - 1))];
    refresh(Layer::Handles);
    return true;
}

std::vector<size_t> FormatsPlot::front() const
{
    std::vector<size_t> order(m_study->points.size());
    std::iota(order.begin(), order.end(), size_t(0));
    std::stable_sort(order.begin(), order.end(), [this](size_t a, size_t b) {
        const FormatPoint &p = m_study->points[a], &q = m_study->points[b];
        return p.bitsPerWeight != q.bitsPerWeight ? p.bitsPerWeight < q.bitsPerWeight : p.sqnrDb > q.sqnrDb;
    });
    std::vector<size_t> best;
    double highest = -1e300;
    for (const size_t i : order) {
        if (m_study->points[i].sqnrDb > highest) {
            highest = m_study->points[i].sqnrDb;
            best.push_back(i);
        }
    }
    return best;
}

void FormatsPlot::paintLayer(Layer layer, QPainter& painter)
{
    painter.setFont(theme::smallFont());
    painter.save();
    painter.setClipRect(plotArea());
    if (layer == Layer::Data) {
        QPolygonF line;
        for (const size_t i : front())
            line << pointPixel(i);
        painter.setPen(QPen(theme::color(Ink::Axis), 1, Qt::DashLine));
        painter.setBrush(Qt::NoBrush);
        painter.drawPolyline(line);
        painter.setPen(QPen(theme::color(Ink::PlotBackground), 1));
        for (size_t i = 0; i < m_study->points.size(); ++i) {
            painter.setBrush(inkOf(m_study->points[i].scheme));
            painter.drawEllipse(pointPixel(i), kDot, kDot);
        }
        paintLabels(painter);
    } else if (layer == Layer::Handles) {
        painter.setBrush(Qt::NoBrush);
        for (size_t i = 0; i < m_study->points.size(); ++i) {
            const bool present = m_study->points[i].scheme == m_scheme;
            if (present) {
                painter.setPen(QPen(theme::color(Ink::Handle), 2));
                painter.drawEllipse(pointPixel(i), 7.5, 7.5);
            }
            if (int(i) == m_focused && hasFocus()) {
                painter.setPen(QPen(theme::color(Ink::Accent), 2));
                painter.drawEllipse(pointPixel(i), 10.5, 10.5);
                drawLabel(painter, pointPixel(i) + QPointF(14, 0), Qt::AlignLeft | Qt::AlignVCenter,
                          readout(toValue(pointPixel(i))).replace('\n', "  "), theme::color(Ink::Accent));
            }
        }
    }
    painter.restore();
}

void FormatsPlot::paintLabels(QPainter& painter) const
{
    const QFontMetricsF metrics(painter.font());
    const QRectF area = QRectF(plotArea()).adjusted(2, 2, -2, -2);
    std::vector<QRectF> taken;
    for (size_t i = 0; i < m_study->points.size(); ++i)
        taken.push_back(QRectF(pointPixel(i) - QPointF(kDot, kDot), QSizeF(2 * kDot, 2 * kDot)));
    // The points that matter most get their label first: the front, then the others as they come.
    std::vector<size_t> order = front();
    for (size_t i = 0; i < m_study->points.size(); ++i) {
        if (std::find(order.begin(), order.end(), i) == order.end())
            order.push_back(i);
    }
    for (const size_t i : order) {
        const QPointF at = pointPixel(i);
        const QString text = schemeLabel(m_study->points[i].scheme);
        const QSizeF size(metrics.horizontalAdvance(text), metrics.height() - 2);
        const double w = size.width(), h = size.height(), gap = kDot + 2;
        for (const QPointF& corner : {QPointF(gap, -h / 2), QPointF(-gap - w, -h / 2), QPointF(-w / 2, -gap - h),
                                      QPointF(-w / 2, gap), QPointF(gap, -gap - h), QPointF(gap, gap),
                                      QPointF(-gap - w, -gap - h), QPointF(-gap - w, gap)}) {
            const QRectF box(at + corner, size);
            const bool clear = area.contains(box) && std::none_of(taken.begin(), taken.end(), [&](const QRectF& other) {
                                   return other.intersects(box);
                               });
            if (!clear)
                continue;
            taken.push_back(box);
            drawLabel(painter, box.topLeft(), Qt::AlignLeft | Qt::AlignTop, text, inkOf(m_study->points[i].scheme));
            break;
        }
    }
}

QString FormatsPlot::readout(QPointF value) const
{
    const auto index = pointAt(toPixel(value.x(), value.y()));
    if (!index)
        return {};
    const FormatPoint& point = m_study->points[*index];
    return tr("%1\n%2 bits per weight, %3 dB")
        .arg(QString::fromStdString(point.scheme.text()), shortText(point.bitsPerWeight), shortText(point.sqnrDb));
}

PlotTable FormatsPlot::table() const
{
    PlotTable numbers{{tr("scheme"), tr("bits per weight"), tr("SQNR (dB)")}, {}};
    for (size_t i = 0; hasData() && i < m_study->points.size(); ++i) {
        const FormatPoint& point = m_study->points[i];
        if (xRange().contains(point.bitsPerWeight) && yRange().contains(point.sqnrDb))
            numbers.rows.push_back({QString::fromStdString(point.scheme.text()), exactText(point.bitsPerWeight),
                                 exactText(point.sqnrDb)});
    }
    return numbers;
}

QString FormatsPlot::summary() const
{
    QStringList best;
    for (const size_t i : front())
        best << tr("%1 %2 dB at %3 bits").arg(schemeLabel(m_study->points[i].scheme),
                                              shortText(m_study->points[i].sqnrDb),
                                              shortText(m_study->points[i].bitsPerWeight));
    return tr("%1 schemes tried on this tensor. Best for their size: %2.").arg(m_study->points.size()).arg(best.join(", "));
}

} // namespace ql
