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

bool isSearched(Format format, bool weighted)
{
    return format == Format::IQ4_NL || (weighted && traits(format).choosesImportance);
}

GroupSearch searchOf(Format format)
{
    switch (format) {
    case Format::Q4_0:
        return {GroupSearch::Signed, kGgmlBlock, 8, {}};
    case Format::Q5_0:
        return {GroupSearch::Signed, kGgmlBlock, 16, {}};
    case Format::Q4_1:
        return {GroupSearch::Affine, kGgmlBlock, 15, kWeightedGrid};
    case Format::Q5_1:
        return {GroupSearch::Affine, kGgmlBlock, 31, kWeightedGrid};
    default:
        return {GroupSearch::Table, kGgmlBlock, 0, {}};
    }
}

/// importance * sqrt(mean square + x^2), of the row or, for IQ4_NL, twice that of the block; else x^2.
void weigh(Format format, std::span<const float> x, const BlockImportance& importance, float* weights)
{
    float spread = importance.rowMeanSquare;
    if (format == Format::IQ4_NL) {
        float squares = 0;
        for (const float value : x)
            squares += value * value;
        spread = squares * (2.0f / float(kGgmlBlock));
    }
    for (size_t i = 0; i < x.size(); ++i)
        weights[i] = importance.columns ? importance.columns[i] * std::sqrt(spread + x[i] * x[i]) : x[i] * x[i];
}

GgmlBlock blockFrom(const GroupSearch& search, const float* x, const AffineFit& fit, const uint8_t* codes)
{
    GgmlBlock block;
    if (!std::isfinite(fit.scale) || !std::isfinite(fit.minimum))
        return block; // squares of such values overflow
    setScale(block, fit.scale);
    block.codeMinimum = fit.minimum;
    block.parameters.minimum = halfToFloat(toHalf(fit.minimum));
    const int top = search.kind == GroupSearch::Signed ? 2 * search.top - 1 : search.top;
    for (size_t i = 0; i < size_t(kGgmlBlock); ++i) {
        if (search.kind == GroupSearch::Table)
            block.codes[i] = uint8_t(iq4Levels().nearest(scaled(x[i], block.parameters.inverse)));
        else if (std::isinf(x[i])) // where the search saw 0
            block.codes[i] = uint8_t((x[i] > 0) == (fit.scale > 0) ? top : 0);
        else
            block.codes[i] = codes[i];
    }
    return block;
}

/// Up to sixteen blocks whose scales are searched together.
void searchBlocks(Format format, const float* x, BlockImportance importance, std::span<GgmlBlock> blocks,
                  const GroupSearcher& searcher)
{
    constexpr size_t most = GroupSearch::kMostGroups * size_t(kGgmlBlock);
    std::array<float, most> values{}, weights{};
    std::array<uint8_t, most> codes{};
    std::array<AffineFit, GroupSearch::kMostGroups> fits;
    for (size_t b = 0; b < blocks.size(); ++b) {
        const size_t at = b * size_t(kGgmlBlock);
        for (size_t i = at; i < at + kGgmlBlock; ++i)
            values[i] = std::isfinite(x[i]) ? x[i] : 0.0f;
        weigh(format, std::span(values).subspan(at, kGgmlBlock), importance, weights.data() + at);
        importance.columns += importance.columns ? kGgmlBlock : 0;
    }
    const GroupSearch search = searchOf(format);
    searcher.search(values.data(), weights.data(), blocks.size(), search, fits.data(), codes.data());
    for (size_t b = 0; b < blocks.size(); ++b)
        blocks[b] = blockFrom(search, x + b * kGgmlBlock, fits[b], codes.data() + b * kGgmlBlock);
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

GgmlBlock encodeGgmlBlock(Format format, const float* x)
{
    switch (format) {
    case Format::Q4_0:
        return encodeSigned(x, 8);
    case Format::Q5_0:
        return encodeSigned(x, 16);
    case Format::Q4_1:
        return encodeWithMinimum(x, 15);
    case Format::Q5_1:
        return encodeWithMinimum(x, 31);
    case Format::Q8_0:
        return encodeQ8(x);
    default:
        GgmlBlock block;
        searchBlocks(format, x, {}, std::span(&block, 1), GroupSearcher());
        return block;
    }
}

void encodeGgmlBlocks(Format format, const float* x, const BlockImportance& importance, std::span<GgmlBlock> blocks,
                      const GroupSearcher& searcher)
{
    if (!isSearched(format, importance.columns)) {
        for (size_t b = 0; b < blocks.size(); ++b)
            blocks[b] = encodeGgmlBlock(format, x + b * kGgmlBlock);
        return;
    }
    for (size_t first = 0; first < blocks.size(); first += GroupSearch::kMostGroups) {
        const size_t at = first * kGgmlBlock;
        const float* columns = importance.columns ? importance.columns + at : nullptr;
        searchBlocks(format, x + at, {columns, importance.rowMeanSquare},
                     blocks.subspan(first, std::min(GroupSearch::kMostGroups, blocks.size() - first)), searcher);
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
