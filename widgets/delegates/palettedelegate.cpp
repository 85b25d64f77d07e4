// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/delegates/palettedelegate.h"

#include "widgets/models/palettemodel.h"
#include "widgets/theme.h"

#include <QApplication>
#include <QPainter>
#include <QTextLayout>

namespace ql {
namespace {

void paintText(QPainter* painter, const QRect& rect, const QString& text, const QList<int>& marked, const QFont& font,
               const QColor& plain, const QColor& mark)
{
    QTextLayout layout(text, font);
    QList<QTextLayout::FormatRange> formats;
    for (const int position : marked) {
        QTextLayout::FormatRange range;
        range.start = position;
        range.length = 1;
        range.format.setFontWeight(QFont::Bold);
        range.format.setForeground(mark);
        formats << range;
    }
    layout.setFormats(formats);
    QTextOption option;
    option.setWrapMode(QTextOption::NoWrap);
    layout.setTextOption(option);
    layout.beginLayout();
    QTextLine line = layout.createLine();
    line.setLineWidth(rect.width());
    layout.endLayout();
    painter->setPen(plain);
    painter->save();
    painter->setClipRect(rect);
    layout.draw(painter, QPointF(rect.left(), rect.top() + (rect.height() - line.height()) / 2));
    painter->restore();
}

} // namespace

void PaletteDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const
{
    QStyleOptionViewItem item = option;
    initStyleOption(&item, index);
    item.text.clear();
    const QStyle* style = option.widget ? option.widget->style() : QApplication::style();
    style->drawControl(QStyle::CE_ItemViewItem, &item, painter, option.widget);

    const bool selected = option.state & QStyle::State_Selected;
    const auto group = option.state & QStyle::State_Enabled ? QPalette::Normal : QPalette::Disabled;
    const QColor text = option.palette.color(group, selected ? QPalette::HighlightedText : QPalette::Text);
    const QColor muted = selected ? text : theme::color(Ink::Muted);
    const QRect rect = option.rect.adjusted(theme::kSpacing, 0, -theme::kSpacing, 0);
    const QString shortcut = index.data(PaletteModel::ShortcutRole).toString();
    const QString kind = PaletteModel::kindName(PaletteModel::Kind(index.data(PaletteModel::KindRole).toInt()));
    painter->setFont(theme::smallFont());
    painter->setPen(muted);
    const QString right = shortcut.isEmpty() ? kind : shortcut;
    painter->drawText(rect, Qt::AlignRight | Qt::AlignVCenter, right);
    const int reserved = painter->fontMetrics().horizontalAdvance(right) + 2 * theme::kSpacing;
    paintText(painter, rect.adjusted(0, 0, -reserved, 0), index.data().toString(),
              index.data(PaletteModel::PositionsRole).value<QList<int>>(), option.font, text,
              selected ? text : theme::color(Ink::Accent));
}

QSize PaletteDelegate::sizeHint(const QStyleOptionViewItem& option, const QModelIndex&) const
{
    return {200, option.fontMetrics.height() + theme::kSpacing};
}

} // namespace ql
