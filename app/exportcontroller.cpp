// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/exportcontroller.h"

#include "app/exportdialog.h"
#include "core/calibration/outputerror.h"
#include "core/io/atomicfile.h"

#include <QFileDialog>

#include <numeric>

namespace ql {

ExportController::ExportController(Session* session, JobRunner* jobs, std::shared_ptr<ThreadPool> pool, QWidget* window)
    : QObject(window), m_session(session), m_jobs(jobs), m_pool(std::move(pool)), m_window(window)
{
}

void ExportController::setCalibration(std::shared_ptr<const Calibration> calibration)
{
    m_calibration = std::move(calibration);
}

void ExportController::askAndExportModel(const std::shared_ptr<Backend>& backend)
{
    auto* dialog = new ExportDialog(m_session->model(), m_session->decisions(), m_window);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    connect(dialog, &QDialog::accepted, this, [this, dialog, backend] {
        exportTo(dialog->path(), dialog->format(), backend);
    });
    dialog->open();
}

void ExportController::exportTo(const QString& path, const ExportOptions& options, const std::shared_ptr<Backend>& backend)
{
    m_jobs->start<bool>(
        JobRunner::Lane::Long, {}, tr("writing %1").arg(path),
        [model = m_session->model(), wished = m_session->decisions(), backend, options, pool = m_pool,
         calibration = m_calibration, target = path.toStdString()](const JobControl& job) -> Result<bool> {
            QL_TRY(const auto decisions, resolveOutputClips(*backend, *model, wished, calibration.get(), *pool, job));
            QL_CHECK(exportModel(*backend, *model, decisions, options, target, job));
            return true;
        },
        [this, path](Result<bool> written) {
            if (written.ok())
                Q_EMIT finished(path);
            else
                Q_EMIT failed(written.error());
        });
}

void ExportController::askAndExportMetrics(const std::shared_ptr<Backend>& backend)
{
    const QString path = QFileDialog::getSaveFileName(m_window, tr("Export metrics"), QStringLiteral("metrics.csv"),
                                                      tr("Table (*.csv);;JSON (*.json)"));
    if (!path.isEmpty())
        metricsTo(path, backend);
}

void ExportController::metricsTo(const QString& path, const std::shared_ptr<Backend>& backend)
{
    m_jobs->start<bool>(
        JobRunner::Lane::Long, {}, tr("measuring every layer"),
        [model = m_session->model(), wished = m_session->decisions(), backend, pool = m_pool, calibration = m_calibration,
         target = path.toStdString()](const JobControl& job) -> Result<bool> {
            QL_TRY(const auto decisions, resolveOutputClips(*backend, *model, wished, calibration.get(), *pool, job));
            std::vector<int> all(model->tensors().size());
            std::iota(all.begin(), all.end(), 0);
            QL_TRY(const auto reports, measureModel(*backend, *model, decisions, all, {}, job));
            double seconds = 0;
            for (const TensorReport& report : reports)
                seconds += report.seconds;
            const bool json = target.ends_with(".json");
            QL_CHECK(writeFileAtomically(target, json ? reportsToJson(reports, backend->info().name, seconds)
                                                      : reportsToCsv(reports)));
            return true;
        },
        [this, path](Result<bool> written) {
            if (written.ok())
                Q_EMIT finished(path);
            else
                Q_EMIT failed(written.error());
        });
}

} // namespace ql
