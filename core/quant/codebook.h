// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Codebook: the levels of a code in units of the scale; the grid that quantizers round to and plots draw.
#pragma once

#include "core/quant/scheme.h"

#include <cstdint>
#include <string>
#include <vector>

namespace ql {

struct Level {
    float value;       ///< in units of the scale, zero point not applied
    int code;          ///< the code that stores it (signed for symmetric integers, unsigned otherwise)
    std::string label; ///< as drawn on the plot: "-7", "3", "0101"
};

struct Codebook {
    std::vector<Level> levels;     ///< ascending by value; a duplicate zero (-0) is left out
    /// levels.size() - 1 decision limits, ascending: y rounds to level i + 1 rather than i when y > thresholds[i]. The
    /// tie rule of the format is inside: a limit whose tie goes up is stored as the next float below the midpoint.
    std::vector<float> thresholds;
    float maxMagnitude = 1; ///< the limit of a group divided by its scale: 7 for strict INT4, 1 for NF4, 6 for E2M1

    /// Values outside [clipLo, clipHi] count as clipped: half the outermost step beyond the outermost level, so that
    /// rounding of the scale alone never clips.
    float clipLo = 0;
    float clipHi = 0;

    /// Index into levels of the level that `y` (value / scale) rounds to: the number of thresholds below y; NaN as 0.
    int nearest(float y) const;
};

/// The grid of `scheme`. Asymmetric integers: levels 0..2^b-1 with zero point 0. Empty for formats that keep floats.
/// GGML formats: the integer or table levels of one block.
Codebook codebookFor(const Scheme& scheme);

/// NF4 as published with QLoRA, 16 values ascending from -1 to 1.
const std::vector<float>& nf4Table();
/// Quantile function of N(0,1), p in (0, 1); relative accuracy better than 1e-12.
double inverseNormalCdf(double p);
/// The same table recomputed from its definition: quantiles of N(0,1) with offset 0.9677083 (Dettmers et al. 2023).
std::vector<float> nf4FromDefinition();

} // namespace ql
