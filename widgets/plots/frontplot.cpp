// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plots/frontplot.h"

#include "core/base/format.h"
#include "widgets/models/numbertext.h"

#include <QKeyEvent>
#include <QLineF>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ql {
namespace {

constexpr double kFrontReach = 9; // pixels around a point, the front or the budget that count as on it
constexpr double kFarShare = 0.3; ///< of the front's width: points further away must not squeeze it

} // namespace

FrontPlot::FrontPlot(QWidget* parent) : PlotView(parent)
{
    setAccessibleName(tr("Error against size"));
    setTopMargin(22);
    setFreeY(true);
    setLogY(true);
}

void FrontPlot::setFront(std::vector<Point> front, uint64_t parameters, const QString& measure, const QString& unit)
{
    m_front = std::move(front);
    m_parameters = std::max<uint64_t>(1, parameters);
    m_measure = measure;
    m_measureUnit = unit;
    m_found.reset();
    m_focused = -1;
    m_least = 0;
    for (const Point& point : m_front) {
        if (point.cost > 0)
            m_least = point.cost;
    }
    if (!m_front.empty()) {
        const ColumnUnit name = bytesUnit(double(m_front.back().bytes));
        m_bytesPerUnit = name.divisor;
        m_bytesName = name.name;
    }
    nameAxes();
    fitHome();
    resetView();
    dataChanged();
}

void FrontPlot::setMarks(std::vector<Mark> marks)
{
    m_marks = std::move(marks);
    m_focused = -1;
    fitHome();
    dataChanged();
}

void FrontPlot::setBudget(uint64_t bytes)
{
    m_budget = bytes;
    refresh(Layer::Handles);
}

void FrontPlot::setFound(const std::optional<Point>& found)
{
    m_found = found;
    refresh(Layer::Handles);
}

void FrontPlot::setUnit(Unit unit)
{
    if (unit == m_unit)
        return;
    m_unit = unit;
    nameAxes();
    fitHome();
    resetView();
}

void FrontPlot::nameAxes()
{
    setTitles(m_unit == Unit::Bits ? tr("Bits per weight of the whole model") : tr("Size of all tensors (%1)").arg(m_bytesName),
              m_measureUnit.isEmpty() ? tr("%1 (not perplexity)").arg(m_measure.isEmpty() ? tr("Error") : m_measure)
                                      : tr("%1 (%2; not perplexity)").arg(m_measure, m_measureUnit));
}

void FrontPlot::fitHome()
{
    if (m_front.empty())
        return;
    double lo = xOf(m_front.front().bytes), hi = xOf(m_front.back().bytes);
    const double far = kFarShare * std::max(hi - lo, 0.1 * hi);
    const PlotRange near{lo - far, hi + far};
    for (const Mark& mark : m_marks) {
        const double x = xOf(mark.point.bytes);
        if (near.contains(x)) {
            lo = std::min(lo, x);
            hi = std::max(hi, x);
        }
    }
    const double margin = 0.05 * std::max(hi - lo, 0.1 * hi);
    setHomeX({std::max(0.0, lo - margin), hi + margin});
}

bool FrontPlot::hasData() const
{
    return !m_front.empty();
}

double FrontPlot::xOf(uint64_t bytes) const
{
    return m_unit == Unit::Bits ? 8 * double(bytes) / double(m_parameters) : double(bytes) / m_bytesPerUnit;
}

uint64_t FrontPlot::bytesAt(double x) const
{
    const double bytes = m_unit == Unit::Bits ? x / 8 * double(m_parameters) : x * m_bytesPerUnit;
    return uint64_t(std::clamp(bytes, double(m_front.front().bytes), double(m_front.back().bytes)));
}

/// What has no error lies on the bottom of a logarithmic axis.
QPointF FrontPlot::pixelOf(const Point& point) const
{
    const double floor = isLogY() ? std::max(1e-300, m_least / 3) : 0;
    return toPixel(xOf(point.bytes), std::max(point.cost, floor));
}

QPointF FrontPlot::markPixel(int mark) const
{
    return pixelOf(m_marks[size_t(mark)].point);
}

QPointF FrontPlot::budgetPixel() const
{
    return {toPixel(xOf(m_budget), 1).x(), double(plotArea().top()) - 5};
}

std::optional<double> FrontPlot::errorAt(uint64_t bytes) const
{
    const auto after = std::upper_bound(m_front.begin(), m_front.end(), bytes,
                                        [](uint64_t b, const Point& point) { return b < point.bytes; });
    if (after == m_front.begin())
        return {};
    return (after - 1)->cost;
}

PlotRange FrontPlot::fitY(PlotRange x) const
{
    double lo = INFINITY, hi = 0;
    const auto take = [&](const Point& point) {
        if (!x.contains(xOf(point.bytes)) || (isLogY() && point.cost <= 0))
            return;
        lo = std::min(lo, point.cost);
        hi = std::max(hi, point.cost);
    };
    std::for_each(m_front.begin(), m_front.end(), take);
    for (const Mark& mark : m_marks)
        take(mark.point);
    if (lo > hi)
        return isLogY() ? PlotRange{0.1, 1} : PlotRange{0, 1};
    if (isLogY())
        return {lo / 1.6, hi * 1.6};
    return {0, hi > 0 ? 1.1 * hi : 1};
}

std::optional<size_t> FrontPlot::markAt(QPointF pixel) const
{
    std::optional<size_t> found;
    double nearest = kFrontReach;
    for (size_t i = 0; i < m_marks.size(); ++i) {
        const double distance = QLineF(pixel, pixelOf(m_marks[i].point)).length();
        if (distance < nearest) {
            nearest = distance;
            found = i;
        }
    }
    return found;
}

bool FrontPlot::isOnFront(QPointF pixel) const
{
    if (!plotArea().contains(pixel.toPoint()))
        return false;
    const auto error = errorAt(bytesAt(toValue(pixel).x()));
    return error && std::abs(pixelOf({bytesAt(toValue(pixel).x()), *error}).y() - pixel.y()) < kFrontReach;
}

bool FrontPlot::takeDrag(QPointF pixel, Qt::KeyboardModifiers)
{
    const bool inside = pixel.y() >= plotArea().top() - 22 && pixel.y() <= plotArea().bottom();
    if (!inside || markAt(pixel) || std::abs(pixel.x() - budgetPixel().x()) > kFrontReach)
        return false;
    m_budgetBefore = m_budget;
    return true;
}

void FrontPlot::dragTo(QPointF pixel)
{
    m_budget = bytesAt(toValue(pixel).x());
    refresh(Layer::Handles);
    Q_EMIT budgetMoved(m_budget, false);
}

void FrontPlot::dragEnd(bool cancelled)
{
    if (cancelled)
        m_budget = m_budgetBefore;
    refresh(Layer::Handles);
    Q_EMIT budgetMoved(m_budget, true);
}

bool FrontPlot::clicked(QPointF pixel, Qt::KeyboardModifiers)
{
    if (const auto mark = markAt(pixel)) {
        Q_EMIT markPicked(int(*mark));
        return true;
    }
    if (!isOnFront(pixel))
        return false;
    setBudget(bytesAt(toValue(pixel).x()));
    Q_EMIT budgetMoved(m_budget, true);
    return true;
}

Qt::CursorShape FrontPlot::cursorAt(QPointF pixel) const
{
    if (markAt(pixel))
        return Qt::PointingHandCursor;
    if (std::abs(pixel.x() - budgetPixel().x()) <= kFrontReach && pixel.y() <= plotArea().bottom())
        return Qt::SizeHorCursor;
    return isOnFront(pixel) ? Qt::PointingHandCursor : Qt::ArrowCursor;
}

QString FrontPlot::textOf(const Point& point) const
{
    return tr("%1 bits per weight, %2, error %3")
        .arg(numberText(8 * double(point.bytes) / double(m_parameters)), bytesText(point.bytes), numberText(point.cost));
}

bool FrontPlot::isBelow(const Mark& mark) const
{
    const auto least = errorAt(mark.point.bytes);
    return !m_front.empty() && (least ? mark.point.cost < 0.9999 * *least : mark.point.cost < m_front.front().cost);
}

QString FrontPlot::readout(QPointF value) const
{
    if (const auto found = markAt(toPixel(value.x(), value.y()))) {
        const Mark& mark = m_marks[*found];
        QStringList lines{mark.label, textOf(mark.point)};
        if (const auto least = errorAt(mark.point.bytes); least && *least > 0)
            lines << tr("× %1 of the least error of this size").arg(numberText(mark.point.cost / *least));
        if (isBelow(mark) && !mark.beyond.isEmpty())
            lines << tr("below the front: it %1").arg(mark.beyond);
        lines << (mark.kind == Kind::Present ? tr("the policy as it is now") : tr("click to adopt it"));
        return lines.join(QLatin1Char('\n'));
    }
    const PlotRange covered{xOf(m_front.front().bytes), xOf(m_front.back().bytes)};
    if (!covered.contains(value.x()))
        return {};
    const uint64_t bytes = bytesAt(value.x());
    return tr("least error of this size\n%1\nclick the line to set the budget").arg(textOf({bytes, errorAt(bytes).value_or(0)}));
}

/// Left and right move the budget, up and down go from point to point, Return adopts.
bool FrontPlot::keyPressed(QKeyEvent* event)
{
    const int key = event->key();
    if (event->modifiers() & Qt::AltModifier)
        return false;
    if (key == Qt::Key_Left || key == Qt::Key_Right) {
        const double share = event->modifiers() & Qt::ShiftModifier ? 0.001 : 0.01;
        const double step = share * double(m_front.back().bytes - m_front.front().bytes);
        const double wanted = double(m_budget) + (key == Qt::Key_Left ? -step : step);
        setBudget(uint64_t(std::clamp(wanted, double(m_front.front().bytes), double(m_front.back().bytes))));
        Q_EMIT budgetMoved(m_budget, true);
        return true;
    }
    if (key == Qt::Key_Up || key == Qt::Key_Down) {
        stepMarks(key == Qt::Key_Up ? 1 : -1);
        return true;
    }
    if ((key != Qt::Key_Return && key != Qt::Key_Enter) || m_focused < 0)
        return false;
    Q_EMIT markPicked(m_focused);
    return true;
}

/// By rising size.
void FrontPlot::stepMarks(int step)
{
    std::vector<int> order(m_marks.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [this](int a, int b) {
        return m_marks[size_t(a)].point.bytes < m_marks[size_t(b)].point.bytes;
    });
    if (order.empty())
        return;
    const auto at = std::find(order.begin(), order.end(), m_focused);
    const int from = at == order.end() ? (step > 0 ? -1 : int(order.size())) : int(at - order.begin());
    m_focused = order[size_t(std::clamp(from + step, 0, int(order.size()) - 1))];
    refresh(Layer::Handles);
}

PlotTable FrontPlot::table() const
{
    PlotTable numbers{{tr("what"), tr("bytes"), tr("bits per weight"), m_measure}, {}};
    const auto add = [&](const QString& what, const Point& point) {
        numbers.rows.push_back({what, QString::number(point.bytes), exactText(8 * double(point.bytes) / double(m_parameters)),
                                exactText(point.cost)});
    };
    for (const Mark& mark : m_marks) {
        if (xRange().contains(xOf(mark.point.bytes)))
            add(mark.label, mark.point);
    }
    if (m_found)
        add(tr("within the budget"), *m_found);
    for (const Point& point : m_front) {
        if (xRange().contains(xOf(point.bytes)))
            add(tr("front"), point);
    }
    return numbers;
}

QString FrontPlot::summary() const
{
    if (m_front.empty())
        return {};
    QString text = tr("Least %1 for every size: from %2 to %3.")
                       .arg(m_measure.toLower(), textOf(m_front.front()), textOf(m_front.back()));
    if (m_found)
        text += ' ' + tr("The budget gets %1.").arg(textOf(*m_found));
    for (const Mark& mark : m_marks)
        text += ' ' + tr("%1: %2.").arg(mark.label, textOf(mark.point));
    return text;
}

} // namespace ql
