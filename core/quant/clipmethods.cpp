// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/quant/clip.h"

#include <array>

namespace ql {

std::span<const ClipMethodInfo> clipMethods()
{
    static constexpr std::array<ClipMethodInfo, 8> table{{
        {ClipMethod::MinMax, "minmax", "Min-max", "", 0, 0, 0, "The whole range of the group; nothing is clipped."},
        {ClipMethod::Percentile, "percentile", "Percentile", "% kept", 99.9, 50, 100,
         "Keeps this share of the magnitudes; asymmetric schemes cut half of the rest at each end."},
        {ClipMethod::Mse, "mse", "MSE search", "", 0, 0, 0,
         "Tries at least 64 limits and keeps the one with the lowest mean squared error."},
        {ClipMethod::Kl, "kl", "KL divergence", "", 0, 0, 0,
         "The limit that keeps most of the histogram's information, as in TensorRT calibration."},
        {ClipMethod::Sigma, "sigma", "k-sigma", "sigmas", 3, 0, 100,
         "This many standard deviations around the mean, never beyond the data."},
        {ClipMethod::Ratio, "ratio", "Ratio", "of range", 0.9, 0, 1, "A fixed share of each group's range."},
        {ClipMethod::Absolute, "abs", "Absolute", "limit", 1, 0, 3e38,
         "A fixed limit in weight units, never beyond the data."},
        {ClipMethod::Output, "output", "Output error", "", 0, 0, 0,
         "The share of every group's range with the lowest error at the layer's output; needs a calibration."},
    }};
    return table;
}

} // namespace ql
