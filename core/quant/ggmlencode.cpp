// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/quant/ggmlencode.h"

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

/// The value with the largest magnitude, with its sign; the first one on ties.
float signedLargest(const float* x)
{
    float largest = 0;
    for (int i = 0; i < kGgmlBlock; ++i) {
        if (std::isfinite(x[i]) && std::abs(x[i]) > std::abs(largest))
            largest = x[i];
    }
    return largest;
}

void setScale(GgmlBlock& block, float d)
{
    block.parameters.inverse = finiteInverse(d);
    block.parameters.scale = halfToFloat(toHalf(d));
}

GgmlBlock encodeSigned(const float* x, int half)
{
    GgmlBlock block;
    setScale(block, signedLargest(x) / float(-half));
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
    setScale(block, std::abs(signedLargest(x)) / 127.0f);
    for (int i = 0; i < kGgmlBlock; ++i) {
        const float code = std::round(std::clamp(scaled(x[i], block.parameters.inverse), -127.0f, 127.0f));
        block.codes[size_t(i)] = uint8_t(int8_t(code));
    }
    return block;
}

/// Weighted least-squares fit of a scale to the levels that x * inverse rounds to; weights are x^2.
struct Fit {
    float product = 0; ///< sum w q x
    float square = 0;  ///< sum w q q
};

Fit fitScale(const Codebook& book, const float* x, float inverse)
{
    Fit fit;
    for (int i = 0; i < kGgmlBlock; ++i) {
        if (!std::isfinite(x[i]))
            continue;
        const float q = book.levels[size_t(book.nearest(inverse * x[i]))].value;
        const float w = x[i] * x[i];
        fit.product += w * q * x[i];
        fit.square += w * q * q;
    }
    return fit;
}

float searchIq4Scale(const Codebook& book, const float* x)
{
    constexpr float smallest = 1e-15f;
    const float largest = signedLargest(x);
    if (std::abs(largest) < smallest)
        return 0;
    const Fit first = fitScale(book, x, 1.0f / (largest / 127.0f));
    float d = first.product / first.square;
    float best = d * first.product;
    for (int t = -7; t <= 7; ++t) {
        const Fit fit = fitScale(book, x, (float(t) - 127.0f) / largest);
        if (fit.square > 0 && fit.product * fit.product > best * fit.square) {
            d = fit.product / fit.square;
            best = d * fit.product;
        }
    }
    return std::isfinite(d) ? d : 0.0f;
}

GgmlBlock encodeIq4(const float* x)
{
    static const Codebook book = codebookFor(Scheme::defaultsFor(Format::IQ4_NL));
    GgmlBlock block;
    setScale(block, searchIq4Scale(book, x));
    for (int i = 0; i < kGgmlBlock; ++i)
        block.codes[size_t(i)] = uint8_t(book.nearest(scaled(x[i], block.parameters.inverse)));
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
        return encodeIq4(x);
    }
}

void packGgmlBlock(Format format, const GgmlBlock& block, std::byte* out)
{
    std::byte* next = packHalf(block.parameters.scale, out);
    if (format == Format::Q4_1 || format == Format::Q5_1)
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
