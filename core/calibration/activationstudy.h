// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The finished products that the Activations page shows; computed by free functions, immutable and shared.
#pragma once

#include "core/calibration/activationquantizer.h"
#include "core/compute/analysis.h"

namespace ql {

/// One linear input under one activation scheme. The distribution is of all tokens, the rest of the row sample.
struct ActivationStudy {
    ActivationScheme scheme;
    CalibrationSource source;
    std::vector<std::string> tensors;
    uint64_t tokens = 0;
    Shared<Distribution> distribution; ///< as for weights, so that the same plot draws it
    Shared<Quantization> quantization; ///< grid, scales, errors and occupancy under the scheme
    std::vector<RangeMark> marks;      ///< the calibration methods side by side
    /// Where only second moments are known, channelMin and channelMax are empty and channelAbsMax holds their roots.
    std::vector<float> channelMin, channelMax, channelAbsMax;
    std::vector<double> channelError; ///< mean squared error of each channel
    std::vector<float> tokenMin, tokenMax;
    std::vector<int64_t> outlierChannels; ///< channels whose absmax exceeds 6 times the median channel's, largest first
};

/// Channels that stick out: those beyond `factor` times the median, largest first.
std::vector<int64_t> outlierChannels(std::span<const float> magnitudes, double factor = 6);

/// What a calibration cannot tell stays empty: an importance matrix gives a study without distribution (null), but with
/// channels; without a row sample there is no quantization (null) and no channel error. CalibrationInvalid for a static
/// scheme whose range the calibration cannot give. Static limits are honoured to the bit.
Result<Shared<ActivationStudy>> studyActivation(Backend& backend, const Calibration& calibration, int input,
                                                const ActivationScheme& scheme, const JobControl& job);

} // namespace ql
