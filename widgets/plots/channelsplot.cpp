// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plots/channelsplot.h"

#include "widgets/theme.h"

#include <QKeyEvent>
#include <QPainter>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ql {

ChannelsPlot::ChannelsPlot(QWidget* parent)
    : PlotView(parent)
{
    setAccessibleName(tr("Output channels"));
    setEmptyText(tr("Measuring the output channels: range, scale and error of each one appear here…"));
    setTopMargin(12);
    setWholeTicksX();
}

void ChannelsPlot::setStudy(const Shared<ChannelStudy>& study)
{
    m_study = study;
    m_focused = -1;
    setPreview(study && study->provenance.preview);
    if (hasData())
        setHomeX({-0.5, double(study->channels.absMax.size()) - 0.5});
    arrange();
}

void ChannelsPlot::setMeasure(Measure measure)
{
    m_measure = measure;
    arrange();
    resetView();
}

void ChannelsPlot::setSorted(bool sorted)
{
    m_sorted = sorted;
    m_focused = -1;
    arrange();
}

QString ChannelsPlot::title(Measure measure) const
{
    switch (measure) {
    case Measure::AbsMax: return tr("Absolute maximum");
    case Measure::Scale: return tr("Scale (median of the channel)");
    case Measure::RmsError: return tr("RMS error");
    case Measure::RelativeError: return tr("Relative error (%)");
    }
    return {};
}

double ChannelsPlot::valueOf(size_t channel, Measure measure) const
{
    const ChannelStats& stats = m_study->channels;
    const auto at = [channel](const auto& values) { return channel < values.size() ? double(values[channel]) : 0.0; };
    switch (measure) {
    case Measure::AbsMax: return at(stats.absMax);
    case Measure::Scale: return at(stats.scale);
    case Measure::RmsError: return std::sqrt(at(stats.meanSquaredError));
    case Measure::RelativeError:
        return at(stats.meanSquare) > 0 ? 100 * std::sqrt(at(stats.meanSquaredError) / at(stats.meanSquare)) : 0;
    }
    return 0;
}

void ChannelsPlot::setPicked(qint64 row)
{
    m_picked = row;
    refresh(Layer::Handles);
}

void ChannelsPlot::arrange()
{
    m_order.resize(hasData() ? m_study->channels.absMax.size() : 0);
    std::iota(m_order.begin(), m_order.end(), size_t(0));
    std::vector<double> values(m_order.size());
    for (size_t i = 0; i < values.size(); ++i)
        values[i] = valueOf(i, m_measure);
    if (m_sorted)
        std::stable_sort(m_order.begin(), m_order.end(), [&](size_t a, size_t b) { return values[a] > values[b]; });
    m_values.resize(m_order.size());
    for (size_t i = 0; i < m_order.size(); ++i)
        m_values[i] = values[m_order[i]];
    setTitles(m_sorted ? tr("Output channels, largest first") : tr("Output channel"), title(m_measure));
    dataChanged();
}

bool ChannelsPlot::hasData() const
{
    return m_study && !m_study->channels.absMax.empty();
}

PlotRange ChannelsPlot::fitY(PlotRange x) const
{
    double most = 0;
    for (size_t i = 0; i < m_values.size(); ++i) {
        if (x.contains(double(i)))
            most = std::max(most, m_values[i]);
    }
    return {0, most > 0 ? most * 1.1 : 1};
}

void ChannelsPlot::paintLayer(Layer layer, QPainter& painter)
{
    const QRectF area = plotArea();
    const Ink ink = m_measure == Measure::AbsMax || m_measure == Measure::Scale ? Ink::Weights : Ink::Error;
    const double pixels = toPixel(1, 0).x() - toPixel(0, 0).x();
    painter.save();
    painter.setClipRect(area);
    if (layer == Layer::Data) {
        QColor fill = theme::color(ink);
        fill.setAlpha(pixels > 3 ? 190 : 255);
        const double half = std::max(0.5, pixels > 3 ? pixels * 0.4 : pixels * 0.5);
        const PlotRange x = xRange();
        const auto first = size_t(std::clamp(x.lo, 0.0, double(m_values.size())));
        const auto last = size_t(std::clamp(x.hi + 1, 0.0, double(m_values.size())));
        // Channels that share a pixel are drawn as one bar from their lowest to their highest value.
        const auto bundle = size_t(std::max(1.0, std::ceil(1 / pixels)));
        painter.setRenderHint(QPainter::Antialiasing, false);
        for (size_t i = first / bundle * bundle; i < last; i += bundle) {
            const auto begin = m_values.begin() + long(i);
            const auto end = m_values.begin() + long(std::min(i + bundle, m_values.size()));
            const auto [low, high] = std::minmax_element(begin, end);
            const double left = toPixel(double(i), 0).x() - half;
            const double width = std::max(1.0, 2 * half + pixels * double(bundle - 1));
            const double top = toPixel(0, *high).y(), middle = toPixel(0, *low).y();
            QColor pale = fill;
            pale.setAlpha(110);
            painter.fillRect(QRectF(left, top, width, middle - top), fill);
            painter.fillRect(QRectF(left, middle, width, area.bottom() + 1 - middle), bundle > 1 ? pale : fill);
        }
    } else if (layer == Layer::Handles) {
        paintMarks(painter);
    }
    painter.restore();
}

void ChannelsPlot::paintMarks(QPainter& painter)
{
    const auto picked = m_picked < 0 ? m_order.end() : std::find(m_order.begin(), m_order.end(), size_t(m_picked));
    if (picked != m_order.end()) {
        const double x = toPixel(double(picked - m_order.begin()), 0).x(), top = plotArea().top();
        painter.setPen(QPen(theme::color(Ink::Clipped), 1.5));
        painter.drawLine(QPointF(x, top), QPointF(x, plotArea().bottom()));
        painter.setFont(theme::smallFont());
        drawLabel(painter, QPointF(x + 4, top + 8), Qt::AlignLeft | Qt::AlignVCenter, QString::number(m_picked),
                  theme::color(Ink::Clipped));
    }
    if (m_focused >= 0 && hasFocus()) {
        const QPointF at = toPixel(m_focused, m_values[size_t(m_focused)]);
        painter.setPen(QPen(theme::color(Ink::Accent), 2));
        painter.drawEllipse(at, 6, 6);
        painter.setFont(theme::smallFont());
        drawLabel(painter, at + QPointF(10, 0), Qt::AlignLeft | Qt::AlignVCenter,
                  readout({double(m_focused), 0}).section('\n', 0, 1).replace('\n', "  "), theme::color(Ink::Accent));
    }
}

size_t ChannelsPlot::placeAt(double x) const
{
    const double pixels = toPixel(1, 0).x() - toPixel(0, 0).x();
    const double reach = std::max(0.0, 0.5 / pixels - 0.5);
    const double last = double(m_values.size() - 1);
    const auto from = long(std::clamp(std::round(x - reach), 0.0, last));
    const auto to = long(std::clamp(std::round(x + reach), 0.0, last));
    return size_t(std::max_element(m_values.begin() + from, m_values.begin() + to + 1) - m_values.begin());
}

QString ChannelsPlot::readout(QPointF value) const
{
    const size_t channel = m_order[placeAt(value.x())];
    return tr("channel %1\nabsolute maximum %2\nscale %3\nRMS error %4 (%5 %)\nclick to look at it")
        .arg(channel)
        .arg(shortText(valueOf(channel, Measure::AbsMax)), shortText(valueOf(channel, Measure::Scale)),
             shortText(valueOf(channel, Measure::RmsError)), shortText(valueOf(channel, Measure::RelativeError)));
}

bool ChannelsPlot::clicked(QPointF pixel, Qt::KeyboardModifiers)
{
    if (!plotArea().contains(pixel.toPoint()))
        return false;
    Q_EMIT channelPicked(qint64(m_order[placeAt(toValue(pixel).x())]));
    return true;
}

bool ChannelsPlot::keyPressed(QKeyEvent* event)
{
    const bool right = event->key() == Qt::Key_Right, left = event->key() == Qt::Key_Left;
    if (m_focused >= 0 && (event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter)) {
        Q_EMIT channelPicked(qint64(m_order[size_t(m_focused)]));
        return true;
    }
    if ((!left && !right) || event->modifiers() & Qt::AltModifier)
        return false;
    m_focused = std::clamp(m_focused + (right ? 1 : -1), 0, int(m_values.size()) - 1);
    refresh(Layer::Handles);
    return true;
}

PlotTable ChannelsPlot::table() const
{
    PlotTable numbers{{tr("channel"), tr("absolute maximum"), tr("scale"), tr("RMS error"), tr("relative error (%)")}, {}};
    for (size_t i = 0; i < m_order.size(); ++i) {
        if (!xRange().contains(double(i)))
            continue;
        QStringList row{QString::number(m_order[i])};
        for (const Measure m : {Measure::AbsMax, Measure::Scale, Measure::RmsError, Measure::RelativeError})
            row << exactText(valueOf(m_order[i], m));
        numbers.rows.push_back(row);
    }
    return numbers;
}

QString ChannelsPlot::summary() const
{
    const auto top = size_t(std::max_element(m_values.begin(), m_values.end()) - m_values.begin());
    return tr("%1 of %2 output channels; largest %3 in channel %4.")
        .arg(title(m_measure))
        .arg(m_values.size())
        .arg(shortText(m_values[top]))
        .arg(m_order[top]);
}

} // namespace ql
