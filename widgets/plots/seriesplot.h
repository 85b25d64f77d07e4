// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// SeriesPlot: curves over a common position, one per layer for example, named at their right ends, with a band of one
// standard error where it is known. Long ones are reduced to the mean of each pixel column. Click a curve, or choose with Up, Down and Return, to pick it.
#pragma once

#include "widgets/plots/plotview.h"

#include <optional>
#include <vector>

namespace ql {

struct Series {
    QString name;
    std::vector<double> values; ///< at positions 1, 2, ...; NaN: not known, a gap
    std::vector<double> errors{}; ///< standard errors of the values, or empty
};

class SeriesPlot : public PlotView
{
    Q_OBJECT
public:
    explicit SeriesPlot(QWidget* parent = nullptr);

    void setAxes(const QString& position, const QString& measure); ///< "Position (tokens)", "Relative error (%)"
    void setSeries(std::vector<Series> series);
    void setPicked(int series); ///< drawn strongest; -1: none
    void setLogarithmicX(bool log);
    void setLogarithmicY(bool log);
    QPointF curvePixel(int series, double position) const; ///< where the curve can be clicked

    PlotTable table() const override;
    bool hasData() const override;
    QString summary() const override;

Q_SIGNALS:
    void picked(int series);

protected:
    void paintLayer(Layer layer, QPainter& painter) override;
    QString readout(QPointF value) const override;
    PlotRange fitY(PlotRange x) const override;
    bool clicked(QPointF pixel, Qt::KeyboardModifiers modifiers) override;
    bool keyPressed(QKeyEvent* event) override;

private:
    struct Curve {
        QList<QPolygonF> pieces; ///< in pixels; gaps part them
        QPointF end;             ///< where it leaves the view on the right
        bool drawn = false;
    };
    Curve curveOf(size_t series, double errors = 0) const; ///< moved by so many standard errors
    QColor colourOf(size_t series) const;
    bool isLabelled(size_t series) const;
    std::optional<size_t> curveAt(QPointF pixel) const;
    std::pair<long, long> visible() const; ///< indices, the second excluded
    void rank();
    void fitHome();
    void paintBands(QPainter& painter) const;
    void paintLabels(QPainter& painter) const;

    std::vector<Series> m_series;
    std::vector<int> m_rank; ///< place of each series when ordered by its mean, largest first
    QString m_position, m_measure;
    size_t m_length = 0;
    int m_picked = -1, m_focused = -1;
};

} // namespace ql
