// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Calibrations made elsewhere: llama.cpp's importance matrices and dumps of activations.
#pragma once

#include "core/calibration/calibration.h"

namespace ql {

/// GGUF or legacy .dat importance matrix (llama.cpp tools/imatrix). Names are mapped to the model's own; weights with
/// the same numbers share one input; where nothing was counted the importance is 1, as llama.cpp reads it. Legacy files
/// know no tokens: their number of calls stands in. CalibrationInvalid (naming entry or byte) besides the errors of
/// GGUF headers, CalibrationMismatch (a width or number of experts that differs; nothing that fits the model).
Result<std::shared_ptr<const Calibration>> importImportanceMatrix(const std::string& path, const Model& model);
/// Arrays of rows = tokens, columns = channels (or sequences x tokens x channels), from safetensors, NPY or NPZ; each
/// named after a weight or module of the model, an NPY file by its own name. Other arrays are left out. CalibrationInvalid
/// for arrays without rows, CalibrationMismatch names the array whose width is wrong; errors of the formats.
Result<std::shared_ptr<const Calibration>> importActivations(const std::string& path, const Model& model,
                                                             const JobControl& job);
/// Chooses by content; the program's own calibration files are welcome as well.
Result<std::shared_ptr<const Calibration>> importCalibration(const std::string& path, const Model& model,
                                                             const JobControl& job);
/// Writes a GGUF importance matrix for llama-quantize; errors as AtomicFile, Unsupported for families that GGUF lacks,
/// CalibrationInvalid when no second moments are known.
Status exportImportanceMatrix(const Calibration& calibration, const Model& model, const std::string& path);

} // namespace ql
