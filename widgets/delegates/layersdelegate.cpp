// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/delegates/layersdelegate.h"

#include "widgets/models/layercolumns.h"
#include "widgets/models/numbertext.h"
#include "widgets/theme.h"

#include <QApplication>
#include <QPainter>
#include <QPainterPath>

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

constexpr double kDeepestTint = 0.42; ///< share of the error ink at badness 1; beyond this the numbers lose contrast
constexpr int kMarkSize = 10;
constexpr int kRowHeight = 24;

void paintMark(QPainter* painter, const QRectF& box, const QString& mark, const QColor& ink)
{
    painter->save();
    painter->setRenderHint(QPainter::Antialiasing);
    painter->setPen(QPen(ink, 1.4));
    const QPointF centre = box.center();
    if (mark == QLatin1String("rule")) {
        painter->drawEllipse(centre, 3, 3);
    } else if (mark == QLatin1String("override")) {
        painter->setBrush(ink);
        painter->drawEllipse(centre, 3, 3);
    } else if (mark == QLatin1String("locked")) {
        painter->drawArc(QRectF(centre.x() - 2.5, centre.y() - 5, 5, 6), 0, 180 * 16);
        painter->fillRect(QRectF(centre.x() - 4, centre.y() - 1.5, 8, 6), ink);
    } else if (mark == QLatin1String("fallback")) {
        painter->setPen(QPen(theme::color(Ink::Bad), 1.4));
        painter->drawPolygon(QPolygonF({centre + QPointF(0, -4), centre + QPointF(4.5, 4), centre + QPointF(-4.5, 4)}));
    }
    painter->restore();
}

} // namespace

QColor LayersDelegate::tint(const QColor& base, double badness)
{
    const QColor ink = theme::color(Ink::Clipped);
    const double share = std::clamp(badness, 0.0, 1.0) * kDeepestTint;
    const auto mix = [share](int a, int b) { return int(std::lround(a + (b - a) * share)); };
    return QColor(mix(base.red(), ink.red()), mix(base.green(), ink.green()), mix(base.blue(), ink.blue()));
}

void LayersDelegate::initStyleOption(QStyleOptionViewItem* option, const QModelIndex& index) const
{
    QStyledItemDelegate::initStyleOption(option, index);
    if (layerColumn(index.column()).number)
        option->font = theme::numberFont();
    option->textElideMode = index.column() == LayersModel::NameColumn ? Qt::ElideMiddle : Qt::ElideRight;
    const QString text = option->text;
    if (text == kPendingText || text == kNothingText)
        option->palette.setColor(QPalette::Text, theme::color(Ink::Muted));
}

void LayersDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const
{
    const QVariant badness = index.data(LayersModel::TintRole);
    const bool selected = option.state & QStyle::State_Selected;
    if (badness.isValid() && !selected)
        painter->fillRect(option.rect, tint(option.palette.color(QPalette::Base), badness.toDouble()));
    const QString mark = index.data(LayersModel::MarkRole).toString();
    QStyleOptionViewItem content = option;
    if (index.column() == LayersModel::SchemeColumn)
        content.rect.adjust(0, 0, -kMarkSize - 4, 0);
    QStyledItemDelegate::paint(painter, content, index);
    if (index.column() == LayersModel::SchemeColumn) {
        const QRect rest(content.rect.right() + 1, option.rect.top(), kMarkSize + 4, option.rect.height());
        QStyleOptionViewItem background = option;
        background.rect = rest;
        background.viewItemPosition = QStyleOptionViewItem::End;
        const QStyle* style = option.widget ? option.widget->style() : QApplication::style();
        style->drawPrimitive(QStyle::PE_PanelItemViewItem, &background, painter, option.widget);
        const QColor ink = selected ? option.palette.color(QPalette::HighlightedText) : theme::color(Ink::Accent);
        paintMark(painter, rest, mark, ink);
    }
}

QSize LayersDelegate::sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const
{
    const QSize size = QStyledItemDelegate::sizeHint(option, index);
    return {size.width() + (index.column() == LayersModel::SchemeColumn ? kMarkSize + 4 : 0),
            std::max(size.height(), kRowHeight)};
}

} // namespace ql
