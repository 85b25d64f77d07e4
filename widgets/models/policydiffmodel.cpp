// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/policydiffmodel.h"

#include "core/base/format.h"
#include "widgets/models/coretext.h"
#include "widgets/models/numbertext.h"

namespace ql {
namespace {

QString bytesChange(double difference)
{
    const QString size = bytesText(quint64(std::abs(difference)));
    return difference == 0 ? QStringLiteral("0 B") : (difference > 0 ? QStringLiteral("+") : QStringLiteral("−")) + size;
}

} // namespace

void PolicyDiffModel::setDiff(std::shared_ptr<const Model> model, PolicyDiff diff)
{
    beginResetModel();
    m_model = std::move(model);
    m_diff = std::move(diff);
    endResetModel();
}

void PolicyDiffModel::setSwapped(bool swapped)
{
    beginResetModel();
    m_swapped = swapped;
    endResetModel();
}

QString PolicyDiffModel::summary() const
{
    if (!m_model)
        return {};
    const auto before = m_swapped ? m_diff.bytesAfter : m_diff.bytesBefore, after = m_swapped ? m_diff.bytesBefore : m_diff.bytesAfter;
    QString text = m_diff.changes.empty() ? tr("Every tensor gets the same scheme")
                                          : tr("%1 of %2 tensors differ").arg(m_diff.changes.size()).arg(m_model->tensors().size());
    text += tr("; %1 → %2 (%3)").arg(fromStd(formatBytes(before)), fromStd(formatBytes(after)), bytesChange(double(after) - double(before)));
    for (const std::string& other : m_diff.others)
        text += '\n' + fromStd(other);
    return text;
}

int PolicyDiffModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : int(m_diff.changes.size());
}

int PolicyDiffModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : ColumnCount;
}

std::optional<double> PolicyDiffModel::errorChange(const PolicyChange& change) const
{
    if (!change.errorBefore || !change.errorAfter)
        return std::nullopt;
    const double difference = *change.errorAfter - *change.errorBefore;
    return m_swapped ? -difference : difference;
}

QVariant PolicyDiffModel::data(const QModelIndex& index, int role) const
{
    if (!index.isValid())
        return {};
    const PolicyChange& change = m_diff.changes[size_t(index.row())];
    const TensorInfo& tensor = m_model->tensors()[size_t(change.tensor)];
    const Decision& before = m_swapped ? change.after : change.before;
    const Decision& after = m_swapped ? change.before : change.after;
    const double bytes = (double(change.bytesAfter) - double(change.bytesBefore)) * (m_swapped ? -1 : 1);
    const bool number = index.column() >= SizeColumn;
    const auto error = errorChange(change);
    if (role == Qt::TextAlignmentRole)
        return QVariant::fromValue((number ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    if (role == SortRole) {
        if (index.column() == TensorColumn)
            return change.tensor;
        if (index.column() == ErrorColumn)
            return error ? QVariant(*error) : QVariant();
        if (index.column() == SizeColumn)
            return bytes;
    } else if (role == Qt::ToolTipRole && (index.column() == BeforeColumn || index.column() == AfterColumn)) {
        const Decision& decision = index.column() == BeforeColumn ? before : after;
        const QString tip = fromStd(decidedText(tensor, decision)) + '\n' + fromStd(decision.because);
        return decision.fallback.empty() ? tip : tip + '\n' + fromStd(decision.fallback);
    } else if (role != Qt::DisplayRole && role != Qt::ToolTipRole) {
        return {};
    }
    switch (index.column()) {
    case TensorColumn: return fromStd(tensor.name);
    case BeforeColumn: return fromStd(decidedText(tensor, before));
    case AfterColumn: return fromStd(decidedText(tensor, after));
    case SizeColumn: return bytesChange(bytes);
    case ErrorColumn: return error ? signedNumberText(*error) : kNothingText;
    }
    return {};
}

QVariant PolicyDiffModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation == Qt::Vertical)
        return {};
    if (role == Qt::TextAlignmentRole)
        return QVariant::fromValue((section >= SizeColumn ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    if (role == Qt::ToolTipRole && section == ErrorColumn)
        return tr("Change of the relative error ‖x̂ − x‖ / ‖x‖, where both were measured.");
    if (role == Qt::ToolTipRole && section == SizeColumn)
        return tr("Change of the tensor's size as packed by its scheme (1 kB = 1000 bytes).");
    if (role != Qt::DisplayRole)
        return {};
    switch (section) {
    case TensorColumn: return tr("Tensor");
    case BeforeColumn: return tr("From");
    case AfterColumn: return tr("To");
    case SizeColumn: return tr("Size");
    case ErrorColumn: return tr("Error");
    }
    return {};
}

} // namespace ql
