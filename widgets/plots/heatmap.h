// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// HeatMap: a small table of labelled cells coloured by one measure, numbers inside, a colour bar beside. The bright end
// of the scale is always the bad one. GUI thread.
#pragma once

#include "widgets/plots/plotview.h"

#include <optional>
#include <vector>

namespace ql {

class HeatMap : public PlotView
{
    Q_OBJECT
public:
    struct Cell {
        bool exists = false;         ///< false: there is nothing at this place of the table
        std::optional<double> value; ///< nothing: not known (yet)
        QString note;                ///< further lines of the readout
    };
    struct Matrix {
        QString measure;         ///< with its unit: "SQNR (dB)"
        QString rowTitle, columnTitle;
        QStringList columns;
        int rows = 0;            ///< numbered from 0
        std::vector<Cell> cells; ///< row after row
        bool highIsBad = true;
        bool logarithmic = false; ///< colours by the logarithm; for positive values that span decades
    };
    explicit HeatMap(QWidget* parent = nullptr);

    void setMatrix(Matrix matrix);
    void setPicked(int row, int column); ///< outlined; -1: none
    PlotRange colourRange() const { return m_colours; }
    QColor colourOf(double value) const;

    PlotTable table() const override;
    bool hasData() const override;
    QString summary() const override;

Q_SIGNALS:
    void cellPicked(int row, int column); ///< by mouse or keyboard; a cell that exists

protected:
    void paintLayer(Layer layer, QPainter& painter) override;
    QString readout(QPointF value) const override;
    PlotRange fitY(PlotRange x) const override;
    void restyled() override { refresh(); }
    bool clicked(QPointF pixel, Qt::KeyboardModifiers modifiers) override;
    bool keyPressed(QKeyEvent* event) override;

private:
    const Cell* cellAt(int row, int column) const; ///< null where nothing exists
    double shareOf(double value) const; ///< 0..1 from the good to the bad end
    void findColours();
    void paintCells(QPainter& painter) const;
    void paintColourBar(QPainter& painter) const;

    Matrix m_matrix;
    PlotRange m_colours; ///< lowest and highest value
    int m_row = -1, m_column = -1;
};

} // namespace ql
