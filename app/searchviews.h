// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// SearchViews: connects the budget search with its page, and puts presets and saved policies beside the front. Owned by
// the window, GUI thread.
#pragma once

#include "app/searchcontroller.h"

namespace ql {

class BudgetPage;
class EvaluatePage;
class LayersPanel;
class Snapshots;

class SearchViews : public QObject
{
    Q_OBJECT
public:
    struct Views {
        BudgetPage* page;
        EvaluatePage* evaluate; ///< whose text divergences are measured on
        LayersPanel* table;
    };
    SearchViews(Session* session, SearchController* search, RunController* run, const Views& views, QWidget* window);

    void setSnapshots(const Snapshots* snapshots); ///< points beside the front; outlive this
    void setVisible(bool visible); ///< policy edits are followed while the page is seen
    /// A policy beside the front; the file's name is its label.
    void addPolicy(const QString& path);

Q_SIGNALS:
    void failed(const ql::Error& error);
    void noted(const QString& text);

private:
    void connectPage();
    void connectSearch();
    void modelChanged();
    void showAvailable();
    void showSearch();
    void showReferences();
    void collectReferences();
    void adoptReference(int mark);

    Session* m_session;
    SearchController* m_search;
    RunController* m_run;
    BudgetPage* m_page;
    EvaluatePage* m_evaluate;
    LayersPanel* m_table;
    QWidget* m_window;
    const Snapshots* m_snapshots = nullptr;
    std::vector<std::pair<QString, Policy>> m_files; ///< added by hand
    std::vector<size_t> m_marks;                     ///< reference of every point
};

} // namespace ql
