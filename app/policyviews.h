// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// PolicyViews: the window's policy side - rules, history, presets, opening and saving the policy, its journal. Owned by
// the window, GUI thread.
#pragma once

#include "app/journal.h"
#include "app/session.h"

#include <QObject>

#include <memory>

namespace ql {

class Actions;
class ClipTable;
class HistoryPanel;
class InlineBar;
class LookController;
class RulesPanel;

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
    PolicyViews(Session* session, LookController* look, const Views& views, const QString& journalFolder, QWidget* window);

    void connectActions(Actions& actions);
    void offerLeftover(); ///< a journal that a crash left behind
    bool mayDiscard();    ///< unsaved policy edits: asks

Q_SIGNALS:
    void fileChanged(); ///< the policy was saved, perhaps under another name

private:
    void open();
    void save(bool ask);
    void showRules();
    void setDefaultScheme(const Scheme& scheme);
    void makeRuleFromSelection();

    Session* m_session;
    LookController* m_look;
    Views m_views;
    QWidget* m_window;
    std::unique_ptr<Journal> m_journal;
};

} // namespace ql
