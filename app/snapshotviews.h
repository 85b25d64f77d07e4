// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// SnapshotViews: snapshots in the history panel, and the present policy compared with one of them or with any other
// policy. Owned by PolicyViews, GUI thread.
#pragma once

#include "app/session.h"
#include "app/snapshots.h"
#include "core/policy/policydiff.h"

#include <QPointer>

namespace ql {

class HistoryPanel;
class PolicyDiffDialog;

class SnapshotViews : public QObject
{
    Q_OBJECT
public:
    SnapshotViews(Session* session, HistoryPanel* history, const QString& folder, QWidget* window);

    const Snapshots& all() const { return *m_snapshots; }
    void take(); ///< asks for name and note
    /// Beside the present policy, in a dialog.
    void compare(const QString& name, const Policy& other);
    void askAndCompare(); ///< with a policy file or what a checkpoint follows

Q_SIGNALS:
    void failed(const ql::Error& error);
    void tensorPicked(int tensor);

private:
    void showList();
    void restore(int snapshot);
    void describe(int snapshot);
    void remove(int snapshot);
    void showDifference();
    void takeOver(const QList<int>& changes);

    Session* m_session;
    HistoryPanel* m_history;
    QWidget* m_window;
    Snapshots* m_snapshots;
    QPointer<PolicyDiffDialog> m_dialog;
    QString m_otherName;
    Policy m_other; ///< what the dialog compares with
    PolicyDiff m_diff;
};

} // namespace ql
