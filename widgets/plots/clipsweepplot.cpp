// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plots/clipsweepplot.h"

#include "widgets/plots/clipmethodname.h"
#include "widgets/plots/labelplacement.h"
#include "widgets/theme.h"

#include <QPainter>
#include <QPainterPath>

#include <algorithm>
#include <cmath>
#include <limits>

namespace ql {
namespace {

constexpr double kReach = 9; // pixels around a point that count as on it

} // namespace

ClipSweepPlot::ClipSweepPlot(QWidget* parent)
    : PlotView(parent)
{
    setAccessibleName(tr("Clip sweep"));
    setEmptyText(tr("Computing the clip sweep: the error at every clip ratio, and where each method would clip…"));
    setTitles(tr("Clip ratio (share of each group's range that is kept)"), tr("Mean squared error"));
    setTopMargin(12);
}

void ClipSweepPlot::setStudy(const Shared<ClipStudy>& study)
{
    m_study = study;
    setPreview(study && study->provenance.preview);
    if (hasData()) {
        // The steep side beyond eight times the best error would squeeze the valley into a corner.
        const ClipSweep& sweep = study->sweep;
        double lowest = 1;
        for (size_t i = 0; i < sweep.mse.size() && sweep.mse[i] <= 8 * sweep.mse[sweep.best]; ++i)
            lowest = sweep.ratios[i];
        setHomeX({std::max(0.0, std::min(lowest, 0.9) - 0.02), 1.02});
    }
    dataChanged();
}

void ClipSweepPlot::setCurrent(const Scheme& scheme, double ratio)
{
    m_scheme = scheme;
    m_ratio = ratio;
    refresh(Layer::Handles);
}

bool ClipSweepPlot::hasData() const
{
    return m_study && !m_study->sweep.mse.empty();
}

PlotRange ClipSweepPlot::fitY(PlotRange x) const
{
    const ClipSweep& sweep = m_study->sweep;
    const double best = sweep.mse[sweep.best];
    double most = std::max(sweep.mse.front(), best * 2);
    for (size_t i = 0; i < sweep.mse.size(); ++i) {
        if (x.contains(sweep.ratios[i]))
            most = std::max(most, std::min(sweep.mse[i], best * 6)); // the steep left end must not flatten the valley
    }
    return {0, most > 0 ? most * 1.25 : 1};
}

QPointF ClipSweepPlot::markPixel(size_t index) const
{
    const ClipMark& mark = m_study->marks[index];
    return toPixel(mark.ratio, mark.mse);
}

std::optional<size_t> ClipSweepPlot::markAt(QPointF pixel) const
{
    std::optional<size_t> found;
    double nearest = kReach;
    for (size_t i = 0; hasData() && i < m_study->marks.size(); ++i) {
        const double distance = QLineF(pixel, markPixel(i)).length();
        if (distance <= nearest) {
            nearest = distance;
            found = i;
        }
    }
    return found;
}

bool ClipSweepPlot::clicked(QPointF pixel, Qt::KeyboardModifiers)
{
    const auto index = markAt(pixel);
    if (!index)
        return false;
    Scheme scheme = m_scheme;
    scheme.clip = m_study->marks[*index].method;
    scheme.clipParameter = m_study->marks[*index].parameter;
    Q_EMIT schemeEdited(scheme, true);
    return true;
}

Qt::CursorShape ClipSweepPlot::cursorAt(QPointF pixel) const
{
    return markAt(pixel) ? Qt::PointingHandCursor : Qt::ArrowCursor;
}

QString ClipSweepPlot::tipAt(QPointF pixel) const
{
    const auto index = markAt(pixel);
    if (!index)
        return {};
    const ClipMark& mark = m_study->marks[*index];
    return tr("%1: limit %2, ratio %3, mean squared error %4.\nClick to use it.")
        .arg(clipMethodName(mark.method, mark.parameter), shortText(mark.limit), shortText(mark.ratio),
             shortText(mark.mse));
}

void ClipSweepPlot::paintLayer(Layer layer, QPainter& painter)
{
    painter.setFont(theme::smallFont());
    const QRectF area = plotArea();
    if (layer == Layer::Data) {
        QPolygonF curve;
        for (size_t i = 0; i < m_study->sweep.mse.size(); ++i)
            curve << toPixel(m_study->sweep.ratios[i], m_study->sweep.mse[i]);
        painter.save();
        painter.setClipRect(area);
        painter.setBrush(Qt::NoBrush);
        painter.setPen(QPen(theme::color(Ink::Error), 1.8));
        painter.drawPolyline(curve);
        painter.restore();
    } else if (layer == Layer::Handles) {
        if (m_ratio > 0) {
            const double x = toPixel(m_ratio, 0).x();
            painter.setPen(QPen(theme::color(Ink::Handle), 1.4));
            if (x >= area.left() && x <= area.right()) {
                painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()));
                drawLabel(painter, {x - 6, area.bottom() - 4}, Qt::AlignRight | Qt::AlignBottom,
                          tr("now × %1").arg(shortText(m_ratio)), theme::color(Ink::Handle));
            }
        }
        paintMarks(painter);
    }
}

void ClipSweepPlot::paintMarks(QPainter& painter) const
{
    const QRectF area = plotArea();
    const QFontMetricsF metrics(painter.font());
    std::vector<size_t> order;
    for (size_t i = 0; i < m_study->marks.size(); ++i) {
        if (area.adjusted(-1, -1, 1, 1).contains(markPixel(i)))
            order.push_back(i);
    }
    std::sort(order.begin(), order.end(), [this](size_t a, size_t b) { return markPixel(a).x() < markPixel(b).x(); });
    std::vector<double> centres, widths;
    double top = area.bottom();
    for (const size_t i : order) {
        const ClipMark& mark = m_study->marks[i];
        centres.push_back(markPixel(i).x());
        widths.push_back(metrics.horizontalAdvance(clipMethodName(mark.method, mark.parameter)) + 8);
        top = std::min(top, markPixel(i).y());
    }
    const double row = std::max(area.top() + metrics.height() + 2, top - 18);
    centres = spread(centres, widths, 6, area.left(), area.right());
    for (size_t k = 0; k < order.size(); ++k) {
        const ClipMark& mark = m_study->marks[order[k]];
        const QPointF at = markPixel(order[k]);
        const bool active = isChosen(mark, m_scheme);
        const QColor ink = theme::color(active ? Ink::Handle : Ink::AxisText);
        painter.setPen(QPen(theme::color(Ink::Axis), 1));
        painter.drawLine(QPointF(centres[k], row), at);
        painter.setPen(QPen(ink, 1.6));
        painter.setBrush(active ? ink : theme::color(Ink::PlotBackground));
        painter.drawEllipse(at, 4, 4);
        drawLabel(painter, {centres[k], row}, Qt::AlignHCenter | Qt::AlignBottom,
                  clipMethodName(mark.method, mark.parameter), ink);
    }
}

QString ClipSweepPlot::readout(QPointF value) const
{
    const ClipSweep& sweep = m_study->sweep;
    size_t nearest = 0;
    for (size_t i = 1; i < sweep.ratios.size(); ++i) {
        if (std::abs(sweep.ratios[i] - value.x()) < std::abs(sweep.ratios[nearest] - value.x()))
            nearest = i;
    }
    const double worse = sweep.mse[sweep.best] > 0 ? sweep.mse[nearest] / sweep.mse[sweep.best] : 1;
    return tr("clip ratio %1\nMSE %2 (× %3 of the best)")
        .arg(shortText(sweep.ratios[nearest]), shortText(sweep.mse[nearest]), shortText(worse));
}

PlotTable ClipSweepPlot::table() const
{
    PlotTable numbers{{tr("clip ratio"), tr("MSE")}, {}};
    for (size_t i = 0; hasData() && i < m_study->sweep.mse.size(); ++i) {
        if (xRange().contains(m_study->sweep.ratios[i]))
            numbers.rows.push_back({exactText(m_study->sweep.ratios[i]), exactText(m_study->sweep.mse[i])});
    }
    return numbers;
}

QString ClipSweepPlot::summary() const
{
    const ClipSweep& sweep = m_study->sweep;
    QString text = tr("Mean squared error against clip ratio. Lowest, %1, at ratio %2; %3 without clipping.")
                       .arg(shortText(sweep.mse[sweep.best]), shortText(sweep.ratios[sweep.best]),
                            shortText(sweep.mse.front()));
    for (const ClipMark& mark : m_study->marks)
        text += ' ' + tr("%1 at ratio %2.").arg(clipMethodName(mark.method, mark.parameter), shortText(mark.ratio));
    return text;
}

} // namespace ql
