// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/budgetmodel.h"

#include "core/base/format.h"
#include "core/quant/schemetable.h"
#include "widgets/models/coretext.h"
#include "widgets/models/numbertext.h"
#include "widgets/models/schemelabel.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace ql {
namespace {

/// What changes: the format alone where groups and clipping stay.
QString stepLabel(const Scheme& from, const Scheme& to)
{
    const bool alike = traits(from.format).kind == traits(to.format).kind && from.granularity == to.granularity &&
                       from.groupSize == to.groupSize && from.clip == to.clip && from.clipParameter == to.clipParameter &&
                       from.symmetry == to.symmetry && from.format != to.format;
    const std::string_view name = traits(to.format).label;
    return alike ? fromStd(name) : schemeLabelWithClip(to);
}

} // namespace

void BudgetModel::setSearch(const Shared<BudgetSearch>& search)
{
    beginResetModel();
    m_search = search;
    m_found.reset();
    m_rows.clear();
    uint64_t largest = 0;
    for (size_t p = 0; search && p < search->parts().size(); ++p) {
        const BudgetSearch::Part& part = search->parts()[p];
        if (!part.searched && search->table().rows[size_t(part.tensors.front())].asStored)
            continue;
        Row row{int(p), shortTensorName(fromStd(search->nameOf(int(p)))), 0};
        for (const int tensor : part.tensors)
            row.weights += search->model().tensors()[size_t(tensor)].parameters();
        for (const AllocationCandidate& candidate : search->problem().groups()[p].candidates)
            largest = std::max(largest, candidate.bytes);
        m_rows.push_back(std::move(row));
    }
    m_unit = bytesUnit(double(largest));
    endResetModel();
}

void BudgetModel::setFound(const std::optional<Allocation>& found)
{
    m_found = m_search ? found : std::nullopt;
    if (!m_rows.empty())
        Q_EMIT dataChanged(index(0, SchemeText), index(rowCount() - 1, ColumnCount - 1));
}

void BudgetModel::setCompact(bool compact)
{
    if (compact == m_compact)
        return;
    m_compact = compact;
    if (!m_rows.empty())
        Q_EMIT dataChanged(index(0, StepUp), index(rowCount() - 1, StepDown));
}

int BudgetModel::tensorOf(int row) const
{
    return m_search->parts()[size_t(m_rows[size_t(row)].part)].tensors.front();
}

int BudgetModel::rowOf(int tensor) const
{
    for (size_t r = 0; r < m_rows.size(); ++r) {
        const std::vector<int>& tensors = m_search->parts()[size_t(m_rows[r].part)].tensors;
        if (std::find(tensors.begin(), tensors.end(), tensor) != tensors.end())
            return int(r);
    }
    return -1;
}

QString BudgetModel::bestStepText() const
{
    const auto best = m_found ? m_search->problem().bestStepUp(m_found->choice) : std::nullopt;
    if (!best)
        return {};
    return tr("%1 to %2: %3 for %4 % of the error")
        .arg(shortTensorName(fromStd(m_search->nameOf(best->group))), fromStd(m_search->schemeOf(best->group, best->candidate).text()),
             bytesText(uint64_t(best->bytes)), numberText(-shareOf(best->cost)));
}

std::vector<BudgetModel::Sum> BudgetModel::sums(By by) const
{
    std::map<int, Sum> sums; ///< ordered by layer or role
    for (const Row& row : m_found ? m_rows : std::vector<Row>()) {
        const BudgetSearch::Part& part = m_search->parts()[size_t(row.part)];
        const std::vector<int>& cells = part.cells[size_t(m_found->choice[size_t(row.part)])];
        for (size_t t = 0; t < cells.size(); ++t) {
            const TensorInfo& tensor = m_search->model().tensors()[size_t(part.tensors[t])];
            const CostTable::Cell& cell = m_search->table().rows[size_t(part.tensors[t])].cells[size_t(cells[t])];
            Sum& sum = sums[by == By::Layer ? tensor.layer : int(tensor.role)];
            const std::string_view role = roleName(tensor.role);
            sum.name = by == By::Role      ? fromStd(role)
                       : tensor.layer >= 0 ? QString::number(tensor.layer)
                                           : tr("outside");
            sum.bytes += cell.bytes;
            sum.weights += tensor.parameters();
            sum.error += cell.error;
        }
    }
    std::vector<Sum> ordered;
    for (auto& [key, sum] : sums)
        ordered.push_back(std::move(sum));
    return ordered;
}

int BudgetModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : int(m_rows.size());
}

int BudgetModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : int(ColumnCount);
}

const AllocationCandidate& BudgetModel::chosen(const Row& row) const
{
    return m_search->problem().groups()[size_t(row.part)].candidates[size_t(m_found->choice[size_t(row.part)])];
}

std::optional<AllocationStep> BudgetModel::step(const Row& row, int column) const
{
    const int now = m_found->choice[size_t(row.part)];
    return column == StepUp ? m_search->problem().stepUp(row.part, now) : m_search->problem().stepDown(row.part, now);
}

double BudgetModel::shareOf(double error) const
{
    return m_found->cost > 0 ? 100 * error / m_found->cost : 0;
}

QString BudgetModel::stepText(const Row& row, int column) const
{
    const auto found = step(row, column);
    if (!found)
        return kNothingText;
    const Scheme& now = m_search->schemeOf(row.part, m_found->choice[size_t(row.part)]);
    const QString scheme = stepLabel(now, m_search->schemeOf(row.part, found->candidate));
    if (m_compact)
        return tr("%1 %2 %").arg(scheme, signedNumberText(shareOf(found->cost), 2));
    const QString error = signedNumberText(shareOf(found->cost));
    const QString bytes = bytesText(uint64_t(std::abs(found->bytes)));
    return tr("%1  %2%3  %4 %")
        .arg(scheme, found->bytes < 0 ? QStringLiteral("−") : QStringLiteral("+"), bytes, error);
}

/// "The next step up, int5, costs 12.0 MB for 0.4 % of the error."
QString BudgetModel::stepTip(const Row& row, int column) const
{
    const auto found = step(row, column);
    if (!found) {
        const CostTable::Row& first = m_search->table().rows[size_t(m_search->parts()[size_t(row.part)].tensors.front())];
        if (!m_search->parts()[size_t(row.part)].searched)
            return tr("Not up to the search: %1.").arg(fromStd(first.because));
        return column == StepUp ? tr("No larger candidate has a smaller error.") : tr("Nothing is smaller.");
    }
    const QString scheme = fromStd(m_search->schemeOf(row.part, found->candidate).text());
    const QString bytes = bytesText(uint64_t(std::abs(found->bytes)));
    return column == StepUp ? tr("The next step up, %1, costs %2 for %3 % of the error.")
                                  .arg(scheme, bytes, numberText(-shareOf(found->cost)))
                            : tr("The next step down, %1, frees %2 for %3 % more error.")
                                  .arg(scheme, bytes, numberText(shareOf(found->cost)));
}

QString BudgetModel::display(const Row& row, int column) const
{
    if (column == Name)
        return row.name;
    if (!m_found)
        return kPendingText;
    switch (column) {
    case SchemeText: return schemeLabelWithClip(m_search->schemeOf(row.part, m_found->choice[size_t(row.part)]));
    case Bits: return numberText(8 * double(chosen(row).bytes) / double(std::max<uint64_t>(1, row.weights)));
    case Size: return numberText(double(chosen(row).bytes) / m_unit.divisor);
    case Share: return numberText(shareOf(chosen(row).cost));
    default: return stepText(row, column);
    }
}

QVariant BudgetModel::sortValue(const Row& row, int column) const
{
    if (column == Name)
        return row.part;
    if (!m_found)
        return {};
    switch (column) {
    case Bits: return 8 * double(chosen(row).bytes) / double(std::max<uint64_t>(1, row.weights));
    case Size: return double(chosen(row).bytes);
    case Share: return chosen(row).cost;
    case StepUp:
    case StepDown: { // by what a byte buys
        const auto found = step(row, column);
        return found ? std::abs(found->cost / double(found->bytes)) : 0.0;
    }
    default: return display(row, column);
    }
}

QVariant BudgetModel::data(const QModelIndex& index, int role) const
{
    if (!index.isValid())
        return {};
    const Row& row = m_rows[size_t(index.row())];
    const bool left = index.column() == Name || index.column() == SchemeText;
    switch (role) {
    case Qt::DisplayRole: return display(row, index.column());
    case Qt::TextAlignmentRole: return int((left ? Qt::AlignLeft : Qt::AlignRight) | Qt::AlignVCenter);
    case kSortRole: return sortValue(row, index.column());
    case Qt::ToolTipRole:
        if (index.column() == Name || !m_found)
            return fromStd(m_search->nameOf(row.part));
        if (index.column() == StepUp || index.column() == StepDown)
            return stepTip(row, index.column());
        return fromStd(m_search->schemeOf(row.part, m_found->choice[size_t(row.part)]).text());
    default: return {};
    }
}

QVariant BudgetModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || section < 0 || section >= ColumnCount)
        return {};
    const QString titles[] = {tr("Weights"), tr("Scheme"), m_rows.empty() ? tr("Size") : tr("Size (%1)").arg(m_unit.name),
                              tr("Error (%)"), tr("Step up"), tr("Step down"), tr("Bits")};
    const QString tips[] = {
        tr("A tensor, or those that share a scheme"), tr("What the search chose"),
        tr("Bytes as stored (1 MB = 1e6 bytes)"),
        tr("Share of the whole error, in percent of what the policy found here has"),
        tr("The larger scheme that takes most error away per byte: what it costs in bytes and how much of the whole error "
           "it removes. Sorts by error per byte"),
        tr("The smaller scheme that adds least error per byte: what it frees in bytes and how much it adds to the whole "
           "error. Sorts by error per byte"),
        tr("Bits per weight, scales and zero points counted")};
    if (role == Qt::DisplayRole)
        return titles[section];
    if (role == Qt::TextAlignmentRole)
        return int((section == Name || section == SchemeText ? Qt::AlignLeft : Qt::AlignRight) | Qt::AlignVCenter);
    return role == Qt::ToolTipRole ? QVariant(tips[section]) : QVariant();
}

} // namespace ql
