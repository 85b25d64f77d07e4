// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Double quantization of group scales after QLoRA (Dettmers et al. 2023, section 3), with the dynamic 8-bit map of
// bitsandbytes; codes of values come from the scale as it is read back. Groups are numbered through the whole tensor,
// row by row; 256 consecutive ones share one f32 scale.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace ql {

inline constexpr int64_t kDoubleQuantBlock = 256;

/// The 256 values of the signed dynamic map, ascending from -0.99296874 to 1.
const std::array<float, 256>& dynamicMap();
/// Decision limits between them: f32 midpoints; n takes the code that counts the limits below n.
const std::array<float, 255>& dynamicMapLimits();

/// Code of `scale`: n = (scale - offset) * (1 / blockScale), 0 where that inverse is not finite.
uint8_t encodeScale(float scale, float offset, float blockScale);
/// dynamicMap()[code] * blockScale + offset; may be 0 or negative for a group far below its neighbours.
float decodeScale(uint8_t code, float offset, float blockScale);

/// Gathers the scales of all groups in order; memory for two floats per 256 groups.
class DoubleQuantBuilder
{
public:
    void add(float scale);
    /// Mean of all scales: double sums per block of 256, added in block order, rounded to f32 at the end.
    float offset() const;
    /// Per block, the largest |scale - offset| in f32.
    std::vector<float> blockScales() const;

private:
    struct Block {
        float lowest, highest;
        double sum;
        int64_t count;
    };
    std::vector<Block> m_blocks;
};

} // namespace ql
