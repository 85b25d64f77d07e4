// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Report: everything worth keeping about a model under a policy as one value - facts, decisions, figures, provenance -
// and that value as a self-contained web page, JSON and CSV.
#pragma once

#include "core/evaluation/evaluation.h"
#include "core/export/exporter.h"

#include <optional>
#include <string>
#include <vector>

namespace ql {

struct ReportTensor {
    TensorInfo info;
    Decision decision;
    TensorReport figures;
};

/// The grid of one weight's scheme on its values.
struct ReportGrid {
    std::string tensor;
    Shared<Quantization> quantization;
};

struct ReportFinding {
    std::string kind; ///< "error", "warning", "note"
    std::string tensor; ///< may be empty
    std::string text;
};

struct Report {
    std::string program, date;  ///< name and version of what made it; the caller's date
    BackendInfo device;
    std::string modelName, modelFormat, architecture, fingerprint;
    uint64_t parameters = 0;
    int layers = 0;
    std::string policyName, policyJson;
    std::vector<ReportTensor> tensors; ///< in the order of the model
    uint64_t sourceBytes = 0, storedBytes = 0; ///< of all tensors as stored, and packed by their schemes
    double bitsPerWeight = 0;  ///< over all parameters
    ErrorMetrics total;        ///< of the quantized tensors
    int quantized = 0;
    std::optional<CalibrationSource> calibration;
    Shared<Evaluation> evaluation;   ///< may be null
    Shared<Attribution> attribution; ///< may be null
    std::vector<ReportFinding> findings;
    std::vector<ReportGrid> grids;   ///< of the weights with the lowest SQNR, worst first
    double seconds = 0;
};

struct ReportRequest {
    std::shared_ptr<const Model> model;
    Policy policy;
    std::shared_ptr<const Calibration> calibration; ///< may be null: then no output errors
    Shared<Evaluation> evaluation;                  ///< of this policy; may be null
    Shared<Attribution> attribution;                ///< may be null
    std::string date;                               ///< ISO 8601
    int grids = 4;                                  ///< how many of the worst weights get a picture
};

/// Measures every tensor. Errors as Policy::resolve, resolveOutputClips, measureModel and addOutputErrors.
Result<Report> makeReport(Backend& backend, const ReportRequest& request, ThreadPool& pool, const JobControl& job);

/// One page without references to anything outside it: tables that sort with a few lines of script and read without,
/// pictures as SVG, light or dark as the reader's system.
std::string reportToHtml(const Report& report);
/// {"quantloupe_report":1,"program","date","device","model","policy","totals","calibration","evaluation","attribution",
/// "findings","tensors","grids"}; figures that are infinite are null.
std::string reportToJson(const Report& report);
/// One row per tensor.
std::string reportToCsv(const Report& report);

enum class ReportFormat { Html, Json, Csv };
/// By the ending of a file's name: .html, .htm, .json or .csv.
std::optional<ReportFormat> reportFormatFromPath(std::string_view path);
std::string reportText(const Report& report, ReportFormat format);

} // namespace ql
