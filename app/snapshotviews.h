// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// SnapshotViews: snapshots in the history panel, and the wish to see the present policy beside one of them or beside any
// other policy. Owned by PolicyViews, GUI thread.
#pragma once

#include "app/session.h"
#include "app/snapshots.h"
#include "widgets/panels/operandedit.h"

namespace ql {

class HistoryPanel;

class SnapshotViews : public QObject
{
    Q_OBJECT
public:
    SnapshotViews(Session* session, HistoryPanel* history, const QString& folder, QWidget* window);

    const Snapshots& all() const { return *m_snapshots; }
    void take(); ///< asks for name and note
    void askAndCompare(); ///< with a policy file or what a checkpoint follows

Q_SIGNALS:
    void failed(const ql::Error& error);
    void comparisonWanted(const ql::CompareOperand& other); ///< beside the present policy

private:
    void showList();
    void restore(int snapshot);
    void describe(int snapshot);
    void remove(int snapshot);

    Session* m_session;
    HistoryPanel* m_history;
    QWidget* m_window;
    Snapshots* m_snapshots;
};

} // namespace ql
