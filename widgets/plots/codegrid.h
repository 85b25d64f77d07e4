// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// CodeGrid: the levels of a scheme on a plot's x axis, ready to paint: one line per level, alternately tinted cells,
// labels, the spread of scales and stems of occupancy. Thins itself where levels stand closer than pixels allow.
#pragma once

#include "core/compute/analysis.h"

#include <QRectF>
#include <QString>

#include <functional>
#include <vector>

class QPainter;

namespace ql {

/// The code as people read it: -7..7 for symmetric integers, else its number; with a true minus sign.
QString codeLabel(const Level& level);

class CodeGrid
{
public:
    struct Line {
        double at = 0;                ///< x of the level
        double bandLo = 0, bandHi = 0;///< x of the level at the 5 and 95 % scales
        double cellLo = 0, cellHi = 0;///< what rounds to it
        double share = 0;             ///< of all values, 0..1
        QString label;                ///< its code
        double level = 0;             ///< as in the codebook, zero point included
    };
    /// Pixel of an x, and of a density (share per x unit).
    struct Map {
        QRectF area;
        std::function<double(double)> x;
        std::function<double(double)> densityY;
    };

    CodeGrid() = default;
    /// `factor` and `zeroPoint` move the grid while a drag runs ahead of its result. In scale units the grid is exact.
    CodeGrid(const Quantization& quantization, bool scaleUnits, double factor, double zeroPoint);

    const std::vector<Line>& lines() const { return m_lines; }
    const Line* nearest(double x) const; ///< the level that x rounds to; null outside an empty grid
    void paint(QPainter& painter, const Map& map, bool stems) const;

private:
    void paintCells(QPainter& painter, const Map& map) const;
    void paintLabels(QPainter& painter, const Map& map, const std::vector<double>& centres) const;
    void paintStems(QPainter& painter, const Map& map, const std::vector<double>& centres) const;
    std::vector<size_t> thinnedLines(const std::vector<double>& centres, const std::vector<double>& widths,
                                     double gap) const;

    std::vector<Line> m_lines;
    bool m_bands = false;
    size_t m_anchor = 0; ///< the level nearest to zero
};

} // namespace ql
