// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/changesmodel.h"

#include "widgets/models/numbertext.h"

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

double sizeChange(const TensorChange& change)
{
    return double(change.bytesTo) - double(change.bytesFrom);
}

std::optional<double> errorChange(const TensorChange& change)
{
    if (!change.errorFrom || !change.errorTo)
        return std::nullopt;
    return *change.errorTo - *change.errorFrom;
}

QString percent(const std::optional<double>& share)
{
    return share ? numberText(100 * *share) : kPendingText;
}

} // namespace

void ChangesModel::setChanges(std::vector<TensorChange> changes)
{
    beginResetModel();
    m_changes = std::move(changes);
    double largest = 0;
    for (const TensorChange& change : m_changes)
        largest = std::max(largest, std::fabs(sizeChange(change)));
    const ColumnUnit unit = bytesUnit(largest);
    m_divisor = unit.divisor;
    m_unit = unit.name;
    endResetModel();
}

void ChangesModel::setCompact(bool compact)
{
    if (compact == m_compact)
        return;
    m_compact = compact;
    if (!m_changes.empty())
        Q_EMIT dataChanged(index(0, TensorColumn), index(rowCount() - 1, TensorColumn));
}

void ChangesModel::setErrors(int row, std::optional<double> from, std::optional<double> to)
{
    if (row < 0 || row >= rowCount())
        return;
    m_changes[size_t(row)].errorFrom = from;
    m_changes[size_t(row)].errorTo = to;
    Q_EMIT dataChanged(index(row, ErrorFromColumn), index(row, ErrorColumn));
}

int ChangesModel::rowOfTensor(int tensor) const
{
    const auto found = std::find_if(m_changes.begin(), m_changes.end(),
                                    [tensor](const TensorChange& change) { return change.tensor == tensor; });
    return found == m_changes.end() ? -1 : int(found - m_changes.begin());
}

int ChangesModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : int(m_changes.size());
}

int ChangesModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : ColumnCount;
}

QString ChangesModel::text(const TensorChange& change, int column) const
{
    switch (column) {
    case TensorColumn: return m_compact ? shortTensorName(change.name) : change.name;
    case FromColumn: return change.from;
    case ToColumn: return change.to;
    case SizeColumn: return signedNumberText(sizeChange(change) / m_divisor);
    case ErrorFromColumn: return percent(change.errorFrom);
    case ErrorToColumn: return percent(change.errorTo);
    default: {
        const auto delta = errorChange(change);
        return delta ? signedNumberText(100 * *delta) : kPendingText;
    }
    }
}

QVariant ChangesModel::raw(const TensorChange& change, int column) const
{
    const auto number = [](const std::optional<double>& value) { return value ? QVariant(*value) : QVariant(-1e300); };
    switch (column) {
    case SizeColumn: return sizeChange(change);
    case ErrorFromColumn: return number(change.errorFrom);
    case ErrorToColumn: return number(change.errorTo);
    case ErrorColumn: return number(errorChange(change));
    default: return text(change, column);
    }
}

QVariant ChangesModel::data(const QModelIndex& index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid | CheckIndexOption::ParentIsInvalid))
        return {};
    const TensorChange& change = m_changes[size_t(index.row())];
    switch (role) {
    case Qt::DisplayRole: return text(change, index.column());
    case SortRole: return raw(change, index.column());
    case Qt::TextAlignmentRole:
        return int(index.column() >= SizeColumn ? Qt::AlignRight | Qt::AlignVCenter : Qt::AlignLeft | Qt::AlignVCenter);
    case Qt::ToolTipRole:
        if (index.column() == SizeColumn)
            return tr("%1 bytes → %2 bytes").arg(wholeText(change.bytesFrom), wholeText(change.bytesTo));
        if (index.column() == TensorColumn)
            return change.name;
        if (index.column() >= ErrorFromColumn)
            return tr("Relative error %1 % → %2 %").arg(percent(change.errorFrom), percent(change.errorTo));
        return text(change, index.column());
    default: return {};
    }
}

QVariant ChangesModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || section < 0 || section >= ColumnCount)
        return {};
    if (role == Qt::TextAlignmentRole)
        return int(section >= SizeColumn ? Qt::AlignRight | Qt::AlignVCenter : Qt::AlignLeft | Qt::AlignVCenter);
    if (role == Qt::DisplayRole) {
        switch (section) {
        case TensorColumn: return tr("Tensor");
        case FromColumn: return tr("A");
        case ToColumn: return tr("B");
        case SizeColumn: return m_unit.isEmpty() ? tr("Δ size") : tr("Δ size (%1)").arg(m_unit);
        case ErrorFromColumn: return tr("Error A (%)");
        case ErrorToColumn: return tr("Error B (%)");
        default: return tr("Δ error (%)");
        }
    }
    if (role == Qt::ToolTipRole) {
        switch (section) {
        case FromColumn: return tr("How A keeps the tensor");
        case ToColumn: return tr("How B keeps the tensor");
        case SizeColumn: return tr("Bytes under B less bytes under A, all overhead included (1 MB = 1e6 bytes)");
        case ErrorFromColumn:
        case ErrorToColumn: return tr("Relative error ‖ŵ − w‖ / ‖w‖ to the weights of the open model, in percent");
        case ErrorColumn: return tr("Relative error under B less that under A, in percentage points");
        default: return {};
        }
    }
    return {};
}

} // namespace ql
