// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Session: the open model, its policy with undo, and what they resolve to. Lives on the GUI thread; knows no widgets.
#pragma once

#include "app/jobrunner.h"
#include "core/model/model.h"
#include "core/policy/policy.h"

#include <QObject>
#include <QString>
#include <QUndoStack>

#include <memory>
#include <vector>

namespace ql {

class Session : public QObject
{
    Q_OBJECT
public:
    explicit Session(JobRunner* jobs, QObject* parent = nullptr);
    ~Session() override;

    /// Reads headers in a job; then modelChanged() or failed(). The policy starts anew.
    void openModel(const QString& path, FileAccess access = FileAccess::Map);
    void closeModel();
    const std::shared_ptr<const Model>& model() const { return m_model; }

    const Policy& policy() const { return m_policy; }
    const std::vector<Decision>& decisions() const { return *m_decisions; } ///< one per tensor
    const std::shared_ptr<const std::vector<Decision>>& sharedDecisions() const { return m_decisions; } ///< as they are now
    QUndoStack* undoStack() const { return m_undo; }
    const QString& policyPath() const { return m_policyPath; }

    /// One undoable step. Nothing happens when the policy stays the same; failed() when it does not resolve.
    void changePolicy(const Policy& policy, const QString& text);
    /// Overrides for these tensors; locked tensors are left alone. Returns how many were left alone.
    int setSchemes(const std::vector<std::pair<int, Scheme>>& schemes, const QString& text);
    void setLocked(const QList<int>& tensors, bool locked);
    void clearOverrides(const QList<int>& tensors);
    /// A rule in front of the others.
    void addRule(const Rule& rule);

    bool loadPolicy(const QString& path);
    bool savePolicy(const QString& path);
    void restorePolicy(const Policy& policy); ///< from the journal; leaves the document modified

Q_SIGNALS:
    void modelChanged();
    void policyChanged();
    void failed(const ql::Error& error);
    void warned(const QString& text);

private:
    friend class PolicyCommand;
    void adopt(const Policy& policy);

    JobRunner* m_jobs;
    QUndoStack* m_undo;
    std::shared_ptr<const Model> m_model;
    Policy m_policy;
    std::shared_ptr<const std::vector<Decision>> m_decisions = std::make_shared<const std::vector<Decision>>();
    QString m_policyPath;
};

} // namespace ql
