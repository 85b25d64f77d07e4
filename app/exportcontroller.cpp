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
#include "widgets/panels/devicechip.h"

#include <QDateTime>
#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QPointer>
#include <QStandardPaths>

#include <numeric>

namespace ql {
namespace {

const QString kPlanKey = QStringLiteral("exportPlan"), kEstimateKey = QStringLiteral("exportEstimate");

} // namespace

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
    auto* dialog = new ExportDialog(m_session->model(), settings, proposedFolder(), m_window);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    connect(dialog, &ExportDialog::planWanted, this, [this, dialog](const ExportOptions& wanted) { plan(dialog, wanted); });
    connect(dialog, &ExportDialog::estimateWanted, this,
            [this, dialog, backend](const std::shared_ptr<const ExportPlan>& shown) { estimate(dialog, shown, backend); });
    connect(dialog, &QDialog::finished, this, [this] {
        m_jobs->cancelKey(kPlanKey);
        m_jobs->cancelKey(kEstimateKey);
    });
    connect(dialog, &QDialog::accepted, this, [this, dialog, backend] {
        m_lastOptions = dialog->options();
        m_folder = QFileInfo(dialog->path()).absolutePath();
        exportTo(dialog->path(), m_lastOptions, backend);
    });
    dialog->open();
}

/// Bundled models are not the place for what people make of them.
QString ExportController::proposedFolder() const
{
    const auto writable = [](const QString& folder) { return !folder.isEmpty() && QFileInfo(folder).isWritable(); };
    if (writable(m_folder))
        return m_folder;
    const QString own = QFileInfo(QString::fromStdString(m_session->model()->path())).absolutePath();
    const auto bundled = resourcePath("models");
    if (writable(own) && !(bundled.ok() && (own + '/').startsWith(QString::fromStdString(*bundled) + '/')))
        return own;
    const QString documents = QStandardPaths::writableLocation(QStandardPaths::DocumentsLocation);
    return writable(documents) ? documents : QDir::homePath();
}

void ExportController::plan(ExportDialog* dialog, const ExportOptions& options)
{
    using Plan = std::shared_ptr<const ExportPlan>;
    m_jobs->start<Plan>(
        JobRunner::Lane::Interactive, kPlanKey, tr("planning the export"),
        [model = m_session->model(), wished = m_session->sharedDecisions(), options,
         calibration = m_calibration](const JobControl&) -> Result<Plan> {
            QL_TRY(const auto decisions, attachImportance(*model, *wished, calibration.get()));
            QL_TRY(ExportPlan plan, planExport(*model, decisions, options));
            return Plan(std::make_shared<const ExportPlan>(std::move(plan)));
        },
        [sheet = QPointer<ExportDialog>(dialog), options](Result<Plan> plan) {
            if (sheet)
                sheet->setPlan(options, plan);
        });
}

void ExportController::estimate(ExportDialog* dialog, const std::shared_ptr<const ExportPlan>& plan,
                                const std::shared_ptr<Backend>& backend)
{
    m_jobs->start<double>(
        JobRunner::Lane::Interactive, kEstimateKey, tr("estimating the export"),
        [model = m_session->model(), decisions = m_session->sharedDecisions(), plan, backend](const JobControl& job) {
            return estimateExport(*backend, *model, *decisions, *plan, job);
        },
        [sheet = QPointer<ExportDialog>(dialog), device = backend->info().name](Result<double> seconds) {
            if (sheet)
                sheet->setEstimate(seconds.ok() ? std::optional(*seconds) : std::nullopt,
                                   shortDeviceName(QString::fromStdString(device)),
                                   seconds.ok() ? QString()
                                                : ExportController::tr("The time cannot be estimated: %1")
                                                      .arg(QString::fromStdString(seconds.error().text())));
        });
}

void ExportController::exportTo(const QString& path, const ExportOptions& options, const std::shared_ptr<Backend>& backend)
{
    m_jobs->start<bool>(
        JobRunner::Lane::Long, {}, tr("writing %1").arg(path),
        [model = m_session->model(), wished = m_session->sharedDecisions(), backend, options, pool = m_pool,
         calibration = m_calibration, target = path.toStdString()](const JobControl& job) -> Result<bool> {
            QL_TRY(const auto decisions, resolveCalibrated(*backend, *model, *wished, calibration.get(), *pool, job));
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
        [model = m_session->model(), wished = m_session->sharedDecisions(), backend, pool = m_pool, calibration = m_calibration,
         target = path.toStdString()](const JobControl& job) -> Result<bool> {
            QL_TRY(const auto decisions, resolveCalibrated(*backend, *model, *wished, calibration.get(), *pool, job));
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
