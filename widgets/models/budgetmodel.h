// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// BudgetModel: one row per part of a budget search - what was chosen for it, its share of the error, and what the next
// steps up and down would change. Parts that stay as stored have no row. GUI thread.
#pragma once

#include "core/search/budgetsearch.h"
#include "widgets/models/numbertext.h"

#include <QAbstractTableModel>

#include <optional>
#include <vector>

namespace ql {

class BudgetModel : public QAbstractTableModel
{
    Q_OBJECT
public:
    enum Column { Name, SchemeText, Size, Share, StepUp, StepDown, Bits, ColumnCount };
    static constexpr int kSortRole = Qt::UserRole; ///< raw numbers

    using QAbstractTableModel::QAbstractTableModel;

    void setSearch(const Shared<BudgetSearch>& search); ///< null: none; forgets what was found
    void setFound(const std::optional<Allocation>& found);
    void setCompact(bool compact); ///< steps without their bytes, which the tooltip tells
    int tensorOf(int row) const; ///< the first of its part
    int rowOf(int tensor) const; ///< -1: none
    /// "0.mlp.up_proj to int4,clip=mse: 24.6 kB for 11.9 % of the error"; empty where nothing larger is better.
    QString bestStepText() const;

    /// Of the rows' tensors as they are chosen now, by layer or role in network order; without layer: by name.
    struct Sum {
        QString name;
        uint64_t bytes = 0, weights = 0;
        double error = 0;
        double bits() const { return weights ? 8 * double(bytes) / double(weights) : 0; }
    };
    enum class By { Layer, Role };
    std::vector<Sum> sums(By by) const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

private:
    struct Row {
        int part;
        QString name;     ///< without what all names share
        uint64_t weights; ///< of all its tensors
    };
    const AllocationCandidate& chosen(const Row& row) const;
    std::optional<AllocationStep> step(const Row& row, int column) const;
    QString stepText(const Row& row, int column) const;
    QString stepTip(const Row& row, int column) const;
    QString display(const Row& row, int column) const;
    QVariant sortValue(const Row& row, int column) const;
    double shareOf(double error) const; ///< percent of the whole

    Shared<BudgetSearch> m_search;
    std::optional<Allocation> m_found;
    std::vector<Row> m_rows;
    ColumnUnit m_unit;
    bool m_compact = false;
};

} // namespace ql
