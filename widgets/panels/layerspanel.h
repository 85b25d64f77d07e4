// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// LayersPanel: filter line and tensor table. Emits the selection; asks for statistics of the rows that are visible.
#pragma once

#include <QList>
#include <QWidget>

#include <memory>

namespace ql {

class LayersModel;

class LayersPanel : public QWidget
{
    Q_OBJECT
public:
    explicit LayersPanel(LayersModel* model, QWidget* parent = nullptr);
    ~LayersPanel() override;

    QList<int> selectedTensors() const; ///< indices into Model::tensors(); a selected block means all of it that passes the filter
    int currentTensor() const;          ///< -1 if none
    void selectTensor(int tensor);
    void focusFilter();
    QByteArray saveState() const; ///< columns, order, sorting, grouping, filter
    void restoreState(const QByteArray& state);

Q_SIGNALS:
    void selectionChanged(const QList<int>& tensors, int current);
    void visibleTensorsChanged(const QList<int>& tensors); ///< top to bottom

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
