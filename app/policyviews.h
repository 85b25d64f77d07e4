// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// PolicyViews: the window's policy side - rules, history, presets, opening and saving the policy, its journal. Owned by
// the window, GUI thread.
#pragma once

#include "app/journal.h"
#include "app/session.h"
#include "core/policy/validation.h"

#include <QObject>

#include <memory>

namespace ql {

class Actions;
class ClipTable;
class HistoryPanel;
class InlineBar;
class LookController;
class RulesPanel;
class SnapshotViews;

class PolicyViews : public QObject
{
    Q_OBJECT
public:
    struct Views {
        RulesPanel* rules;
        HistoryPanel* history;
        ClipTable* clips;
        InlineBar* bar;
    };
    /// `dataFolder` holds the journals and, in "snapshots", those of every model.
    PolicyViews(Session* session, JobRunner* jobs, LookController* look, const Views& views, const QString& dataFolder,
                QWidget* window);

    void connectActions(Actions& actions);
    SnapshotViews* snapshots() const { return m_snapshots; }
    void offerLeftover(); ///< a journal that a crash left behind
    bool mayDiscard();    ///< unsaved policy edits: asks

Q_SIGNALS:
    void fileChanged(); ///< the policy was saved, perhaps under another name
    void tensorPicked(int tensor);

private:
    struct Insight {
        std::vector<RuleUse> uses;
        std::vector<Finding> findings;
    };
    void open();
    void save(bool ask);
    void showRules();
    void showInsight();
    void connectRules();
    void connectPresets(Actions& actions);
    void showPresetSizes();
    void makeRuleFromSelection();

    Session* m_session;
    JobRunner* m_jobs;
    LookController* m_look;
    Views m_views;
    QWidget* m_window;
    std::unique_ptr<Journal> m_journal;
    SnapshotViews* m_snapshots;
};

} // namespace ql
