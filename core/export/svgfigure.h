// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// SvgFigure: a plain plot as SVG text, for batch runs and reports where no window exists. Linear axes, titled, with a
// caption; the same colours as the window's light theme.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace ql {

class SvgFigure
{
public:
    struct Axis {
        std::string title; ///< with its unit
        double lo = 0, hi = 1;
        bool whole = false; ///< counts things: no ticks between whole numbers
    };
    SvgFigure(std::string title, Axis x, Axis y, std::string caption);

    /// Bars from `lo`, one every `width` x units, each `share` of that wide.
    void addBars(double lo, double width, const std::vector<double>& heights, const std::string& color, double share = 1);
    void addLine(const std::vector<std::pair<double, double>>& points, const std::string& color);
    /// Vertical line over the whole height with a label at its top; labels that would overlap are left out.
    void addVertical(double x, const std::string& label, const std::string& color);
    /// A dot with its label beside it; the label is left out where it would cover another.
    void addPoint(double x, double y, const std::string& label, const std::string& color);
    /// Horizontal bars from top to bottom, one per label; the left margin makes room for the labels. The y axis must be
    /// untitled and reach from 0 to the number of bars. Call it first.
    void addCategories(const std::vector<std::pair<std::string, double>>& bars, const std::string& color);

    /// Names of colours, to the right above the axes.
    void setLegend(std::vector<std::pair<std::string, std::string>> entries);

    std::string toSvg() const;

    static constexpr const char* kWeights = "#3b6ea5";
    static constexpr const char* kGrid = "#d55e00";
    static constexpr const char* kCurve = "#0072b2";
    static constexpr const char* kMark = "#009e73";

private:
    double px(double x) const;
    double py(double y) const;
    std::string axes() const;
    std::string pointLabels() const;
    std::string legend() const;

    std::string m_title;
    Axis m_x, m_y;
    std::string m_caption;
    std::string m_body;
    double m_left = 70;
    double m_lastLabelEnd = -1e9;
    struct Point {
        double x, y; ///< pixels
        std::string label;
    };
    std::vector<Point> m_points;
    std::vector<std::pair<std::string, std::string>> m_legend; ///< text, colour
};

} // namespace ql
