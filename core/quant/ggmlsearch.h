// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The searches with which ggml (ggml-quants.c) fits scales and minima to a few weighted values. All of it is f32 without
// contraction, sums in the order of the values, so that the results are ggml's to the bit. Values and weights are finite.
#pragma once

#include "core/quant/codebook.h"
#include "core/quant/searchrule.h"

#include <cstdint>
#include <span>

namespace ql {

/// Below this a group counts as all zero.
inline constexpr float kGgmlSmallest = 1e-15f;

/// The value with the largest magnitude, with its sign; the first one on ties.
float signedLargest(std::span<const float> x);
/// Round half to even of `y` within [lowest, highest]; NaN becomes `lowest`.
int roundedCode(float y, int lowest, int highest);

/// Scale of the codes [-half, half): 19 candidates around -half / largest, the one with the lowest weighted squared
/// error. `codes` (one per value, may be null) are those of the search plus `half`; 0 for a group of zeros.
float searchSigned(std::span<const float> x, int half, std::span<const float> weights, uint8_t* codes);
/// The same by coordinate descent from the first candidate, weights x^2 (Q3_K without importance).
float descendSigned(std::span<const float> x, int half, uint8_t* codes);

/// Value = scale * code + minimum, code in [0, top].
struct AffineFit {
    float scale = 0;
    float minimum = 0; ///< <= 0
};
/// Weighted least squares for every scale of the grid, the best kept. `codes` as above.
AffineFit searchAffine(std::span<const float> x, int top, std::span<const float> weights, const ScaleGrid& grid,
                       uint8_t* codes);
/// Scale of codes [0, top] for values >= 0: nine candidates, then coordinate descent.
float searchPositive(std::span<const float> x, int top, std::span<const float> weights, uint8_t* codes);

/// IQ4's 16 levels.
class Iq4Levels
{
public:
    Iq4Levels();
    /// As Codebook::nearest.
    int nearest(float y) const;
    float value(int level) const { return m_values[level]; }
    /// Scale with the lowest weighted squared error among 16 candidates.
    float searchScale(std::span<const float> x, std::span<const float> weights) const;

private:
    float m_values[16];
    float m_limits[16]; ///< the last one is never below anything
};

const Iq4Levels& iq4Levels();

/// Carries out a search on up to 16 groups of values that follow each other. This is the reference, group after group;
/// vector code overrides it with the same results to the bit. Codes are left alone by Table.
class GroupSearcher
{
public:
    virtual ~GroupSearcher() = default;
    virtual void search(const float* x, const float* weights, size_t groups, const GroupSearch& task, AffineFit* fits,
                        uint8_t* codes) const;
};

} // namespace ql
