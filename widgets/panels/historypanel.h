// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// HistoryPanel: the steps of an undo stack; click one to go there. The saved state carries a mark.
#pragma once

#include <QWidget>

class QLabel;
class QUndoStack;
class QUndoView;

namespace ql {

class HistoryPanel : public QWidget
{
    Q_OBJECT
public:
    explicit HistoryPanel(QUndoStack* stack, QWidget* parent = nullptr);

private:
    void showState();

    QUndoStack* m_stack;
    QUndoView* m_view;
    QLabel* m_state;
};

} // namespace ql
