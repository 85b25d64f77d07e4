// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// CompareViews: what the compare page's two sides stand for, what is computed of them, and what applying a change means
// for the policy. Works only while the page is seen. GUI thread.
#pragma once

#include "app/lookcontroller.h"
#include "core/calibration/calibration.h"
#include "core/compare/modelcompare.h"
#include "widgets/panels/comparepage.h"

#include <QObject>

#include <array>
#include <functional>
#include <map>

namespace ql {

class CompareViews : public QObject
{
    Q_OBJECT
public:
    struct Views {
        ComparePage* page;
        LayersPanel* table;
    };
    /// Named policies of the session, beside those in files.
    using Snapshots = std::function<std::vector<std::pair<QString, Policy>>()>;

    CompareViews(Session* session, LookController* look, JobRunner* jobs, std::shared_ptr<ThreadPool> pool,
                 const Views& views, QWidget* window);

    void setBackend(const std::shared_ptr<Backend>& backend);
    void setCalibration(const std::shared_ptr<const Calibration>& calibration); ///< for clip=output; may be null
    void setSnapshots(Snapshots snapshots);
    void setVisible(bool visible);
    /// The present policy as A, `other` as B, tensor by tensor.
    void compareWith(const CompareOperand& other);

Q_SIGNALS:
    void failed(const ql::Error& error);
    void noted(const QString& text);

private:
    using Side = ComparePage::Side;
    /// What an operand comes to.
    struct Meaning {
        CompareOperand operand;
        std::optional<Policy> policy;
        std::vector<Decision> decisions;       ///< one per tensor; empty for a model file
        std::shared_ptr<const Model> model;    ///< another file
        std::vector<TensorPair> pairs;         ///< with it, by tensor of the open model; b -1: it has none
        QString problem;                       ///< why it comes to nothing, or that a file is being opened
        std::map<int, double> errors;          ///< relative, of a model file
        bool ready() const { return problem.isEmpty() && (model || !decisions.empty()); }
    };

    void update();
    void resolve(Side side);
    Result<Policy> policyOf(const CompareOperand& operand) const;
    void adopt(Meaning& meaning, Result<Policy> policy);
    void openPolicy(Side side, const QString& path);
    void openOther(Side side, const QString& path);
    void askForFile(Side side, CompareOperand::Kind kind);
    void show(int tensor);
    void ask(Side side);
    void askDistribution();
    QString keptBy(const Meaning& meaning, int tensor) const;
    quint64 bytesOf(const Meaning& meaning, int tensor) const;
    void listChanges();
    QString otherDifferences() const;
    void nextErrors();
    std::optional<double> knownError(const Meaning& meaning, int tensor) const;
    std::function<Result<double>(const JobControl&)> errorWork(const Meaning& meaning, int tensor) const;
    void apply(const QList<int>& tensors);

    Session* m_session;
    JobRunner* m_jobs;
    std::shared_ptr<ThreadPool> m_pool;
    ComparePage* m_page;
    LookController* m_look;
    QWidget* m_window;
    std::shared_ptr<Backend> m_backend;
    std::shared_ptr<const Calibration> m_calibration;
    Snapshots m_snapshots;
    std::array<Meaning, 2> m_sides;
    std::map<std::pair<int, Scheme>, double> m_errors; ///< relative
    Shared<Distribution> m_distribution;
    int m_tensor = -1;
    int m_nextRow = 0;
    bool m_visible = false, m_stale = true;
};

} // namespace ql
