// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// SearchController: the budget search of the open model - measures what candidates cost, keeps it, and finds the least
// error within a budget while that moves. Lives on the GUI thread; measuring runs on the JobRunner. Knows no widgets.
#pragma once

#include "app/runcontroller.h"
#include "core/search/budgetsearch.h"

#include <QTimer>

#include <array>
#include <optional>

namespace ql {

class SearchController : public QObject
{
    Q_OBJECT
public:
    struct Request {
        SearchMeasure measure = SearchMeasure::Weight;
        std::vector<Scheme> candidates;
        bool embeddings = false;
        SequenceSettings sequences{}; ///< for divergences; at most kSequences of them
    };
    static constexpr int64_t kSequences = 16; ///< an attribution per candidate takes long enough
    /// A policy to place beside the front, and where it lies once that was looked at.
    struct Reference {
        QString label;
        Policy policy;
        std::string preset; ///< id; empty: a policy of the user's
        bool placed = false;
        std::optional<PolicyCosts::Cost> cost; ///< nothing where it cannot be known
        std::string beyond;                    ///< what it does that the search may not
    };

    SearchController(Session* session, RunController* run, JobRunner* jobs, QObject* parent = nullptr);
    void setBackend(std::shared_ptr<Backend> backend) { m_backend = std::move(backend); }

    /// Why each measure cannot be had now; empty where it can.
    std::array<QString, 4> unavailable() const;
    void measure(const Request& request);
    void cancel();
    bool isMeasuring() const { return m_job != 0; }
    /// q, k and v share a scheme, gate and up another, even if the policy does not say so. Nothing is measured again.
    void setShare(bool share);
    /// Policy edits are followed at once while this is seen, else when it is seen again.
    void setActive(bool active);

    const Shared<BudgetSearch>& search() const { return m_search; } ///< null before anything was measured
    const Request& request() const { return m_request; }             ///< that it was made for
    /// What has changed since so that it has to be measured again; empty: nothing.
    const QString& stale() const { return m_stale; }
    uint64_t budget() const { return m_budget; }
    /// Solved when control returns to the event loop; of several the last counts.
    void setBudget(uint64_t bytes);
    const std::optional<Allocation>& found() const { return m_found; }
    /// One undoable edit: an override for every tensor that was searched.
    void adopt();

    /// The first is always the present policy. They are placed one after the other. Figures by `kl` come only from what was measured for the search.
    void setReferences(std::vector<Reference> references);
    const std::vector<Reference>& references() const { return m_references; }

Q_SIGNALS:
    void searchChanged(); ///< and with it what was found
    void foundChanged();
    void referencesChanged();
    void activityChanged();
    void staleChanged();
    void failed(const ql::Error& error);
    void noted(const QString& text);

private:
    struct Bound {
        bool bound = false;
        Scheme scheme;
        friend bool operator==(const Bound&, const Bound&) = default;
    };
    void forget();
    void modelChanged();
    void calibrationChanged();
    void follow();
    void start(const Request& request, bool onlyKnown);
    void adoptTable(const Request& request, const Shared<CostTable>& table);
    void build();
    void solve();
    void place();
    void placeAnew();
    void setStale(const QString& why);
    void end();
    Policy wished() const;
    uint64_t presentBytes() const;
    std::vector<Bound> boundNow() const;
    SensitivityRequest requestFor(const Request& request) const;

    Session* m_session;
    RunController* m_run;
    JobRunner* m_jobs;
    std::shared_ptr<Backend> m_backend;
    Request m_request;
    std::vector<Shared<CostTable>> m_known;    ///< of searches, latest last
    std::vector<Shared<CostTable>> m_policies; ///< of references, latest last
    Shared<CostTable> m_table;
    Shared<BudgetSearch> m_search;
    std::vector<Bound> m_bound; ///< what limited m_table
    std::vector<Reference> m_references;
    std::map<std::string, Override> m_adopted; ///< overrides of the last adopted result: they bind nothing
    std::optional<Allocation> m_found;
    QTimer m_solveSoon;
    QString m_stale;
    uint64_t m_budget = 0;
    quint64 m_job = 0;
    bool m_share = false, m_built = false; ///< wished; what m_search was built with
    bool m_active = false, m_late = false;
};

} // namespace ql
