// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// OccupancyPlot: which share of the values each code stores, and the entropy of the codes.
#pragma once

#include "core/compute/analysis.h"
#include "widgets/plots/plotview.h"

namespace ql {

class OccupancyPlot : public PlotView
{
    Q_OBJECT
public:
    explicit OccupancyPlot(QWidget* parent = nullptr);

    void setQuantization(const Shared<Quantization>& quantization);

    PlotTable table() const override;
    bool hasData() const override;
    QString summary() const override;

protected:
    void paintLayer(Layer layer, QPainter& painter) override;
    QString readout(QPointF value) const override;
    PlotRange fitY(PlotRange x) const override;
    void resizeEvent(QResizeEvent* event) override;

private:
    void label();
    double share(size_t code) const; ///< in percent
    size_t codeAt(double x) const;

    Shared<Quantization> m_quantization;
    double m_total = 0;
};

} // namespace ql
