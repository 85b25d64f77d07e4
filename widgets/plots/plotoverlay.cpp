// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// PlotView: what lies on top of every plot - empty text, preview mark, crosshair, focus.
#include "widgets/plots/plotview_p.h"

#include "widgets/theme.h"

#include <algorithm>

namespace ql {

void PlotView::drawLabel(QPainter& painter, QPointF at, Qt::Alignment alignment, const QString& text,
                         QColor colour) const
{
    const QFontMetricsF metrics(painter.font());
    QRectF box(QPointF(), QSizeF(metrics.horizontalAdvance(text), metrics.height()));
    if (alignment & Qt::AlignHCenter)
        box.moveLeft(at.x() - box.width() / 2);
    else
        box.moveLeft(alignment & Qt::AlignRight ? at.x() - box.width() : at.x());
    if (alignment & Qt::AlignVCenter)
        box.moveTop(at.y() - box.height() / 2);
    else
        box.moveTop(alignment & Qt::AlignBottom ? at.y() - box.height() : at.y());
    QColor halo = theme::color(Ink::PlotBackground);
    halo.setAlpha(200);
    painter.fillRect(box.adjusted(-2, 0, 2, 0), halo);
    painter.setPen(colour);
    painter.drawText(QPointF(box.left(), box.top() + metrics.ascent()), text);
}

void PlotView::paintOverlay(QPainter& painter)
{
    const QRectF area = plotArea();
    painter.setFont(theme::smallFont());
    if (!hasData()) {
        painter.setFont(font());
        painter.setPen(theme::color(Ink::Muted));
        painter.fillRect(area.adjusted(1, 0, 0, -1), theme::color(Ink::PlotBackground));
        painter.drawText(area.adjusted(16, 8, -16, -8), Qt::AlignCenter | Qt::TextWordWrap, d->emptyText);
        return;
    }
    if (d->preview && !d->previewText.isEmpty())
        drawLabel(painter, area.topRight() + QPointF(-4, 2), Qt::AlignRight, d->previewText,
                  theme::color(Ink::Preview));
    if (d->exporting)
        return;
    if (d->box.isValid()) {
        QColor fill = theme::color(Ink::Accent);
        painter.setPen(fill);
        fill.setAlpha(40);
        painter.setBrush(fill);
        painter.drawRect(d->box);
    } else if (d->gesture != Gesture::Own && d->pointer && area.contains(*d->pointer)) {
        paintCrosshair(painter, area);
    }
    if (hasFocus() && d->keyboardFocus) {
        painter.setBrush(Qt::NoBrush);
        painter.setPen(QPen(palette().highlight().color(), 2));
        painter.drawRect(QRectF(rect()).adjusted(1, 1, -2, -2));
    }
}

void PlotView::paintCrosshair(QPainter& painter, const QRectF& area)
{
    QColor line = theme::color(Ink::AxisText);
    line.setAlpha(110);
    painter.setPen(QPen(line, 1, Qt::DotLine));
    painter.drawLine(QPointF(d->pointer->x(), area.top()), QPointF(d->pointer->x(), area.bottom()));
    if (d->freeY)
        painter.drawLine(QPointF(area.left(), d->pointer->y()), QPointF(area.right(), d->pointer->y()));
    const QString text = readout(toValue(*d->pointer));
    if (text.isEmpty())
        return;
    const QFontMetricsF metrics(painter.font());
    QRectF box = metrics.boundingRect(QRectF(0, 0, 400, 400), Qt::AlignLeft, text).adjusted(-6, -4, 6, 4);
    box.moveTopLeft(*d->pointer + QPointF(14, 14));
    if (box.right() > area.right())
        box.moveRight(std::max(box.width(), d->pointer->x() - 14));
    if (box.bottom() > area.bottom())
        box.moveBottom(std::max(area.top() + box.height(), d->pointer->y() - 14));
    painter.setPen(QPen(theme::color(Ink::Axis), 1));
    painter.setBrush(palette().toolTipBase());
    painter.drawRoundedRect(box, 3, 3);
    painter.setPen(palette().toolTipText().color());
    painter.drawText(box.adjusted(6, 4, -6, -4), Qt::AlignLeft, text);
}

} // namespace ql
