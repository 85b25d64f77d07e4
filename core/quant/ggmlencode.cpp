// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/quant/ggmlencode.h"

#include "core/quant/ggmlsearch.h"
#include "core/quant/schemetable.h"
#include "core/tensor/floats.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace ql {

namespace {

uint16_t toHalf(float value)
{
    return floatToHalf(std::clamp(value, -kLargestHalf, kLargestHalf));
}

float finiteInverse(float d)
{
    const float inverse = 1.0f / d;
    return std::isfinite(inverse) ? inverse : 0.0f;
}

float scaled(float x, float inverse)
{
    const float y = x * inverse;
    return std::isnan(y) ? 0.0f : y;
}

uint8_t truncated(float y, float offset, int top)
{
    return uint8_t(std::clamp(y + offset, 0.0f, float(top)));
}

void setScale(GgmlBlock& block, float d)
{
    block.parameters.inverse = finiteInverse(d);
    block.parameters.scale = halfToFloat(toHalf(d));
}

GgmlBlock encodeSigned(const float* x, int half)
{
    GgmlBlock block;
    setScale(block, signedLargest(std::span(x, kGgmlBlock)) / float(-half));
    for (int i = 0; i < kGgmlBlock; ++i)
        block.codes[size_t(i)] = truncated(scaled(x[i], block.parameters.inverse), float(half) + 0.5f, 2 * half - 1);
    return block;
}

GgmlBlock encodeWithMinimum(const float* x, int top)
{
    float lowest = INFINITY;
    float highest = -INFINITY;
    for (int i = 0; i < kGgmlBlock; ++i) {
        if (std::isfinite(x[i])) {
            lowest = std::min(lowest, x[i]);
            highest = std::max(highest, x[i]);
        }
    }
    GgmlBlock block;
    if (lowest > highest)
        return block;
    setScale(block, (highest - lowest) / float(top));
    block.codeMinimum = lowest;
    block.parameters.minimum = halfToFloat(toHalf(lowest));
    for (int i = 0; i < kGgmlBlock; ++i) {
        const float x0 = std::isnan(x[i]) ? 0.0f : x[i];
        block.codes[size_t(i)] = truncated(scaled(x0 - lowest, block.parameters.inverse), 0.5f, top);
    }
    return block;
}

GgmlBlock encodeQ8(const float* x)
{
    GgmlBlock block;
    setScale(block, std::abs(signedLargest(std::span(x, kGgmlBlock))) / 127.0f);
    for (int i = 0; i < kGgmlBlock; ++i) {
        const float code = std::round(std::clamp(scaled(x[i], block.parameters.inverse), -127.0f, 127.0f));
        block.codes[size_t(i)] = uint8_t(int8_t(code));
    }
    return block;
}

using BlockValues = std::array<float, kGgmlBlock>;

/// What searches can add up.
BlockValues finiteValues(const float* x)
{
    BlockValues values;
    for (size_t i = 0; i < values.size(); ++i)
        values[i] = std::isfinite(x[i]) ? x[i] : 0.0f;
    return values;
}

/// Where the search saw 0.
void codeInfinities(const float* x, float scale, int top, GgmlBlock& block)
{
    for (size_t i = 0; i < size_t(kGgmlBlock); ++i) {
        if (std::isinf(x[i]))
            block.codes[i] = uint8_t((x[i] > 0) == (scale > 0) ? top : 0);
    }
}

/// importance * sqrt(meanSquare + x^2), or x^2 without importance.
BlockValues weightsOf(const BlockValues& x, const float* importance, float meanSquare)
{
    BlockValues weights;
    for (size_t i = 0; i < weights.size(); ++i)
        weights[i] = importance ? importance[i] * std::sqrt(meanSquare + x[i] * x[i]) : x[i] * x[i];
    return weights;
}

GgmlBlock encodeIq4(const float* x, const float* importance)
{
    static const Iq4Levels levels;
    const BlockValues values = finiteValues(x);
    float squares = 0;
    for (const float value : values)
        squares += value * value;
    GgmlBlock block;
    setScale(block, levels.searchScale(values, weightsOf(values, importance, squares * (2.0f / float(kGgmlBlock)))));
    for (int i = 0; i < kGgmlBlock; ++i)
        block.codes[size_t(i)] = uint8_t(levels.nearest(scaled(x[i], block.parameters.inverse)));
    return block;
}

GgmlBlock searchBlock(const float* x, const BlockImportance& importance, int half)
{
    const BlockValues values = finiteValues(x);
    GgmlBlock block;
    const BlockValues weights = weightsOf(values, importance.columns, importance.rowMeanSquare);
    const float scale = searchSigned(values, half, weights, block.codes.data());
    setScale(block, scale);
    codeInfinities(x, scale, 2 * half - 1, block);
    return block;
}

GgmlBlock searchBlockWithMinimum(const float* x, const BlockImportance& importance, int top)
{
    const BlockValues values = finiteValues(x);
    GgmlBlock block;
    const BlockValues weights = weightsOf(values, importance.columns, importance.rowMeanSquare);
    const AffineFit fit = searchAffine(values, top, weights, kWeightedGrid, block.codes.data());
    setScale(block, fit.scale);
    codeInfinities(x, fit.scale, top, block);
    block.codeMinimum = fit.minimum;
    block.parameters.minimum = halfToFloat(toHalf(fit.minimum));
    return block;
}

/// Byte j holds the low four bits of value j in its low nibble and those of value j + 16 in its high one.
void packNibbles(const GgmlBlock& block, std::byte* out)
{
    for (size_t j = 0; j < kGgmlBlock / 2; ++j)
        out[j] = std::byte((block.codes[j] & 15) | ((block.codes[j + kGgmlBlock / 2] & 15) << 4));
}

void packFifthBits(const GgmlBlock& block, std::byte* out)
{
    for (size_t i = 0; i < kGgmlBlock; ++i)
        out[i / 8] |= std::byte((block.codes[i] >> 4) << (i % 8));
}

std::byte* packHalf(float value, std::byte* out)
{
    const uint16_t bits = toHalf(value);
    out[0] = std::byte(bits & 255);
    out[1] = std::byte(bits >> 8);
    return out + 2;
}

} // namespace

float meanSquareOf(const float* x, int64_t count)
{
    float sum = 0;
    for (int64_t i = 0; i < count; ++i)
        sum += std::isfinite(x[i]) ? x[i] * x[i] : 0.0f;
    return sum / float(count);
}

GgmlBlock encodeGgmlBlock(Format format, const float* x, const BlockImportance& importance)
{
    switch (format) {
    case Format::Q4_0:
        return importance.columns ? searchBlock(x, importance, 8) : encodeSigned(x, 8);
    case Format::Q5_0:
        return importance.columns ? searchBlock(x, importance, 16) : encodeSigned(x, 16);
    case Format::Q4_1:
        return importance.columns ? searchBlockWithMinimum(x, importance, 15) : encodeWithMinimum(x, 15);
    case Format::Q5_1:
        return importance.columns ? searchBlockWithMinimum(x, importance, 31) : encodeWithMinimum(x, 31);
    case Format::Q8_0:
        return encodeQ8(x);
    default:
        return encodeIq4(x, importance.columns);
    }
}

void packGgmlBlock(Format format, const GgmlBlock& block, std::byte* out)
{
    std::byte* next = packHalf(block.parameters.scale, out);
    if (traits(format).hasMinimum)
        next = packHalf(block.parameters.minimum, next);
    if (format == Format::Q8_0) {
        std::memcpy(next, block.codes.data(), kGgmlBlock);
        return;
    }
    if (format == Format::Q5_0 || format == Format::Q5_1) {
        std::fill_n(next, 4, std::byte(0));
        packFifthBits(block, next);
        next += 4;
    }
    packNibbles(block, next);
}

} // namespace ql
