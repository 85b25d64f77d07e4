// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// GroupModel: the values of one group as a table: column, weight, weight / scale, code, reconstructed, error.
#pragma once

#include "core/compute/analysis.h"

#include <QAbstractTableModel>

namespace ql {

class GroupModel : public QAbstractTableModel
{
    Q_OBJECT
public:
    enum Column { Position, Weight, Scaled, Code, Reconstructed, Error, ColumnCount };

    using QAbstractTableModel::QAbstractTableModel;

    void setGroup(Shared<GroupDetail> group);

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

private:
    QString text(size_t row, int column) const;

    Shared<GroupDetail> m_group;
};

} // namespace ql
