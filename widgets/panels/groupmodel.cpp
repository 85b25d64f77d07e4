// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/groupmodel.h"

#include "widgets/plots/plottable.h"
#include "widgets/theme.h"

namespace ql {

void GroupModel::setGroup(Shared<GroupDetail> group)
{
    beginResetModel();
    m_group = std::move(group);
    endResetModel();
}

int GroupModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() || !m_group ? 0 : int(m_group->values.size());
}

int GroupModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : int(ColumnCount);
}

QString GroupModel::text(size_t row, int column) const
{
    const auto at = [row](const auto& values) { return row < values.size() ? shortText(values[row]) : QString(); };
    switch (column) {
    case Position: return QString::number(m_group->firstCol + int64_t(row));
    case Weight: return at(m_group->values);
    case Scaled: return at(m_group->scaled);
    case Code: return row < m_group->codes.size() ? QString::number(m_group->codes[row]).replace('-', QChar(0x2212)) : QString();
    case Reconstructed: return at(m_group->reconstructed);
    case Error:
        if (row < m_group->reconstructed.size())
            return shortText(double(m_group->reconstructed[row]) - m_group->values[row], 2);
        break;
    }
    return {};
}

QVariant GroupModel::data(const QModelIndex& index, int role) const
{
    switch (role) {
    case Qt::DisplayRole: return index.isValid() ? text(size_t(index.row()), index.column()) : QVariant();
    case Qt::TextAlignmentRole: return int(Qt::AlignRight | Qt::AlignVCenter);
    case Qt::FontRole: { // of every cell, so a view may ask before there are any
        QFont font = theme::numberFont();
        font.setPointSizeF(theme::smallFont().pointSizeF());
        return font;
    }
    default: return {};
    }
}

QVariant GroupModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal)
        return {};
    static const char* const kTitles[] = {QT_TR_NOOP("Col."), QT_TR_NOOP("w"), QT_TR_NOOP("w ÷ s"),
                                          QT_TR_NOOP("Code"), QT_TR_NOOP("ŵ"), QT_TR_NOOP("ŵ − w")};
    static const char* const kTips[] = {
        QT_TR_NOOP("Input dimension: column of the matrix"), QT_TR_NOOP("Weight as the model stores it"),
        QT_TR_NOOP("Weight divided by the scale of its group, plus its zero point if it has one"), QT_TR_NOOP("Number that is stored instead of the weight"),
        QT_TR_NOOP("Reconstructed weight: what the code and the scale give back"),
        QT_TR_NOOP("Error: reconstructed minus original weight")};
    if (role == Qt::DisplayRole)
        return tr(kTitles[section]);
    if (role == Qt::TextAlignmentRole)
        return int(Qt::AlignRight | Qt::AlignVCenter);
    return role == Qt::ToolTipRole ? QVariant(tr(kTips[section])) : QVariant();
}

} // namespace ql
