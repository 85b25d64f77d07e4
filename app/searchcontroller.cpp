// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/searchcontroller.h"

#include "core/base/format.h"
#include "core/quant/schemetable.h"

#include <algorithm>

namespace ql {
namespace {

constexpr size_t kKeptTables = 6, kKeptPolicies = 64;

const QString kJob = QStringLiteral("budget search"), kPlacing = QStringLiteral("policy beside the front");

template <class T>
void pushLimited(std::vector<T>& list, T item, size_t limit)
{
    list.push_back(std::move(item));
    if (list.size() > limit)
        list.erase(list.begin());
}

bool needsCalibration(const Shared<CostTable>& table)
{
    return table->measure == SearchMeasure::Output ||
           std::any_of(table->candidates.begin(), table->candidates.end(),
                       [](const Scheme& scheme) { return scheme.clip == ClipMethod::Output || scheme.importance; });
}

} // namespace

SearchController::SearchController(Session* session, RunController* run, JobRunner* jobs, QObject* parent)
    : QObject(parent), m_session(session), m_run(run), m_jobs(jobs)
{
    m_solveSoon.setSingleShot(true);
    m_solveSoon.setInterval(0);
    connect(&m_solveSoon, &QTimer::timeout, this, &SearchController::solve);
    connect(session, &Session::modelChanged, this, &SearchController::modelChanged);
    connect(session, &Session::policyChanged, this, &SearchController::follow);
    connect(run, &RunController::calibrationChanged, this, &SearchController::calibrationChanged);
}

std::array<QString, 4> SearchController::unavailable() const
{
    std::array<QString, 4> why;
    if (!m_run->calibration())
        why[size_t(SearchMeasure::Output)] = m_run->cannotRun().isEmpty() ? tr("needs a calibration (F6)")
                                                                          : tr("needs a calibration; one can be imported");
    if (!m_run->network())
        why[size_t(SearchMeasure::Kl)] = m_run->cannotRun().isEmpty() ? tr("needs a model that runs") : m_run->cannotRun();
    else if (!m_run->network()->config().causal)
        why[size_t(SearchMeasure::Kl)] = tr("an encoder predicts no next token");
    return why;
}

SensitivityRequest SearchController::requestFor(const Request& request) const
{
    SensitivityRequest wanted;
    wanted.model = m_session->model();
    wanted.policy = wished();
    wanted.candidates = request.candidates;
    wanted.measure = request.measure;
    wanted.calibration = m_run->calibration();
    wanted.embeddings = request.embeddings;
    wanted.known = m_known;
    wanted.known.insert(wanted.known.end(), m_policies.begin(), m_policies.end());
    if (request.measure == SearchMeasure::Kl)
        wanted.network = m_run->network();
    return wanted;
}

void SearchController::measure(const Request& request)
{
    if (!m_session->model())
        return;
    if (const QString why = unavailable()[size_t(request.measure)]; !why.isEmpty()) {
        Q_EMIT noted(why);
        return;
    }
    if (!(request.sequences == m_request.sequences)) // divergences of another text
        std::erase_if(m_known, [](const Shared<CostTable>& table) { return table->measure == SearchMeasure::Kl; });
    start(request, false);
}

void SearchController::start(const Request& request, bool onlyKnown)
{
    m_jobs->cancelKey(kPlacing); // would wait for the same weights
    SensitivityRequest wanted = requestFor(request);
    wanted.onlyKnown = onlyKnown;
    const bool runs = request.measure == SearchMeasure::Kl;
    std::function<Result<SequenceSet>()> read;
    if (runs && !onlyKnown) {
        SequenceSettings settings = request.sequences;
        settings.count = settings.count > 0 ? std::min(settings.count, kSequences) : kSequences;
        read = m_run->sequenceReader(settings);
    }
    m_job = m_jobs->start<Shared<CostTable>>(
        runs ? JobRunner::Lane::Network : JobRunner::Lane::Long, kJob, tr("measuring what candidates cost"),
        [backend = m_backend, pool = m_run->threadPool(), wanted, read](const JobControl& job) mutable -> Result<Shared<CostTable>> {
            if (!read)
                return measureCosts(*backend, wanted, *pool, job);
            QL_TRY(wanted.sequences, read());
            return measureCosts(*backend, wanted, *pool, inTokens(job, wanted.sequences.tokens() * wanted.candidates.size()));
        },
        [this, request, bound = boundNow(), model = m_session->model()](Result<Shared<CostTable>> table) {
            if (model != m_session->model())
                return;
            end();
            if (!table.ok()) {
                if (table.error().code == ErrorCode::Cancelled)
                    Q_EMIT noted(tr("Cancelled; nothing was kept."));
                else
                    Q_EMIT failed(table.error());
                return;
            }
            if (!(*table)->isComplete())
                return setStale(tr("Locks or kept weights have changed: measure again; only what is new takes time."));
            m_bound = bound;
            adoptTable(request, *table);
        },
        runs ? JobUnit::Tokens : JobUnit::Bytes);
    Q_EMIT activityChanged();
}

void SearchController::end()
{
    m_job = 0;
    Q_EMIT activityChanged();
}

void SearchController::cancel()
{
    if (m_job)
        m_jobs->cancel(m_job);
}

void SearchController::adoptTable(const Request& request, const Shared<CostTable>& table)
{
    pushLimited(m_known, table, kKeptTables);
    const bool other = !m_table || request.measure != m_request.measure || request.candidates != m_request.candidates ||
                       request.embeddings != m_request.embeddings;
    m_request = request;
    m_table = table;
    setStale({});
    build();
    if (other || request.measure == SearchMeasure::Kl) // what is known may place more of them
        placeAnew();
    else
        follow();
}

void SearchController::build()
{
    if (!m_table)
        return;
    m_built = m_share || m_session->policy().share;
    auto search = BudgetSearch::create(m_session->model(), wished(), m_table, m_built);
    if (!search.ok()) {
        m_search.reset();
        m_found.reset();
        Q_EMIT searchChanged();
        Q_EMIT failed(search.error());
        return;
    }
    m_search = std::make_shared<const BudgetSearch>(std::move(*search));
    const AllocationProblem& problem = m_search->problem();
    if (m_budget == 0) // what could be had for what the policy takes now?
        m_budget = presentBytes();
    m_budget = std::clamp(m_budget, problem.smallestBytes(), problem.largestBytes());
    m_found.reset();
    Q_EMIT searchChanged();
    solve();
}

uint64_t SearchController::presentBytes() const
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < m_session->decisions().size(); ++i) {
        const Decision& decision = m_session->decisions()[i];
        const TensorInfo& info = m_session->model()->tensors()[i];
        bytes += decision.asStored ? info.bytes : storedBytes(decision.scheme, info.rows(), info.cols());
    }
    return bytes;
}

void SearchController::setShare(bool share)
{
    if (share == m_share)
        return;
    m_share = share;
    if (m_stale.isEmpty() && m_built != (m_share || m_session->policy().share))
        build();
}

void SearchController::setBudget(uint64_t bytes)
{
    m_budget = bytes;
    if (m_search)
        m_solveSoon.start();
}

void SearchController::solve()
{
    if (!m_search)
        return;
    const auto found = m_search->problem().solve(std::max(m_budget, m_search->problem().smallestBytes()));
    if (!found.ok())
        return;
    m_found = *found;
    Q_EMIT foundChanged();
}

void SearchController::adopt()
{
    if (!m_search || !m_stale.isEmpty())
        return;
    if (m_solveSoon.isActive()) {
        m_solveSoon.stop();
        solve();
    }
    if (!m_found)
        return;
    const Policy policy = m_search->policyOf(*m_found, m_session->policy());
    m_adopted.clear();
    for (const auto& [name, entry] : policy.tensors) {
        if (!entry.locked)
            m_adopted.insert({name, entry});
    }
    m_session->changePolicy(policy, tr("budget of %1 bits per weight")
                                        .arg(QString::fromStdString(formatSignificant(m_search->bitsPerWeight(m_found->bytes)))));
}

/// The policy without what a search put there: a float format that it chose is no wish of the user's.
Policy SearchController::wished() const
{
    Policy policy = m_session->policy();
    std::erase_if(policy.tensors, [this](const auto& entry) {
        const auto own = m_adopted.find(entry.first);
        return own != m_adopted.end() && own->second == entry.second;
    });
    return policy;
}

std::vector<SearchController::Bound> SearchController::boundNow() const
{
    std::vector<Bound> bound;
    if (!m_session->model())
        return bound;
    const auto decisions = wished().resolve(*m_session->model());
    for (const Decision& decision : decisions.ok() ? *decisions : m_session->decisions()) {
        const bool binds = bindsSearch(decision) || decision.source == Decision::Source::HighPrecision;
        bound.push_back({binds, binds ? decision.scheme : Scheme()});
    }
    return bound;
}

void SearchController::setActive(bool active)
{
    m_active = active;
    if (active && std::exchange(m_late, false))
        follow();
}

/// Locks and kept weights limit a search; what else the policy says only moves its point.
void SearchController::follow()
{
    if (!m_table)
        return;
    if (!m_active) {
        m_late = true;
        return;
    }
    if (m_job)
        return; // its end looks again
    if (boundNow() != m_bound)
        return start(m_request, m_request.measure == SearchMeasure::Kl);
    if (m_stale.isEmpty() && m_built != (m_share || m_session->policy().share))
        build();
    if (!m_references.empty())
        m_references.front().placed = false;
    place();
}

void SearchController::setReferences(std::vector<Reference> references)
{
    m_references = std::move(references);
    Q_EMIT referencesChanged();
    place();
}

void SearchController::placeAnew()
{
    for (Reference& reference : m_references) {
        reference.placed = false;
        reference.cost.reset();
    }
    Q_EMIT referencesChanged();
    place();
}

namespace {

struct PlacedReference {
    PolicyCosts costs;
    std::string beyond;
};

} // namespace

/// The next one that was not looked at yet; an edit costs no more than the one in work.
void SearchController::place()
{
    const auto next = std::find_if(m_references.begin(), m_references.end(), [](const Reference& one) { return !one.placed; });
    if (!m_table || next == m_references.end() || m_job)
        return;
    if (next == m_references.begin())
        next->policy = m_session->policy();
    SensitivityRequest wanted = requestFor(m_request);
    wanted.onlyKnown = m_request.measure == SearchMeasure::Kl;
    m_jobs->start<PlacedReference>(
        JobRunner::Lane::Background, kPlacing, tr("measuring policies"),
        [backend = m_backend, pool = m_run->threadPool(), wanted, policy = next->policy,
         search = m_search](const JobControl& job) -> Result<PlacedReference> {
            QL_TRY(PolicyCosts costs, measurePolicies(*backend, wanted, std::span(&policy, 1), *pool, job));
            const auto decisions = policy.resolve(*wanted.model);
            return PlacedReference{std::move(costs), search && decisions.ok() ? search->beyond(*decisions) : std::string()};
        },
        [this, index = size_t(next - m_references.begin()), label = next->label, table = m_table](Result<PlacedReference> placed) {
            if (table != m_table || index >= m_references.size() || m_references[index].label != label)
                return;
            if (!placed.ok() && placed.error().code == ErrorCode::Cancelled)
                return;
            Reference& reference = m_references[index];
            reference.placed = true; // what cannot be measured stays out of the picture
            reference.cost = placed.ok() ? placed->costs.costs.front() : std::nullopt;
            reference.beyond = placed.ok() ? placed->beyond : std::string();
            if (placed.ok())
                pushLimited(m_policies, placed->costs.table, kKeptPolicies);
            Q_EMIT referencesChanged();
            place();
        });
}

void SearchController::setStale(const QString& why)
{
    if (why == m_stale)
        return;
    m_stale = why;
    Q_EMIT staleChanged();
}

void SearchController::forget()
{
    m_table.reset();
    m_search.reset();
    m_found.reset();
    m_solveSoon.stop();
    m_late = false;
    setStale({});
    Q_EMIT searchChanged();
    placeAnew();
}

void SearchController::modelChanged()
{
    m_jobs->cancelKey(kJob);
    m_jobs->cancelKey(kPlacing);
    m_known.clear();
    m_policies.clear();
    m_adopted.clear();
    m_budget = 0;
    end();
    forget();
}

void SearchController::calibrationChanged()
{
    std::erase_if(m_known, needsCalibration);
    m_policies.clear();
    if (m_table && needsCalibration(m_table)) {
        m_jobs->cancelKey(kPlacing);
        forget();
        setStale(tr("The calibration has changed: measure again."));
    }
    Q_EMIT activityChanged();
}

} // namespace ql
