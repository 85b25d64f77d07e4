// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What the formats of ggml (ggml-quants.c) search and how superblocks are put together: plain data that vector kernels
// of every instruction set may include. Immutable.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ql {

/// Scales that an asymmetric search tries: (first + step * k + top) / range, k = 0 ... last.
struct ScaleGrid {
    float first, step;
    int last;
    bool absolute; ///< compares absolute instead of squared errors
};
/// ggml's grid wherever importance weighs the errors.
inline constexpr ScaleGrid kWeightedGrid{-0.9f, 0.05f, 36, false};

/// One of the searches of ggmlsearch.h, as a format wants it for all its groups.
struct GroupSearch {
    enum Kind : uint8_t { Signed, Descent, Affine, Table };
    static constexpr size_t kMostGroups = 16, kMostValues = 32;
    Kind kind = Signed;
    size_t size = kMostValues; ///< values per group
    int top = 0;               ///< half of the codes (Signed, Descent) or the highest one (Affine)
    ScaleGrid grid{};          ///< Affine
};

/// How a superblock is encoded: the search for the scale (and minimum) of each sub-block, the factor that these are
/// stored with, and the codes once more.
struct SuperBlockRule {
    /// Of a value in the search: x^2, |x|, |x| plus the root mean square of the sub-block, the importance of its column,
    /// or that times sqrt(spread * mean square of the superblock + x^2).
    enum Weights : uint8_t { Square, Magnitude, MagnitudeAndRms, Importance, ImportanceAndSpread };
    /// The largest scale is stored as scaleHighest (Positive) or as scaleLowest (Signed); or the factor is searched as
    /// scales were, weighted by the sub-blocks' sums of weights; or as Signed, codes then being levels of IQ4 (Table).
    enum Sharing : uint8_t { Positive, PositiveSearched, Signed, SignedSearched, Table };
    GroupSearch search;
    Weights weights = Square;
    Sharing sharing = Signed;
    float spread = 0;
    int lowest = 0, highest = 0; ///< codes as levels; stored less `lowest`
    int scaleLowest = 0, scaleHighest = 0;
    bool zeroWhenTiny = false; ///< all is 0 where the largest scale is below kGgmlSmallest

    int groups() const { return int(256 / search.size); }
    bool hasMinimum() const { return search.kind == GroupSearch::Affine; }
};

} // namespace ql
