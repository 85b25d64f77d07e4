// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Calibrations made elsewhere: llama.cpp's importance matrices and dumps of activations.
#pragma once

#include "core/calibration/calibration.h"

namespace ql {

/// GGUF or legacy .dat importance matrix (llama.cpp tools/imatrix). Names are mapped to the model's own.
/// CalibrationInvalid (naming entry and byte), CalibrationMismatch (a width that differs; nothing that fits the model).
Result<std::shared_ptr<const Calibration>> importImportanceMatrix(const std::string& path, const Model& model);
/// Arrays of rows = tokens, columns = channels, from safetensors, NPY or NPZ; each named after a weight or module of the
/// model. CalibrationMismatch names the array whose width is wrong.
Result<std::shared_ptr<const Calibration>> importActivations(const std::string& path, const Model& model,
                                                             const JobControl& job);
/// Chooses by content.
Result<std::shared_ptr<const Calibration>> importCalibration(const std::string& path, const Model& model,
                                                             const JobControl& job);
/// Writes a GGUF importance matrix for llama-quantize; errors as AtomicFile, Unsupported for families that GGUF lacks.
Status exportImportanceMatrix(const Calibration& calibration, const Model& model, const std::string& path);

} // namespace ql
