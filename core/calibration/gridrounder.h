// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// GridRounder: reconstructs runs of values under given scales, sixteen at a time; the same values as GroupQuantizer's,
// to the bit. For grids that change from value to value (one per channel) and for 8-bit floats. Immutable; any thread.
#pragma once

#include "core/quant/groupquant.h"

#include <memory>
#include <span>

namespace ql {

/// Grids side by side, one per value of a run.
struct GridColumns {
    std::vector<float> scale, inverse, zero;

    GridColumns() = default;
    explicit GridColumns(std::span<const GroupParameters> grids);
};

class GridRounder
{
public:
    explicit GridRounder(std::shared_ptr<const GroupQuantizer> group);

    /// `out` may be `x`. NaN becomes 0, as in GroupQuantizer.
    void round(const float* x, int64_t count, const GroupParameters& grid, float* out) const;
    /// Value i on grid i; `count` values at most.
    void round(const float* x, int64_t count, const GridColumns& grids, float* out) const;

private:
    enum class Kind : uint8_t { Uniform, Table, Float8 };
    template <class Grids>
    void roundRun(const float* x, int64_t count, const Grids& grids, float* out) const;

    std::shared_ptr<const GroupQuantizer> m_group;
    Kind m_kind;
    float m_lowest = 0, m_highest = 0; ///< outermost levels
    int32_t m_smallestExponent = 0;    ///< 8-bit floats: bits of the smallest normal
    int32_t m_fractionBits = 0;        ///< 8-bit floats: of the mantissa
    std::vector<float> m_thresholds, m_levels;
};

} // namespace ql
