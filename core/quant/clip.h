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

/// Ratios that the MSE search tries: 64/64, 63/64 ... 1/64, all exact in f32.
std::span<const float> sweepRatios();

/// Limits of one group by the scheme's method; NaN and Inf in `values` are ignored. No limit lies beyond the group's
/// own range [min(0, x), max(0, x)]. Symmetric schemes look at |x|.
///   percentile  linear interpolation between the order statistics at P/100 * (n - 1); asymmetric: both tails
///   mse         the ratio of sweepRatios() with the lowest GroupQuantizer::squaredError; the larger one on ties
///   kl          klRatio() of the group's klHistogram; groups of fewer than 2048 finite values keep their range
///   sigma       mean +- K standard deviations (population)
ClipLimits chooseLimits(const Scheme& scheme, std::span<const float> values);

/// Bins of the KL histogram.
inline constexpr int kKlBins = 2048;
/// Adds |x| of finite values to kKlBins equal bins over [0, absMax]: bin min(2047, floor(|x| * (2048 / absMax))) in
/// f32. Adds nothing where that factor is not finite.
void addKlHistogram(std::span<const float> values, float absMax, std::span<uint64_t> histogram);
/// Ratio of the range in (0, 1] that minimises the KL divergence between the histogram of |x| / range and its quantized
/// version, after the TensorRT calibration talk (Migacz 2017); found to 1/128 of itself. `levels` is klLevels() of the
/// scheme.
double klRatio(std::span<const uint64_t> histogram, int levels);
/// Magnitudes that a code can tell apart: 2^(bits - 1).
int klLevels(const Scheme& scheme);

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
    double outputError = 0; ///< relative; ClipMethod::Output only
};

} // namespace ql
