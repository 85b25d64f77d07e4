// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What schemes ask of a calibration before anything is quantized: the importance of columns (imatrix) and the clip ratio
// with the lowest output error (clip=output). Free functions; any thread.
#pragma once

#include "core/calibration/outputerror.h"

namespace ql {

/// Mean squared input of each column of a weight, per expert where they are stacked and known; experts that saw no token
/// count 1 everywhere, as in llama.cpp. Null when the calibration does not know them, or for another shape.
std::shared_ptr<const ColumnImportance> importanceOf(const Calibration& calibration, std::string_view tensor,
                                                     int64_t rows, int64_t cols);
/// `view` with what `calibration` (may be null) knows of its columns.
TensorView weightedView(TensorView view, const Calibration* calibration, std::string_view tensor);

/// The scheme without its wish for importance where nothing is known of the columns, as attachImportance() decides.
Scheme weighable(Scheme scheme, const TensorView& view);

/// Gives every decision that weighs by importance what it weighs by. One whose input the calibration does not know goes
/// unweighted and names that as its fallback. CalibrationInvalid without any calibration. `only`: indices of decisions.
Result<std::vector<Decision>> attachImportance(const Model& model, std::vector<Decision> decisions,
                                               const Calibration* calibration, const std::vector<int>* only = nullptr);
/// attachImportance(), then resolveOutputClips(): everything that decisions need of a calibration.
Result<std::vector<Decision>> resolveCalibrated(Backend& backend, const Model& model, std::vector<Decision> decisions,
                                                const Calibration* calibration, ThreadPool& pool, const JobControl& job,
                                                const std::vector<int>* only = nullptr);

} // namespace ql
