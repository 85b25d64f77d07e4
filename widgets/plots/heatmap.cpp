// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plots/heatmap.h"

#include "widgets/theme.h"

#include <QKeyEvent>
#include <QPainter>

#include <algorithm>
#include <cmath>
#include <limits>

namespace ql {
namespace {

constexpr int kBarWidth = 12;
constexpr double kCellGap = 1; // pixels between cells

} // namespace

HeatMap::HeatMap(QWidget* parent)
    : PlotView(parent)
{
    setAccessibleName(tr("Heat map"));
    setFreeY(true);
    setDownwardY();
    setTopMargin(12);
    setRightMargin(92);
}

void HeatMap::setMatrix(Matrix matrix)
{
    const bool sameTable = matrix.rows == m_matrix.rows && matrix.columns == m_matrix.columns;
    m_matrix = std::move(matrix);
    setTitles(m_matrix.columnTitle, m_matrix.rowTitle);
    findColours();
    if (!sameTable) {
        m_row = m_column = -1;
        setCategories(m_matrix.columns);
        if (m_matrix.rows > 0 && !m_matrix.columns.isEmpty()) {
            const PlotRange x{-0.5, double(m_matrix.columns.size()) - 0.5};
            setBounds(x, {-0.5, m_matrix.rows - 0.5});
            setHomeX(x);
        }
        resetView();
    }
    dataChanged();
}

void HeatMap::setPicked(int row, int column)
{
    m_row = row;
    m_column = column;
    refresh(Layer::Handles);
}

void HeatMap::findColours()
{
    double lo = std::numeric_limits<double>::infinity(), hi = -lo;
    for (const Cell& cell : m_matrix.cells) {
        if (!cell.value || !std::isfinite(*cell.value) || (m_matrix.logarithmic && *cell.value <= 0))
            continue;
        lo = std::min(lo, *cell.value);
        hi = std::max(hi, *cell.value);
    }
    m_colours = lo <= hi ? PlotRange{lo, hi} : PlotRange{0, 0};
}

double HeatMap::shareOf(double value) const
{
    const auto scaled = [&](double x) { return m_matrix.logarithmic ? std::log(std::max(x, 1e-300)) : x; };
    const double lo = scaled(m_colours.lo), hi = scaled(m_colours.hi);
    const double share = hi > lo ? std::clamp((scaled(value) - lo) / (hi - lo), 0.0, 1.0) : 0.5;
    return m_matrix.highIsBad ? share : 1 - share;
}

QColor HeatMap::colourOf(double value) const
{
    return theme::magnitude(shareOf(value));
}

bool HeatMap::hasData() const
{
    return std::any_of(m_matrix.cells.begin(), m_matrix.cells.end(),
                       [](const Cell& cell) { return cell.exists && cell.value; });
}

PlotRange HeatMap::fitY(PlotRange) const
{
    return {-0.5, std::max(1, m_matrix.rows) - 0.5};
}

const HeatMap::Cell* HeatMap::cellAt(int row, int column) const
{
    if (row < 0 || column < 0 || row >= m_matrix.rows || column >= m_matrix.columns.size())
        return nullptr;
    const Cell& cell = m_matrix.cells[size_t(row) * size_t(m_matrix.columns.size()) + size_t(column)];
    return cell.exists ? &cell : nullptr;
}

void HeatMap::paintCells(QPainter& painter) const
{
    const QPointF size = toPixel(1, 1) - toPixel(0, 0);
    const double gap = std::min(size.x(), size.y()) > 6 ? kCellGap : 0;
    const double height = QFontMetricsF(painter.font()).height();
    const int first = std::max(0, int(std::floor(yRange().lo + 0.5)));
    const int last = std::min(m_matrix.rows - 1, int(std::ceil(yRange().hi - 0.5)));
    for (int row = first; row <= last; ++row) {
        for (int column = 0; column < m_matrix.columns.size(); ++column) {
            const Cell* cell = cellAt(row, column);
            if (!cell)
                continue;
            const QRectF box = QRectF(toPixel(column - 0.5, row - 0.5), toPixel(column + 0.5, row + 0.5))
                                   .adjusted(gap, gap, -gap, -gap);
            const QColor colour = cell->value ? colourOf(*cell->value) : theme::color(Ink::PlotGrid);
            painter.fillRect(box, colour);
            const QString text = cell->value ? shortText(*cell->value) : QStringLiteral("…");
            if (box.height() < height || box.width() < QFontMetricsF(painter.font()).horizontalAdvance(text) + 2)
                continue;
            painter.setPen(!cell->value                ? theme::color(Ink::Muted)
                           : colour.lightnessF() > 0.5 ? QColor(0x1f2328)
                                                       : QColor(Qt::white));
            painter.drawText(box, Qt::AlignCenter, text);
        }
    }
}

void HeatMap::paintColourBar(QPainter& painter) const
{
    if (m_colours.hi <= m_colours.lo)
        return;
    const QRectF area = plotArea();
    const QRectF bar(area.right() + 14, area.top() + 4, kBarWidth, std::max(20.0, area.height() - 8));
    const auto valueAt = [&](double share) {
        return m_matrix.logarithmic ? m_colours.lo * std::pow(m_colours.hi / m_colours.lo, share)
                                    : m_colours.lo + share * m_colours.span();
    };
    for (double y = bar.top(); y < bar.bottom(); ++y)
        painter.fillRect(QRectF(bar.left(), y, bar.width(), 1), colourOf(valueAt(1 - (y - bar.top()) / bar.height())));
    painter.setPen(theme::color(Ink::AxisText));
    const double ascent = QFontMetricsF(painter.font()).ascent();
    for (const double share : {0.0, 0.25, 0.5, 0.75, 1.0})
        painter.drawText(QPointF(bar.right() + 5, bar.bottom() - share * bar.height() + ascent / 2 - 1),
                         shortText(valueAt(share)));
}

void HeatMap::paintLayer(Layer layer, QPainter& painter)
{
    painter.setFont(theme::smallFont());
    painter.setRenderHint(QPainter::Antialiasing, false);
    if (layer == Layer::Data) {
        painter.save();
        painter.setClipRect(plotArea());
        paintCells(painter);
        painter.restore();
        paintColourBar(painter);
    } else if (layer == Layer::Handles && cellAt(m_row, m_column)) {
        const QRectF box(toPixel(m_column - 0.5, m_row - 0.5), toPixel(m_column + 0.5, m_row + 0.5));
        painter.setClipRect(QRectF(plotArea()).adjusted(-2, -2, 3, 3));
        painter.setBrush(Qt::NoBrush);
        painter.setPen(QPen(Qt::white, 3)); // any colour may be behind
        painter.drawRect(box);
        painter.setPen(QPen(theme::color(Ink::Handle), 1.6));
        painter.drawRect(box);
    }
}

QString HeatMap::readout(QPointF value) const
{
    const int row = int(std::lround(value.y())), column = int(std::lround(value.x()));
    const Cell* cell = cellAt(row, column);
    if (!cell)
        return {};
    QString text = tr("%1 %2, %3").arg(m_matrix.rowTitle).arg(row).arg(m_matrix.columns[column]) + '\n';
    text += cell->value ? m_matrix.measure + ' ' + shortText(*cell->value, 4) : m_matrix.measure + ' ' + tr("not known");
    return cell->note.isEmpty() ? text : text + '\n' + cell->note;
}

bool HeatMap::clicked(QPointF pixel, Qt::KeyboardModifiers)
{
    const QPointF at = toValue(pixel);
    const int row = int(std::lround(at.y())), column = int(std::lround(at.x()));
    if (!plotArea().contains(pixel.toPoint()) || !cellAt(row, column))
        return false;
    setPicked(row, column);
    Q_EMIT cellPicked(row, column);
    return true;
}

bool HeatMap::keyPressed(QKeyEvent* event)
{
    int down = 0, right = 0;
    switch (event->key()) {
    case Qt::Key_Left: right = -1; break;
    case Qt::Key_Right: right = 1; break;
    case Qt::Key_Up: down = -1; break;
    case Qt::Key_Down: down = 1; break;
    default: return false;
    }
    if (event->modifiers() & Qt::AltModifier)
        return false;
    int row = std::max(0, m_row) , column = std::max(0, m_column);
    if (m_row >= 0) {
        row += down;
        column += right;
    }
    while ((down || right) && row >= 0 && column >= 0 && row < m_matrix.rows && column < m_matrix.columns.size()) {
        if (cellAt(row, column)) {
            setPicked(row, column);
            Q_EMIT cellPicked(row, column);
            break;
        }
        row += down; // over holes of the table
        column += right;
    }
    return true;
}

PlotTable HeatMap::table() const
{
    PlotTable numbers{{m_matrix.rowTitle, m_matrix.columnTitle, m_matrix.measure}, {}};
    for (int row = 0; row < m_matrix.rows; ++row) {
        for (int column = 0; column < m_matrix.columns.size(); ++column) {
            const Cell* cell = cellAt(row, column);
            if (cell && yRange().contains(row) && xRange().contains(column))
                numbers.rows.push_back({QString::number(row), m_matrix.columns[column],
                                        cell->value ? exactText(*cell->value) : QString()});
        }
    }
    return numbers;
}

QString HeatMap::summary() const
{
    int best = -1, worst = -1, known = 0;
    for (int i = 0; i < int(m_matrix.cells.size()); ++i) {
        const auto& value = m_matrix.cells[size_t(i)].value;
        if (!value)
            continue;
        ++known;
        if (worst < 0 || shareOf(*value) > shareOf(*m_matrix.cells[size_t(worst)].value))
            worst = i;
        if (best < 0 || shareOf(*value) < shareOf(*m_matrix.cells[size_t(best)].value))
            best = i;
    }
    if (known == 0)
        return {};
    const auto place = [&](int i) {
        const int columns = int(m_matrix.columns.size());
        return tr("%1 %2 %3 with %4").arg(m_matrix.rowTitle).arg(i / columns).arg(m_matrix.columns[i % columns],
                                          shortText(*m_matrix.cells[size_t(i)].value));
    };
    return tr("%1 of %2 cells; worst is %3, best is %4.").arg(m_matrix.measure).arg(known).arg(place(worst), place(best));
}

} // namespace ql
