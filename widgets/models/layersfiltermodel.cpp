// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/layersfiltermodel.h"

#include <QElapsedTimer>

#include <algorithm>

namespace ql {
namespace {

constexpr qint64 kSettleMs = 400; ///< at least this long between two re-sortings

int columnOf(FilterExpression::Key key)
{
    switch (key) {
    case FilterExpression::Key::Name: return LayersModel::NameColumn;
    case FilterExpression::Key::Role: return LayersModel::RoleColumn;
    case FilterExpression::Key::Type: return LayersModel::TypeColumn;
    case FilterExpression::Key::Scheme:
    case FilterExpression::Key::Mark: return LayersModel::SchemeColumn;
    case FilterExpression::Key::Layer: return LayersModel::NameColumn;
    case FilterExpression::Key::Sqnr: return LayersModel::SqnrColumn;
    case FilterExpression::Key::RelativeError: return LayersModel::RelativeErrorColumn;
    case FilterExpression::Key::OutputError: return LayersModel::OutputErrorColumn;
    case FilterExpression::Key::Kl: return LayersModel::KlColumn;
    case FilterExpression::Key::Kurtosis: return LayersModel::KurtosisColumn;
    case FilterExpression::Key::Outliers: return LayersModel::OutliersColumn;
    case FilterExpression::Key::Parameters: return LayersModel::ParametersColumn;
    case FilterExpression::Key::Bits: return LayersModel::BitsColumn;
    case FilterExpression::Key::Size: return LayersModel::SizeColumn;
    }
    Q_UNREACHABLE();
}

int roleOf(FilterExpression::Key key)
{
    switch (key) {
    case FilterExpression::Key::Name: return LayersModel::FullNameRole;
    case FilterExpression::Key::Mark: return LayersModel::MarkRole;
    case FilterExpression::Key::Layer: return LayersModel::LayerRole;
    default: return LayersModel::SortRole;
    }
}

} // namespace

LayersFilterModel::LayersFilterModel(LayersModel* layers, QObject* parent)
    : QSortFilterProxyModel(parent)
    , m_layers(layers)
{
    setRecursiveFilteringEnabled(true);
    setDynamicSortFilter(false);
    setSourceModel(layers);
    m_settle.setSingleShot(true);
    m_settle.setInterval(int(kSettleMs));
    connect(&m_settle, &QTimer::timeout, this, &LayersFilterModel::settle);
    connect(layers, &QAbstractItemModel::dataChanged, this, [this] {
        if (!m_settle.isActive())
            m_settle.start();
    });
}

void LayersFilterModel::settle()
{
    if (sortColumn() < 0 && m_expression.isEmpty())
        return;
    QElapsedTimer timer;
    timer.start();
    invalidate();
    m_settle.setInterval(int(std::max(kSettleMs, 10 * timer.elapsed()))); // at most a tenth of the time goes here
}

void LayersFilterModel::setFilterText(const QString& text)
{
    if (text == m_text)
        return;
    m_text = text;
    m_expression = FilterExpression::parse(text);
    invalidate(); // one change of layout; invalidateFilter() would remove thousands of runs of rows one by one
    Q_EMIT filterTextChanged();
}

int LayersFilterModel::shownTensors() const
{
    int shown = 0;
    for (int row = 0; row < rowCount(); ++row) {
        const QModelIndex top = index(row, 0);
        shown += top.data(LayersModel::TensorIndexRole).toInt() >= 0 ? 1 : rowCount(top);
    }
    return shown;
}

void LayersFilterModel::sort(int column, Qt::SortOrder order)
{
    QSortFilterProxyModel::sort(column, order);
    if (column < 0)
        invalidate(); // back to the model's own order
}

bool LayersFilterModel::filterAcceptsRow(int sourceRow, const QModelIndex& sourceParent) const
{
    if (m_expression.isEmpty())
        return true;
    const QModelIndex first = m_layers->index(sourceRow, 0, sourceParent);
    if (first.data(LayersModel::TensorIndexRole).toInt() < 0)
        return false; // groups stay when one of their tensors does
    return m_expression.accepts(
        [&](FilterExpression::Key key) { return first.siblingAtColumn(columnOf(key)).data(roleOf(key)); });
}

bool LayersFilterModel::lessThan(const QModelIndex& left, const QModelIndex& right) const
{
    const QVariant a = left.data(LayersModel::SortRole), b = right.data(LayersModel::SortRole);
    if (!a.isValid() || !b.isValid()) // unknown goes last in either direction
        return a.isValid() != b.isValid() ? a.isValid() == (sortOrder() == Qt::AscendingOrder) : false;
    if (a.userType() == QMetaType::QString)
        return QString::compare(a.toString(), b.toString(), Qt::CaseInsensitive) < 0;
    return a.toDouble() < b.toDouble();
}

} // namespace ql
