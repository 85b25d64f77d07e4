// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plots/sizeplot.h"

#include "core/base/format.h"
#include "widgets/models/numbertext.h"
#include "widgets/theme.h"

#include <QPainter>

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

constexpr double kHalfWidth = 0.16; // of a stack, in axis units; its labels stand to the right
constexpr double kLabelGap = 8;

} // namespace

SizePlot::SizePlot(QWidget* parent)
    : PlotView(parent)
{
    setAccessibleName(tr("Size by type"));
    setTopMargin(12);
}

void SizePlot::setStacks(std::vector<Stack> stacks)
{
    m_stacks = std::move(stacks);
    double most = 0;
    QStringList titles;
    for (const Stack& stack : m_stacks) {
        most = std::max(most, total(stack));
        titles << stack.title;
    }
    static const char* const units[] = {"B", "kB", "MB", "GB", "TB"};
    size_t step = 0;
    for (m_unit = 1; most >= 1000 * m_unit && step + 1 < std::size(units); ++step)
        m_unit *= 1000;
    m_unitName = QString::fromLatin1(units[step]);
    setTitles({}, tr("Size (%1)").arg(m_unitName));
    setCategories(titles);
    if (!m_stacks.empty())
        setHomeX({-0.4, double(m_stacks.size()) - 0.1});
    dataChanged();
}

bool SizePlot::hasData() const
{
    return std::any_of(m_stacks.begin(), m_stacks.end(), [this](const Stack& stack) { return total(stack) > 0; });
}

double SizePlot::total(const Stack& stack) const
{
    double bytes = 0;
    for (const Part& part : stack.parts)
        bytes += part.bytes;
    return bytes;
}

PlotRange SizePlot::fitY(PlotRange) const
{
    double most = 0;
    for (const Stack& stack : m_stacks)
        most = std::max(most, total(stack));
    return {0, most > 0 ? 1.12 * most / m_unit : 1};
}

void SizePlot::paintStack(QPainter& painter, int index) const
{
    const Stack& stack = m_stacks[size_t(index)];
    const double line = QFontMetricsF(painter.font()).height();
    const double right = toPixel(index + kHalfWidth, 0).x();
    double bytes = 0, labelTop = plotArea().bottom() + 1.0;
    for (const Part& part : stack.parts) {
        const QRectF box(toPixel(index - kHalfWidth, (bytes + part.bytes) / m_unit),
                         toPixel(index + kHalfWidth, bytes / m_unit));
        painter.fillRect(box, theme::categorical(part.colour));
        painter.setPen(theme::color(Ink::PlotBackground));
        painter.drawLine(box.topLeft(), box.topRight());
        bytes += part.bytes;
        // Labels keep beside their part and clear of each other, from the bottom up.
        const double y = std::min(box.center().y() - line / 2, labelTop - line);
        labelTop = y;
        painter.setPen(theme::color(Ink::AxisText));
        painter.drawText(QPointF(right + kLabelGap, y + line - QFontMetricsF(painter.font()).descent()),
                         QStringLiteral("%1  %2").arg(part.type, bytesText(part.bytes)));
        const QPointF from(right + 1, box.center().y()), to(right + kLabelGap - 2, y + line / 2);
        painter.drawLine(from, to);
    }
    drawLabel(painter, toPixel(index, bytes / m_unit) - QPointF(0, 3), Qt::AlignHCenter | Qt::AlignBottom, bytesText(bytes),
              theme::color(Ink::AxisText));
}

void SizePlot::paintLayer(Layer layer, QPainter& painter)
{
    if (layer != Layer::Data)
        return;
    painter.save();
    painter.setClipRect(QRectF(plotArea()).adjusted(0, -12, 0, 1));
    painter.setFont(theme::smallFont());
    painter.setRenderHint(QPainter::Antialiasing, false);
    for (int index = 0; index < int(m_stacks.size()); ++index)
        paintStack(painter, index);
    painter.restore();
}

QString SizePlot::readout(QPointF value) const
{
    const auto index = std::lround(value.x());
    if (index < 0 || index >= long(m_stacks.size()) || std::abs(value.x() - double(index)) > kHalfWidth)
        return {};
    const Stack& stack = m_stacks[size_t(index)];
    double bytes = 0;
    for (const Part& part : stack.parts) {
        bytes += part.bytes;
        if (value.y() >= 0 && value.y() * m_unit <= bytes)
            return tr("%1\n%2: %3 of %4\n%5, %6 values")
                .arg(stack.title, part.type, bytesText(part.bytes), bytesText(total(stack)),
                     counted(part.tensors, tr("1 tensor"), tr("%1 tensors")), QString::fromStdString(formatCount(part.parameters)));
    }
    return {};
}

PlotTable SizePlot::table() const
{
    PlotTable numbers{{tr("where"), tr("type"), tr("tensors"), tr("values"), tr("bytes")}, {}};
    for (const Stack& stack : m_stacks) {
        for (const Part& part : stack.parts)
            numbers.rows.push_back({stack.title, part.type, QString::number(part.tensors), QString::number(part.parameters),
                                    exactText(part.bytes)});
    }
    return numbers;
}

QString SizePlot::summary() const
{
    QStringList texts;
    for (const Stack& stack : m_stacks) {
        const auto largest = std::max_element(stack.parts.begin(), stack.parts.end(),
                                              [](const Part& a, const Part& b) { return a.bytes < b.bytes; });
        if (largest != stack.parts.end())
            texts << tr("%1 %2, most of it %3 (%4).").arg(stack.title, bytesText(total(stack)), largest->type,
                                                          bytesText(largest->bytes));
    }
    return texts.join(QLatin1Char(' '));
}

} // namespace ql
