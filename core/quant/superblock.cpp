// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/quant/superblock.h"

#include "core/quant/ggmlsearch.h"
#include "core/quant/schemetable.h"
#include "core/tensor/floats.h"

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

using Values = std::array<float, kSuperBlock>;

/// How the formats with minima differ from each other.
struct AffineRule {
    int top;      ///< of codes
    int scaleTop; ///< of scales and minima
    ScaleGrid grid;
    float spread; ///< importance is widened by this many mean squares
};

AffineRule affineRule(Format format)
{
    switch (format) {
    case Format::Q2_K:
        return {3, 15, {-0.5f, 0.1f, 15, true}, 1};
    case Format::Q4_K:
        return {15, 63, {-1.0f, 0.1f, 20, false}, 2};
    default:
        return {31, 63, {-0.5f, 0.1f, 15, false}, 2};
    }
}

float f16(float value)
{
    return halfToFloat(floatToHalf(std::clamp(value, -kLargestHalf, kLargestHalf)));
}

Values searchable(const float* x)
{
    constexpr float kMost = 1e9f; // squares and cubes of it can be added
    Values values;
    for (size_t i = 0; i < values.size(); ++i)
        values[i] = std::isfinite(x[i]) ? std::clamp(x[i], -kMost, kMost) : 0.0f;
    return values;
}

float squares(std::span<const float> x)
{
    float sum = 0;
    for (const float value : x)
        sum += value * value;
    return sum;
}

float total(std::span<const float> weights)
{
    float sum = 0;
    for (const float weight : weights)
        sum += weight;
    return sum;
}

/// Encodes one superblock, sub-block by sub-block.
class Encoder
{
public:
    Encoder(Format format, const float* x, const float* importance)
        : m_format(format), m_size(size_t(traits(format).groupSize)), m_count(kSuperBlock / m_size),
          m_raw(x), m_x(searchable(x)), m_importance(importance)
    {
    }

    SuperBlock run()
    {
        switch (m_format) {
        case Format::Q3_K:
            encodeThreeBits();
            break;
        case Format::Q6_K:
            encodeSixBits();
            break;
        case Format::IQ4_XS:
            encodeTable();
            break;
        default:
            encodeAffine(affineRule(m_format));
            break;
        }
        return m_block;
    }

private:
    std::span<const float> values(size_t g) const { return std::span(m_x).subspan(g * m_size, m_size); }
    float codable(size_t g, size_t i) const
    {
        const float raw = m_raw[g * m_size + i];
        return std::isinf(raw) ? raw : m_x[g * m_size + i];
    }
    uint8_t* codes(size_t g) { return m_block.codes.data() + g * m_size; }
    std::span<const float> weights() const { return std::span(m_weights).first(m_size); }
    std::span<const float> scales() const { return std::span(m_scales).first(m_count); }

    /// importance * sqrt(spread * mean x^2 + x^2) of one sub-block.
    void weighByImportance(size_t g, float meanSquare)
    {
        for (size_t i = 0; i < m_size; ++i) {
            const float x = m_x[g * m_size + i];
            m_weights[i] = m_importance[g * m_size + i] * std::sqrt(meanSquare + x * x);
        }
    }

    void weighBySquares(size_t g)
    {
        for (size_t i = 0; i < m_size; ++i)
            m_weights[i] = values(g)[i] * values(g)[i];
    }

    /// Q2_K weighs by |x|, the others by |x| plus its root mean square.
    void weighByMagnitude(size_t g)
    {
        const float rms = m_format == Format::Q2_K ? 0.0f : std::sqrt(squares(values(g)) / float(m_size));
        for (size_t i = 0; i < m_size; ++i)
            m_weights[i] = rms + std::abs(values(g)[i]);
    }

    /// Codes once more, now that scales and minima are rounded; sub-blocks without a scale keep the search's.
    void recode(int lowest, int highest)
    {
        for (size_t g = 0; g < m_count; ++g) {
            const GroupParameters group = m_block.group(int(g));
            if (group.scale == 0)
                continue;
            for (size_t i = 0; i < m_size; ++i)
                codes(g)[i] = uint8_t(
                    roundedCode((codable(g, i) - group.minimum) / group.scale, lowest, highest) - lowest);
        }
    }

    void encodeAffine(const AffineRule& rule)
    {
        std::array<float, 16> minimums{}, sums{};
        const float meanSquare = rule.spread * squares(m_x) / float(kSuperBlock);
        for (size_t g = 0; g < m_count; ++g) {
            m_importance ? weighByImportance(g, meanSquare) : weighByMagnitude(g);
            sums[g] = total(weights());
            const AffineFit fit = searchAffine(values(g), rule.top, weights(), m_importance ? kWeightedGrid : rule.grid, codes(g));
            m_scales[g] = fit.scale;
            minimums[g] = -fit.minimum;
        }
        std::array<uint8_t, 16> stored{};
        m_block.scale = shareFactor(scales(), sums, rule.scaleTop, stored);
        std::copy(stored.begin(), stored.end(), m_block.scales.begin());
        m_block.minimum = shareFactor(std::span(minimums).first(m_count), sums, rule.scaleTop, m_block.minimums);
        recode(0, rule.top);
    }

    /// The f16 factor that values >= 0 are multiples of, and the multiples.
    float shareFactor(std::span<const float> x, const std::array<float, 16>& sums, int top, std::array<uint8_t, 16>& stored)
    {
        if (m_importance)
            return f16(searchPositive(x, top, std::span(sums).first(m_count), stored.data()));
        const float largest = std::max(0.0f, *std::max_element(x.begin(), x.end()));
        const float inverse = largest > 0 ? float(top) / largest : 0.0f;
        for (size_t g = 0; g < x.size(); ++g)
            stored[g] = uint8_t(roundedCode(inverse * x[g], 0, top));
        return f16(largest / float(top));
    }

    void encodeThreeBits()
    {
        constexpr int half = 4;
        std::array<float, 16> sums{};
        const float meanSquare = 2 * squares(m_x) / float(kSuperBlock);
        for (size_t g = 0; g < m_count; ++g) {
            if (!m_importance) {
                m_scales[g] = descendSigned(values(g), half, codes(g));
                continue;
            }
            weighByImportance(g, meanSquare);
            sums[g] = total(weights());
            m_scales[g] = searchSigned(values(g), half, weights(), codes(g));
        }
        if (m_importance) {
            std::array<uint8_t, 16> stored{};
            m_block.scale = f16(searchSigned(scales(), 32, sums, stored.data()));
            for (size_t g = 0; g < m_count; ++g)
                m_block.scales[g] = int8_t(int(stored[g]) - 32);
        } else {
            shareSignedFactor(32, 31);
        }
        recode(-half, half - 1);
    }

    /// The factor for which the scale of largest magnitude is stored as -half.
    void shareSignedFactor(int half, int highest)
    {
        const float largest = signedLargest(scales());
        const float inverse = float(-half) / largest;
        if (largest == 0 || !std::isfinite(inverse)) {
            m_block.scales.fill(int8_t(-half));
            return;
        }
        m_block.scale = f16(1 / inverse);
        for (size_t g = 0; g < m_count; ++g)
            m_block.scales[g] = int8_t(roundedCode(inverse * m_scales[g], -half, highest));
    }

    void encodeSixBits()
    {
        constexpr int half = 32;
        for (size_t g = 0; g < m_count; ++g) {
            weighBySquares(g);
            const auto importance = m_importance ? std::span(m_importance + g * m_size, m_size) : weights();
            m_scales[g] = searchSigned(values(g), half, importance, codes(g));
        }
        if (std::abs(signedLargest(scales())) < kGgmlSmallest) {
            m_block = {};
            return;
        }
        shareSignedFactor(128, 127);
        recode(-half, half - 1);
    }

    void encodeTable()
    {
        static const Iq4Levels levels;
        const float meanSquare = squares(m_x) * (2.0f / float(kSuperBlock));
        for (size_t g = 0; g < m_count; ++g) {
            m_importance ? weighByImportance(g, meanSquare) : weighBySquares(g);
            m_scales[g] = levels.searchScale(values(g), weights());
        }
        const float factor = -signedLargest(scales()) / 32;
        const float inverse = factor != 0 ? 1 / factor : 0.0f;
        m_block.scale = f16(factor);
        for (size_t g = 0; g < m_count; ++g) {
            const int scale = std::isfinite(inverse) ? roundedCode(inverse * m_scales[g], -32, 31) : 0;
            m_block.scales[g] = int8_t(scale);
            const float unrounded = factor * float(scale);
            const float perValue = unrounded != 0 ? 1 / unrounded : 0.0f;
            for (size_t i = 0; i < m_size; ++i)
                codes(g)[i] = uint8_t(levels.nearest(perValue * codable(g, i)));
        }
    }

    Format m_format;
    size_t m_size, m_count;
    const float* m_raw;
    Values m_x; ///< what searches can add up
    const float* m_importance;
    std::array<float, 32> m_weights{};
    std::array<float, 16> m_scales{};
    SuperBlock m_block;
};

} // namespace

GroupParameters SuperBlock::group(int index) const
{
    GroupParameters p;
    p.scale = scale * float(scales[size_t(index)]);
    p.minimum = 0 - minimum * float(minimums[size_t(index)]); // +0 where there is none
    const float inverse = 1 / p.scale;
    p.inverse = std::isfinite(inverse) ? inverse : 0.0f;
    return p;
}

bool isSuperBlock(Format format)
{
    return traits(format).kind == FormatKind::Ggml && traits(format).blockSize == kSuperBlock;
}

SuperBlock encodeSuperBlock(Format format, const float* x, const float* importance)
{
    return Encoder(format, x, importance).run();
}

} // namespace ql
