// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// GroupQuantizer: the arithmetic of one group for every format whose grid is a scale times levels (all but GGML's).
// This is the definition that vector code and kernels reproduce bit for bit; all of it is f32 without contraction:
//   limits   lo <= 0 <= hi from the clip method; symmetric formats use limit = max(-lo, hi)
//   scale    symmetric: s = limit / codebook.maxMagnitude; asymmetric: s = (hi - lo) / (2^b - 1); one correctly rounded
//            division. MXFP4: s = 2^(floor(log2 limit) - 2), 2^-127 for a zero group
//   rounding of s to the scale type, see roundScale()
//   inverse  1 / s, one correctly rounded division. Where s is 0 or not finite, or 1/s is not finite, scale and inverse
//            are 0 and the group reconstructs 0
//   zero     asymmetric: z = rint(-lo * inverse), clamped to [0, 2^b - 1]; else 0
//   code     y = x * inverse, NaN becomes 0. Integers: clamp(rint(y) + z), half to even. Tables: the number of
//            codebook.thresholds below y. Infinite values land on the outermost level
//   value    s * (level - z)
// Negative zero is never stored: FP4, E2M1, FP8 and the microscaling formats use the code of +0 for it.
#pragma once

#include "core/quant/clip.h"
#include "core/quant/codebook.h"
#include "core/quant/stochastic.h"

#include <array>

namespace ql {

/// Scale and zero point of one group, as quantization uses them.
struct GroupParameters {
    float scale = 0;   ///< after rounding to the scale type
    float inverse = 0; ///< 1/scale, 0 for scale 0; codes come from x * inverse
    int32_t zero = 0;  ///< zero point of asymmetric integers
    float minimum = 0; ///< GGML formats with a minimum
};

class GroupQuantizer
{
public:
    /// `globalScale` is the per-tensor factor of E4M3 scales.
    explicit GroupQuantizer(const Scheme& scheme, float globalScale = 1);

    const Scheme& scheme() const { return m_scheme; }
    const Codebook& codebook() const { return m_codebook; }
    float globalScale() const { return m_globalScale; }
    size_t levelCount() const { return m_values.size(); }

    GroupParameters fromLimits(ClipLimits limits) const;
    /// The steps after the scale has been rounded.
    GroupParameters fromScale(float scale, ClipLimits limits) const;
    /// The unrounded scale of a group with these limits.
    float scaleFor(ClipLimits limits) const;
    /// F16, BF16: nearest even, never beyond the largest finite value; what rounds to 0 gives scale 0. E8M0: the next
    /// power of two upwards within [2^-127, 2^127], so that nothing clips. E4M3: globalScale * e4m3(s / globalScale).
    float roundScale(float scale) const;

    /// Index into codebook().levels, to nearest.
    int nearestLevel(float x, const GroupParameters& p) const;
    /// By the scheme's rounding. Stochastic: up with the probability of the distance to the level below, drawn by
    /// `index`, the flat index in the tensor.
    int level(float x, const GroupParameters& p, uint64_t index) const;
    float value(int level, const GroupParameters& p) const
    {
        return p.scale * (m_values[size_t(level)] - float(p.zero));
    }
    uint8_t code(int level) const { return m_codes[size_t(level)]; }
    int levelOfCode(uint8_t code) const { return m_levelOfCode[code]; }
    /// Whether a finite value lies beyond the outermost levels by more than half a step.
    bool clips(float x, const GroupParameters& p) const;

    /// Sum of (x - value)^2 over the finite values, to nearest: 16 partial sums in f32, the i-th value going to partial
    /// i % 16, then added pairwise at distances 8, 4, 2, 1. The clip search compares these.
    float squaredError(std::span<const float> x, const GroupParameters& p) const;

private:
    int stochasticLevel(float y, const GroupParameters& p, uint64_t index) const;
    int clampCode(float code) const;

    Scheme m_scheme;
    Codebook m_codebook;
    float m_globalScale;
    bool m_uniform;
    StochasticKey m_key;
    std::vector<float> m_values;
    std::vector<uint8_t> m_codes;
    std::array<int16_t, 256> m_levelOfCode{};
};

} // namespace ql
