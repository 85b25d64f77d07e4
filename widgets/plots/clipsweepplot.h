// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ClipSweepPlot: error of the tensor against the share of each group's range that is kept; the methods as points.
#pragma once

#include "core/compute/analysis.h"
#include "widgets/plots/plotview.h"

#include <optional>

namespace ql {

class ClipSweepPlot : public PlotView
{
    Q_OBJECT
public:
    explicit ClipSweepPlot(QWidget* parent = nullptr);

    void setStudy(const Shared<ClipStudy>& study);
    /// Where the present scheme stands; 0 hides it.
    void setCurrent(const Scheme& scheme, double ratio);
    QPointF markPixel(size_t index) const;

    PlotTable table() const override;
    bool hasData() const override;
    QString summary() const override;

Q_SIGNALS:
    void schemeEdited(const ql::Scheme& scheme, bool finished);

protected:
    void paintLayer(Layer layer, QPainter& painter) override;
    QString readout(QPointF value) const override;
    PlotRange fitY(PlotRange x) const override;
    bool clicked(QPointF pixel, Qt::KeyboardModifiers modifiers) override;
    Qt::CursorShape cursorAt(QPointF pixel) const override;
    QString tipAt(QPointF pixel) const override;

private:
    std::optional<size_t> markAt(QPointF pixel) const;
    void paintMarks(QPainter& painter) const;

    Shared<ClipStudy> m_study;
    Scheme m_scheme;
    double m_ratio = 0;
};

} // namespace ql
