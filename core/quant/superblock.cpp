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

constexpr size_t kMostSearched = GroupSearch::kMostGroups * GroupSearch::kMostValues;

/// How the formats with minima differ from each other.
struct AffineRule {
    int top;      ///< of codes
    int scaleTop; ///< of scales and minima
    ScaleGrid grid;
};

AffineRule affineRule(Format format)
{
    switch (format) {
    case Format::Q2_K:
        return {3, 15, {-0.5f, 0.1f, 15, true}};
    case Format::Q4_K:
        return {15, 63, {-1.0f, 0.1f, 20, false}};
    default:
        return {31, 63, {-0.5f, 0.1f, 15, false}};
    }
}

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

/// Encodes the superblocks of one call: the search for the scales of all their sub-blocks, then block by block.
class Encoder
{
public:
    Encoder(Format format, const float* x, const float* importance, std::span<SuperBlock> blocks,
            const GroupSearcher& searcher)
        : m_format(format), m_size(size_t(traits(format).groupSize)), m_perBlock(kSuperBlock / m_size), m_raw(x),
          m_importance(importance), m_blocks(blocks), m_searcher(searcher)
    {
        constexpr float kMost = 1e9f; // squares and cubes of it can be added
        for (size_t i = 0; i < blocks.size() * kSuperBlock; ++i)
            m_x[i] = std::isfinite(x[i]) ? std::clamp(x[i], -kMost, kMost) : 0.0f;
    }

    void run()
    {
        const size_t groups = m_blocks.size() * m_perBlock;
        if (m_format == Format::Q3_K && !m_importance) {
            for (size_t g = 0; g < groups; ++g)
                m_fits[g].scale = descendSigned(values(g), 4, m_codes.data() + g * m_size);
        } else {
            for (size_t g = 0; g < groups; ++g)
                weigh(g);
            m_searcher.search(m_x.data(), m_weights.data(), groups, task(), m_fits.data(), m_codes.data());
        }
        for (size_t b = 0; b < m_blocks.size(); ++b)
            finish(b);
    }

private:
    std::span<const float> values(size_t g) const { return std::span(m_x).subspan(g * m_size, m_size); }
    float codable(size_t i) const { return std::isinf(m_raw[i]) ? m_raw[i] : m_x[i]; }

    GroupSearch task() const
    {
        switch (m_format) {
        case Format::Q3_K:
            return {GroupSearch::Signed, m_size, 4, {}};
        case Format::Q6_K:
            return {GroupSearch::Signed, m_size, 32, {}};
        case Format::IQ4_XS:
            return {GroupSearch::Table, m_size, 0, {}};
        default: {
            const AffineRule rule = affineRule(m_format);
            return {GroupSearch::Affine, m_size, rule.top, m_importance ? kWeightedGrid : rule.grid};
        }
        }
    }

    /// Importance is widened by the mean square of the superblock, but for Q6_K. Without it, formats with minima weigh by
    /// the magnitude (but for Q2_K plus its root mean square in the sub-block), the others by the square.
    void weigh(size_t g)
    {
        const std::span<const float> x = values(g);
        const std::span<float> weights = std::span(m_weights).subspan(g * m_size, m_size);
        const bool affine = traits(m_format).hasMinimum;
        if (m_importance) {
            const float* importance = m_importance + g * m_size;
            const float spread = meanSquareOfBlock(g / m_perBlock);
            for (size_t i = 0; i < m_size; ++i)
                weights[i] = m_format == Format::Q6_K ? importance[i] : importance[i] * std::sqrt(spread + x[i] * x[i]);
        } else {
            const float rms = affine && m_format != Format::Q2_K ? std::sqrt(squares(x) / float(m_size)) : 0.0f;
            for (size_t i = 0; i < m_size; ++i)
                weights[i] = affine ? rms + std::abs(x[i]) : x[i] * x[i];
        }
        m_sums[g] = total(weights);
    }

    float meanSquareOfBlock(size_t b)
    {
        if (m_squaresOf != b + 1) {
            m_squaresOf = b + 1;
            m_meanSquare = squares(std::span(m_x).subspan(b * kSuperBlock, kSuperBlock)) / float(kSuperBlock);
            m_meanSquare *= m_format == Format::Q2_K ? 1.0f : 2.0f;
        }
        return m_meanSquare;
    }

    void finish(size_t b)
    {
        SuperBlock& block = m_blocks[b];
        block = {};
        std::copy_n(m_codes.begin() + int64_t(b * kSuperBlock), kSuperBlock, block.codes.begin());
        for (size_t g = 0; g < m_perBlock; ++g)
            m_scales[g] = m_fits[b * m_perBlock + g].scale;
        switch (m_format) {
        case Format::Q3_K:
            m_importance ? shareSearched(b, block) : shareSigned(32, 31, block);
            return recode(b, -4, 3, block);
        case Format::Q6_K:
            if (std::abs(signedLargest(scales())) < kGgmlSmallest) {
                block = {};
                return;
            }
            shareSigned(128, 127, block);
            return recode(b, -32, 31, block);
        case Format::IQ4_XS:
            return finishTable(b, block);
        default:
            return finishAffine(b, block);
        }
    }

    std::span<const float> scales() const { return std::span(m_scales).first(m_perBlock); }
    std::span<const float> sums(size_t b) const { return std::span(m_sums).subspan(b * m_perBlock, m_perBlock); }

    /// Codes once more, now that scales and minima are rounded; sub-blocks without a scale keep the search's.
    void recode(size_t b, int lowest, int highest, SuperBlock& block)
    {
        for (size_t g = 0; g < m_perBlock; ++g) {
            const GroupParameters group = block.group(int(g));
            if (group.scale == 0)
                continue;
            for (size_t i = g * m_size; i < (g + 1) * m_size; ++i) {
                const float y = (codable(b * kSuperBlock + i) - group.minimum) / group.scale;
                block.codes[i] = uint8_t(roundedCode(y, lowest, highest) - lowest);
            }
        }
    }

    void finishAffine(size_t b, SuperBlock& block)
    {
        const AffineRule rule = affineRule(m_format);
        std::array<float, 16> minimums{};
        for (size_t g = 0; g < m_perBlock; ++g)
            minimums[g] = -m_fits[b * m_perBlock + g].minimum;
        std::array<uint8_t, 16> stored{};
        block.scale = shareFactor(b, scales(), rule.scaleTop, stored);
        std::copy(stored.begin(), stored.end(), block.scales.begin());
        block.minimum = shareFactor(b, std::span(minimums).first(m_perBlock), rule.scaleTop, block.minimums);
        recode(b, 0, rule.top, block);
    }

    /// The f16 factor that values >= 0 are multiples of, and the multiples.
    float shareFactor(size_t b, std::span<const float> x, int top, std::array<uint8_t, 16>& stored)
    {
        if (m_importance)
            return f16(searchPositive(x, top, sums(b), stored.data()));
        const float largest = std::max(0.0f, *std::max_element(x.begin(), x.end()));
        const float inverse = largest > 0 ? float(top) / largest : 0.0f;
        for (size_t g = 0; g < x.size(); ++g)
            stored[g] = uint8_t(roundedCode(inverse * x[g], 0, top));
        return f16(largest / float(top));
    }

    /// Q3_K by importance: the factor is searched as the scales were.
    void shareSearched(size_t b, SuperBlock& block)
    {
        std::array<uint8_t, 16> stored{};
        block.scale = f16(searchSigned(scales(), 32, sums(b), stored.data()));
        for (size_t g = 0; g < m_perBlock; ++g)
            block.scales[g] = int8_t(int(stored[g]) - 32);
    }

    /// The factor for which the scale of largest magnitude is stored as -half.
    void shareSigned(int half, int highest, SuperBlock& block)
    {
        const float largest = signedLargest(scales());
        const float inverse = float(-half) / largest;
        if (largest == 0 || !std::isfinite(inverse)) {
            block.scales.fill(int8_t(-half));
            return;
        }
        block.scale = f16(1 / inverse);
        for (size_t g = 0; g < m_perBlock; ++g)
            block.scales[g] = int8_t(roundedCode(inverse * m_scales[g], -half, highest));
    }

    void finishTable(size_t b, SuperBlock& block)
    {
        const float factor = -signedLargest(scales()) / 32;
        const float inverse = factor != 0 ? 1 / factor : 0.0f;
        block.scale = f16(factor);
        for (size_t g = 0; g < m_perBlock; ++g) {
            const int scale = std::isfinite(inverse) ? roundedCode(inverse * m_scales[g], -32, 31) : 0;
            block.scales[g] = int8_t(scale);
            const float unrounded = factor * float(scale);
            const float perValue = unrounded != 0 ? 1 / unrounded : 0.0f;
            for (size_t i = g * m_size; i < (g + 1) * m_size; ++i)
                block.codes[i] = uint8_t(iq4Levels().nearest(perValue * codable(b * kSuperBlock + i)));
        }
    }

    Format m_format;
    size_t m_size, m_perBlock;
    const float* m_raw;
    const float* m_importance;
    std::span<SuperBlock> m_blocks;
    const GroupSearcher& m_searcher;
    std::array<float, kMostSearched> m_x, m_weights; ///< m_x: what searches can add up
    std::array<uint8_t, kMostSearched> m_codes{};
    std::array<AffineFit, GroupSearch::kMostGroups> m_fits{};
    std::array<float, GroupSearch::kMostGroups> m_sums{}; ///< of weights, per sub-block
    std::array<float, 16> m_scales{};                     ///< of the block that is finished
    size_t m_squaresOf = 0;
    float m_meanSquare = 0;
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
    SuperBlock block;
    encodeSuperBlocks(format, x, importance, std::span(&block, 1), GroupSearcher());
    return block;
}

void encodeSuperBlocks(Format format, const float* x, const float* importance, std::span<SuperBlock> blocks,
                       const GroupSearcher& searcher)
{
    const size_t atOnce = GroupSearch::kMostGroups * size_t(traits(format).groupSize) / kSuperBlock;
    for (size_t first = 0; first < blocks.size(); first += atOnce) {
        const size_t at = first * kSuperBlock;
        Encoder(format, x + at, importance ? importance + at : nullptr,
                blocks.subspan(first, std::min(atOnce, blocks.size() - first)), searcher)
            .run();
    }
}

} // namespace ql
