// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plots/errorplot.h"

#include "widgets/theme.h"

#include <QPainter>

#include <algorithm>
#include <cmath>

namespace ql {

ErrorPlot::ErrorPlot(QWidget* parent)
    : PlotView(parent)
{
    setAccessibleName(tr("Histogram of the error"));
    setEmptyText(tr("Quantizing: the histogram of reconstructed minus original value appears here…"));
    setTitles(tr("Error: reconstructed − original"), tr("Share per unit of error"));
    setTopMargin(12);
}

void ErrorPlot::setQuantization(const Shared<Quantization>& quantization)
{
    m_quantization = quantization;
    setPreview(quantization && quantization->provenance.preview);
    if (hasData()) {
        const Histogram& error = quantization->error;
        const double reach = std::max(std::abs(error.lo), std::abs(error.hi));
        // Clipping makes tails a hundred times longer than the body; the body is what the first look is for.
        const double body = std::min(reach, 8 * quantization->metrics.rmse());
        // Steps of a power of two keep the axis still while a handle is dragged.
        setHomeX({-std::exp2(std::ceil(4 * std::log2(body)) / 4), std::exp2(std::ceil(4 * std::log2(body)) / 4)});
    }
    dataChanged();
}

bool ErrorPlot::hasData() const
{
    return m_quantization && !m_quantization->error.counts.empty() && m_quantization->metrics.rmse() > 0;
}

Columns ErrorPlot::columns(PlotRange x) const
{
    return columnsOf(m_quantization->error, x, std::max(16, plotArea().width() / 2));
}

double ErrorPlot::total() const
{
    const Histogram& error = m_quantization->error;
    return std::max(1.0, double(error.total() + error.below + error.above));
}

PlotRange ErrorPlot::fitY(PlotRange x) const
{
    const Columns shown = columns(x);
    double most = 0;
    for (const double count : shown.counts)
        most = std::max(most, count);
    return {0, std::max(most, 1.0) * 1.15 / (total() * shown.width)};
}

void ErrorPlot::paintLayer(Layer layer, QPainter& painter)
{
    const QRectF area = plotArea();
    if (layer == Layer::Data) {
        const Columns shown = columns(xRange());
        const double unit = 1 / (total() * shown.width);
        QPolygonF outline;
        outline << toPixel(shown.first, 0);
        for (size_t i = 0; i < shown.counts.size(); ++i)
            outline << toPixel(shown.left(i), shown.counts[i] * unit) << toPixel(shown.left(i + 1), shown.counts[i] * unit);
        outline << toPixel(shown.left(shown.counts.size()), 0);
        painter.save();
        painter.setClipRect(area);
        QColor fill = theme::color(Ink::Error);
        fill.setAlpha(110);
        painter.setPen(QPen(theme::color(Ink::Error), 1.2));
        painter.setBrush(fill);
        painter.drawPolygon(outline);
        painter.restore();
    } else if (layer == Layer::Handles) {
        painter.setFont(theme::smallFont());
        const double rmse = m_quantization->metrics.rmse();
        for (const double at : {-rmse, rmse}) {
            const double x = toPixel(at, 0).x();
            painter.setPen(QPen(theme::color(Ink::AxisText), 1, Qt::DashLine));
            if (x > area.left() && x < area.right())
                painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()));
        }
        drawLabel(painter, {toPixel(rmse, 0).x() + 6, area.top() + 4}, Qt::AlignLeft,
                  tr("RMSE %1").arg(shortText(rmse)), theme::color(Ink::AxisText));
    }
}

QString ErrorPlot::readout(QPointF value) const
{
    const Columns shown = columns(xRange());
    const double at = (value.x() - shown.first) / shown.width;
    const double count = at >= 0 && at < double(shown.counts.size()) ? shown.counts[size_t(at)] : 0;
    return tr("error %1\n%2 % of the values").arg(shortText(value.x()), shortText(100 * count / total()));
}

PlotTable ErrorPlot::table() const
{
    PlotTable numbers{{tr("from (error)"), tr("to (error)"), tr("values"), tr("density")}, {}};
    if (!hasData())
        return numbers;
    const Columns shown = columns(xRange());
    for (size_t i = 0; i < shown.counts.size(); ++i)
        numbers.rows.push_back({exactText(shown.left(i)), exactText(shown.left(i + 1)),
                             QString::number(uint64_t(shown.counts[i])),
                             exactText(shown.counts[i] / (total() * shown.width))});
    return numbers;
}

QString ErrorPlot::summary() const
{
    const ErrorMetrics& metrics = m_quantization->metrics;
    return tr("Histogram of reconstructed minus original value. Root mean square %1, largest %2, mean absolute %3.")
        .arg(shortText(metrics.rmse()), shortText(metrics.maxAbsError), shortText(metrics.meanAbsError()));
}

} // namespace ql
