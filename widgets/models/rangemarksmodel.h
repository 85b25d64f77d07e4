// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// RangeMarksModel: the calibration methods side by side - where each puts the limits of a static per-tensor range, and
// what that costs.
#pragma once

#include "core/calibration/activationquantizer.h"

#include <QAbstractTableModel>

#include <optional>
#include <vector>

namespace ql {

class RangeMarksModel : public QAbstractTableModel
{
    Q_OBJECT
public:
    enum Column { Method, Limits, MeanSquaredError, Sqnr, ColumnCount };

    using QAbstractTableModel::QAbstractTableModel;

    void setMarks(std::vector<RangeMark> marks);
    const std::vector<RangeMark>& marks() const { return m_marks; }
    /// The row of what is in force is ticked.
    void setScheme(const std::optional<ActivationScheme>& scheme);

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

private:
    bool isChosen(const RangeMark& mark) const;
    bool isBest(size_t row) const; ///< the lowest error of all

    std::vector<RangeMark> m_marks;
    std::optional<ActivationScheme> m_scheme;
};

} // namespace ql
