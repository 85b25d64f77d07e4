// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// CompareFigures: the error figures of one tensor under A and under B, and their difference, one row per measure with
// its unit, formula and meaning.
#pragma once

#include "core/quant/metrics.h"

#include <QAbstractTableModel>

#include <optional>

namespace ql {

class CompareFigures : public QAbstractTableModel
{
    Q_OBJECT
public:
    enum Column { MeasureColumn, AColumn, BColumn, DeltaColumn, ColumnCount };

    using QAbstractTableModel::QAbstractTableModel;

    /// Nothing: not known (yet).
    void setFigures(const std::optional<ErrorMetrics>& a, const std::optional<ErrorMetrics>& b);

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

private:
    QString text(int row, int column) const;

    std::optional<ErrorMetrics> m_a, m_b;
};

} // namespace ql
