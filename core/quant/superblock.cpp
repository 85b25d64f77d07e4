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

float f16(float value)
{
    return halfToFloat(floatToHalf(std::clamp(value, -kLargestHalf, kLargestHalf)));
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

/// Encodes one superblock: the searches for the scales of its sub-blocks, the factor they share, the codes once more.
class Encoder
{
public:
    Encoder(Format format, const float* x, const float* importance)
        : m_rule(superBlockRule(format, importance != nullptr)), m_size(m_rule.search.size),
          m_groups(size_t(m_rule.groups())), m_raw(x), m_importance(importance)
    {
        constexpr float kMost = kLargestInSuperBlock;
        for (size_t i = 0; i < kSuperBlock; ++i)
            m_x[i] = std::isfinite(x[i]) ? std::clamp(x[i], -kMost, kMost) : 0.0f;
        if (m_rule.weights == SuperBlockRule::ImportanceAndSpread)
            m_spread = squares(m_x) / float(kSuperBlock) * m_rule.spread;
    }

    SuperBlock run()
    {
        std::array<float, kSuperBlock> weights;
        std::array<AffineFit, 16> fits;
        for (size_t g = 0; g < m_groups; ++g)
            weigh(g, std::span(weights).subspan(g * m_size, m_size));
        GroupSearcher().search(m_x.data(), weights.data(), m_groups, m_rule.search, fits.data(), m_block.codes.data());
        for (size_t g = 0; g < m_groups; ++g) {
            m_scales[g] = fits[g].scale;
            m_minimums[g] = -fits[g].minimum;
        }
        if (m_rule.zeroWhenTiny && std::abs(signedLargest(scales())) < kGgmlSmallest)
            return {};
        share();
        m_rule.sharing == SuperBlockRule::Table ? lookUp() : recode();
        return m_block;
    }

private:
    float codable(size_t i) const { return std::isinf(m_raw[i]) ? m_raw[i] : m_x[i]; }
    std::span<const float> scales() const { return std::span(m_scales).first(m_groups); }

    void weigh(size_t g, std::span<float> weights)
    {
        const std::span<const float> x = std::span(m_x).subspan(g * m_size, m_size);
        const float* importance = m_importance ? m_importance + g * m_size : nullptr;
        const float rms =
            m_rule.weights == SuperBlockRule::MagnitudeAndRms ? std::sqrt(squares(x) / float(m_size)) : 0.0f;
        for (size_t i = 0; i < m_size; ++i) {
            switch (m_rule.weights) {
            case SuperBlockRule::Square:
                weights[i] = x[i] * x[i];
                break;
            case SuperBlockRule::Magnitude:
            case SuperBlockRule::MagnitudeAndRms:
                weights[i] = rms + std::abs(x[i]);
                break;
            case SuperBlockRule::Importance:
                weights[i] = importance[i];
                break;
            case SuperBlockRule::ImportanceAndSpread:
                weights[i] = importance[i] * std::sqrt(m_spread + x[i] * x[i]);
                break;
            }
        }
        m_sums[g] = total(weights);
    }

    void share()
    {
        std::array<uint8_t, 16> stored{};
        switch (m_rule.sharing) {
        case SuperBlockRule::Positive:
        case SuperBlockRule::PositiveSearched:
            m_block.scale = sharePositive(scales(), stored);
            std::copy(stored.begin(), stored.end(), m_block.scales.begin());
            if (m_rule.hasMinimum())
                m_block.minimum = sharePositive(std::span(m_minimums).first(m_groups), m_block.minimums);
            return;
        case SuperBlockRule::SignedSearched:
            m_block.scale =
                f16(searchSigned(scales(), -m_rule.scaleLowest, std::span(m_sums).first(m_groups), stored.data()));
            for (size_t g = 0; g < m_groups; ++g)
                m_block.scales[g] = int8_t(int(stored[g]) + m_rule.scaleLowest);
            return;
        case SuperBlockRule::Signed:
            return shareSigned();
        case SuperBlockRule::Table:
            return shareTable();
        }
    }

    /// The f16 factor that values >= 0 are multiples of, and the multiples.
    float sharePositive(std::span<const float> x, std::array<uint8_t, 16>& stored) const
    {
        const int top = m_rule.scaleHighest;
        if (m_rule.sharing == SuperBlockRule::PositiveSearched)
            return f16(searchPositive(x, top, std::span(m_sums).first(m_groups), stored.data()));
        const float largest = std::max(0.0f, *std::max_element(x.begin(), x.end()));
        const float inverse = largest > 0 ? float(top) / largest : 0.0f;
        for (size_t g = 0; g < x.size(); ++g)
            stored[g] = uint8_t(roundedCode(inverse * x[g], 0, top));
        return f16(largest / float(top));
    }

    void shareSigned()
    {
        const float largest = signedLargest(scales());
        const float inverse = float(m_rule.scaleLowest) / largest;
        if (largest == 0 || !std::isfinite(inverse)) {
            m_block.scales.fill(int8_t(m_rule.scaleLowest));
            return;
        }
        m_block.scale = f16(1 / inverse);
        for (size_t g = 0; g < m_groups; ++g)
            m_block.scales[g] = int8_t(roundedCode(inverse * m_scales[g], m_rule.scaleLowest, m_rule.scaleHighest));
    }

    void shareTable()
    {
        m_factor = signedLargest(scales()) / float(m_rule.scaleLowest);
        const float inverse = m_factor != 0 ? 1 / m_factor : 0.0f;
        m_block.scale = f16(m_factor);
        for (size_t g = 0; g < m_groups && std::isfinite(inverse); ++g)
            m_block.scales[g] = int8_t(roundedCode(inverse * m_scales[g], m_rule.scaleLowest, m_rule.scaleHighest));
    }

    /// Codes once more, now that scales and minima are rounded; sub-blocks without a scale keep the search's.
    void recode()
    {
        for (size_t g = 0; g < m_groups; ++g) {
            const GroupParameters group = m_block.group(int(g));
            if (group.scale == 0)
                continue;
            for (size_t i = g * m_size; i < (g + 1) * m_size; ++i) {
                const float y = (codable(i) - group.minimum) / group.scale;
                m_block.codes[i] = uint8_t(roundedCode(y, m_rule.lowest, m_rule.highest) - m_rule.lowest);
            }
        }
    }

    /// The same with levels of a table, by the factor before it is rounded.
    void lookUp()
    {
        for (size_t g = 0; g < m_groups; ++g) {
            const float unrounded = m_factor * float(m_block.scales[g]);
            const float perValue = unrounded != 0 ? 1 / unrounded : 0.0f;
            for (size_t i = g * m_size; i < (g + 1) * m_size; ++i)
                m_block.codes[i] = uint8_t(iq4Levels().nearest(perValue * codable(i)));
        }
    }

    SuperBlockRule m_rule;
    size_t m_size, m_groups;
    const float* m_raw;
    const float* m_importance;
    std::array<float, kSuperBlock> m_x; ///< what searches can add up
    std::array<float, 16> m_scales{}, m_minimums{}, m_sums{}; ///< found, and the sums of weights, per sub-block
    float m_spread = 0, m_factor = 0;
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

SuperBlockRule superBlockRule(Format format, bool weighted)
{
    SuperBlockRule rule;
    rule.search.size = size_t(traits(format).groupSize);
    rule.weights = weighted ? SuperBlockRule::ImportanceAndSpread : SuperBlockRule::Square;
    rule.spread = 2;
    const auto affine = [&](int top, int scaleTop, ScaleGrid grid) {
        rule.search.kind = GroupSearch::Affine;
        rule.search.top = rule.highest = top;
        rule.search.grid = weighted ? kWeightedGrid : grid;
        rule.weights = weighted ? SuperBlockRule::ImportanceAndSpread : SuperBlockRule::MagnitudeAndRms;
        rule.sharing = weighted ? SuperBlockRule::PositiveSearched : SuperBlockRule::Positive;
        rule.scaleHighest = scaleTop;
    };
    const auto signedCodes = [&](int half, int scaleHalf) {
        rule.search.top = half;
        rule.lowest = -half;
        rule.highest = half - 1;
        rule.scaleLowest = -scaleHalf;
        rule.scaleHighest = scaleHalf - 1;
    };
    switch (format) {
    case Format::Q2_K:
        affine(3, 15, {-0.5f, 0.1f, 15, true});
        rule.spread = 1;
        rule.weights = weighted ? rule.weights : SuperBlockRule::Magnitude;
        break;
    case Format::Q3_K:
        signedCodes(4, 32);
        rule.search.kind = weighted ? GroupSearch::Signed : GroupSearch::Descent;
        rule.sharing = weighted ? SuperBlockRule::SignedSearched : SuperBlockRule::Signed;
        break;
    case Format::Q4_K:
        affine(15, 63, {-1.0f, 0.1f, 20, false});
        break;
    case Format::Q5_K:
        affine(31, 63, {-0.5f, 0.1f, 15, false});
        break;
    case Format::Q6_K:
        signedCodes(32, 128);
        rule.weights = weighted ? SuperBlockRule::Importance : SuperBlockRule::Square;
        rule.zeroWhenTiny = true;
        break;
    default:
        rule.search.kind = GroupSearch::Table;
        rule.sharing = SuperBlockRule::Table;
        rule.scaleLowest = -32;
        rule.scaleHighest = 31;
        break;
    }
    return rule;
}

SuperBlock encodeSuperBlock(Format format, const float* x, const float* importance)
{
    return Encoder(format, x, importance).run();
}

} // namespace ql
