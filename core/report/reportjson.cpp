// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// A report as JSON and CSV.
#include "core/report/report.h"

#include "core/base/csv.h"
#include "core/base/format.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value)
{
    return std::isfinite(value) ? Json(value) : Json();
}

Json toJson(const Estimate& estimate)
{
    return {{"value", number(estimate.value)}, {"standard_error", number(estimate.standardError)}};
}

Json figuresOf(const ErrorMetrics& metrics)
{
    return {{"bits_per_weight", number(metrics.bitsPerWeight)}, {"bytes", metrics.bytes}, {"mse", number(metrics.mse())},
            {"sqnr_db", number(metrics.sqnrDb())}, {"rel_error", number(metrics.relativeError())},
            {"max_abs_error", number(metrics.maxAbsError)}, {"mean_abs_error", number(metrics.meanAbsError())},
            {"cosine", number(metrics.cosine())}, {"clipped_share", number(metrics.clippedShare())}};
}

Json toJson(const ReportTensor& tensor)
{
    Json json{{"name", tensor.info.name}, {"role", roleName(tensor.info.role)}, {"layer", tensor.info.layer},
              {"shape", tensor.info.shape}, {"stored_type", tensor.info.typeLabel()},
              {"stored_bytes", tensor.info.bytes},
              {"scheme", tensor.decision.asStored ? "as stored" : tensor.decision.scheme.text()},
              {"because", tensor.decision.because}};
    if (!tensor.decision.fallback.empty())
        json["fallback"] = tensor.decision.fallback;
    json.update(figuresOf(tensor.figures.metrics));
    if (const auto& output = tensor.figures.output) {
        json["output_rel_error"] = number(output->relative());
        json["output_sqnr_db"] = number(output->sqnrDb());
        json["basis"] = basisName(output->basis);
    }
    if (!tensor.figures.note.empty())
        json["note"] = tensor.figures.note;
    return json;
}

Json toJson(const Evaluation& e)
{
    return {{"text", e.text}, {"tokens", e.tokens}, {"sequences", e.sequences}, {"context", e.context},
            {"perplexity", toJson(e.perplexity)}, {"original_perplexity", toJson(e.originalPerplexity)},
            {"loss_increase", toJson(e.lossIncrease)}, {"kl", toJson(e.kl)}, {"kl_median", number(e.klMedian)},
            {"kl_p90", number(e.klP90)}, {"kl_p99", number(e.klP99)}, {"kl_max", number(e.klMax)},
            {"top1_agreement", toJson(e.top1Agreement)}};
}

Json toJson(const ReportGrid& grid)
{
    Json levels = Json::array();
    for (const Level& level : grid.quantization->codebook.levels)
        levels.push_back(level.value);
    const Histogram& scaled = grid.quantization->scaled;
    return {{"tensor", grid.tensor}, {"scheme", grid.quantization->provenance.scheme.text()}, {"levels", levels},
            {"scaled", {{"lo", scaled.lo}, {"hi", scaled.hi}, {"counts", scaled.counts}}},
            {"scale_median", number(grid.quantization->scaleMedian)}};
}

Json toJson(const ReportFinding& finding)
{
    return {{"kind", finding.kind}, {"tensor", finding.tensor}, {"text", finding.text}};
}

Json toJson(const Attribution::Entry& entry)
{
    return {{"name", entry.name}, {"scheme", entry.scheme.text()}, {"kl", toJson(entry.kl)}};
}

template <class T>
Json all(const std::vector<T>& values)
{
    Json json = Json::array();
    for (const T& value : values)
        json.push_back(toJson(value));
    return json;
}

} // namespace

std::string reportToJson(const Report& report)
{
    Json json;
    json["quantloupe_report"] = 1;
    json["program"] = report.program;
    json["date"] = report.date;
    json["device"] = {{"id", report.device.id}, {"name", report.device.name}, {"driver", report.device.driver}};
    json["seconds"] = report.seconds;
    json["model"] = {{"name", report.modelName}, {"format", report.modelFormat}, {"architecture", report.architecture},
                     {"fingerprint", report.fingerprint}, {"parameters", report.parameters},
                     {"layers", report.layers}, {"bytes", report.sourceBytes}};
    json["policy"] = {{"name", report.policyName},
                      {"document", Json::parse(report.policyJson, nullptr, false)}};
    json["totals"] = figuresOf(report.total);
    json["totals"]["bits_per_weight"] = report.bitsPerWeight;
    json["totals"]["bytes"] = report.storedBytes;
    json["totals"]["quantized_tensors"] = report.quantized;
    if (const auto& source = report.calibration)
        json["calibration"] = {{"kind", source->kind}, {"text", source->text}, {"sequences", source->sequences},
                               {"tokens", source->tokens}, {"seed", source->seed}, {"partial", source->partial},
                               {"program", source->program}, {"created", source->created}};
    if (report.evaluation)
        json["evaluation"] = toJson(*report.evaluation);
    if (report.attribution)
        json["attribution"] = all(report.attribution->entries);
    json["findings"] = all(report.findings);
    json["tensors"] = all(report.tensors);
    json["grids"] = all(report.grids);
    return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string reportToCsv(const Report& report)
{
    const bool outputs = std::any_of(report.tensors.begin(), report.tensors.end(),
                                     [](const ReportTensor& tensor) { return tensor.figures.output.has_value(); });
    std::string csv = "name,role,layer,shape,stored_type,stored_bytes,scheme,bits_per_weight,bytes,mse,sqnr_db,rel_error,"
                      "max_abs_error,mean_abs_error,cosine,";
    csv += outputs ? "output_rel_error,output_sqnr_db,basis,because,note\n" : "because,note\n";
    for (const ReportTensor& tensor : report.tensors) {
        const ErrorMetrics& m = tensor.figures.metrics;
        csv += csvField(tensor.info.name) + ',' + std::string(roleName(tensor.info.role)) + ',' +
               std::to_string(tensor.info.layer) + ',' + csvField(toString(tensor.info.shape)) + ',' +
               csvField(tensor.info.typeLabel()) + ',' + std::to_string(tensor.info.bytes) + ',' +
               csvField(tensor.decision.asStored ? "as stored" : tensor.decision.scheme.text()) + ',' +
               formatExact(m.bitsPerWeight) + ',' + std::to_string(m.bytes);
        for (const double value : {m.mse(), m.sqnrDb(), m.relativeError(), m.maxAbsError, m.meanAbsError(), m.cosine()})
            csv += ',' + formatExact(value);
        if (outputs && tensor.figures.output)
            csv += ',' + formatExact(tensor.figures.output->relative()) + ',' +
                   formatExact(tensor.figures.output->sqnrDb()) + ',' +
                   std::string(basisName(tensor.figures.output->basis));
        else if (outputs)
            csv += ",,,";
        csv += ',' + csvField(tensor.decision.because) + ',' + csvField(tensor.figures.note) + '\n';
    }
    return csv;
}

} // namespace ql
