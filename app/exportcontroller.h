// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ExportController: everything that leaves the window as a file - checkpoint, metrics, plots. Asks where to, shows what
// will be written, runs the export as a job, and says how it ended.
#pragma once

#include "app/jobrunner.h"
#include "app/session.h"
#include "core/report/report.h"

#include <QObject>

class QWidget;

namespace ql {

class ExportDialog;

class ExportController : public QObject
{
    Q_OBJECT
public:
    ExportController(Session* session, JobRunner* jobs, std::shared_ptr<ThreadPool> pool, QWidget* window);

    /// Where targets are proposed; empty: beside the model or, where nothing can be written there, with the documents.
    void setFolder(const QString& folder) { m_folder = folder; }
    const QString& folder() const { return m_folder; } ///< of the last export
    void setCalibration(std::shared_ptr<const Calibration> calibration); ///< for clip=output; may be null

    void askAndExportModel(const std::shared_ptr<Backend>& backend);
    void askAndExportMetrics(const std::shared_ptr<Backend>& backend);
    void askAndReport(const std::shared_ptr<Backend>& backend, const Shared<Evaluation>& evaluation,
                      const Shared<Attribution>& attribution);
    /// Without questions; for tests and the questions' answers.
    void exportTo(const QString& path, const ExportOptions& options, const std::shared_ptr<Backend>& backend);
    void metricsTo(const QString& path, const std::shared_ptr<Backend>& backend);
    /// By the ending of `path`: a web page, JSON or CSV.
    void reportTo(const QString& path, const std::shared_ptr<Backend>& backend, const Shared<Evaluation>& evaluation,
                  const Shared<Attribution>& attribution);

Q_SIGNALS:
    void finished(const QString& path);
    void failed(const ql::Error& error);

private:
    void plan(ExportDialog* dialog, const ExportOptions& options);
    void estimate(ExportDialog* dialog, const std::shared_ptr<const ExportPlan>& plan, const std::shared_ptr<Backend>& backend);
    QString proposedFolder() const;

    Session* m_session;
    JobRunner* m_jobs;
    std::shared_ptr<ThreadPool> m_pool;
    std::shared_ptr<const Calibration> m_calibration;
    QWidget* m_window;
    ExportOptions m_lastOptions;
    QString m_folder;
};

} // namespace ql
