// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/quant/groupquant.h"

#include "core/quant/schemetable.h"
#include "core/tensor/floats.h"

#include <algorithm>
#include <cmath>

namespace ql {

namespace {

float powerOfTwo(int exponent)
{
    return e8m0ToFloat(uint8_t(std::clamp(exponent, -127, 127) + 127));
}

float roundUpToPowerOfTwo(float scale)
{
    int exponent = 0;
    const float fraction = std::frexp(scale, &exponent); // in [0.5, 1)
    return powerOfTwo(fraction == 0.5f ? exponent - 1 : exponent);
}

/// Half to even; exact for every code, and monotonic beyond, where codes saturate anyway.
float roundHalfEven(float y)
{
    constexpr float shift = 12582912.0f; // 1.5 * 2^23
    return (std::clamp(y, -4e6f, 4e6f) + shift) - shift;
}

float scaled(float x, const GroupParameters& p)
{
    const float y = x * p.inverse;
    return std::isnan(y) ? 0.0f : y;
}

} // namespace

GroupQuantizer::GroupQuantizer(const Scheme& scheme, float globalScale)
    : m_scheme(scheme)
    , m_codebook(codebookFor(scheme))
    , m_globalScale(globalScale)
    , m_uniform(traits(scheme.format).kind == FormatKind::Integer)
    , m_key(scheme.seed)
{
    for (size_t i = 0; i < m_codebook.levels.size(); ++i) {
        const Level& level = m_codebook.levels[i];
        m_values.push_back(level.value);
        m_codes.push_back(uint8_t(level.code));
        m_levelOfCode[uint8_t(level.code)] = int16_t(i);
    }
    // Codes that no level stores are negative zeros of sign-magnitude formats.
    if (traits(scheme.format).kind != FormatKind::Integer && !m_codes.empty()) {
        const int zero = m_codebook.nearest(0);
        for (int code = 0; code < 256; ++code) {
            if (std::find(m_codes.begin(), m_codes.end(), uint8_t(code)) == m_codes.end())
                m_levelOfCode[size_t(code)] = int16_t(zero);
        }
    }
}

float GroupQuantizer::scaleFor(ClipLimits limits) const
{
    if (m_scheme.symmetry == Symmetry::Asymmetric)
        return (limits.hi - limits.lo) / m_codebook.maxMagnitude;
    return std::max(-limits.lo, limits.hi) / m_codebook.maxMagnitude;
}

float GroupQuantizer::roundScale(float scale) const
{
    if (!(scale > 0))
        return 0;
    switch (m_scheme.scaleType) {
    case ScaleType::F32:
        return scale;
    case ScaleType::F16:
        return halfToFloat(floatToHalf(std::min(scale, kLargestHalf)));
    case ScaleType::BF16:
        return bf16ToFloat(floatToBf16(std::min(scale, bf16ToFloat(0x7F7F))));
    case ScaleType::E8M0:
        return roundUpToPowerOfTwo(scale);
    case ScaleType::E4M3:
        return e4m3ToFloat(floatToE4m3(scale / m_globalScale)) * m_globalScale;
    }
    return scale;
}

GroupParameters GroupQuantizer::fromLimits(ClipLimits limits) const
{
    if (m_scheme.format == Format::MXFP4) {
        const float limit = std::max(-limits.lo, limits.hi);
        return fromScale(powerOfTwo(limit > 0 ? std::ilogb(limit) - 2 : -127), limits);
    }
    return fromScale(roundScale(scaleFor(limits)), limits);
}

GroupParameters GroupQuantizer::fromScale(float scale, ClipLimits limits) const
{
    GroupParameters p;
    const float inverse = 1.0f / scale;
    if (scale == 0 || !std::isfinite(scale) || !std::isfinite(inverse))
        return p;
    p.scale = scale;
    p.inverse = inverse;
    if (m_scheme.symmetry == Symmetry::Asymmetric)
        p.zero = clampCode(roundHalfEven(-limits.lo * inverse));
    return p;
}

int GroupQuantizer::clampCode(float code) const
{
    return int(std::clamp(code, m_values.front(), m_values.back()));
}

int GroupQuantizer::nearestLevel(float x, const GroupParameters& p) const
{
    const float y = scaled(x, p);
    if (m_uniform)
        return clampCode(roundHalfEven(y) + float(p.zero)) - int(m_values.front());
    const std::vector<float>& limits = m_codebook.thresholds;
    if (limits.size() > 16)
        return int(std::lower_bound(limits.begin(), limits.end(), y) - limits.begin());
    int below = 0;
    for (const float limit : limits)
        below += limit < y;
    return below;
}

int GroupQuantizer::level(float x, const GroupParameters& p, uint64_t index) const
{
    return m_scheme.rounding == Rounding::Nearest ? nearestLevel(x, p) : stochasticLevel(scaled(x, p), p, index);
}

int GroupQuantizer::stochasticLevel(float y, const GroupParameters& p, uint64_t index) const
{
    const float u = stochasticUniform(m_key, index);
    if (m_uniform) {
        const float bounded = std::clamp(y, -4e6f, 4e6f);
        const float below = std::floor(bounded);
        const float code = below + (u < bounded - below ? 1.0f : 0.0f) + float(p.zero);
        return clampCode(code) - int(m_values.front());
    }
    const auto above = std::upper_bound(m_values.begin(), m_values.end(), y);
    if (above == m_values.begin())
        return 0;
    const int below = int(above - m_values.begin()) - 1;
    if (above == m_values.end())
        return below;
    const float lower = m_values[size_t(below)];
    return below + (u * (*above - lower) < y - lower ? 1 : 0);
}

bool GroupQuantizer::clips(float x, const GroupParameters& p) const
{
    const float y = x * p.inverse + float(p.zero);
    return y < m_codebook.clipLo || y > m_codebook.clipHi;
}

float GroupQuantizer::squaredError(std::span<const float> x, const GroupParameters& p) const
{
    std::array<float, 16> sums{};
    for (size_t i = 0; i < x.size(); ++i) {
        if (!std::isfinite(x[i]))
            continue;
        const float error = x[i] - value(nearestLevel(x[i], p), p);
        sums[i % 16] += error * error;
    }
    for (size_t distance = 8; distance > 0; distance /= 2) {
        for (size_t i = 0; i < distance; ++i)
            sums[i] += sums[i + distance];
    }
    return sums[0];
}

} // namespace ql
