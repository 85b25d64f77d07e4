// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The speed and memory of collecting a calibration on this machine, against the forward pass alone.
#pragma once

#include "core/compute/benchmark.h"
#include "core/nn/network.h"

namespace ql {

/// `small` is a model that is calibrated as a whole, besides a block of realistic width. Cancelled; whatever opening a
/// network fails with.
Result<std::vector<BenchFigure>> measureCalibrationFigures(std::shared_ptr<const Model> small, int repeats,
                                                           ThreadPool& pool, const JobControl& job);

} // namespace ql
