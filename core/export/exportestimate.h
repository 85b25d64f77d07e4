// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// How long an export will take, from the rate at which this device carries out each of its schemes on a sample.
#pragma once

#include "core/export/exporter.h"

namespace ql {

/// Seconds of work: quantizing at the measured rate of every scheme (one sample of each), copying, checksums and
/// reading back. Waiting for a disk slower than that comes on top. Takes well under a second per scheme; writes nothing.
/// What needs a calibration counts as what comes near: clip=output as clip=mse.
Result<double> estimateExport(Backend& backend, const Model& model, const std::vector<Decision>& decisions,
                              const ExportPlan& plan, const JobControl& job);

} // namespace ql
