// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/compute/fusedggml.h"

#include "core/compute/lookupcode.h"
#include "core/compute/streams.h"
#include "core/quant/ggmlencode.h"
#include "core/quant/schemetable.h"

#include <algorithm>
#include <array>

namespace ql {
namespace {

constexpr int64_t kBlocks = 16; ///< that a kernel takes at once
constexpr int64_t kValues = kBlocks * kGgmlBlock;

simd::GgmlRule ruleOf(Format format, const Codebook& book)
{
    simd::GgmlRule rule;
    rule.clipLo = book.clipLo;
    rule.clipHi = book.clipHi;
    switch (format) {
    case Format::Q4_0:
    case Format::Q5_0:
        rule.kind = simd::GgmlRule::Signed;
        rule.half = format == Format::Q4_0 ? 8.0f : 16.0f;
        rule.offset = rule.half + 0.5f;
        rule.top = 2 * rule.half - 1;
        break;
    case Format::Q4_1:
    case Format::Q5_1:
        rule.kind = simd::GgmlRule::Minimum;
        rule.top = format == Format::Q4_1 ? 15.0f : 31.0f;
        rule.offset = 0.5f;
        break;
    case Format::Q8_0:
        rule.kind = simd::GgmlRule::Q8;
        break;
    default:
        rule.kind = simd::GgmlRule::Table;
        break;
    }
    return rule;
}

} // namespace

/// Sums over a range.
struct FusedGgml::Tables {
    simd::ErrorSums sums;
    simd::GgmlBlocks blocks;
    /// Codes of one position in a block, by turns, so that equal neighbours do not wait for each other.
    std::array<std::array<uint32_t, 256>, 4> codes{};
    uint64_t clipped = 0;
    int64_t values = 0;
};

std::optional<FusedGgml> FusedGgml::create(const simd::Kernels& kernels, const TensorParameters& parameters)
{
    const Scheme& scheme = parameters.scheme;
    if (traits(scheme.format).kind != FormatKind::Ggml || traits(scheme.format).blockSize != kGgmlBlock || scheme.importance)
        return std::nullopt;
    FusedGgml fused(kernels, parameters);
    if (fused.m_rule.kind == simd::GgmlRule::Table && !fused.m_lookup)
        return std::nullopt;
    return fused;
}

FusedGgml::FusedGgml(const simd::Kernels& kernels, const TensorParameters& parameters)
    : m_kernels(&kernels), m_parameters(parameters), m_group(parameters.scheme),
      m_rule(ruleOf(parameters.scheme.format, m_group.codebook()))
{
    if (m_rule.kind == simd::GgmlRule::Table)
        m_lookup = makeLookupCode(m_group.codebook());
}

void FusedGgml::measure(simd::Source x, int64_t count, const GgmlOutput& out, ErrorMetrics* metrics) const
{
    if (metrics)
        metrics->occupancy.resize(m_group.levelCount());
    Tables tables;
    std::array<float, size_t(kValues)> values;
    for (int64_t first = 0; first < count; first += kValues) {
        const int64_t n = std::min(kValues, count - first);
        decodeValues(*m_kernels, x.advanced(first), n, values.data());
        if (n < kValues || !encode(values.data(), first / kGgmlBlock, out, metrics != nullptr, tables))
            encodeByReference(values.data(), n / kGgmlBlock, first / kGgmlBlock, out, metrics);
    }
    if (metrics)
        addTables(tables, *metrics);
}

void FusedGgml::addTables(const Tables& tables, ErrorMetrics& metrics) const
{
    metrics.count += uint64_t(tables.values);
    metrics.finite += uint64_t(tables.values);
    metrics.sumSquare += simd::ErrorSums::total(tables.sums.square);
    metrics.sumHatSquare += simd::ErrorSums::total(tables.sums.hatSquare);
    metrics.sumDot += simd::ErrorSums::total(tables.sums.dot);
    metrics.sumSquaredError += simd::ErrorSums::total(tables.sums.squaredError);
    metrics.sumAbsError += simd::ErrorSums::total(tables.sums.absError);
    metrics.sumError += simd::ErrorSums::total(tables.sums.error);
    metrics.maxAbsError = std::max(metrics.maxAbsError, double(tables.sums.maxAbsError));
    metrics.clipped += tables.clipped;
    for (const auto& table : tables.codes) {
        for (int code = 0; code < 256; ++code) {
            if (table[size_t(code)] > 0)
                metrics.occupancy[size_t(m_group.levelOfCode(uint8_t(code)))] += table[size_t(code)];
        }
    }
}

bool FusedGgml::encode(const float* x, int64_t firstBlock, const GgmlOutput& out, bool count, Tables& tables) const
{
    constexpr float kSmallest = 1e-12f;
    constexpr float kLargest = 1e15f;
    std::array<float, size_t(kBlocks)> absMax;
    const float largest = m_kernels->ranges({x, simd::Element::F32}, kBlocks, kGgmlBlock, {nullptr, nullptr, absMax.data()});
    if (largest != 0 && !(largest > kSmallest && largest < kLargest))
        return false;
    simd::GgmlBlocks& lanes = tables.blocks;
    m_kernels->encodeGgml(x, m_rule, m_lookup ? &*m_lookup : nullptr, &lanes, &tables.sums);
    tables.clipped += lanes.clipped;
    tables.values += kValues;
    for (size_t i = 0; i < size_t(kValues) && count; ++i)
        ++tables.codes[i % 4][lanes.codes[i]];
    const size_t blockBytes = size_t(traits(m_parameters.scheme.format).blockBytes);
    for (size_t b = 0; b < size_t(kBlocks); ++b) {
        const size_t at = size_t(firstBlock) + b;
        GgmlBlock block;
        block.parameters.scale = lanes.scale[b];
        block.parameters.minimum = lanes.minimum[b];
        for (size_t i = 0; i < kGgmlBlock && (out.codes || out.blocks); ++i)
            block.codes[i] = lanes.codes[i * kBlocks + b];
        if (out.codes)
            std::copy(block.codes.begin(), block.codes.end(), out.codes + at * kGgmlBlock);
        if (out.scales)
            out.scales[at] = block.parameters.scale;
        if (out.mins)
            out.mins[at] = block.parameters.minimum;
        if (out.blocks)
            packGgmlBlock(m_parameters.scheme.format, block, out.blocks + at * blockBytes);
    }
    return true;
}

void FusedGgml::encodeByReference(const float* x, int64_t blocks, int64_t firstBlock, const GgmlOutput& out,
                                  ErrorMetrics* metrics) const
{
    TensorParameters p = m_parameters;
    p.rows = 1;
    p.cols = blocks * kGgmlBlock;
    p.groupsPerRow = blocks;
    const TensorQuantizer reference(std::move(p));
    if (metrics) {
        ErrorMetrics part = reference.measureRows(x, 0, 1);
        part.bytes = 0;
        metrics->merge(part);
    }
    if (!out.codes && !out.scales && !out.mins && !out.blocks)
        return;
    const QuantizedTensor q = reference.quantizeRows(x, 0, 1);
    const int64_t blockBytes = traits(m_parameters.scheme.format).blockBytes;
    if (out.codes)
        std::copy(q.codes.begin(), q.codes.end(), out.codes + firstBlock * kGgmlBlock);
    if (out.scales)
        std::copy(q.scales.begin(), q.scales.end(), out.scales + firstBlock);
    if (out.mins)
        std::copy(q.mins.begin(), q.mins.end(), out.mins + firstBlock);
    if (out.blocks)
        std::copy(q.blocks.begin(), q.blocks.end(), out.blocks + firstBlock * blockBytes);
}

} // namespace ql
