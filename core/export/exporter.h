// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Exporting: from a model and its decisions to files. Each tensor is read, quantized and written on its own, so memory
// is bounded by one slice of one tensor.
#pragma once

#include "core/calibration/outputerror.h"
#include "core/compute/backend.h"
#include "core/model/model.h"
#include "core/policy/policy.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace ql {

enum class ExportFormat { Dequantized, Codes, Gguf, Gptq, Awq, CompressedTensors, BitsAndBytes, Mlx };
inline constexpr ExportFormat kExportFormats[] = {
    ExportFormat::Dequantized,       ExportFormat::Codes,        ExportFormat::Gguf, ExportFormat::Gptq, ExportFormat::Awq,
    ExportFormat::CompressedTensors, ExportFormat::BitsAndBytes, ExportFormat::Mlx};
/// "dequantized", "codes", "gguf", "gptq", "awq", "compressed-tensors", "bitsandbytes", "mlx".
std::string_view exportFormatName(ExportFormat format);
/// Whether the target is a Hugging Face folder; else it is one file.
bool exportsFolder(ExportFormat format);
std::optional<ExportFormat> exportFormatFromName(std::string_view name);
std::string exportFormatNames(); ///< all of them, for messages: "dequantized, codes, ..."

/// What is to be written, apart from the decisions; a format alone means its usual settings.
struct ExportOptions {
    ExportOptions(ExportFormat wished = ExportFormat::Dequantized) : format(wished) {}

    ExportFormat format;
    uint64_t shardBytes = 5'000'000'000; ///< most tensor data in one file of a folder; larger tensors have their own
    int part = 0;                        ///< from 1: only that share of `parts`; 0: everything
    int parts = 1;                       ///< processes that share the work; of a GGUF, its files
    bool merge = false;                  ///< puts parts of a folder together that are all there
    bool gptqV2 = false;                 ///< GPTQ zero points as they are, not less one
    bool replace = false;                ///< a folder that is there already may be replaced
    ActivationPolicy activations;        ///< for formats whose configuration can say them
    KvPolicy kvCache;
};

struct PlanEntry {
    std::string tensor;
    Decision decision;
    uint64_t sourceBytes = 0;
    uint64_t targetBytes = 0;
    double bitsPerWeight = 0;
    std::vector<std::string> warnings;
    int part = 1; ///< who writes it, of ExportOptions::parts
    int64_t cols = 0; ///< of the rows that are quantized, where the format cuts them otherwise than the tensor; else 0
};

struct ExportPlan {
    ExportFormat format = ExportFormat::Dequantized;
    bool folder = false; ///< the target is a folder; else one file
    std::vector<PlanEntry> entries;
    std::vector<std::string> warnings;
    uint64_t fileBytes = 0;  ///< exactly what will be written, headers included
    uint64_t quantizedBytes = 0; ///< of the tensors as the schemes store them
    double bitsPerWeight = 0;
};

/// What would be written; touches nothing.
Result<ExportPlan> planExport(const Model& model, const std::vector<Decision>& decisions,
                              const ExportOptions& options);

/// SchemeConflict with the first fallback of a plan, for those who want the schemes they asked for or nothing.
Status refuseFallbacks(const ExportPlan& plan);

struct TensorReport {
    std::string tensor;
    Scheme scheme;
    ErrorMetrics metrics;
    double seconds = 0;
    std::string note; ///< "12 NaN, first at 345", fallback, "kept"
    std::optional<OutputError> output; ///< where a calibration knows what enters
};

/// Measures every tensor in order; `onTensor` is called after each one from the calling thread.
Result<std::vector<TensorReport>> measureModel(Backend& backend, const Model& model,
                                               const std::vector<Decision>& decisions, const std::vector<int>& tensors,
                                               const std::function<void(const TensorReport&)>& onTensor,
                                               const JobControl& job);

/// The same for what an export would write: the plan's decisions, on the rows that it quantizes.
Result<std::vector<TensorReport>> measurePlan(Backend& backend, const Model& model, const ExportPlan& plan,
                                              const std::vector<int>& tensors, const JobControl& job);

/// Adds the output error to the reports of weights whose input the calibration knows, with the activations as
/// `activations` wants them. Where it has no rows to quantize, the weights alone count and a note says so.
Status addOutputErrors(Backend& backend, const Model& model, const std::vector<Decision>& decisions,
                       const ActivationPolicy& activations, const Calibration& calibration, ThreadPool& pool,
                       const JobControl& job, std::vector<TensorReport>& reports);

/// Writes the checkpoint atomically and verifies it by reopening before it gets its name.
Status exportModel(Backend& backend, const Model& model, const std::vector<Decision>& decisions,
                   const ExportOptions& options, const std::string& target, const JobControl& job);

/// One row per tensor and a total; the columns and keys of the command line's `quantize --json`. Output errors have
/// theirs (output_rel_error, output_sqnr_db, basis) where any are known.
std::string reportsToCsv(const std::vector<TensorReport>& reports);
std::string reportsToJson(const std::vector<TensorReport>& reports, const std::string& device, double seconds);

} // namespace ql
