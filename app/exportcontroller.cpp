// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/exportcontroller.h"

#include "app/exportdialog.h"
#include "app/resources.h"
#include "core/calibration/importance.h"
#include "core/calibration/outputerror.h"
#include "core/export/exportestimate.h"
#include "core/export/exportnote.h"
#include "core/io/atomicfile.h"

#include <QDateTime>
#include <QFileDialog>
#include <QPointer>

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
    ExportOptions settings = m_lastOptions;
    settings.activations = m_session->policy().activations;
    settings.kvCache = m_session->policy().kvCache;
    settings.replace = false;
    auto decisions = attachImportance(*m_session->model(), m_session->decisions(), m_calibration.get());
    auto* dialog = new ExportDialog(m_session->model(), decisions.ok() ? *decisions : m_session->decisions(), settings, m_window);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    if (!decisions.ok())
        dialog->setObstacle(QString::fromStdString(decisions.error().text()));
    connect(dialog, &ExportDialog::estimateWanted, this,
            [this, dialog, backend](const ExportPlan& plan) { estimate(dialog, plan, backend); });
    connect(dialog, &QDialog::accepted, this, [this, dialog, backend] {
        m_lastOptions = dialog->options();
        exportTo(dialog->path(), m_lastOptions, backend);
    });
    if (const ExportPlan* plan = dialog->currentPlan())
        estimate(dialog, *plan, backend);
    dialog->open();
}

void ExportController::estimate(ExportDialog* dialog, const ExportPlan& plan, const std::shared_ptr<Backend>& backend)
{
    m_jobs->start<double>(
        JobRunner::Lane::Interactive, QStringLiteral("exportEstimate"), tr("estimating the export"),
        [model = m_session->model(), decisions = m_session->decisions(), plan, backend](const JobControl& job) {
            return estimateExport(*backend, *model, decisions, plan, job);
        },
        [sheet = QPointer<ExportDialog>(dialog), device = backend->info().name](Result<double> seconds) {
            if (sheet)
                sheet->setEstimate(seconds.ok() ? std::optional(*seconds) : std::nullopt, QString::fromStdString(device),
                                   seconds.ok() ? QString()
                                                : ExportController::tr("The time cannot be estimated: %1")
                                                      .arg(QString::fromStdString(seconds.error().text())));
        });
}

void ExportController::exportTo(const QString& path, const ExportOptions& options, const std::shared_ptr<Backend>& backend)
{
    m_jobs->start<bool>(
        JobRunner::Lane::Long, {}, tr("writing %1").arg(path),
        [model = m_session->model(), wished = m_session->decisions(), backend, options, pool = m_pool,
         calibration = m_calibration, target = path.toStdString()](const JobControl& job) -> Result<bool> {
            QL_TRY(const auto decisions, resolveCalibrated(*backend, *model, wished, calibration.get(), *pool, job));
            const ExportNote note(exportNotesFolder(), target, options);
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
            QL_TRY(const auto decisions, resolveCalibrated(*backend, *model, wished, calibration.get(), *pool, job));
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

void ExportController::askAndReport(const std::shared_ptr<Backend>& backend, const Shared<Evaluation>& evaluation,
                                    const Shared<Attribution>& attribution)
{
    const QString path = QFileDialog::getSaveFileName(m_window, tr("Write a report"), QStringLiteral("report.html"),
                                                      tr("Web page (*.html);;JSON (*.json);;Table (*.csv)"));
    if (!path.isEmpty())
        reportTo(path, backend, evaluation, attribution);
}

void ExportController::reportTo(const QString& path, const std::shared_ptr<Backend>& backend,
                                const Shared<Evaluation>& evaluation, const Shared<Attribution>& attribution)
{
    const auto format = reportFormatFromPath(path.toStdString());
    if (!format) {
        Q_EMIT failed({ErrorCode::InvalidArgument, "a report's name ends in .html, .json or .csv", path.toStdString()});
        return;
    }
    ReportRequest request;
    request.model = m_session->model();
    request.policy = m_session->policy();
    request.calibration = m_calibration;
    request.evaluation = evaluation;
    request.attribution = attribution;
    request.date = QDateTime::currentDateTimeUtc().toString(Qt::ISODate).toStdString();
    m_jobs->start<bool>(
        JobRunner::Lane::Long, {}, tr("writing the report"),
        [request = std::move(request), backend, format = *format, pool = m_pool,
         target = path.toStdString()](const JobControl& job) -> Result<bool> {
            QL_TRY(const Report report, makeReport(*backend, request, *pool, job));
            QL_CHECK(writeFileAtomically(target, reportText(report, format)));
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
