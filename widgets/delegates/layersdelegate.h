// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// LayersDelegate: paints the layers table - tinted error cells, tabular numbers, the mark of a scheme.
#pragma once

#include <QStyledItemDelegate>

namespace ql {

class LayersDelegate : public QStyledItemDelegate
{
    Q_OBJECT
public:
    using QStyledItemDelegate::QStyledItemDelegate;

    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override;
    QSize sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const override;

    /// Background of an error cell on `base`: one hue that deepens with `badness` (0..1), so that it reads without
    /// colour vision; text in the palette's colour keeps its contrast.
    static QColor tint(const QColor& base, double badness);

protected:
    void initStyleOption(QStyleOptionViewItem* option, const QModelIndex& index) const override;
};

} // namespace ql
