// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// LayersFilterModel: the layers table filtered by a FilterExpression and sorted by raw numbers, unknown ones last.
// While numbers arrive the order is renewed a few times a second at most, however large the model. GUI thread.
#pragma once

#include "widgets/models/filterexpression.h"
#include "widgets/models/layersmodel.h"

#include <QSortFilterProxyModel>
#include <QTimer>

namespace ql {

class LayersFilterModel : public QSortFilterProxyModel
{
    Q_OBJECT
public:
    explicit LayersFilterModel(LayersModel* layers, QObject* parent = nullptr);

    void setFilterText(const QString& text);
    const QString& filterText() const { return m_text; }
    const FilterExpression& expression() const { return m_expression; }
    int shownTensors() const; ///< that pass the filter; groups do not count

    void sort(int column, Qt::SortOrder order = Qt::AscendingOrder) override;

Q_SIGNALS:
    void filterTextChanged();

protected:
    bool filterAcceptsRow(int sourceRow, const QModelIndex& sourceParent) const override;
    bool lessThan(const QModelIndex& left, const QModelIndex& right) const override;

private:
    void settle();

    LayersModel* m_layers;
    QString m_text;
    FilterExpression m_expression;
    QTimer m_settle;
};

} // namespace ql
