// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/quant/doublequant.h"

#include <algorithm>
#include <cmath>

namespace ql {

namespace {

std::array<float, 256> makeDynamicMap()
{
    std::vector<float> values{0.0f, 1.0f};
    for (int e = 0; e < 7; ++e) {
        // 2^e + 1 points from 0.1 to 1, filled from both ends in f32 as array libraries do.
        const int intervals = 1 << e;
        const float step = (1.0f - 0.1f) / float(intervals);
        const auto point = [&](int i) {
            return i < (intervals + 1) / 2 ? 0.1f + step * float(i) : 1.0f - step * float(intervals - i);
        };
        const float magnitude = float(std::pow(10.0, e - 6));
        for (int i = 0; i < intervals; ++i) {
            const float value = (point(i) + point(i + 1)) / 2.0f * magnitude;
            values.push_back(value);
            values.push_back(-value);
        }
    }
    std::sort(values.begin(), values.end());
    std::array<float, 256> map{};
    std::copy(values.begin(), values.end(), map.begin());
    return map;
}

} // namespace

const std::array<float, 256>& dynamicMap()
{
    static const std::array<float, 256> map = makeDynamicMap();
    return map;
}

const std::array<float, 255>& dynamicMapLimits()
{
    static const std::array<float, 255> limits = [] {
        std::array<float, 255> midpoints{};
        for (size_t i = 0; i < midpoints.size(); ++i)
            midpoints[i] = (dynamicMap()[i] + dynamicMap()[i + 1]) / 2.0f;
        return midpoints;
    }();
    return limits;
}

uint8_t encodeScale(float scale, float offset, float blockScale)
{
    const float inverse = 1.0f / blockScale;
    const float n = (scale - offset) * (std::isfinite(inverse) ? inverse : 0.0f);
    const auto& limits = dynamicMapLimits();
    return uint8_t(std::lower_bound(limits.begin(), limits.end(), n) - limits.begin());
}

float decodeScale(uint8_t code, float offset, float blockScale)
{
    return dynamicMap()[code] * blockScale + offset;
}

void DoubleQuantBuilder::add(float scale)
{
    if (m_blocks.empty() || m_blocks.back().count == kDoubleQuantBlock)
        m_blocks.push_back({scale, scale, 0, 0});
    Block& block = m_blocks.back();
    block.lowest = std::min(block.lowest, scale);
    block.highest = std::max(block.highest, scale);
    block.sum += double(scale);
    ++block.count;
}

float DoubleQuantBuilder::offset() const
{
    double sum = 0;
    int64_t count = 0;
    for (const Block& block : m_blocks) {
        sum += block.sum;
        count += block.count;
    }
    return count ? float(sum / double(count)) : 0.0f;
}

std::vector<float> DoubleQuantBuilder::blockScales() const
{
    const float mean = offset();
    std::vector<float> scales;
    for (const Block& block : m_blocks)
        scales.push_back(std::max(std::abs(block.lowest - mean), std::abs(block.highest - mean)));
    return scales;
}

} // namespace ql
