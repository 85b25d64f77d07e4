// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Clip limits inside core/quant: the pieces that one group and a whole tensor have in common.
#pragma once

#include "core/quant/groupquant.h"

#include <cstdint>
#include <span>

namespace ql {

/// chooseLimits() without building the quantizer anew for each group.
ClipLimits chooseLimits(const GroupQuantizer& group, std::span<const float> values);

/// [min(0, x), max(0, x)] over the finite values.
ClipLimits finiteRange(std::span<const float> values);
ClipLimits scaledLimits(ClipLimits range, float ratio);
float largestMagnitude(ClipLimits range);

/// Where a quantile lies in n sorted values: between ranks `rank` and `rank + 1`, at `fraction`.
struct QuantilePosition {
    uint64_t rank = 0;
    double fraction = 0;
};
QuantilePosition quantilePosition(double share, uint64_t count);
float interpolate(float lower, float upper, double fraction);

/// Sums from which the k-sigma limits follow; added in the order of the values.
struct Moments {
    uint64_t count = 0;
    double sum = 0;
    double sumSquare = 0;
    void add(std::span<const float> values);
};
ClipLimits sigmaLimits(const Moments& moments, double sigmas, ClipLimits range);

} // namespace ql
