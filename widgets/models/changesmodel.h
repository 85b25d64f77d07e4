// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ChangesModel: tensors that differ between two policies or files - from what to what, sizes and errors. Errors arrive
// one by one; what is not known yet shows as such. Sorts by raw numbers.
#pragma once

#include <QAbstractTableModel>

#include <optional>
#include <vector>

namespace ql {

struct TensorChange {
    int tensor = -1; ///< of the open model
    QString name, from, to;
    quint64 bytesFrom = 0, bytesTo = 0;
    std::optional<double> errorFrom, errorTo; ///< relative error to the open model's weights
};

class ChangesModel : public QAbstractTableModel
{
    Q_OBJECT
public:
    enum Column { TensorColumn, FromColumn, ToColumn, SizeColumn, ErrorFromColumn, ErrorToColumn, ErrorColumn, ColumnCount };
    static constexpr int SortRole = Qt::UserRole;

    using QAbstractTableModel::QAbstractTableModel;

    void setChanges(std::vector<TensorChange> changes);
    void setCompact(bool compact); ///< names without what all weights of a model have in common
    void setErrors(int row, std::optional<double> from, std::optional<double> to);
    const std::vector<TensorChange>& changes() const { return m_changes; }
    int rowOfTensor(int tensor) const; ///< -1: it does not differ

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

private:
    QString text(const TensorChange& change, int column) const;
    QVariant raw(const TensorChange& change, int column) const;

    std::vector<TensorChange> m_changes;
    double m_divisor = 1;
    QString m_unit;
    bool m_compact = false;
};

} // namespace ql
