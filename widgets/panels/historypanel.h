// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// HistoryPanel: the steps of an undo stack - click one to go there; the saved state carries a mark - and named snapshots.
#pragma once

#include <QWidget>

class QLabel;
class QListWidget;
class QToolButton;
class QUndoStack;
class QUndoView;

namespace ql {

class HistoryPanel : public QWidget
{
    Q_OBJECT
public:
    explicit HistoryPanel(QUndoStack* stack, QWidget* parent = nullptr);

    struct Entry {
        QString name, note, time;
    };
    void setSnapshots(const QList<Entry>& entries);
    void setSnapshotsPossible(bool possible); ///< a model is open
    int currentSnapshot() const; ///< -1: none

Q_SIGNALS:
    void snapshotWanted();
    void compareWanted(int snapshot);
    void restoreWanted(int snapshot);
    void describeWanted(int snapshot);
    void removeWanted(int snapshot);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    QWidget* buildSteps();
    QWidget* buildSnapshots();
    QToolButton* button(const char* icon, const QString& tip);
    void showState();
    void updateButtons();

    QUndoStack* m_stack;
    QUndoView* m_view;
    QLabel* m_state;
    QListWidget* m_snapshots;
    QLabel* m_empty;
    QToolButton* m_take = nullptr;
    QList<QToolButton*> m_onSnapshot; ///< enabled while one is chosen
};

} // namespace ql
