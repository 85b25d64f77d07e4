// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/rangemarksmodel.h"

#include "widgets/models/numbertext.h"
#include "widgets/models/rangename.h"

namespace ql {

void RangeMarksModel::setMarks(std::vector<RangeMark> marks)
{
    const bool same = marks.size() == m_marks.size();
    if (!same)
        beginResetModel();
    m_marks = std::move(marks);
    if (!same)
        endResetModel();
    else if (!m_marks.empty())
        Q_EMIT dataChanged(index(0, 0), index(rowCount() - 1, ColumnCount - 1));
}

void RangeMarksModel::setScheme(const std::optional<ActivationScheme>& scheme)
{
    m_scheme = scheme;
    if (!m_marks.empty())
        Q_EMIT dataChanged(index(0, 0), index(rowCount() - 1, ColumnCount - 1));
}

int RangeMarksModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : int(m_marks.size());
}

int RangeMarksModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : int(ColumnCount);
}

bool RangeMarksModel::isChosen(const RangeMark& mark) const
{
    return m_scheme && m_scheme->granularity == ActivationScheme::Granularity::Tensor && m_scheme->range == mark.range &&
           m_scheme->rangeParameter == mark.parameter;
}

bool RangeMarksModel::isBest(size_t row) const
{
    for (const RangeMark& other : m_marks) {
        if (other.mse < m_marks[row].mse)
            return false;
    }
    return true;
}

QVariant RangeMarksModel::data(const QModelIndex& index, int role) const
{
    if (role == Qt::TextAlignmentRole)
        return int((index.column() == Method ? Qt::AlignLeft : Qt::AlignRight) | Qt::AlignVCenter);
    if (!index.isValid())
        return {};
    const RangeMark& mark = m_marks[size_t(index.row())];
    if (role == Qt::ToolTipRole)
        return rangeSummary(mark.range) + QLatin1Char('\n') + tr("Double click or press Return to use it.");
    if (role != Qt::DisplayRole)
        return {};
    switch (index.column()) {
    case Method: {
        QString name = rangeName(mark.range, mark.parameter);
        if (isBest(size_t(index.row())))
            name = tr("%1 (lowest error)").arg(name);
        return isChosen(mark) ? QStringLiteral("● ") + name : name;
    }
    case Limits: return limitsText(double(mark.limits.lo), double(mark.limits.hi));
    case MeanSquaredError: return numberText(mark.mse);
    case Sqnr: return decibelText(mark.sqnrDb);
    default: return {};
    }
}

QVariant RangeMarksModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || section < 0 || section >= ColumnCount)
        return {};
    const QString titles[] = {tr("Method"), tr("Limits"), tr("MSE"), tr("SQNR (dB)")};
    const QString tips[] = {tr("How the range of all tokens is chosen"),
                            tr("Values outside are stored as the outermost level; in units of the activation"),
                            tr("Mean of the squared error over the histogram, in squared units of the activation"),
                            tr("Signal to quantization noise: 10 log₁₀(Σx² ÷ Σ(x̂ − x)²), dB; higher is better")};
    if (role == Qt::DisplayRole)
        return titles[section];
    if (role == Qt::TextAlignmentRole)
        return int((section == Method ? Qt::AlignLeft : Qt::AlignRight) | Qt::AlignVCenter);
    return role == Qt::ToolTipRole ? QVariant(tips[section]) : QVariant();
}

} // namespace ql
