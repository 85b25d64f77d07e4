// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Measuring a model tensor by tensor, and the figures as CSV and JSON.
#include "core/export/exporter.h"

#include "core/base/csv.h"
#include "core/base/format.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace ql {
namespace {

/// A figure as JSON: null where it is infinite (SQNR without error), since JSON has no infinity.
nlohmann::ordered_json number(double value)
{
    return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json();
}

void addFigures(nlohmann::ordered_json& json, const ErrorMetrics& metrics)
{
    json["bits_per_weight"] = number(metrics.bitsPerWeight);
    json["mse"] = number(metrics.mse());
    json["sqnr_db"] = number(metrics.sqnrDb());
    json["rel_error"] = number(metrics.relativeError());
    json["max_abs_error"] = number(metrics.maxAbsError);
    json["mean_abs_error"] = number(metrics.meanAbsError());
    json["cosine"] = number(metrics.cosine());
    json["bytes"] = metrics.bytes;
}

/// Metrics of a tensor whose bytes do not change.
ErrorMetrics unchanged(const TensorInfo& tensor)
{
    ErrorMetrics metrics;
    metrics.count = metrics.finite = tensor.parameters();
    metrics.bytes = tensor.bytes;
    metrics.bitsPerWeight = metrics.count ? 8.0 * double(tensor.bytes) / double(metrics.count) : 0;
    return metrics;
}

/// `cols`: of the rows that are quantized; 0: the tensor's own.
Result<TensorReport> measureOne(Backend& backend, const Model& model, int index, const Decision& decision, int64_t cols,
                                const JobControl& job)
{
    const TensorInfo& info = model.tensors()[size_t(index)];
    TensorReport report{info.name, decision.scheme, {}, 0, decision.fallback, {}};
    const auto started = std::chrono::steady_clock::now();
    if (decision.asStored) {
        report.metrics = unchanged(info);
        if (report.note.empty())
            report.note = "kept as stored";
        return report;
    }
    QL_TRY(TensorView view, model.view(index));
    view = view.weighted(decision.importance);
    if (cols > 0) {
        QL_TRY(view, TensorView::create(view.source(), view.offset(), view.dtype(), {view.count() / cols, cols}));
    }
    QL_TRY(report.metrics, backend.measure(view, decision.scheme, job));
    if (report.metrics.finite != report.metrics.count) {
        QL_TRY(const TensorStats stats, backend.statistics(view, job));
        report.note += (report.note.empty() ? "" : "; ") + std::to_string(stats.nans) + " NaN, " + std::to_string(stats.infs) + " Inf, first at index " +
                      std::to_string(stats.firstNonFinite) + "; figures over the finite values";
    }
    view.release();
    report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    return report;
}

using MeasureTensor = std::function<Result<TensorReport>(int tensor, const JobControl& job)>;

Result<std::vector<TensorReport>> measureEach(const Model& model, const std::vector<int>& tensors,
                                              const MeasureTensor& measure,
                                              const std::function<void(const TensorReport&)>& onTensor,
                                              const JobControl& job)
{
    uint64_t total = 0, done = 0;
    for (const int index : tensors)
        total += model.tensors()[size_t(index)].bytes;
    std::vector<TensorReport> reports;
    for (const int index : tensors) {
        if (job.cancelled())
            return cancelledError();
        JobControl inner{job.stop, [&](uint64_t part, uint64_t) { job.report(done + part, total); }};
        auto report = measure(index, inner);
        if (!report.ok()) {
            Error error = report.error();
            if (error.code != ErrorCode::Cancelled && error.where.find(model.tensors()[size_t(index)].name) == std::string::npos)
                error.where += (error.where.empty() ? "tensor " : ": tensor ") + model.tensors()[size_t(index)].name;
            return error;
        }
        done += model.tensors()[size_t(index)].bytes;
        job.report(done, total);
        if (onTensor)
            onTensor(*report);
        reports.push_back(std::move(*report));
    }
    return reports;
}

} // namespace

Result<std::vector<TensorReport>> measureModel(Backend& backend, const Model& model,
                                               const std::vector<Decision>& decisions, const std::vector<int>& tensors,
                                               const std::function<void(const TensorReport&)>& onTensor,
                                               const JobControl& job)
{
    const auto measure = [&](int index, const JobControl& inner) {
        return measureOne(backend, model, index, decisions[size_t(index)], 0, inner);
    };
    return measureEach(model, tensors, measure, onTensor, job);
}

Result<std::vector<TensorReport>> measurePlan(Backend& backend, const Model& model, const ExportPlan& plan,
                                              const std::vector<int>& tensors, const JobControl& job)
{
    const auto measure = [&](int index, const JobControl& inner) {
        const PlanEntry& entry = plan.entries[size_t(index)];
        return measureOne(backend, model, index, entry.decision, entry.cols, inner);
    };
    return measureEach(model, tensors, measure, {}, job);
}

namespace {

/// The output error of one weight; nothing where neither weights nor activations change.
Status addOutputError(Backend& backend, const TensorView& weight, const Decision& decision, OutputErrorRequest request,
                      ThreadPool& pool, const JobControl& job, TensorReport& report)
{
    if (decision.asStored && !request.activation)
        return {};
    request.weight = weight;
    request.scheme = decision.asStored ? Scheme::defaultsFor(Format::F32) : decision.scheme;
    auto output = measureOutputError(backend, request, pool, job);
    if (!output.ok() && output.error().code == ErrorCode::CalibrationInvalid && request.activation) {
        report.note += (report.note.empty() ? "" : "; ") + ("activations left out: " + output.error().message);
        request.activation.reset();
        if (decision.asStored)
            return {};
        output = measureOutputError(backend, request, pool, job);
    }
    if (!output.ok())
        return output.error();
    report.output = *output;
    return {};
}

bool anyOutput(const std::vector<TensorReport>& reports)
{
    return std::any_of(reports.begin(), reports.end(), [](const TensorReport& report) { return report.output.has_value(); });
}

} // namespace

Status addOutputErrors(Backend& backend, const Model& model, const std::vector<Decision>& decisions,
                       const ActivationPolicy& activations, const Calibration& calibration, ThreadPool& pool,
                       const JobControl& job, std::vector<TensorReport>& reports)
{
    QL_TRY(const auto schemes, activations.resolve(model));
    uint64_t total = 0, done = 0;
    for (const TensorReport& report : reports)
        total += model.tensors()[size_t(model.indexOf(report.tensor))].bytes;
    for (TensorReport& report : reports) {
        const int index = model.indexOf(report.tensor);
        const TensorInfo& info = model.tensors()[size_t(index)];
        OutputErrorRequest request;
        request.input = calibration.find(report.tensor);
        request.activation = schemes[size_t(index)];
        if (request.input) {
            QL_TRY(TensorView view, model.view(index));
            view = view.weighted(decisions[size_t(index)].importance);
            const JobControl inner{job.stop, [&](uint64_t part, uint64_t) { job.report(done + part, total); }};
            const Status added =
                addOutputError(backend, view, decisions[size_t(index)], std::move(request), pool, inner, report);
            if (!added.ok() && added.error().code != ErrorCode::Cancelled)
                return Error{added.error().code, added.error().message, "tensor " + report.tensor};
            QL_CHECK(added);
            view.release();
        }
        done += info.bytes;
        job.report(done, total);
    }
    return {};
}

std::string reportsToCsv(const std::vector<TensorReport>& reports)
{
    const bool outputs = anyOutput(reports);
    std::string csv = "name,scheme,bits_per_weight,mse,sqnr_db,rel_error,max_abs_error,mean_abs_error,cosine,bytes,";
    csv += outputs ? "output_rel_error,output_sqnr_db,basis,note\n" : "note\n";
    for (const TensorReport& report : reports) {
        const ErrorMetrics& m = report.metrics;
        csv += csvField(report.tensor) + ',' + csvField(report.scheme.text());
        for (const double value : {m.bitsPerWeight, m.mse(), m.sqnrDb(), m.relativeError(), m.maxAbsError,
                                   m.meanAbsError(), m.cosine()})
            csv += ',' + formatExact(value);
        csv += ',' + std::to_string(m.bytes);
        if (outputs && report.output)
            csv += ',' + formatExact(report.output->relative()) + ',' + formatExact(report.output->sqnrDb()) + ',' +
                   std::string(basisName(report.output->basis));
        else if (outputs)
            csv += ",,,";
        csv += ',' + csvField(report.note) + '\n';
    }
    return csv;
}

std::string reportsToJson(const std::vector<TensorReport>& reports, const std::string& device, double seconds)
{
    nlohmann::ordered_json json;
    json["device"] = device;
    json["tensors"] = nlohmann::ordered_json::array();
    ErrorMetrics total;
    for (const TensorReport& report : reports) {
        nlohmann::ordered_json row;
        row["name"] = report.tensor;
        row["scheme"] = report.scheme.text();
        addFigures(row, report.metrics);
        if (report.output) {
            row["output_rel_error"] = number(report.output->relative());
            row["output_sqnr_db"] = number(report.output->sqnrDb());
            row["basis"] = basisName(report.output->basis);
        }
        if (!report.note.empty())
            row["note"] = report.note;
        json["tensors"].push_back(std::move(row));
        total.merge(report.metrics);
    }
    json["total"] = {{"bits_per_weight", number(total.bitsPerWeight)}, {"bytes", total.bytes},
                     {"sqnr_db", number(total.sqnrDb())}};
    json["seconds"] = seconds;
    return json.dump(1) + "\n";
}

} // namespace ql
