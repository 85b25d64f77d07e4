// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// PlanModel: what an export would make of every tensor - scheme, bytes before and after, remarks. Sizes share one unit,
// named in the header; sorts by raw numbers.
#pragma once

#include "core/export/exporter.h"

#include <QAbstractTableModel>

#include <memory>

namespace ql {

class PlanModel : public QAbstractTableModel
{
    Q_OBJECT
public:
    enum Column { TensorColumn, SchemeColumn, FromColumn, ToColumn, BitsColumn, RemarksColumn, ColumnCount };
    enum Role { SortRole = Qt::UserRole, RemarkableRole };

    using QAbstractTableModel::QAbstractTableModel;

    using Entries = std::shared_ptr<const std::vector<PlanEntry>>;
    void setEntries(const Entries& entries); ///< null: none
    const std::vector<PlanEntry>& entries() const { return *m_entries; }
    /// By the raw figures or texts of a column; quick enough for 100,000 rows.
    bool isLess(int row, int other, int column) const;
    int fallbacks() const; ///< tensors that would not be as asked
    int remarkable() const; ///< tensors with a fallback or a warning

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

private:
    QVariant display(const PlanEntry& entry, int column) const;
    QVariant raw(const PlanEntry& entry, int column) const;

    Entries m_entries = std::make_shared<const std::vector<PlanEntry>>();
    double m_divisor = 1;
    QString m_unit;
};

} // namespace ql
