// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/layersview.h"

#include "widgets/delegates/layersdelegate.h"
#include "widgets/models/layercolumns.h"
#include "widgets/models/layersfiltermodel.h"

#include <QHeaderView>
#include <QKeyEvent>
#include <QMenu>

#include <algorithm>
#include <set>
#include <span>

namespace ql {
namespace {

struct Placement {
    LayersModel::Column column;
    int characters; ///< width in digits
    bool shown;
};
// What decides comes first, so that a narrow dock shows it without scrolling.
constexpr Placement kPlacements[] = {
    {LayersModel::NameColumn, 25, true},           {LayersModel::SchemeColumn, 10, true},
    {LayersModel::SqnrColumn, 9, true},            {LayersModel::OutputErrorColumn, 10, true},
    {LayersModel::KlColumn, 9, true},              {LayersModel::BitsColumn, 7, true},
    {LayersModel::SizeColumn, 9, true},            {LayersModel::KurtosisColumn, 8, true},
    {LayersModel::OutliersColumn, 13, true},       {LayersModel::RelativeErrorColumn, 9, true},
    {LayersModel::ShapeColumn, 13, true},          {LayersModel::TypeColumn, 6, true},
    {LayersModel::ParametersColumn, 11, false},    {LayersModel::RoleColumn, 11, false},
};
static_assert(std::size(kPlacements) == LayersModel::ColumnCount);

} // namespace

LayersView::LayersView(LayersModel* layers, LayersFilterModel* filter, QWidget* parent)
    : QTreeView(parent)
    , m_layers(layers)
    , m_filter(filter)
{
    setModel(filter);
    setItemDelegate(new LayersDelegate(this));
    setUniformRowHeights(true); // keeps 100,000 rows smooth
    setSelectionMode(ExtendedSelection);
    setSelectionBehavior(SelectRows);
    setAllColumnsShowFocus(true);
    setIndentation(14);
    setFrameShape(NoFrame);
    setHorizontalScrollMode(ScrollPerPixel);
    setVerticalScrollMode(ScrollPerPixel);
    setStyleSheet(QStringLiteral("QTreeView::item { padding: 0px 4px; }"));
    setAccessibleName(tr("Tensors"));
    header()->setSortIndicatorClearable(true);
    header()->setSectionsMovable(true);
    header()->setFirstSectionMovable(false);
    header()->setStretchLastSection(false);
    header()->setMinimumSectionSize(36);
    header()->setContextMenuPolicy(Qt::CustomContextMenu);
    connect(header(), &QWidget::customContextMenuRequested, this, [this](const QPoint& at) {
        QMenu menu(this);
        fillColumnMenu(&menu);
        menu.exec(header()->mapToGlobal(at));
    });
    setSortingEnabled(true);
    resetColumns();
    connect(layers, &QAbstractItemModel::modelReset, this, &LayersView::fitTypes);
}

/// Packed types have long names; the first thousands of tensors show all that a model has.
void LayersView::fitTypes()
{
    constexpr size_t kLooked = 2000;
    std::set<std::string> labels;
    if (m_layers->model()) {
        const auto tensors = std::span(m_layers->model()->tensors());
        for (const TensorInfo& tensor : tensors.first(std::min(kLooked, tensors.size())))
            labels.insert(tensor.typeLabel());
    }
    int width = header()->sectionSize(LayersModel::TypeColumn);
    for (const std::string& label : labels)
        width = std::max(width, fontMetrics().horizontalAdvance(QString::fromStdString(label)) + 16);
    if (!header()->isSectionHidden(LayersModel::TypeColumn))
        header()->resizeSection(LayersModel::TypeColumn, width);
}

void LayersView::resetColumns()
{
    const int digit = fontMetrics().horizontalAdvance('0');
    header()->setSortIndicator(-1, Qt::AscendingOrder);
    for (int visual = 0; visual < LayersModel::ColumnCount; ++visual) {
        const Placement& placement = kPlacements[visual];
        header()->moveSection(header()->visualIndex(placement.column), visual);
        const int title = fontMetrics().horizontalAdvance(
            m_filter->headerData(placement.column, Qt::Horizontal).toString());
        header()->resizeSection(placement.column, std::max(placement.characters * digit, title + 20));
        header()->setSectionHidden(placement.column, !placement.shown);
    }
    fitTypes();
}

void LayersView::fillColumnMenu(QMenu* menu)
{
    for (int column = LayersModel::NameColumn + 1; column < LayersModel::ColumnCount; ++column) {
        QAction* action = menu->addAction(m_filter->headerData(column, Qt::Horizontal).toString());
        action->setCheckable(true);
        action->setChecked(!header()->isSectionHidden(column));
        action->setToolTip(layerColumnMeaning(column));
        connect(action, &QAction::toggled, this,
                [this, column](bool shown) { header()->setSectionHidden(column, !shown); });
    }
    menu->addSeparator();
    connect(menu->addAction(tr("Reset columns")), &QAction::triggered, this, &LayersView::resetColumns);
    menu->setToolTipsVisible(true);
}

QModelIndex LayersView::viewIndex(int tensor) const
{
    return m_filter->mapFromSource(m_layers->indexOfTensor(tensor));
}

QList<int> LayersView::selectedTensors() const
{
    QList<int> tensors;
    const auto rows = selectionModel()->selectedRows();
    for (const QModelIndex& row : rows) {
        const int tensor = row.data(LayersModel::TensorIndexRole).toInt();
        if (tensor >= 0)
            tensors << tensor;
        else
            for (int child = 0; child < m_filter->rowCount(row); ++child)
                tensors << m_filter->index(child, 0, row).data(LayersModel::TensorIndexRole).toInt();
    }
    std::sort(tensors.begin(), tensors.end());
    tensors.erase(std::unique(tensors.begin(), tensors.end()), tensors.end());
    return tensors;
}

int LayersView::currentTensor() const
{
    QModelIndex current = currentIndex();
    if (!current.isValid())
        return -1;
    const QVariant tensor = current.data(LayersModel::TensorIndexRole);
    if (tensor.toInt() >= 0)
        return tensor.toInt();
    const QModelIndex first = m_filter->index(0, 0, current.siblingAtColumn(0));
    return first.isValid() ? first.data(LayersModel::TensorIndexRole).toInt() : -1;
}

QList<int> LayersView::visibleTensors() const
{
    QList<int> tensors;
    for (QModelIndex row = indexAt(QPoint(0, 0)); row.isValid(); row = indexBelow(row)) {
        if (visualRect(row).top() >= viewport()->height())
            break;
        if (const int tensor = row.data(LayersModel::TensorIndexRole).toInt(); tensor >= 0)
            tensors << tensor;
    }
    return tensors;
}

void LayersView::selectTensors(const QList<int>& tensors, int current)
{
    QItemSelection selection;
    for (const int tensor : tensors) {
        if (const QModelIndex row = viewIndex(tensor); row.isValid())
            selection.select(row, row.siblingAtColumn(LayersModel::ColumnCount - 1));
    }
    const QModelIndex row = viewIndex(current);
    if (row.isValid()) {
        if (row.parent().isValid())
            expand(row.parent());
        selectionModel()->setCurrentIndex(row, QItemSelectionModel::NoUpdate);
        scrollTo(row);
    }
    selectionModel()->select(selection, QItemSelectionModel::ClearAndSelect | QItemSelectionModel::Rows);
}

QList<int> LayersView::openGroups() const
{
    QList<int> groups;
    for (int row = 0; row < m_filter->rowCount(); ++row) {
        const QModelIndex group = m_filter->index(row, 0);
        if (isExpanded(group))
            groups << m_filter->mapToSource(group).row();
    }
    return groups;
}

void LayersView::setOpenGroups(const QList<int>& groups)
{
    collapseAll();
    scheduleDelayedItemsLayout(); // opening thousands of groups one by one must lay out only once
    for (const int group : groups)
        expand(m_filter->mapFromSource(m_layers->index(group, 0, {})));
}

void LayersView::dataChanged(const QModelIndex&, const QModelIndex&, const QList<int>&)
{
    // QTreeView looks up the rectangle of every row in the range, which takes quadratic time; rows have one height here
    // and nothing is edited in place, so painting anew is all there is to do.
    viewport()->update();
}

void LayersView::keyPressEvent(QKeyEvent* event)
{
    const bool open = event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter;
    if (open && m_filter->hasChildren(currentIndex().siblingAtColumn(0))) {
        setExpanded(currentIndex().siblingAtColumn(0), !isExpanded(currentIndex().siblingAtColumn(0)));
        return;
    }
    QTreeView::keyPressEvent(event);
}

} // namespace ql
