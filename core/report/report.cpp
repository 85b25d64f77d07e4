// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/report/report.h"

#include "core/calibration/importance.h"
#include "core/policy/validation.h"

#include <algorithm>
#include <chrono>
#include <numeric>

namespace ql {
namespace {

/// Progress of one of several passes over the model.
JobControl passOf(const JobControl& job, uint64_t pass, uint64_t passes)
{
    return {job.stop, [&job, pass, passes](uint64_t done, uint64_t total) {
        job.report(pass * total + done, passes * total);
    }};
}

void describeModel(const Model& model, Report& report)
{
    report.modelName = model.displayName();
    report.modelFormat = formatName(model.format());
    report.architecture = model.architecture();
    report.fingerprint = model.fingerprint();
    report.parameters = model.parameters();
    report.layers = model.layerCount();
    report.sourceBytes = model.bytes();
}

void addTensors(const Model& model, const std::vector<Decision>& decisions, std::vector<TensorReport> figures,
                Report& report)
{
    for (size_t i = 0; i < figures.size(); ++i) {
        report.storedBytes += figures[i].metrics.bytes;
        if (!decisions[i].asStored) {
            report.total.merge(figures[i].metrics);
            ++report.quantized;
        }
        report.tensors.push_back({model.tensors()[i], decisions[i], std::move(figures[i])});
    }
    report.bitsPerWeight = report.parameters ? 8.0 * double(report.storedBytes) / double(report.parameters) : 0;
}

void addFindings(const ReportRequest& request, Report& report)
{
    const auto add = [&](const char* kind, const std::string& tensor, const std::string& text) {
        report.findings.push_back({kind, tensor, text});
    };
    for (const std::string& warning : request.model->warnings())
        add("warning", {}, warning);
    for (const Finding& finding : validate(request.policy, *request.model))
        report.findings.push_back({std::string(severityName(finding.severity)), finding.tensor, finding.text});
    for (const ReportTensor& tensor : report.tensors) {
        if (!tensor.decision.asStored && !tensor.figures.note.empty())
            add("warning", tensor.info.name, tensor.figures.note);
    }
    if (request.calibration && request.calibration->source().partial)
        add("note", {}, "the calibration is partial: it was cancelled before all sequences or layers were done");
    for (const std::string& note : request.evaluation ? request.evaluation->notes : std::vector<std::string>())
        add("note", {}, note);
}

Status addGrids(Backend& backend, const ReportRequest& request, const JobControl& job, Report& report)
{
    std::vector<size_t> worst;
    for (size_t i = 0; i < report.tensors.size(); ++i) {
        if (!report.tensors[i].decision.asStored && !report.tensors[i].decision.scheme.keepsFloat())
            worst.push_back(i);
    }
    const size_t wanted = std::min(worst.size(), size_t(std::max(0, request.grids)));
    std::partial_sort(worst.begin(), worst.begin() + int64_t(wanted), worst.end(), [&](size_t a, size_t b) {
        return report.tensors[a].figures.metrics.sqnrDb() < report.tensors[b].figures.metrics.sqnrDb();
    });
    for (size_t i = 0; i < wanted; ++i) {
        const Decision& decision = report.tensors[worst[i]].decision;
        QL_TRY(TensorView view, request.model->view(int(worst[i])));
        view = view.weighted(decision.importance);
        QL_TRY(const auto quantization, analyseQuantization(backend, view, decision.scheme, nullptr, {job.stop, {}}));
        report.grids.push_back({report.tensors[worst[i]].info.name, quantization});
        view.release();
    }
    return {};
}

} // namespace

Result<Report> makeReport(Backend& backend, const ReportRequest& request, ThreadPool& pool, const JobControl& job)
{
    const auto started = std::chrono::steady_clock::now();
    const Model& model = *request.model;
    const uint64_t passes = request.calibration ? 2 : 1;
    QL_TRY(std::vector<Decision> decisions, request.policy.resolve(model));
    QL_TRY(decisions, resolveCalibrated(backend, model, std::move(decisions), request.calibration.get(), pool,
                                        {job.stop, {}}));
    std::vector<int> all(model.tensors().size());
    std::iota(all.begin(), all.end(), 0);
    QL_TRY(std::vector<TensorReport> figures, measureModel(backend, model, decisions, all, {}, passOf(job, 0, passes)));
    if (request.calibration)
        QL_CHECK(addOutputErrors(backend, model, decisions, request.policy.activations, *request.calibration, pool,
                                 passOf(job, 1, passes), figures));
    Report report;
    report.program = "Quantloupe " QUANTLOUPE_VERSION;
    report.date = request.date;
    report.device = backend.info();
    describeModel(model, report);
    report.policyName = request.policy.name;
    report.policyJson = request.policy.toJson();
    addTensors(model, decisions, std::move(figures), report);
    if (request.calibration)
        report.calibration = request.calibration->source();
    report.evaluation = request.evaluation;
    report.attribution = request.attribution;
    addFindings(request, report);
    QL_CHECK(addGrids(backend, request, job, report));
    report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    return report;
}

std::optional<ReportFormat> reportFormatFromPath(std::string_view path)
{
    if (path.ends_with(".html") || path.ends_with(".htm"))
        return ReportFormat::Html;
    if (path.ends_with(".json"))
        return ReportFormat::Json;
    if (path.ends_with(".csv"))
        return ReportFormat::Csv;
    return std::nullopt;
}

std::string reportText(const Report& report, ReportFormat format)
{
    switch (format) {
    case ReportFormat::Json: return reportToJson(report);
    case ReportFormat::Csv: return reportToCsv(report);
    case ReportFormat::Html: break;
    }
    return reportToHtml(report);
}

} // namespace ql
