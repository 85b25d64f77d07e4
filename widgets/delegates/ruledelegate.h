// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// RuleDelegate: paints rows of RulesModel: the note, or what shadows the rule, in a second line below its conditions;
// rules with findings carry a mark, those that decide nothing are muted. GUI thread.
#pragma once

#include <QStyledItemDelegate>

namespace ql {

class RuleDelegate : public QStyledItemDelegate
{
    Q_OBJECT
public:
    using QStyledItemDelegate::QStyledItemDelegate;

    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override;
    QSize sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const override;

protected:
    void initStyleOption(QStyleOptionViewItem* option, const QModelIndex& index) const override;
};

} // namespace ql
