// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ChannelsPlot: one figure per output channel, in the order of the channels or sorted. Click to look at one.
#pragma once

#include "core/compute/analysis.h"
#include "widgets/plots/plotview.h"

#include <vector>

namespace ql {

class ChannelsPlot : public PlotView
{
    Q_OBJECT
public:
    enum class Measure { AbsMax, Scale, RmsError, RelativeError };

    explicit ChannelsPlot(QWidget* parent = nullptr);

    void setStudy(const Shared<ChannelStudy>& study);
    Measure measure() const { return m_measure; }
    void setMeasure(Measure measure);
    bool isSorted() const { return m_sorted; }
    void setSorted(bool sorted); ///< largest first
    void setPicked(qint64 row);  ///< the channel that other views show; -1: none

    PlotTable table() const override;
    bool hasData() const override;
    QString summary() const override;

Q_SIGNALS:
    void channelPicked(qint64 row);

protected:
    void paintLayer(Layer layer, QPainter& painter) override;
    QString readout(QPointF value) const override;
    PlotRange fitY(PlotRange x) const override;
    bool clicked(QPointF pixel, Qt::KeyboardModifiers modifiers) override;
    bool keyPressed(QKeyEvent* event) override;

private:
    void paintMarks(QPainter& painter);
    double valueOf(size_t channel, Measure measure) const;
    void arrange();
    size_t placeAt(double x) const; ///< the tallest of the channels that share this pixel
    QString title(Measure measure) const;

    Shared<ChannelStudy> m_study;
    Measure m_measure = Measure::AbsMax;
    bool m_sorted = false;
    std::vector<size_t> m_order; ///< channel at every place
    std::vector<double> m_values;///< of m_measure, by place
    int m_focused = -1;
    qint64 m_picked = -1;
};

} // namespace ql
