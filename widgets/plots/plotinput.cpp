// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// PlotView: mouse, wheel and keyboard.
#include "widgets/plots/plotview_p.h"

#include <QApplication>
#include <QContextMenuEvent>
#include <QKeyEvent>
#include <QMenu>
#include <QMouseEvent>
#include <QToolTip>
#include <QWheelEvent>

#include <cmath>

namespace ql {
namespace {

constexpr double kStep = 1.2; // zoom per wheel notch or key

} // namespace

bool PlotView::event(QEvent* event)
{
    if (event->type() != QEvent::ToolTip)
        return QWidget::event(event);
    const auto* help = static_cast<QHelpEvent*>(event);
    const QString tip = hasData() ? tipAt(help->pos()) : QString();
    if (tip.isEmpty())
        QToolTip::hideText();
    else
        QToolTip::showText(help->globalPos(), tip, this);
    return true;
}

void PlotView::mousePressEvent(QMouseEvent* event)
{
    event->accept();
    if (d->gesture != Gesture::None || !hasData())
        return;
    d->button = event->button();
    d->pressed = d->last = event->position();
    if (event->button() == Qt::LeftButton && takeDrag(event->position(), event->modifiers()))
        d->gesture = Gesture::Own;
    else if (event->button() == Qt::LeftButton || event->button() == Qt::RightButton)
        d->gesture = Gesture::Pending;
}

void PlotView::mouseMoveEvent(QMouseEvent* event)
{
    const QPointF at = event->position();
    d->pointer = at;
    if (d->gesture == Gesture::Pending &&
        (at - d->pressed).manhattanLength() >= QApplication::startDragDistance()) {
        const bool box = d->button == Qt::RightButton || event->modifiers() & Qt::ShiftModifier;
        d->gesture = box ? Gesture::Box : Gesture::Pan;
        setCursor(box ? Qt::CrossCursor : Qt::ClosedHandCursor);
    }
    switch (d->gesture) {
    case Gesture::Own:
        dragTo(at);
        break;
    case Gesture::Pan:
        pan(at - d->last);
        break;
    case Gesture::Box:
        d->box = QRectF(d->pressed, at).normalized() & QRectF(plotArea());
        break;
    case Gesture::None:
        setCursor(hasData() ? cursorAt(at) : Qt::ArrowCursor);
        break;
    case Gesture::Pending:
        break;
    }
    d->last = at;
    if (d->gesture != Gesture::Pan)
        refresh(Layer::Overlay);
}

void PlotView::mouseReleaseEvent(QMouseEvent* event)
{
    if (event->button() != d->button)
        return;
    const Gesture gesture = std::exchange(d->gesture, Gesture::None);
    d->button = Qt::NoButton;
    setCursor(Qt::ArrowCursor);
    switch (gesture) {
    case Gesture::Own:
        dragTo(event->position());
        dragEnd(false);
        break;
    case Gesture::Box:
        d->box = QRectF(d->pressed, event->position());
        zoomToBox();
        break;
    case Gesture::Pending:
        if (event->button() == Qt::RightButton)
            popupMenu(event->globalPosition().toPoint());
        else
            clicked(event->position(), event->modifiers());
        break;
    case Gesture::Pan:
    case Gesture::None:
        break;
    }
}

void PlotView::mouseDoubleClickEvent(QMouseEvent* event)
{
    if (event->button() == Qt::LeftButton)
        resetView();
}

void PlotView::wheelEvent(QWheelEvent* event)
{
    const QPoint delta = event->angleDelta();
    const int turn = delta.y() ? delta.y() : delta.x(); // shift turns a vertical wheel sideways on some desktops
    if (!hasData() || !turn) {
        event->ignore();
        return;
    }
    event->accept();
    const QPointF at = event->position();
    const bool overAxis = at.x() < plotArea().left();
    const bool onlyY = overAxis || event->modifiers() & Qt::ShiftModifier;
    zoom(at, std::pow(kStep, -turn / 120.0), !onlyY, onlyY || d->freeY);
}

void PlotView::leaveEvent(QEvent* event)
{
    QWidget::leaveEvent(event);
    d->pointer.reset();
    refresh(Layer::Overlay);
}

void PlotView::keyPressEvent(QKeyEvent* event)
{
    if (event->key() == Qt::Key_Escape && d->gesture != Gesture::None) {
        if (std::exchange(d->gesture, Gesture::None) == Gesture::Own)
            dragEnd(true);
        d->box = {};
        refresh(Layer::Overlay);
        return;
    }
    if (hasData() && keyPressed(event))
        return;
    const QRectF area = plotArea();
    switch (event->key()) {
    case Qt::Key_Plus:
    case Qt::Key_Equal:
        return zoom(area.center(), 1 / kStep, true, d->freeY);
    case Qt::Key_Minus:
        return zoom(area.center(), kStep, true, d->freeY);
    case Qt::Key_Left:
        return pan({area.width() / 10, 0});
    case Qt::Key_Right:
        return pan({-area.width() / 10, 0});
    case Qt::Key_Home:
    case Qt::Key_0:
        return resetView();
    default:
        QWidget::keyPressEvent(event);
    }
}

void PlotView::focusInEvent(QFocusEvent* event)
{
    QWidget::focusInEvent(event);
    d->keyboardFocus = event->reason() == Qt::TabFocusReason || event->reason() == Qt::BacktabFocusReason ||
                       event->reason() == Qt::ShortcutFocusReason;
    refresh(Layer::Handles);
    refresh(Layer::Overlay);
}

void PlotView::focusOutEvent(QFocusEvent* event)
{
    QWidget::focusOutEvent(event);
    refresh(Layer::Handles);
    refresh(Layer::Overlay);
}

void PlotView::contextMenuEvent(QContextMenuEvent* event)
{
    event->accept();
    // A right press may still become a box zoom; the release opens the menu then.
    if (event->reason() != QContextMenuEvent::Mouse)
        popupMenu(mapToGlobal(plotArea().center()));
}

void PlotView::popupMenu(const QPoint& global)
{
    auto* menu = new QMenu(this);
    menu->setAttribute(Qt::WA_DeleteOnClose);
    menu->addActions(actions());
    menu->popup(global);
}

} // namespace ql
