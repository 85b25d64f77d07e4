// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// LayersView: the tree of LayersPanel - which tensors its rows stand for, which are visible, and the columns' menu.
#pragma once

#include <QTreeView>

class QMenu;

namespace ql {

class LayersFilterModel;
class LayersModel;

class LayersView : public QTreeView
{
    Q_OBJECT
public:
    LayersView(LayersModel* layers, LayersFilterModel* filter, QWidget* parent = nullptr);

    QList<int> selectedTensors() const; ///< in model order; groups give all they hold
    int currentTensor() const;          ///< of a group: its first
    QList<int> visibleTensors() const;  ///< rows inside the viewport, top to bottom
    void selectTensors(const QList<int>& tensors, int current);
    QList<int> openGroups() const; ///< rows of the layers model, which no filter moves
    void setOpenGroups(const QList<int>& groups);
    /// One checkable entry per column but the name, and "reset columns".
    void fillColumnMenu(QMenu* menu);
    void resetColumns();

protected:
    void dataChanged(const QModelIndex& topLeft, const QModelIndex& bottomRight, const QList<int>& roles) override;
    void keyPressEvent(QKeyEvent* event) override;

private:
    void fitTypes();
    QModelIndex viewIndex(int tensor) const;

    LayersModel* m_layers;
    LayersFilterModel* m_filter;
};

} // namespace ql
