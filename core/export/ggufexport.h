// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Export to GGUF, from Hugging Face files (names, orders, metadata and tokenizer translated) and from GGUF files
// (metadata and tokenizer as they are). Memory is bounded by one slice of one tensor and the metadata.
#pragma once

#include "core/export/exporter.h"

namespace ql {

/// What exportGguf() would write; touches nothing. Unsupported for families that llama.cpp or the program does not know
/// and for models of formats without names; errors as NetworkConfig::of and NetworkPlan::create. InvalidArgument for
/// more parts than tensors, and for merging: engines read the parts as they are.
Result<ExportPlan> planGguf(const Model& model, const std::vector<Decision>& decisions, const ExportOptions& options);
/// Writes atomically, and reads back before the file gets its name. Of a model in parts the one that is asked for, under
/// ggufTarget(). Errors as planGguf, the backend's, AtomicFile's.
Status exportGguf(Backend& backend, const Model& model, const std::vector<Decision>& decisions,
                  const ExportOptions& options, const std::string& target, const JobControl& job);
/// `target` itself, or "NAME-00002-of-00008.gguf" beside it for a part.
std::string ggufTarget(const std::string& target, const ExportOptions& options);

} // namespace ql
