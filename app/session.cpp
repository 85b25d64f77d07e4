// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session.h"

#include "widgets/models/numbertext.h"

#include <QUndoCommand>

namespace ql {

/// Swaps whole policies: they are small values, and undo then cannot drift from what was there.
class PolicyCommand : public QUndoCommand
{
public:
    PolicyCommand(Session& session, Policy after, const QString& text)
        : QUndoCommand(text), m_session(session), m_before(session.policy()), m_after(std::move(after))
    {
    }
    void undo() override { m_session.adopt(m_before); }
    void redo() override { m_session.adopt(m_after); }

private:
    Session& m_session;
    Policy m_before, m_after;
};

Session::Session(JobRunner* jobs, QObject* parent) : QObject(parent), m_jobs(jobs), m_undo(new QUndoStack(this)) {}

Session::~Session() = default;

void Session::openModel(const QString& path, FileAccess access)
{
    using ModelPtr = std::shared_ptr<const Model>;
    m_jobs->start<ModelPtr>(
        JobRunner::Lane::Interactive, QStringLiteral("open"), tr("opening %1").arg(path),
        [path = path.toStdString(), access](const JobControl&) { return Model::open(path, access); },
        [this](Result<ModelPtr> model) {
            if (!model.ok()) {
                Q_EMIT failed(model.error());
                return;
            }
            m_jobs->cancelLane(JobRunner::Lane::Background);
            m_model = *model;
            m_undo->clear();
            m_policyPath.clear();
            Policy policy;
            policy.modelFingerprint = m_model->fingerprint();
            m_policy = policy;
            if (auto decisions = policy.resolve(*m_model); decisions.ok())
                m_decisions = std::make_shared<const std::vector<Decision>>(std::move(*decisions));
            Q_EMIT modelChanged();
            Q_EMIT policyChanged();
            for (const std::string& warning : m_model->warnings())
                Q_EMIT warned(QString::fromStdString(warning));
        });
}

void Session::closeModel()
{
    m_jobs->cancelLane(JobRunner::Lane::Interactive);
    m_jobs->cancelLane(JobRunner::Lane::Background);
    m_model.reset();
    m_decisions = std::make_shared<const std::vector<Decision>>();
    m_policy = {};
    m_policyPath.clear();
    m_undo->clear();
    Q_EMIT modelChanged();
    Q_EMIT policyChanged();
}

void Session::adopt(const Policy& policy)
{
    m_policy = policy;
    if (m_model) {
        if (auto decisions = policy.resolve(*m_model); decisions.ok())
            m_decisions = std::make_shared<const std::vector<Decision>>(std::move(*decisions));
    }
    Q_EMIT policyChanged();
}

void Session::changePolicy(const Policy& policy, const QString& text)
{
    if (!m_model || policy == m_policy)
        return;
    // Checked before it becomes a step, so that every step of the history resolves.
    if (const auto decisions = policy.resolve(*m_model); !decisions.ok()) {
        Q_EMIT failed(decisions.error());
        return;
    }
    m_undo->push(new PolicyCommand(*this, policy, text));
}

int Session::setSchemes(const std::vector<std::pair<int, Scheme>>& schemes, const QString& text)
{
    Policy policy = m_policy;
    int leftAlone = 0;
    for (const auto& [tensor, scheme] : schemes) {
        if (decisions()[size_t(tensor)].locked)
            ++leftAlone;
        else
            policy.tensors[m_model->tensors()[size_t(tensor)].name].scheme = scheme;
    }
    changePolicy(policy, text);
    return leftAlone;
}

void Session::setLocked(const QList<int>& tensors, bool locked)
{
    Policy policy = m_policy;
    for (const int tensor : tensors) {
        Override& entry = policy.tensors[m_model->tensors()[size_t(tensor)].name];
        entry.scheme = decisions()[size_t(tensor)].scheme;
        entry.locked = locked;
    }
    changePolicy(policy, locked ? counted(tensors.size(), tr("lock 1 tensor"), tr("lock %1 tensors"))
                                : counted(tensors.size(), tr("unlock 1 tensor"), tr("unlock %1 tensors")));
}

void Session::clearOverrides(const QList<int>& tensors)
{
    Policy policy = m_policy;
    for (const int tensor : tensors)
        policy.tensors.erase(m_model->tensors()[size_t(tensor)].name);
    changePolicy(policy, counted(tensors.size(), tr("reset 1 tensor"), tr("reset %1 tensors")));
}

void Session::addRule(const Rule& rule)
{
    Policy policy = m_policy;
    policy.rules.insert(policy.rules.begin(), rule);
    changePolicy(policy, tr("new rule"));
}

bool Session::loadPolicy(const QString& path)
{
    std::vector<std::string> warnings;
    const auto policy = Policy::load(path.toStdString(), &warnings);
    if (!policy.ok()) {
        Q_EMIT failed(policy.error());
        return false;
    }
    for (const std::string& warning : warnings)
        Q_EMIT warned(path + ": " + QString::fromStdString(warning));
    if (m_model && !policy->modelFingerprint.empty() && policy->modelFingerprint != m_model->fingerprint())
        Q_EMIT warned(tr("%1 was written for another model; its rules apply, tensors it names may be missing").arg(path));
    changePolicy(*policy, tr("open policy"));
    m_policyPath = path;
    if (m_policy == *policy)
        m_undo->setClean();
    return true;
}

bool Session::savePolicy(const QString& path)
{
    if (const Status saved = m_policy.save(path.toStdString()); !saved.ok()) {
        Q_EMIT failed(saved.error());
        return false;
    }
    m_policyPath = path;
    m_undo->setClean();
    return true;
}

void Session::restorePolicy(const Policy& policy)
{
    changePolicy(policy, tr("restore after a crash"));
}

} // namespace ql
