// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plots/codegrid.h"

#include "widgets/plots/labelplacement.h"
#include "widgets/theme.h"

#include <QCoreApplication>
#include <QFontMetricsF>
#include <QPainter>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ql {
namespace {

constexpr double kNarrowCell = 5;  // pixels under which tints and stems would only be noise
constexpr double kLineGap = 4;     // pixels between lines of a dense grid
constexpr size_t kBandRows = 8;

} // namespace

QString codeLabel(const Level& level)
{
    return QString::number(level.code).replace('-', QChar(0x2212));
}

CodeGrid::CodeGrid(const Quantization& quantization, bool scaleUnits, double factor, double zeroPoint)
    : m_bands(!scaleUnits && quantization.scaleP95 > quantization.scaleP5)
{
    const auto& levels = quantization.codebook.levels;
    const auto& thresholds = quantization.codebook.thresholds;
    if (levels.empty())
        return;
    // In scale units zero points are part of the values, so that one grid is exact for every group.
    const double zero = scaleUnits ? 0 : zeroPoint;
    const double unit = (scaleUnits ? 1 : quantization.scaleMedian) * factor;
    const double low = quantization.scaleMedian > 0 ? quantization.scaleP5 / quantization.scaleMedian : 1;
    const double high = quantization.scaleMedian > 0 ? quantization.scaleP95 / quantization.scaleMedian : 1;
    // Formats with a minimum per group instead of a zero point (Q4_1): their ends are what is known.
    const bool shifted = !scaleUnits && zero == 0 && levels.front().value >= 0 && quantization.limitLo < 0;
    const double shift = shifted ? quantization.limitLo * factor - levels.front().value * unit : 0;
    const auto place = [&](double level) { return (level - zero) * unit + shift; };
    const auto& occupancy = quantization.metrics.occupancy;
    const double total = double(std::accumulate(occupancy.begin(), occupancy.end(), uint64_t(0)));
    m_lines.resize(levels.size());
    for (size_t i = 0; i < levels.size(); ++i) {
        Line& line = m_lines[i];
        line.level = levels[i].value;
        line.at = place(levels[i].value);
        line.bandLo = std::min(line.at * low, line.at * high);
        line.bandHi = std::max(line.at * low, line.at * high);
        line.cellLo = i > 0 && i - 1 < thresholds.size() ? place(thresholds[i - 1]) : line.at;
        line.cellHi = i < thresholds.size() ? place(thresholds[i]) : line.at;
        line.share = i < occupancy.size() && total > 0 ? double(occupancy[i]) / total : 0;
        line.label = codeLabel(levels[i]);
        if (std::abs(line.level - zeroPoint) < std::abs(m_lines[m_anchor].level - zeroPoint))
            m_anchor = i;
    }
    // The outermost cells are open; they are drawn as wide on the outside as on the inside.
    m_lines.front().cellLo = 2 * m_lines.front().at - m_lines.front().cellHi;
    m_lines.back().cellHi = 2 * m_lines.back().at - m_lines.back().cellLo;
}

const CodeGrid::Line* CodeGrid::nearest(double x) const
{
    for (const Line& line : m_lines) {
        if (x < line.cellHi)
            return &line;
    }
    return m_lines.empty() ? nullptr : &m_lines.back();
}

void CodeGrid::paintCells(QPainter& painter, const Map& map) const
{
    for (size_t i = 0; i < m_lines.size(); ++i) {
        const double left = map.x(m_lines[i].cellLo), right = map.x(m_lines[i].cellHi);
        const bool tinted = (i + m_anchor) % 2 == 0;
        if (tinted && right - left >= kNarrowCell)
            painter.fillRect(QRectF(left, map.area.top(), right - left, map.area.height()),
                             theme::color(Ink::GridFill));
    }
}

std::vector<size_t> CodeGrid::thinnedLines(const std::vector<double>& centres, const std::vector<double>& widths,
                                           double gap) const
{
    const double first = centres.front(), last = centres.back();
    const double step = centres.size() > 1 ? (last - first) / double(centres.size() - 1) : 0;
    bool uniform = step > 0;
    for (size_t i = 0; i < centres.size() && uniform; ++i)
        uniform = std::abs(centres[i] - first - step * double(i)) < 0.01 * step + 0.01;
    if (!uniform)
        return thinned(centres, widths, gap, m_anchor);
    // Even grids keep every 2nd, 4th, 8th ... code, so that what is left out is plain to see.
    const double room = *std::max_element(widths.begin(), widths.end()) + gap;
    size_t stride = 1;
    while (double(stride) * step < room && stride < centres.size())
        stride *= 2;
    std::vector<size_t> chosen;
    for (size_t i = m_anchor % stride; i < centres.size(); i += stride)
        chosen.push_back(i);
    return chosen;
}

void CodeGrid::paintLabels(QPainter& painter, const Map& map, const std::vector<double>& centres) const
{
    painter.setFont(theme::smallFont());
    const QFontMetricsF metrics(painter.font());
    std::vector<double> widths;
    for (const Line& line : m_lines)
        widths.push_back(metrics.horizontalAdvance(line.label));
    painter.setPen(theme::color(Ink::Grid));
    for (const size_t i : thinnedLines(centres, widths, 6)) {
        if (centres[i] >= map.area.left() && centres[i] <= map.area.right())
            painter.drawText(QPointF(centres[i] - widths[i] / 2, map.area.top() - 4), m_lines[i].label);
    }
}

void CodeGrid::paintStems(QPainter& painter, const Map& map, const std::vector<double>& centres) const
{
    // A few stems among cells too narrow for them would read as a gap in the distribution: all or none.
    const bool room = std::all_of(m_lines.begin(), m_lines.end(), [&](const Line& line) {
        return map.x(line.cellHi) - map.x(line.cellLo) >= kNarrowCell;
    });
    for (size_t i = 0; room && i < m_lines.size(); ++i) {
        const Line& line = m_lines[i];
        const double width = line.cellHi - line.cellLo;
        if (!(line.share > 0) || !(width > 0))
            continue;
        const double y = map.densityY(line.share / width);
        painter.setPen(QPen(theme::color(Ink::Grid), 2));
        painter.drawLine(QPointF(centres[i], map.area.bottom()), QPointF(centres[i], y));
        painter.setBrush(theme::color(Ink::PlotBackground));
        painter.drawEllipse(QPointF(centres[i], y), 3, 3);
    }
}

void CodeGrid::paint(QPainter& painter, const Map& map, bool stems) const
{
    if (m_lines.empty())
        return;
    std::vector<double> centres;
    for (const Line& line : m_lines)
        centres.push_back(map.x(line.at));
    const auto drawn = thinnedLines(centres, std::vector<double>(centres.size(), 0), kLineGap);
    const bool dense = drawn.size() < m_lines.size() || m_lines.size() > 40;

    painter.save();
    painter.setClipRect(map.area);
    painter.setRenderHint(QPainter::Antialiasing, false);
    paintCells(painter, map);
    QColor band = theme::color(Ink::Grid);
    band.setAlpha(110);
    QColor ink = theme::color(Ink::Grid);
    ink.setAlpha(dense ? 90 : 190);
    for (const size_t i : drawn) {
        painter.setPen(QPen(ink, 1));
        painter.drawLine(QPointF(centres[i], map.area.top()), QPointF(centres[i], map.area.bottom()));
        if (m_bands && !dense) {
            // Bands of outer codes overlap; they stand in rows of their own so that each one can be seen.
            const double left = map.x(m_lines[i].bandLo), right = map.x(m_lines[i].bandHi);
            const auto row = int((i > m_anchor ? i - m_anchor : m_anchor - i) % kBandRows);
            painter.fillRect(QRectF(left, map.area.top() + 2 + 3 * row, std::max(1.0, right - left), 2), band);
        }
    }
    painter.setRenderHint(QPainter::Antialiasing, true);
    if (stems)
        paintStems(painter, map, centres);
    painter.restore();
    const QString note = QCoreApplication::translate("ql::CodeGrid", "bars: 5–95 % of the scales");
    painter.setFont(theme::smallFont());
    const double room = std::min(centres.front(), map.area.right()) - map.area.left() - 16;
    if (m_bands && !dense && QFontMetricsF(painter.font()).horizontalAdvance(note) < room) {
        painter.setPen(theme::color(Ink::Muted));
        painter.drawText(QPointF(map.area.left() + 4, map.area.top() - 4), note);
    }
    paintLabels(painter, map, centres);
}

} // namespace ql
