// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// PolicyDiffModel: the tensors in which two policies differ, from what to what and by how many bytes. Qt6::Core only;
// GUI thread.
#pragma once

#include "core/policy/policydiff.h"

#include <QAbstractTableModel>

#include <memory>

namespace ql {

class PolicyDiffModel : public QAbstractTableModel
{
    Q_OBJECT
public:
    enum Column { TensorColumn, BeforeColumn, AfterColumn, SizeColumn, ErrorColumn, ColumnCount };
    static constexpr int SortRole = Qt::UserRole;

    using QAbstractTableModel::QAbstractTableModel;

    void setDiff(std::shared_ptr<const Model> model, PolicyDiff diff);
    /// What stands left and right changes places.
    void setSwapped(bool swapped);
    const PolicyDiff& diff() const { return m_diff; }
    /// "12 of 66 tensors differ; 1.20 GB → 1.31 GB (+110 MB)" and what else differs.
    QString summary() const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    std::optional<double> errorChange(const PolicyChange& change) const;

    std::shared_ptr<const Model> m_model;
    PolicyDiff m_diff;
    bool m_swapped = false;
};

} // namespace ql
