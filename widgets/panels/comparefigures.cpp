// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/comparefigures.h"

#include "widgets/models/numbertext.h"
#include "widgets/panels/metricfigures.h"
#include "widgets/theme.h"

#include <QCoreApplication>

#include <cmath>

namespace ql {
namespace {

/// Figures of the weights; those of outputs need activations.
const std::vector<const MetricFigure*>& weightFigures()
{
    static const std::vector<const MetricFigure*> figures = [] {
        std::vector<const MetricFigure*> found;
        for (const MetricFigure& figure : metricFigures()) {
            if (figure.value)
                found.push_back(&figure);
        }
        return found;
    }();
    return figures;
}

} // namespace

void CompareFigures::setFigures(const std::optional<ErrorMetrics>& a, const std::optional<ErrorMetrics>& b)
{
    m_a = a;
    m_b = b;
    Q_EMIT dataChanged(index(0, 0), index(rowCount() - 1, ColumnCount - 1));
}

int CompareFigures::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : int(weightFigures().size());
}

int CompareFigures::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : ColumnCount;
}

QString CompareFigures::text(int row, int column) const
{
    const MetricFigure& figure = *weightFigures()[size_t(row)];
    const QString unit = QString::fromUtf8(figure.unit);
    if (column == MeasureColumn)
        return unit.isEmpty() ? metricText(figure.name) : QStringLiteral("%1 (%2)").arg(metricText(figure.name), unit);
    if (column == AColumn || column == BColumn) {
        const auto& metrics = column == AColumn ? m_a : m_b;
        return metrics ? figureText(figure, figure.value(*metrics)) : kPendingText;
    }
    if (!m_a || !m_b)
        return kPendingText;
    const double a = figure.value(*m_a), b = figure.value(*m_b);
    if (a == b)
        return QStringLiteral("0");
    return std::isfinite(a) && std::isfinite(b) ? signedNumberText(b - a) : kNothingText;
}

QVariant CompareFigures::data(const QModelIndex& index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid | CheckIndexOption::ParentIsInvalid))
        return {};
    const MetricFigure& figure = *weightFigures()[size_t(index.row())];
    switch (role) {
    case Qt::DisplayRole: return text(index.row(), index.column());
    case Qt::TextAlignmentRole:
        return int(index.column() == MeasureColumn ? Qt::AlignLeft | Qt::AlignVCenter : Qt::AlignRight | Qt::AlignVCenter);
    case Qt::ToolTipRole:
        return QStringLiteral("%1\n%2").arg(QString::fromUtf8(figure.formula), metricText(figure.meaning));
    case Qt::ForegroundRole:
        if (index.column() == DeltaColumn && m_a && m_b) {
            const Trend trend = trendOf(figure, figure.value(*m_b), figure.value(*m_a));
            if (trend != Trend::Same)
                return theme::color(trend == Trend::Better ? Ink::Good : Ink::Bad);
        }
        return {};
    default: return {};
    }
}

QVariant CompareFigures::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal)
        return {};
    if (role == Qt::TextAlignmentRole)
        return int(section == MeasureColumn ? Qt::AlignLeft | Qt::AlignVCenter : Qt::AlignRight | Qt::AlignVCenter);
    if (role == Qt::ToolTipRole && section == DeltaColumn)
        return tr("B less A; coloured where B is better or worse by more than three digits show");
    if (role != Qt::DisplayRole)
        return {};
    switch (section) {
    case MeasureColumn: return tr("Measure");
    case AColumn: return tr("A");
    case BColumn: return tr("B");
    default: return tr("B − A");
    }
}

} // namespace ql
