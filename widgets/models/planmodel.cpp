// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/planmodel.h"

#include "widgets/models/numbertext.h"

#include <QStringList>

#include <algorithm>

namespace ql {
namespace {

bool isRemarkable(const PlanEntry& entry)
{
    return !entry.decision.fallback.empty() || !entry.warnings.empty();
}

QString remarksOf(const PlanEntry& entry)
{
    QStringList remarks;
    if (!entry.decision.fallback.empty())
        remarks << QString::fromStdString(entry.decision.fallback);
    for (const std::string& warning : entry.warnings)
        remarks << QString::fromStdString(warning);
    return remarks.join(QStringLiteral("; "));
}

QString schemeOf(const PlanEntry& entry)
{
    return entry.decision.asStored ? PlanModel::tr("as stored") : QString::fromStdString(entry.decision.scheme.text());
}

} // namespace

void PlanModel::setEntries(const Entries& entries)
{
    beginResetModel();
    m_entries = entries ? entries : std::make_shared<const std::vector<PlanEntry>>();
    uint64_t largest = 0;
    for (const PlanEntry& entry : *m_entries)
        largest = std::max({largest, entry.sourceBytes, entry.targetBytes});
    const ColumnUnit unit = bytesUnit(double(largest));
    m_divisor = unit.divisor;
    m_unit = unit.name;
    endResetModel();
}

int PlanModel::fallbacks() const
{
    return int(std::count_if(m_entries->begin(), m_entries->end(),
                             [](const PlanEntry& entry) { return !entry.decision.fallback.empty(); }));
}

int PlanModel::remarkable() const
{
    return int(std::count_if(m_entries->begin(), m_entries->end(), isRemarkable));
}

bool PlanModel::isLess(int row, int other, int column) const
{
    const PlanEntry &a = (*m_entries)[size_t(row)], &b = (*m_entries)[size_t(other)];
    switch (column) {
    case TensorColumn: return a.tensor < b.tensor;
    case FromColumn: return a.sourceBytes < b.sourceBytes;
    case ToColumn: return a.targetBytes < b.targetBytes;
    case BitsColumn: return a.bitsPerWeight < b.bitsPerWeight;
    default: return display(a, column).toString() < display(b, column).toString();
    }
}

int PlanModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : int(m_entries->size());
}

int PlanModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : ColumnCount;
}

QVariant PlanModel::display(const PlanEntry& entry, int column) const
{
    switch (column) {
    case TensorColumn: return QString::fromStdString(entry.tensor);
    case SchemeColumn: return schemeOf(entry);
    case FromColumn: return numberText(double(entry.sourceBytes) / m_divisor);
    case ToColumn: return numberText(double(entry.targetBytes) / m_divisor);
    case BitsColumn: return numberText(entry.bitsPerWeight);
    default: return remarksOf(entry);
    }
}

QVariant PlanModel::raw(const PlanEntry& entry, int column) const
{
    switch (column) {
    case FromColumn: return qulonglong(entry.sourceBytes);
    case ToColumn: return qulonglong(entry.targetBytes);
    case BitsColumn: return entry.bitsPerWeight;
    default: return display(entry, column);
    }
}

QVariant PlanModel::data(const QModelIndex& index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid | CheckIndexOption::ParentIsInvalid))
        return {};
    const PlanEntry& entry = (*m_entries)[size_t(index.row())];
    switch (role) {
    case Qt::DisplayRole: return display(entry, index.column());
    case SortRole: return raw(entry, index.column());
    case RemarkableRole: return isRemarkable(entry);
    case Qt::TextAlignmentRole:
        return int(index.column() >= FromColumn && index.column() <= BitsColumn ? Qt::AlignRight | Qt::AlignVCenter
                                                                               : Qt::AlignLeft | Qt::AlignVCenter);
    case Qt::ToolTipRole:
        switch (index.column()) {
        case SchemeColumn: return QString::fromStdString(entry.decision.because);
        case FromColumn: return tr("%1 bytes in the model").arg(wholeText(entry.sourceBytes));
        case ToColumn: return tr("%1 bytes in the file").arg(wholeText(entry.targetBytes));
        case BitsColumn: return {};
        default: return display(entry, index.column());
        }
    default: return {};
    }
}

QVariant PlanModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || section < 0 || section >= ColumnCount)
        return {};
    const auto withUnit = [this](const QString& title) {
        return m_unit.isEmpty() ? title : tr("%1 (%2)").arg(title, m_unit);
    };
    if (role == Qt::DisplayRole) {
        switch (section) {
        case TensorColumn: return tr("Tensor");
        case SchemeColumn: return tr("Scheme");
        case FromColumn: return withUnit(tr("From"));
        case ToColumn: return withUnit(tr("To"));
        case BitsColumn: return tr("Bits/w");
        default: return tr("Remarks");
        }
    }
    if (role == Qt::ToolTipRole) {
        switch (section) {
        case FromColumn: return tr("Bytes of the tensor in the model (1 MB = 1e6 bytes)");
        case ToColumn: return tr("Bytes of the tensor in what is written, scales and zero points included");
        case BitsColumn: return tr("Bits per weight as the scheme packs it, all overhead included");
        case RemarksColumn: return tr("What is done instead where the format or the shape cannot carry the scheme, and warnings");
        default: return {};
        }
    }
    if (role == Qt::TextAlignmentRole)
        return int(section >= FromColumn && section <= BitsColumn ? Qt::AlignRight | Qt::AlignVCenter
                                                                  : Qt::AlignLeft | Qt::AlignVCenter);
    return {};
}

} // namespace ql
