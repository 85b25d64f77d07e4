// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Collects a calibration by running the network on sequences, block by block. Memory: one block, the hidden states of
// the sequences, and what the calibration itself keeps (bounded by the settings).
#pragma once

#include "core/calibration/calibration.h"
#include "core/calibration/textsource.h"

namespace ql {

struct CalibrationSettings {
    uint64_t sampleBytes = uint64_t(512) << 20; ///< for row samples of all inputs together; rows per input follow, 16..2048
    uint64_t gramBytes = uint64_t(1) << 30;     ///< Gram matrices are kept while all together fit; else none
    uint64_t seed = 1;                          ///< of the row sample
    std::vector<int> gramLayers;                ///< blocks whose Gram matrices are wanted whatever the size
};

/// Progress is reported through `job` in tokens times blocks. When cancelled: the inputs of the finished blocks, marked
/// partial, if `keepPartial`; else Cancelled.
Result<std::shared_ptr<const Calibration>> collectCalibration(const Network& network, const SequenceSet& sequences,
                                                              const CalibrationSettings& settings, bool keepPartial,
                                                              ThreadPool& pool, const JobControl& job);

} // namespace ql
