// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plots/occupancyplot.h"

#include "core/base/format.h"
#include "widgets/plots/codegrid.h"
#include "widgets/theme.h"

#include <QPainter>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ql {

OccupancyPlot::OccupancyPlot(QWidget* parent)
    : PlotView(parent)
{
    setAccessibleName(tr("Occupancy of the codes"));
    setEmptyText(tr("Quantizing: how often each code is used appears here…"));
    setTitles(tr("Code"), tr("Share of the values (%)"));
    setTopMargin(12);
}

void OccupancyPlot::setQuantization(const Shared<Quantization>& quantization)
{
    m_quantization = quantization;
    setPreview(quantization && quantization->provenance.preview);
    if (hasData()) {
        const auto& counts = quantization->metrics.occupancy;
        m_total = double(std::max<uint64_t>(1, std::accumulate(counts.begin(), counts.end(), uint64_t(0))));
        setHomeX({-0.8, double(counts.size()) - 0.2});
        label();
    }
    dataChanged();
}

void OccupancyPlot::label()
{
    const auto& levels = m_quantization->codebook.levels;
    const double room = std::max(1.0, (width() - 90) / 30.0);
    size_t stride = 1, zero = 0;
    while (double(levels.size()) / double(stride) > room)
        stride *= 2;
    for (size_t i = 0; i < levels.size(); ++i) {
        if (std::abs(levels[i].value) < std::abs(levels[zero].value))
            zero = i;
    }
    QStringList labels;
    for (size_t i = 0; i < levels.size(); ++i) {
        const bool drawn = i % stride == zero % stride;
        labels << (drawn ? codeLabel(levels[i]) : QString());
    }
    setCategories(labels);
}

void OccupancyPlot::resizeEvent(QResizeEvent* event)
{
    QWidget::resizeEvent(event);
    if (hasData())
        label();
}

bool OccupancyPlot::hasData() const
{
    return m_quantization && !m_quantization->metrics.occupancy.empty() &&
           m_quantization->metrics.occupancy.size() == m_quantization->codebook.levels.size();
}

double OccupancyPlot::share(size_t code) const
{
    return 100 * double(m_quantization->metrics.occupancy[code]) / m_total;
}

PlotRange OccupancyPlot::fitY(PlotRange x) const
{
    double most = 0;
    for (size_t i = 0; i < m_quantization->metrics.occupancy.size(); ++i) {
        if (x.contains(double(i)))
            most = std::max(most, share(i));
    }
    return {0, most > 0 ? most * 1.18 : 1};
}

void OccupancyPlot::paintLayer(Layer layer, QPainter& painter)
{
    const QRectF area = plotArea();
    const size_t codes = m_quantization->metrics.occupancy.size();
    painter.setFont(theme::smallFont());
    if (layer == Layer::Data) {
        painter.save();
        painter.setClipRect(area);
        painter.setPen(Qt::NoPen);
        painter.setBrush(theme::color(Ink::Grid));
        const double pixels = toPixel(1, 0).x() - toPixel(0, 0).x();
        const double half = pixels > 4 ? pixels * 0.36 : pixels * 0.5;
        painter.setRenderHint(QPainter::Antialiasing, pixels < 4);
        for (size_t i = 0; i < codes; ++i) {
            const QPointF top = toPixel(double(i), share(i));
            painter.drawRect(QRectF(top.x() - half, top.y(), 2 * half, area.bottom() + 1 - top.y()));
        }
        painter.restore();
    } else if (layer == Layer::Handles) {
        const double equal = 100.0 / double(codes);
        const double y = toPixel(0, equal).y();
        painter.setPen(QPen(theme::color(Ink::AxisText), 1, Qt::DashLine));
        painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y));
        drawLabel(painter, {area.left() + 6, y - 2}, Qt::AlignLeft | Qt::AlignBottom,
                  tr("equal use %1 %").arg(shortText(equal)), theme::color(Ink::AxisText));
        drawLabel(painter, area.topLeft() + QPointF(6, 2), Qt::AlignLeft,
                  tr("entropy %1 of %2 bits")
                      .arg(shortText(m_quantization->metrics.entropyBits()), shortText(std::log2(double(codes)))),
                  theme::color(Ink::AxisText));
    }
}

size_t OccupancyPlot::codeAt(double x) const
{
    return size_t(std::clamp(std::round(x), 0.0, double(m_quantization->metrics.occupancy.size() - 1)));
}

QString OccupancyPlot::readout(QPointF value) const
{
    const size_t code = codeAt(value.x());
    const Level& level = m_quantization->codebook.levels[code];
    return tr("code %1, level %2\n%3 values (%4 %)")
        .arg(codeLabel(level), shortText(level.value, 4),
             QString::fromStdString(formatCount(m_quantization->metrics.occupancy[code])), shortText(share(code)));
}

PlotTable OccupancyPlot::table() const
{
    PlotTable numbers{{tr("code"), tr("level (scale units)"), tr("values"), tr("share (%)")}, {}};
    for (size_t i = 0; hasData() && i < m_quantization->metrics.occupancy.size(); ++i) {
        const Level& level = m_quantization->codebook.levels[i];
        if (xRange().contains(double(i)))
            numbers.rows.push_back({QString::number(level.code), exactText(double(level.value)),
                                 QString::number(m_quantization->metrics.occupancy[i]), exactText(share(i))});
    }
    return numbers;
}

QString OccupancyPlot::summary() const
{
    const auto& counts = m_quantization->metrics.occupancy;
    const auto unused = std::count(counts.begin(), counts.end(), uint64_t(0));
    return tr("Use of %1 codes: entropy %2 of %3 bits, %4 codes unused.")
        .arg(counts.size())
        .arg(shortText(m_quantization->metrics.entropyBits()), shortText(std::log2(double(counts.size()))))
        .arg(unused);
}

} // namespace ql
