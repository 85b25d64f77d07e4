// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/compute/fusedggml.h"

#include "core/compute/lookupcode.h"
#include "core/compute/streams.h"
#include "core/quant/ggmlencode.h"
#include "core/quant/schemetable.h"
#include "core/quant/superblock.h"

#include <algorithm>
#include <array>
#include <memory>

namespace ql {
namespace {

constexpr int64_t kBlocks = 16; ///< that a kernel takes at once

bool isTable(Format format)
{
    return format == Format::IQ4_NL || format == Format::IQ4_XS;
}

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
    simd::SuperBlocks superBlocks;
    /// Codes of one position in a block, by turns, so that equal neighbours do not wait for each other.
    std::array<std::array<uint32_t, 256>, 4> codes{};
    bool counts = false;
    uint64_t clipped = 0;
    int64_t values = 0;

    /// `blocks` of sixteen blocks whose codes lie side by side.
    void count(const uint8_t* lanes, int64_t blockSize, int64_t blocksIn)
    {
        for (int64_t i = 0; i < blockSize && counts; ++i) {
            for (int64_t b = 0; b < blocksIn; ++b)
                ++codes[size_t(b % 4)][lanes[i * kBlocks + b]];
        }
        values += blockSize * blocksIn;
    }
};

std::optional<FusedGgml> FusedGgml::create(const simd::Kernels& kernels, const TensorParameters& parameters)
{
    const Scheme& scheme = parameters.scheme;
    if (traits(scheme.format).kind != FormatKind::Ggml || (scheme.importance && !isSuperBlock(scheme.format)))
        return std::nullopt;
    FusedGgml fused(kernels, parameters);
    if (isTable(scheme.format) && !fused.m_lookup)
        return std::nullopt;
    return fused;
}

FusedGgml::FusedGgml(const simd::Kernels& kernels, const TensorParameters& parameters)
    : m_kernels(&kernels), m_parameters(parameters), m_group(parameters.scheme),
      m_blockSize(traits(parameters.scheme.format).blockSize), m_blockBytes(traits(parameters.scheme.format).blockBytes),
      m_rule(ruleOf(parameters.scheme.format, m_group.codebook())),
      m_superRule(superBlockRule(parameters.scheme.format, parameters.importance != nullptr))
{
    if (isTable(parameters.scheme.format))
        m_lookup = makeLookupCode(m_group.codebook());
}

void FusedGgml::measure(simd::Source x, ValueRange range, const GgmlOutput& out, ErrorMetrics* metrics) const
{
    if (metrics)
        metrics->occupancy.resize(m_group.levelCount());
    const auto tables = std::make_unique<Tables>();
    tables->counts = metrics != nullptr;
    std::array<float, size_t(kBlocks * kSuperBlock)> values;
    for (int64_t first = 0; first < range.count; first += kBlocks * m_blockSize) {
        const int64_t n = std::min(kBlocks * m_blockSize, range.count - first);
        decodeValues(*m_kernels, x.advanced(first), n, values.data());
        const Batch batch{values.data(), n / m_blockSize, first / m_blockSize, range.first + first};
        if (!(m_blockSize == kSuperBlock ? encodeSuper(batch, out, *tables) : encode(batch, out, *tables)))
            encodeByReference(batch, out, metrics);
    }
    if (metrics)
        addTables(*tables, *metrics);
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

float FusedGgml::largestOf(const float* x, int64_t count) const
{
    float largest = 0;
    return m_kernels->ranges({x, simd::Element::F32}, 1, count, {nullptr, nullptr, &largest});
}

bool FusedGgml::tame(const float* x, int64_t count, float most) const
{
    constexpr float kSmallest = 1e-12f;
    const float largest = largestOf(x, count);
    return largest == 0 || (largest > kSmallest && largest <= most);
}

bool FusedGgml::encode(const Batch& batch, const GgmlOutput& out, Tables& tables) const
{
    constexpr float kLargest = 1e15f;
    if (batch.blocks < kBlocks || !tame(batch.x, kBlocks * kGgmlBlock, kLargest))
        return false;
    simd::GgmlBlocks& lanes = tables.blocks;
    m_kernels->encodeGgml(batch.x, m_rule, m_lookup ? &*m_lookup : nullptr, &lanes, &tables.sums);
    tables.clipped += lanes.clipped;
    tables.count(lanes.codes, kGgmlBlock, kBlocks);
    for (size_t b = 0; b < size_t(kBlocks); ++b) {
        const size_t at = size_t(batch.first) + b;
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
            packGgmlBlock(m_parameters.scheme.format, block, out.blocks + at * size_t(m_blockBytes));
    }
    return true;
}

const float* FusedGgml::importanceAt(int64_t value) const
{
    const int64_t row = value / m_parameters.cols;
    return m_parameters.importance->ofRow(row, m_parameters.rows) + value % m_parameters.cols;
}

bool FusedGgml::encodeSuper(const Batch& batch, const GgmlOutput& out, Tables& tables) const
{
    constexpr float kLargestWeight = 1e15f;
    static constexpr std::array<float, kSuperBlock> kZeros{}; // of lanes without a block
    const float* x[kBlocks];
    const float* importance[kBlocks];
    const int64_t blocks = batch.blocks;
    if (!tame(batch.x, blocks * kSuperBlock, kLargestInSuperBlock))
        return false;
    for (int64_t b = 0; b < kBlocks; ++b)
        x[b] = b < blocks ? batch.x + b * kSuperBlock : kZeros.data();
    for (int64_t b = 0; b < kBlocks && m_parameters.importance; ++b) {
        importance[b] = b < blocks ? importanceAt(batch.value + b * kSuperBlock) : kZeros.data();
        if (!(largestOf(importance[b], kSuperBlock) <= kLargestWeight))
            return false;
    }
    simd::SuperBlocks& lanes = tables.superBlocks;
    m_kernels->encodeSuper(x, m_parameters.importance ? importance : nullptr, m_superRule, m_rule.clipLo, m_rule.clipHi,
                           m_lookup ? &*m_lookup : nullptr, &lanes, &tables.sums);
    tables.clipped += lanes.clipped;
    tables.count(lanes.codes, kSuperBlock, blocks);
    writeSuper(lanes, batch, out);
    return true;
}

void FusedGgml::writeSuper(const simd::SuperBlocks& lanes, const Batch& batch, const GgmlOutput& out) const
{
    const size_t groups = size_t(m_superRule.groups());
    for (size_t b = 0; b < size_t(batch.blocks); ++b) {
        const size_t at = size_t(batch.first) + b;
        SuperBlock block;
        block.scale = lanes.scale[b];
        block.minimum = lanes.minimum[b];
        for (size_t g = 0; g < groups; ++g) {
            block.scales[g] = int8_t(lanes.scales[g * kBlocks + b]);
            block.minimums[g] = lanes.minimums[g * kBlocks + b];
        }
        for (size_t i = 0; i < kSuperBlock && (out.codes || out.blocks); ++i)
            block.codes[i] = lanes.codes[i * kBlocks + b];
        if (out.codes)
            std::copy(block.codes.begin(), block.codes.end(), out.codes + at * kSuperBlock);
        for (size_t g = 0; g < groups; ++g) {
            const GroupParameters group = block.group(int(g));
            if (out.scales)
                out.scales[at * groups + g] = group.scale;
            if (out.mins)
                out.mins[at * groups + g] = group.minimum;
        }
        if (out.blocks)
            packSuperBlock(m_parameters.scheme.format, block, out.blocks + at * size_t(m_blockBytes));
    }
}

void FusedGgml::encodeByReference(const Batch& batch, const GgmlOutput& out, ErrorMetrics* metrics) const
{
    // The blocks become a row of their own, with the importance of their columns.
    TensorParameters p = m_parameters;
    p.rows = 1;
    p.cols = batch.blocks * m_blockSize;
    p.groupsPerRow = p.cols / p.groupSize;
    if (m_parameters.importance) {
        auto importance = std::make_shared<ColumnImportance>();
        importance->cols = p.cols;
        for (int64_t b = 0; b < batch.blocks; ++b) {
            const float* columns = importanceAt(batch.value + b * m_blockSize);
            importance->values.insert(importance->values.end(), columns, columns + m_blockSize);
        }
        p.importance = std::move(importance);
    }
    const int64_t groupsPerBlock = m_blockSize / p.groupSize;
    const TensorQuantizer reference(std::move(p));
    if (metrics) {
        ErrorMetrics part = reference.measureRows(batch.x, 0, 1);
        part.bytes = 0;
        metrics->merge(part);
    }
    if (!out.codes && !out.scales && !out.mins && !out.blocks)
        return;
    const QuantizedTensor q = reference.quantizeRows(batch.x, 0, 1);
    if (out.codes)
        std::copy(q.codes.begin(), q.codes.end(), out.codes + batch.first * m_blockSize);
    if (out.scales)
        std::copy(q.scales.begin(), q.scales.end(), out.scales + batch.first * groupsPerBlock);
    if (out.mins)
        std::copy(q.mins.begin(), q.mins.end(), out.mins + batch.first * groupsPerBlock);
    if (out.blocks)
        std::copy(q.blocks.begin(), q.blocks.end(), out.blocks + batch.first * m_blockBytes);
}

} // namespace ql
