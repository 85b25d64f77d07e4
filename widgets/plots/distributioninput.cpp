// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// DistributionPlot: handles, marks and brush under mouse and keyboard.
#include "widgets/plots/distributionplot.h"

#include <QKeyEvent>

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

constexpr double kGrip = 7; // pixels around a handle that take hold of it

} // namespace

std::optional<size_t> DistributionPlot::handleAt(QPointF pixel) const
{
    if (!QRectF(plotArea()).adjusted(-kGrip, 0, kGrip, 0).contains(pixel))
        return std::nullopt;
    const size_t count = m_clip.handles().size();
    std::optional<size_t> found;
    for (size_t i = 0; i < count; ++i) {
        const double distance = std::abs(handlePixel(i).x() - pixel.x());
        if (distance <= kGrip && (!found || distance < std::abs(handlePixel(*found).x() - pixel.x())))
            found = i;
    }
    return found;
}

QPointF DistributionPlot::handlePixel(size_t index) const
{
    const QRectF area = plotArea();
    const std::vector<double> handles = m_clip.handles();
    if (index >= handles.size())
        return {};
    // A limit beyond the view waits at the edge, where it can still be grabbed.
    const double x = std::clamp(toPixel(toX(handles[index]), 0).x(), area.left(), area.right());
    return {x, area.top() + area.height() * 0.35};
}

void DistributionPlot::moveHandle(size_t index, double weight, bool finished)
{
    const Scheme scheme = m_clip.moved(index, weight);
    if (m_clip.isOwn())
        m_clip.setOwn(m_limits = m_clip.ownMoved(index, weight));
    else
        m_clip.drag(index, weight);
    updateGrid();
    refresh(Layer::Codes);
    refresh(Layer::Handles);
    if (m_clip.isOwn())
        Q_EMIT limitsMoved(m_limits->lo, m_limits->hi, finished);
    else
        Q_EMIT schemeEdited(scheme, finished);
}

bool DistributionPlot::takeDrag(QPointF pixel, Qt::KeyboardModifiers modifiers)
{
    if (modifiers & Qt::ControlModifier && m_xMode == XMode::Values && plotArea().contains(pixel.toPoint())) {
        m_brushing = true;
        m_brushLo = m_brushHi = toValue(pixel).x();
        return true;
    }
    m_dragged = handleAt(pixel);
    if (!m_dragged)
        return false;
    m_focused = *m_dragged;
    m_before = m_scheme;
    m_limitsBefore = m_limits;
    m_dragOffset = handlePixel(*m_dragged).x() - pixel.x();
    m_dragMoved = false;
    return true;
}

void DistributionPlot::dragTo(QPointF pixel)
{
    if (m_brushing) {
        m_brushHi = toValue(pixel).x();
        refresh(Layer::Handles);
    } else if (m_dragged && (m_dragMoved || std::abs(handlePixel(*m_dragged).x() - m_dragOffset - pixel.x()) >= 1)) {
        m_dragMoved = true;
        moveHandle(*m_dragged, toWeight(toValue(pixel + QPointF(m_dragOffset, 0)).x()), false);
    }
}

void DistributionPlot::dragEnd(bool cancelled)
{
    if (m_brushing) {
        m_brushing = false;
        const bool removed = cancelled || std::abs(toPixel(m_brushLo, 0).x() - toPixel(m_brushHi, 0).x()) < 3;
        if (m_brushLo > m_brushHi)
            std::swap(m_brushLo, m_brushHi);
        if (removed) {
            m_brushLo = 1;
            m_brushHi = 0;
        }
        refresh(Layer::Handles);
        Q_EMIT rangeBrushed(m_brushLo, m_brushHi);
        return;
    }
    if (!m_dragged)
        return;
    const size_t index = *m_dragged;
    m_dragged.reset();
    if (m_dragMoved && m_clip.isOwn()) {
        if (cancelled)
            setLimits(m_limitsBefore);
        if (m_limits)
            Q_EMIT limitsMoved(m_limits->lo, m_limits->hi, true);
    } else if (m_dragMoved) {
        if (cancelled)
            m_clip.setScheme(m_before);
        Q_EMIT schemeEdited(cancelled ? m_before : m_clip.moved(index, m_clip.handles()[index]), true);
    }
    adoptPending();
    refresh();
}

void DistributionPlot::adoptPending()
{
    if (m_pending)
        setQuantization(std::exchange(m_pending, nullptr));
}

bool DistributionPlot::clicked(QPointF pixel, Qt::KeyboardModifiers)
{
    const auto mark = markAt(pixel);
    if (mark)
        adopt(*mark);
    return mark.has_value();
}

void DistributionPlot::adopt(size_t mark)
{
    if (!m_study) {
        Q_EMIT markChosen(int(mark));
        return;
    }
    Scheme scheme = m_scheme;
    scheme.clip = m_study->marks[mark].method;
    scheme.clipParameter = m_study->marks[mark].parameter;
    Q_EMIT schemeEdited(scheme, true);
}

Qt::CursorShape DistributionPlot::cursorAt(QPointF pixel) const
{
    if (markAt(pixel))
        return Qt::PointingHandCursor;
    return handleAt(pixel) ? Qt::SizeHorCursor : Qt::ArrowCursor;
}

bool DistributionPlot::keyPressed(QKeyEvent* event)
{
    const int digit = event->key() - Qt::Key_1;
    if (digit >= 0 && digit < int(m_marks.size()) && event->modifiers() == Qt::NoModifier) {
        adopt(size_t(digit));
        return true;
    }
    const bool arrow = event->key() == Qt::Key_Left || event->key() == Qt::Key_Right;
    const std::vector<double> handles = m_clip.handles();
    if (!arrow || handles.empty() || event->modifiers() & Qt::AltModifier)
        return false;
    const double share = event->modifiers() & Qt::ShiftModifier ? 0.002 : 0.01;
    const double from = handles[m_focused];
    const double step = share * std::max(-handles[0], handles[1]);
    m_keyEdit = true;
    moveHandle(m_focused, from + (event->key() == Qt::Key_Right ? step : -step), false);
    return true;
}

void DistributionPlot::keyReleaseEvent(QKeyEvent* event)
{
    PlotView::keyReleaseEvent(event);
    if (m_keyEdit && !event->isAutoRepeat()) {
        m_keyEdit = false;
        if (m_clip.isOwn() && m_limits)
            Q_EMIT limitsMoved(m_limits->lo, m_limits->hi, true);
        else if (!m_clip.isOwn())
            Q_EMIT schemeEdited(m_clip.moved(m_focused, m_clip.handles()[m_focused]), true);
    }
}

bool DistributionPlot::focusNextPrevChild(bool next)
{
    const bool two = m_clip.handles().size() == 2 && !m_clip.linked();
    if (two && (m_focused == 0) == next) {
        m_focused = next ? 1 : 0;
        refresh(Layer::Handles);
        return true;
    }
    m_focused = two && next ? 0 : 1;
    return PlotView::focusNextPrevChild(next);
}

} // namespace ql
