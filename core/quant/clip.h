// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Clip methods: where a group's range is cut before the scale is chosen.
#pragma once

#include "core/base/jobcontrol.h"
#include "core/quant/scheme.h"
#include "core/tensor/tensorview.h"

#include <span>
#include <string_view>
#include <vector>

namespace ql {

struct ClipMethodInfo {
    ClipMethod method;
    std::string_view name;      ///< in scheme texts
    std::string_view label;     ///< in menus
    std::string_view parameter; ///< what its parameter is, empty if it has none
    double defaultParameter, lowest, highest;
    std::string_view summary; ///< one sentence for tooltips
};
std::span<const ClipMethodInfo> clipMethods();

/// Range of a group that the scale is made for; lo <= 0 <= hi. Symmetric schemes use max(-lo, hi).
struct ClipLimits {
    float lo = 0;
    float hi = 0;
};

/// Ratios that the MSE search tries, descending from 1: at least 64 of them.
std::span<const float> sweepRatios();

/// Limits of one group of finite values by the scheme's method (KL needs at least 2048 values; below that it is
/// min-max). `values` may hold NaN or Inf, which are ignored.
ClipLimits chooseLimits(const Scheme& scheme, std::span<const float> values);

/// Ratio of the range in (0, 1] that minimises the KL divergence between the histogram of |x| / range (2048 bins or
/// more) and its quantized version, after the TensorRT calibration talk (Migacz 2017).
double klRatio(std::span<const uint64_t> histogram, int levels);

/// Error of the whole tensor against the clip ratio, every group clipped at the same share of its own range.
struct ClipSweep {
    std::vector<double> ratios; ///< descending from 1
    std::vector<double> mse;    ///< one per ratio
    size_t best = 0;            ///< index of the lowest mse
};

/// Where a clip method puts the limit of a tensor under a scheme; medians over groups where groups differ.
struct ClipMark {
    ClipMethod method;
    double parameter = 0;
    double limit = 0; ///< absolute, in weight units
    double ratio = 1; ///< of the group's range
    double mse = 0;   ///< of the tensor with this method
};

} // namespace ql
