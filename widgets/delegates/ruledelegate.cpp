// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/delegates/ruledelegate.h"

#include "widgets/models/rulesmodel.h"
#include "widgets/theme.h"

#include <QApplication>
#include <QPainter>

namespace ql {
namespace {

/// The second line of a rule's first column.
QString noteOf(const QModelIndex& index)
{
    return index.column() == RulesModel::AppliesToColumn ? index.siblingAtColumn(RulesModel::NoteColumn).data().toString()
                                                         : QString();
}

} // namespace

void RuleDelegate::initStyleOption(QStyleOptionViewItem* option, const QModelIndex& index) const
{
    QStyledItemDelegate::initStyleOption(option, index);
    if (const QString mark = index.data(RulesModel::MarkRole).toString(); !mark.isEmpty()) {
        option->features |= QStyleOptionViewItem::HasDecoration;
        option->icon = theme::icon(mark);
        option->decorationSize = {16, 16};
    }
    if (index.data(RulesModel::IdleRole).toBool())
        option->palette.setColor(QPalette::Text, theme::color(Ink::Muted));
}

void RuleDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const
{
    const QString note = noteOf(index);
    if (note.isEmpty())
        return QStyledItemDelegate::paint(painter, option, index);
    QStyleOptionViewItem item = option;
    initStyleOption(&item, index);
    QStyle* style = item.widget ? item.widget->style() : QApplication::style();
    const int margin = style->pixelMetric(QStyle::PM_FocusFrameHMargin, nullptr, item.widget) + 1;
    const QRect room = style->subElementRect(QStyle::SE_ItemViewItemText, &item, item.widget).adjusted(margin, 0, -margin, 0);
    const QString first = std::exchange(item.text, QString());
    style->drawControl(QStyle::CE_ItemViewItem, &item, painter, item.widget);

    const bool selected = item.state & QStyle::State_Selected;
    const QFontMetrics large(item.font), small(theme::smallFont());
    const int top = item.rect.center().y() - (large.height() + small.height()) / 2;
    painter->save();
    painter->setFont(item.font);
    painter->setPen(item.palette.color(selected ? QPalette::HighlightedText : QPalette::Text));
    painter->drawText(QRect(room.left(), top, room.width(), large.height()), Qt::AlignLeft | Qt::AlignVCenter,
                      large.elidedText(first, Qt::ElideMiddle, room.width()));
    painter->setFont(theme::smallFont());
    if (!selected)
        painter->setPen(theme::color(Ink::Muted));
    painter->drawText(QRect(room.left(), top + large.height(), room.width(), small.height()), Qt::AlignLeft | Qt::AlignVCenter,
                      small.elidedText(note, Qt::ElideRight, room.width()));
    painter->restore();
}

QSize RuleDelegate::sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const
{
    const int line = QFontMetrics(option.font).height();
    const int second = noteOf(index).isEmpty() ? 0 : QFontMetrics(theme::smallFont()).height();
    return {QStyledItemDelegate::sizeHint(option, index).width(), std::max(3 * theme::kSpacing, line + second + theme::kSpacing)};
}

} // namespace ql
