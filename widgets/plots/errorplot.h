// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ErrorPlot: histogram of the reconstruction error x^ - x.
#pragma once

#include "core/compute/analysis.h"
#include "widgets/plots/binning.h"
#include "widgets/plots/plotview.h"

namespace ql {

class ErrorPlot : public PlotView
{
    Q_OBJECT
public:
    explicit ErrorPlot(QWidget* parent = nullptr);

    void setQuantization(const Shared<Quantization>& quantization);

    PlotTable table() const override;
    bool hasData() const override;
    QString summary() const override;

protected:
    void paintLayer(Layer layer, QPainter& painter) override;
    QString readout(QPointF value) const override;
    PlotRange fitY(PlotRange x) const override;

private:
    Columns columns(PlotRange x) const;
    double total() const;

    Shared<Quantization> m_quantization;
};

} // namespace ql
