// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/flowviews.h"

#include "widgets/panels/activationspage.h"
#include "widgets/panels/kvpage.h"
#include "widgets/panels/layerspanel.h"

#include <algorithm>

namespace ql {
namespace {

constexpr int64_t kCacheSequences = 8; ///< of a study of the cache; more change little
constexpr qint64 kQuickMs = 3000;

QString textOf(const std::optional<ActivationScheme>& scheme)
{
    return scheme ? QString::fromStdString(scheme->text()) : FlowViews::tr("full precision");
}

} // namespace

FlowViews::FlowViews(Session* session, RunController* run, LookController* look, const Views& views, QObject* parent)
    : QObject(parent), m_session(session), m_run(run), m_look(look), m_activations(views.activations), m_cache(views.cache),
      m_table(views.table)
{
    connect(look, &LookController::shown, this, [this](int tensor, const Scheme&, bool) {
        if (tensor != m_tensor)
            show(tensor);
    });
    connectActivations();
    connectCache();
    showState();
    showCacheSubject();
}

void FlowViews::connectActivations()
{
    connect(m_session, &Session::policyChanged, this, [this] {
        const auto scheme = m_run->activationScheme(m_tensor);
        if (scheme == m_activations->scheme())
            return;
        m_activations->setScheme(scheme);
        ask();
    });
    for (const auto changed : {&RunController::networkChanged, &RunController::activityChanged})
        connect(m_run, changed, this, &FlowViews::showState);
    connect(m_run, &RunController::calibrationChanged, this, [this] { show(m_tensor); });
    connect(m_run, &RunController::activationReady, this, [this](int tensor, const Shared<ActivationStudy>& study) {
        if (tensor == m_tensor)
            m_activations->setStudy(study);
    });
    connect(m_run, &RunController::activationFailed, this, [this](int tensor, const Error& error) {
        if (tensor == m_tensor)
            m_activations->setFailure(QString::fromStdString(error.text()));
    });
    connect(m_activations, &ActivationsPage::schemeEdited, this, &FlowViews::editActivation);
    connect(m_activations, &ActivationsPage::calibrateWanted, this, &FlowViews::calibratePanelWanted);
    connect(m_activations, &ActivationsPage::importWanted, this, &FlowViews::importWanted);
}

void FlowViews::connectCache()
{
    connect(m_run, &RunController::networkChanged, this, &FlowViews::showCacheSubject);
    connect(m_session, &Session::policyChanged, this, &FlowViews::showCacheSchemes);
    connect(m_run, &RunController::activityChanged, this,
            [this] { m_cache->setBusy(m_run->isRunning(RunController::Work::Cache)); });
    connect(m_run, &RunController::kvReady, this, [this](const Shared<KvStudy>& study) {
        m_quickStudies = m_studyClock.isValid() && m_studyClock.elapsed() < kQuickMs;
        m_cache->setStudy(study);
    });
    connect(m_cache, &KvPage::schemeEdited, this, &FlowViews::editCache);
    connect(m_cache, &KvPage::studyWanted, this, &FlowViews::studyCache);
    connect(m_cache, &KvPage::layerChosen, this, [this](int layer) {
        const std::vector<TensorInfo>& tensors = m_session->model()->tensors();
        for (size_t i = 0; i < tensors.size(); ++i) {
            const bool keys = tensors[i].role == TensorRole::AttnK || tensors[i].role == TensorRole::AttnQkv;
            if (keys && tensors[i].layer == layer && tensors[i].isMatrix())
                return m_table->selectTensor(int(i));
        }
    });
}

void FlowViews::showCacheSubject()
{
    m_quickStudies = false;
    const auto& network = m_run->network();
    const bool causal = network && network->config().causal;
    const QString why = !m_session->model()          ? tr("Open a model: how its keys and values are stored appears here.")
                        : !m_run->cannotRun().isEmpty() ? m_run->cannotRun()
                        : !network                      ? tr("Preparing the forward pass…")
                                                        : tr("An encoder reads its text at once and keeps no cache.");
    m_cache->setSubject(m_session->model() ? QString::fromStdString(m_session->model()->displayName()) : QString(),
                        causal ? network->config().layers : 0, causal ? network->config().headDim : 0,
                        causal ? QString() : why);
    m_cacheSchemes.clear();
    showCacheSchemes();
}

void FlowViews::showCacheSchemes()
{
    std::vector<std::optional<KvScheme>> schemes;
    for (int layer = 0; m_run->network() && layer < m_run->network()->config().layers; ++layer)
        schemes.push_back(m_session->policy().kvCache.forLayer(layer));
    if (schemes == m_cacheSchemes)
        return;
    m_cacheSchemes = schemes;
    m_cache->setSchemes(std::move(schemes));
    if (m_quickStudies)
        studyCache();
}

void FlowViews::editCache(int layer, const std::optional<KvScheme>& scheme)
{
    Policy policy = m_session->policy();
    const QString text = scheme ? QString::fromStdString(scheme->text()) : tr("full precision");
    if (layer < 0) {
        policy.kvCache.defaultScheme = scheme;
        policy.kvCache.layers.clear();
        m_session->changePolicy(policy, tr("cache to %1").arg(text));
        return;
    }
    policy.kvCache.layers.push_back({layer, layer, scheme});
    policy.kvCache.layers = policy.kvCache.disjointLayers();
    m_session->changePolicy(policy, tr("cache of layer %1 to %2").arg(layer).arg(text));
}

void FlowViews::studyCache()
{
    SequenceSettings sequences = m_run->defaultSequences();
    sequences.count = std::min(sequences.count, kCacheSequences);
    m_studyClock.start();
    m_run->requestKv(sequences);
}

void FlowViews::setActivationsVisible(bool visible)
{
    m_activationsVisible = visible;
    ask();
}

void FlowViews::show(int tensor)
{
    m_tensor = m_session->model() ? tensor : -1;
    const int layer = m_tensor < 0 ? -1 : m_session->model()->tensors()[size_t(m_tensor)].layer;
    if (layer >= 0)
        m_cache->setLayer(layer);
    m_activations->setSubject(m_tensor < 0 ? QString() : m_look->caption(), m_run->activationScheme(m_tensor));
    showState();
    ask();
}

void FlowViews::showState()
{
    if (!m_session->model())
        return m_activations->setCalibrationState(CalibrationState::NoModel);
    if (const auto& calibration = m_run->calibration()) {
        const bool chosen = m_tensor >= 0 && m_tensor < int(m_session->model()->tensors().size());
        const TensorInfo* info = chosen ? &m_session->model()->tensors()[size_t(m_tensor)] : nullptr;
        const bool known = info && calibration->inputOf(info->name) >= 0;
        const bool multiplies = info && (m_run->network() ? m_run->network()->siteOfTensor(m_tensor) >= 0 : isLinear(info->role));
        return m_activations->setCalibrationState(known        ? CalibrationState::Ready
                                                  : multiplies ? CalibrationState::NotCovered
                                                               : CalibrationState::NotAnInput);
    }
    if (!m_run->cannotRun().isEmpty())
        return m_activations->setCalibrationState(CalibrationState::CannotRun, m_run->cannotRun());
    m_activations->setCalibrationState(m_run->isRunning(RunController::Work::Calibration) ? CalibrationState::Running
                                                                                          : CalibrationState::Missing);
}

void FlowViews::ask()
{
    if (m_activationsVisible && m_tensor >= 0 && m_run->calibration())
        m_run->requestActivation(m_tensor, m_activations->studyScheme());
}

/// q, k and v share their input: what is done to it holds for all of them.
std::vector<std::string> FlowViews::sharers() const
{
    const std::vector<TensorInfo>& tensors = m_session->model()->tensors();
    const std::string& name = tensors[size_t(m_tensor)].name;
    const int site = m_run->network() ? m_run->network()->siteOfTensor(m_tensor) : -1;
    if (site < 0)
        return {name};
    std::vector<std::string> names;
    const Network& network = *m_run->network();
    for (const int other : network.inputs()[size_t(network.sites()[size_t(site)].input)].sites)
        names.push_back(tensors[size_t(network.sites()[size_t(other)].tensor)].name);
    return names;
}

void FlowViews::editActivation(const std::optional<ActivationScheme>& scheme, bool finished)
{
    if (m_tensor < 0)
        return;
    if (!finished) {
        if (scheme)
            m_run->requestActivation(m_tensor, *scheme);
        return;
    }
    Policy policy = m_session->policy();
    const std::vector<std::string> names = sharers();
    for (const std::string& name : names)
        policy.activations.tensors[name] = scheme;
    m_session->changePolicy(policy, tr("input of %1 to %2").arg(QString::fromStdString(names.front()), textOf(scheme)));
    if (m_run->activationScheme(m_tensor) != scheme)
        m_activations->setScheme(m_run->activationScheme(m_tensor)); // refused: show what holds
    ask();
}

void FlowViews::useActivationsEverywhere()
{
    Policy policy = m_session->policy();
    policy.activations.defaultScheme = m_activations->scheme();
    policy.activations.rules.clear();
    policy.activations.tensors.clear();
    m_session->changePolicy(policy, tr("all inputs to %1").arg(textOf(m_activations->scheme())));
}

void FlowViews::resetActivation()
{
    if (m_tensor < 0)
        return;
    Policy policy = m_session->policy();
    for (const std::string& name : sharers())
        policy.activations.tensors.erase(name);
    m_session->changePolicy(policy, tr("reset an input"));
}

} // namespace ql
