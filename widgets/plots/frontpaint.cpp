// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// FrontPlot: everything it paints, and where the names of its points go.
#include "widgets/plots/frontplot.h"

#include "widgets/models/numbertext.h"
#include "widgets/plots/labelplacement.h"
#include "widgets/theme.h"

#include <QPainter>
#include <QPainterPath>

#include <algorithm>

namespace ql {
namespace {

constexpr double kFrontDot = 4.5; // pixels

/// Each letter has its halo: a box would cut holes into the shade below the front.
void drawFrontName(QPainter& painter, QPointF corner, const QString& text, const QColor& ink)
{
    QPainterPath letters;
    letters.addText(corner + QPointF(0, QFontMetricsF(painter.font()).ascent()), painter.font(), text);
    QColor halo = theme::color(Ink::PlotBackground);
    halo.setAlpha(190);
    painter.strokePath(letters, QPen(halo, 3, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin));
    painter.setPen(ink);
    painter.drawText(corner + QPointF(0, QFontMetricsF(painter.font()).ascent()), text);
}

} // namespace

QColor FrontPlot::inkOf(Kind kind) const
{
    switch (kind) {
    case Kind::Present: return theme::color(Ink::Accent);
    case Kind::Preset: return theme::categorical(2);
    case Kind::Saved: return theme::categorical(4);
    }
    Q_UNREACHABLE();
}

void FrontPlot::paintLayer(Layer layer, QPainter& painter)
{
    painter.setFont(theme::smallFont());
    if (layer == Layer::Data) {
        painter.save();
        painter.setClipRect(plotArea());
        paintFront(painter);
        painter.restore();
    } else if (layer == Layer::Handles) {
        paintBudget(painter);
        painter.save();
        painter.setClipRect(plotArea());
        paintMarks(painter);
        if (m_found) {
            painter.setPen(QPen(theme::color(Ink::PlotBackground), 1));
            painter.setBrush(theme::color(Ink::Handle));
            painter.drawEllipse(pixelOf(*m_found), 5.5, 5.5);
        }
        painter.restore();
    }
}

/// One corner per pixel column is enough of many thousands.
QPolygonF FrontPlot::line() const
{
    QPolygonF line;
    for (size_t i = 0; i < m_front.size(); ++i) {
        const QPointF at = pixelOf(m_front[i]);
        if (line.isEmpty() || i + 1 == m_front.size() || at.x() - line.last().x() >= 1)
            line << at;
    }
    return line;
}

/// What lies below the front no policy of these candidates reaches.
void FrontPlot::paintFront(QPainter& painter) const
{
    const QPolygonF line = this->line();
    QPolygonF below = line;
    below << QPointF(line.last().x(), plotArea().bottom() + 1) << QPointF(line.first().x(), plotArea().bottom() + 1);
    QColor fill = theme::color(Ink::Error);
    fill.setAlpha(18);
    painter.setPen(Qt::NoPen);
    painter.setBrush(fill);
    painter.drawPolygon(below);
    painter.setBrush(Qt::NoBrush);
    painter.setPen(QPen(theme::color(Ink::Error), 1.8));
    painter.drawPolyline(line);
    if (line.size() == 1)
        painter.drawEllipse(line.first(), 2, 2);
    if (m_front.size() > 60)
        return;
    painter.setBrush(theme::color(Ink::Error));
    painter.setPen(Qt::NoPen);
    for (const Point& point : m_front)
        painter.drawEllipse(pixelOf(point), 2, 2);
}

/// Hollow: not of what the search may choose from.
void FrontPlot::paintMark(QPainter& painter, size_t mark) const
{
    const QPointF at = pixelOf(m_marks[mark].point);
    const QColor ink = inkOf(m_marks[mark].kind), ground = theme::color(Ink::PlotBackground);
    const bool hollow = m_marks[mark].kind != Kind::Present && isBelow(m_marks[mark]);
    painter.setPen(hollow ? QPen(ink, 1.6) : QPen(ground, 1));
    painter.setBrush(hollow ? ground : ink);
    const double half = hollow ? 3.4 : 4;
    if (m_marks[mark].kind == Kind::Preset)
        painter.drawRect(QRectF(at - QPointF(half, half), QSizeF(2 * half, 2 * half)));
    else if (m_marks[mark].kind == Kind::Present)
        painter.drawPolygon(QPolygonF{at - QPointF(0, 6), at + QPointF(6, 0), at + QPointF(0, 6), at - QPointF(6, 0)});
    else
        painter.drawEllipse(at, half + 0.5, half + 0.5);
    if (int(mark) == m_focused && hasFocus()) {
        painter.setPen(QPen(theme::color(Ink::Accent), 2));
        painter.setBrush(Qt::NoBrush);
        painter.drawEllipse(at, 10, 10);
    }
}

void FrontPlot::paintMarks(QPainter& painter) const
{
    paintNames(painter);
    for (size_t i = m_marks.size(); i-- > 0;) // the first lie on top
        paintMark(painter, i);
}

/// Names beside their points, with a thin line where there is no room that near.
void FrontPlot::paintNames(QPainter& painter) const
{
    const QFontMetricsF metrics(painter.font());
    const QRectF area = QRectF(plotArea()).adjusted(2, 2, -2, -2);
    const auto boxOf = [&](const QString& text) { return QSizeF(metrics.horizontalAdvance(text) + 6, metrics.height()); };
    std::vector<QRectF> taken, avoided;
    const QPolygonF line = this->line();
    for (const QPointF& corner : line)
        avoided.emplace_back(corner - QPointF(2, 2), QSizeF(4, 4));
    const auto caption = [&](QPointF corner, const QString& text, Ink ink) {
        taken.emplace_back(corner, boxOf(text));
        drawFrontName(painter, corner + QPointF(3, 0), text, theme::color(ink));
    };
    const auto first = std::find_if(line.begin(), line.end(), [&](const QPointF& at) { return area.contains(at); });
    if (first != line.end())
        caption(*first + QPointF(8, -metrics.height() / 2), tr("least error of every size"), Ink::Error);
    std::vector<QPointF> points;
    std::vector<QSizeF> sizes;
    bool hollow = false;
    for (const Mark& mark : m_marks) {
        points.push_back(pixelOf(mark.point));
        sizes.push_back(boxOf(mark.label));
        hollow |= mark.kind != Kind::Present && isBelow(mark) && area.contains(points.back());
    }
    if (hollow)
        caption(area.bottomLeft() + QPointF(2, -metrics.height() - 2),
                tr("□ uses formats or weights that this search may not"), Ink::Muted);
    const auto boxes = placedBeside(points, sizes, kFrontDot + 1, area, taken, avoided);
    for (size_t i = 0; i < m_marks.size(); ++i) {
        if (!boxes[i] || !area.contains(points[i]))
            continue;
        const QColor ink = inkOf(m_marks[i].kind);
        const QPointF near(std::clamp(points[i].x(), boxes[i]->left(), boxes[i]->right()),
                           std::clamp(points[i].y(), boxes[i]->top(), boxes[i]->bottom()));
        if (QLineF(points[i], near).length() > kFrontDot + 6) {
            QColor faint = ink;
            faint.setAlpha(120);
            painter.setPen(QPen(faint, 1));
            painter.drawLine(points[i], near);
        }
        drawFrontName(painter, boxes[i]->topLeft() + QPointF(3, 0), m_marks[i].label, ink);
    }
}

void FrontPlot::paintBudget(QPainter& painter) const
{
    const QRectF area = plotArea();
    const double x = budgetPixel().x();
    if (m_budget == 0 || x < area.left() - 1 || x > area.right() + 1)
        return;
    const QColor ink = theme::color(Ink::Handle);
    painter.setPen(QPen(ink, 1.4));
    painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()));
    painter.setPen(Qt::NoPen);
    painter.setBrush(ink);
    painter.drawPolygon(QPolygonF{{x - 6, area.top() - 9}, {x + 6, area.top() - 9}, {x, area.top()}});
    const QString text = m_unit == Unit::Bits ? tr("budget %1 bits").arg(numberText(xOf(m_budget)))
                                              : tr("budget %1").arg(bytesText(m_budget));
    const bool leftOfLine = x > area.center().x();
    drawLabel(painter, {x + (leftOfLine ? -10 : 10), area.top() - 2}, (leftOfLine ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignBottom,
              text, ink);
}

} // namespace ql
