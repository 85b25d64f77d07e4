// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/flowviews.h"

#include "widgets/panels/activationspage.h"

namespace ql {
namespace {

QString textOf(const std::optional<ActivationScheme>& scheme)
{
    return scheme ? QString::fromStdString(scheme->text()) : FlowViews::tr("full precision");
}

} // namespace

FlowViews::FlowViews(Session* session, RunController* run, LookController* look, ActivationsPage* activations, QObject* parent)
    : QObject(parent), m_session(session), m_run(run), m_look(look), m_activations(activations)
{
    connect(look, &LookController::shown, this, [this](int tensor, const Scheme&, bool) {
        if (tensor != m_tensor)
            show(tensor);
    });
    connect(session, &Session::policyChanged, this, [this] {
        const auto scheme = m_run->activationScheme(m_tensor);
        if (scheme == m_activations->scheme())
            return;
        m_activations->setScheme(scheme);
        ask();
    });
    for (const auto changed : {&RunController::networkChanged, &RunController::activityChanged})
        connect(run, changed, this, &FlowViews::showState);
    connect(run, &RunController::calibrationChanged, this, [this] { show(m_tensor); });
    connect(run, &RunController::activationReady, this, [this](int tensor, const Shared<ActivationStudy>& study) {
        if (tensor == m_tensor)
            m_activations->setStudy(study);
    });
    connect(run, &RunController::activationFailed, this, [this](int tensor, const Error& error) {
        if (tensor == m_tensor)
            m_activations->setFailure(QString::fromStdString(error.text()));
    });
    connect(activations, &ActivationsPage::schemeEdited, this, &FlowViews::editActivation);
    connect(activations, &ActivationsPage::calibrateWanted, this, &FlowViews::calibratePanelWanted);
    connect(activations, &ActivationsPage::importWanted, this, &FlowViews::importWanted);
    showState();
}

void FlowViews::setActivationsVisible(bool visible)
{
    m_activationsVisible = visible;
    ask();
}

void FlowViews::show(int tensor)
{
    m_tensor = m_session->model() ? tensor : -1;
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
