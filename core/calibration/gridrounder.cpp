// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/calibration/gridrounder.h"

#include "core/quant/schemetable.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace ql {

namespace {

/// Loops of this constant length become vector code.
constexpr int64_t kLanes = 16;
constexpr float kShift = 12582912.0f; // 1.5 * 2^23: what is added and taken away again is rounded half to even

struct OneGrid {
    const GroupParameters& p;
    float scale(int64_t) const { return p.scale; }
    float inverse(int64_t) const { return p.inverse; }
    float zero(int64_t) const { return float(p.zero); }
};

struct ManyGrids {
    const GridColumns& columns;
    float scale(int64_t i) const { return columns.scale[size_t(i)]; }
    float inverse(int64_t i) const { return columns.inverse[size_t(i)]; }
    float zero(int64_t i) const { return columns.zero[size_t(i)]; }
};

float clampTo(float value, float lo, float hi)
{
    value = value > lo ? value : lo; // NaN becomes lo
    return value < hi ? value : hi;
}

float scaledInput(float x, float inverse)
{
    const float y = x * inverse;
    return y == y ? y : 0.0f;
}

/// The level of a uniform grid.
struct UniformLevel {
    float lowest, highest;
    float operator()(float y, float zero) const
    {
        const float rounded = (clampTo(y, -4e6f, 4e6f) + kShift) - kShift;
        return clampTo(rounded + zero, lowest, highest);
    }
};

/// Rounds the fraction of |y| half to even by adding a power of two that lies so many binades above it.
struct Float8Level {
    int32_t smallestExponent, fractionBits;
    float largest;
    float operator()(float y, float) const
    {
        const float magnitude = clampTo(std::abs(y), 0.0f, largest);
        const int32_t exponent = std::max(std::bit_cast<int32_t>(magnitude) & 0x7F800000, smallestExponent);
        const float shift = std::bit_cast<float>(exponent + ((23 - fractionBits) << 23) + 0x00400000);
        const float rounded = (magnitude + shift) - shift;
        return (y < 0 ? -rounded : rounded) + 0.0f; // no negative zero
    }
};

struct TableLevel {
    const std::vector<float>& thresholds;
    const std::vector<float>& levels;
    void operator()(const float* y, float* level) const
    {
        for (int64_t i = 0; i < kLanes; ++i)
            level[i] = levels[0];
        for (size_t k = 0; k < thresholds.size(); ++k) {
            const float limit = thresholds[k];
            const float above = levels[k + 1];
            for (int64_t i = 0; i < kLanes; ++i)
                level[i] = y[i] > limit ? above : level[i];
        }
    }
};

template <class Grids, class Level>
void roundLanes(const float* x, int64_t first, const Grids& grids, const Level& levelOf, float* out)
{
    float y[kLanes];
    for (int64_t i = 0; i < kLanes; ++i)
        y[i] = scaledInput(x[i], grids.inverse(first + i));
    if constexpr (std::is_same_v<Level, TableLevel>) {
        float level[kLanes];
        levelOf(y, level);
        for (int64_t i = 0; i < kLanes; ++i)
            out[i] = grids.scale(first + i) * level[i];
    } else {
        for (int64_t i = 0; i < kLanes; ++i) {
            const float zero = grids.zero(first + i);
            out[i] = grids.scale(first + i) * (levelOf(y[i], zero) - zero);
        }
    }
}

template <class Grids, class Level>
void roundAll(const float* x, int64_t count, const Grids& grids, const Level& levelOf, float* out)
{
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes)
        roundLanes(x + i, i, grids, levelOf, out + i);
    if (i == count)
        return;
    // What is left, filled up.
    float tail[kLanes] = {};
    const int64_t rest = count - i;
    std::copy_n(x + i, rest, tail);
    const auto padded = [&](const auto& tailGrids) { roundLanes(tail, 0, tailGrids, levelOf, tail); };
    if constexpr (std::is_same_v<Grids, OneGrid>) {
        padded(grids);
    } else {
        GridColumns last;
        for (int64_t k = 0; k < kLanes; ++k) {
            const int64_t at = std::min(i + k, count - 1);
            last.scale.push_back(grids.scale(at));
            last.inverse.push_back(grids.inverse(at));
            last.zero.push_back(grids.zero(at));
        }
        padded(ManyGrids{last});
    }
    std::copy_n(tail, rest, out + i);
}

} // namespace

GridColumns::GridColumns(std::span<const GroupParameters> grids)
{
    for (const GroupParameters& p : grids) {
        scale.push_back(p.scale);
        inverse.push_back(p.inverse);
        zero.push_back(float(p.zero));
    }
}

GridRounder::GridRounder(std::shared_ptr<const GroupQuantizer> group) : m_group(std::move(group))
{
    const Codebook& book = m_group->codebook();
    const Format format = m_group->scheme().format;
    m_lowest = book.levels.front().value;
    m_highest = book.levels.back().value;
    m_thresholds = book.thresholds;
    for (const Level& level : book.levels)
        m_levels.push_back(level.value);
    const FormatKind kind = traits(format).kind;
    m_kind = kind == FormatKind::Integer ? Kind::Uniform : kind == FormatKind::Float8 ? Kind::Float8 : Kind::Table;
    if (m_kind == Kind::Float8) {
        const bool e4m3 = format == Format::FP8E4M3;
        m_fractionBits = e4m3 ? 3 : 2;
        m_smallestExponent = std::bit_cast<int32_t>(e4m3 ? 0x1p-6f : 0x1p-14f);
    }
}

template <class Grids>
void GridRounder::roundRun(const float* x, int64_t count, const Grids& grids, float* out) const
{
    switch (m_kind) {
    case Kind::Uniform:
        return roundAll(x, count, grids, UniformLevel{m_lowest, m_highest}, out);
    case Kind::Table:
        return roundAll(x, count, grids, TableLevel{m_thresholds, m_levels}, out);
    case Kind::Float8:
        return roundAll(x, count, grids, Float8Level{m_smallestExponent, m_fractionBits, m_highest}, out);
    }
}

void GridRounder::round(const float* x, int64_t count, const GroupParameters& grid, float* out) const
{
    roundRun(x, count, OneGrid{grid}, out);
}

void GridRounder::round(const float* x, int64_t count, const GridColumns& grids, float* out) const
{
    roundRun(x, count, ManyGrids{grids}, out);
}

} // namespace ql
