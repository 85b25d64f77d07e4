// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Export to Hugging Face folders: GPTQ, AWQ, compressed-tensors, bitsandbytes, MLX. One process writes the whole folder,
// which appears under its name when all of it has been read back; or several write parts of it and the last one to finish
// puts them together. Memory is bounded by one slice of one tensor and the layout.
#pragma once

#include "core/export/exporter.h"

namespace ql {

/// What exportCheckpoint() would write; touches nothing. Errors as layOutCheckpoint.
Result<ExportPlan> planCheckpoint(const Model& model, const std::vector<Decision>& decisions,
                                  const ExportOptions& options);
/// Errors as layOutCheckpoint, the backend's, AtomicFolder's, VerifyFailed.
Status exportCheckpoint(Backend& backend, const Model& model, const std::vector<Decision>& decisions,
                        const ExportOptions& options, const std::string& target, const JobControl& job);

} // namespace ql
