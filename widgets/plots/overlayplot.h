// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// OverlayPlot: several distributions over one axis - a filled one for reference, outlines for what is compared with it -
// and above them a strip of levels for each code grid.
#pragma once

#include "widgets/plots/binning.h"
#include "widgets/plots/codegrid.h"
#include "widgets/plots/plotview.h"

namespace ql {

class OverlayPlot : public PlotView
{
    Q_OBJECT
public:
    struct Curve {
        QString name;
        Histogram histogram;
        QColor colour;
        bool filled = false; ///< the reference: decides how high the axis reaches
    };
    struct Grid {
        QString name; ///< one or two characters
        std::vector<CodeGrid::Line> lines;
        QColor colour;
    };

    explicit OverlayPlot(QWidget* parent = nullptr);

    /// `home`: the x range at first, and after a reset.
    void setCurves(const QString& axis, std::vector<Curve> curves, PlotRange home);
    void setGrids(std::vector<Grid> grids);
    void setLogarithmic(bool log);

    PlotTable table() const override;
    bool hasData() const override { return !m_curves.empty(); }
    QString summary() const override;

protected:
    void paintLayer(Layer layer, QPainter& painter) override;
    QString readout(QPointF value) const override;
    PlotRange fitY(PlotRange x) const override;

private:
    Columns columns(const Curve& curve, PlotRange x) const;
    void paintCurve(QPainter& painter, const Curve& curve) const;
    void paintGrids(QPainter& painter) const;
    void paintNames(QPainter& painter) const;

    std::vector<Curve> m_curves;
    std::vector<Grid> m_grids;
};

} // namespace ql
