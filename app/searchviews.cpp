// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/searchviews.h"

#include "app/snapshots.h"
#include "core/policy/presets.h"
#include "widgets/models/coretext.h"
#include "widgets/panels/budgetpage.h"
#include "widgets/panels/evaluatepage.h"
#include "widgets/panels/layerspanel.h"

#include <QFileDialog>
#include <QFileInfo>

namespace ql {

SearchViews::SearchViews(Session* session, SearchController* search, RunController* run, const Views& views,
                         QWidget* window)
    : QObject(window), m_session(session), m_search(search), m_run(run), m_page(views.page), m_evaluate(views.evaluate),
      m_table(views.table), m_window(window)
{
    connectPage();
    connectSearch();
    connect(session, &Session::modelChanged, this, &SearchViews::modelChanged);
    connect(session, &Session::policyChanged, this, [this] { m_page->setSharedByPolicy(m_session->policy().share); });
    connect(run, &RunController::networkChanged, this, &SearchViews::showAvailable);
    connect(run, &RunController::calibrationChanged, this, &SearchViews::showAvailable);
    modelChanged();
}

void SearchViews::connectPage()
{
    connect(m_page, &BudgetPage::measureRequested, this, [this](const SearchWish& wish) {
        m_search->measure({wish.measure, wish.candidates, wish.embeddings, m_evaluate->sequences()});
    });
    connect(m_page, &BudgetPage::cancelRequested, m_search, &SearchController::cancel);
    connect(m_page, &BudgetPage::shareChanged, m_search, &SearchController::setShare);
    connect(m_page, &BudgetPage::budgetChanged, m_search, &SearchController::setBudget);
    connect(m_page, &BudgetPage::adoptRequested, m_search, &SearchController::adopt);
    connect(m_page, &BudgetPage::markPicked, this, &SearchViews::adoptReference);
    connect(m_page, &BudgetPage::tensorPicked, m_table, &LayersPanel::selectTensor);
    connect(m_page, &BudgetPage::failed, this, &SearchViews::failed);
    connect(m_page, &BudgetPage::policyWanted, this, [this] {
        const QString path = QFileDialog::getOpenFileName(m_window, tr("Show a policy beside the front"), {},
                                                          tr("Policies (*.json);;All files (*)"));
        if (!path.isEmpty())
            addPolicy(path);
    });
}

void SearchViews::connectSearch()
{
    connect(m_search, &SearchController::searchChanged, this, &SearchViews::showSearch);
    connect(m_search, &SearchController::foundChanged, this, [this] { m_page->setFound(m_search->found()); });
    connect(m_search, &SearchController::referencesChanged, this, &SearchViews::showReferences);
    connect(m_search, &SearchController::activityChanged, this, [this] { m_page->setMeasuring(m_search->isMeasuring()); });
    connect(m_search, &SearchController::staleChanged, this, [this] { m_page->setStale(m_search->stale()); });
    connect(m_search, &SearchController::failed, this, &SearchViews::failed);
    connect(m_search, &SearchController::noted, this, &SearchViews::noted);
}

void SearchViews::modelChanged()
{
    const auto& model = m_session->model();
    m_files.clear();
    m_page->setModel(model != nullptr, model ? QString::fromStdString(model->displayName()) : QString());
    showAvailable();
    collectReferences();
}

void SearchViews::showAvailable()
{
    m_page->setUnavailable(m_search->unavailable());
}

void SearchViews::setSnapshots(const Snapshots* snapshots)
{
    m_snapshots = snapshots;
    connect(snapshots, &Snapshots::changed, this, &SearchViews::collectReferences);
    collectReferences();
}

void SearchViews::setVisible(bool visible)
{
    m_search->setActive(visible);
}

void SearchViews::showSearch()
{
    const SearchController::Request& request = m_search->request();
    m_page->setSearch(m_search->search(), {request.measure, request.candidates, request.embeddings});
    if (m_search->search())
        m_page->setBudget(m_search->budget());
    showReferences();
}

void SearchViews::collectReferences()
{
    using Reference = SearchController::Reference;
    std::vector<Reference> references;
    const auto add = [&](const QString& label, const Policy& policy, std::string_view preset = {}) {
        Reference reference{label, policy, std::string(preset), false, {}, {}};
        references.push_back(std::move(reference));
    };
    add(tr("now"), m_session->policy());
    for (const auto& [label, policy] : m_files)
        add(label, policy);
    for (const Snapshot& snapshot : m_snapshots ? m_snapshots->all() : std::vector<Snapshot>())
        add(snapshot.name, snapshot.policy);
    for (const Preset& preset : presets()) {
        const auto policy = m_session->model() ? presetPolicy(preset.id, *m_session->model()) : Result<Policy>(Policy());
        const bool aboutWeights = policy.ok() && policy->activations == ActivationPolicy() && policy->kvCache == KvPolicy();
        if (aboutWeights && m_session->model())
            add(fromStd(preset.label), *policy, preset.id);
    }
    for (Reference& reference : references) { // what is known of those from before stays
        for (const Reference& before : m_search->references()) {
            if (before.label == reference.label && before.policy == reference.policy)
                reference = before;
        }
    }
    m_search->setReferences(std::move(references));
}

void SearchViews::showReferences()
{
    std::vector<FrontPlot::Mark> marks;
    m_marks.clear();
    const auto& references = m_search->references();
    for (size_t i = 0; i < references.size(); ++i) {
        if (!references[i].cost)
            continue;
        const FrontPlot::Kind kind = i == 0                          ? FrontPlot::Kind::Present
                                     : references[i].preset.empty() ? FrontPlot::Kind::Saved
                                                                    : FrontPlot::Kind::Preset;
        marks.push_back({references[i].label, kind, {references[i].cost->bytes, references[i].cost->error},
                         QString::fromStdString(references[i].beyond)});
        m_marks.push_back(i);
    }
    m_page->setMarks(marks);
}

void SearchViews::adoptReference(int mark)
{
    const size_t index = m_marks[size_t(mark)];
    if (index == 0)
        return;
    const SearchController::Reference& reference = m_search->references()[index];
    const auto policy = reference.preset.empty() ? Result<Policy>(reference.policy)
                                                 : applyPreset(reference.preset, *m_session->model(), m_session->policy());
    if (policy.ok())
        m_session->changePolicy(*policy, tr("adopt %1").arg(reference.label));
    else
        Q_EMIT failed(policy.error());
}

void SearchViews::addPolicy(const QString& path)
{
    std::vector<std::string> warnings;
    const auto policy = Policy::load(path.toStdString(), &warnings);
    if (!policy.ok()) {
        Q_EMIT failed(policy.error());
        return;
    }
    m_files.emplace_back(QFileInfo(path).completeBaseName(), *policy);
    collectReferences();
}

} // namespace ql
