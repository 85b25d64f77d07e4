// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/quant/quantizer.h"

#include "core/base/checked.h"
#include "core/quant/cliplimits.h"
#include "core/quant/doublequant.h"
#include "core/quant/ggmlencode.h"
#include "core/quant/packing.h"
#include "core/quant/schemetable.h"
#include "core/quant/superblock.h"
#include "core/tensor/decode.h"
#include "core/tensor/floats.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace ql {

namespace {

/// Kept formats saturate rather than turn large finite values into Inf.
float castValue(Format format, float x)
{
    switch (format) {
    case Format::F16:
        return std::isfinite(x) ? halfToFloat(floatToHalf(std::clamp(x, -kLargestHalf, kLargestHalf))) : x;
    case Format::BF16: {
        const float largest = bf16ToFloat(0x7F7F);
        return std::isfinite(x) ? bf16ToFloat(floatToBf16(std::clamp(x, -largest, largest))) : x;
    }
    default:
        return x;
    }
}

bool castClips(Format format, float x)
{
    constexpr float halfStep = 16;
    return format == Format::F16 && std::abs(x) > kLargestHalf + halfStep;
}

void appendCast(Format format, float value, std::vector<std::byte>& out)
{
    const auto append = [&](auto bits) {
        for (size_t i = 0; i < sizeof bits; ++i)
            out.push_back(std::byte((bits >> (8 * i)) & 255));
    };
    if (format == Format::F16)
        append(floatToHalf(value));
    else if (format == Format::BF16)
        append(floatToBf16(value));
    else
        append(std::bit_cast<uint32_t>(value));
}

bool isGgml(Format format)
{
    return traits(format).kind == FormatKind::Ggml;
}

/// Group of a column; per-tensor schemes have one group everywhere.
size_t groupOf(int64_t groupsPerRow, int64_t groupSize, int64_t col)
{
    return groupsPerRow == 0 ? 0 : size_t(col / groupSize);
}

/// Adds one row's sums; `value` and `clipped` are parallel to x.
ErrorMetrics rowMetrics(std::span<const float> x, std::span<const float> value, std::span<const uint8_t> clipped)
{
    ErrorMetrics m;
    m.count = x.size();
    for (size_t i = 0; i < x.size(); ++i) {
        if (!std::isfinite(x[i]))
            continue;
        const double original = double(x[i]);
        const double hat = double(value[i]);
        const double error = hat - original;
        ++m.finite;
        m.sumSquare += original * original;
        m.sumHatSquare += hat * hat;
        m.sumDot += original * hat;
        m.sumSquaredError += error * error;
        m.sumAbsError += std::abs(error);
        m.sumError += error;
        m.maxAbsError = std::max(m.maxAbsError, std::abs(error));
        m.clipped += clipped.empty() ? 0 : clipped[i];
    }
    return m;
}

DType storedType(Format format)
{
    return format == Format::F32 ? DType::F32 : format == Format::F16 ? DType::F16 : DType::BF16;
}

} // namespace

/// What one row becomes; reused from row to row.
struct TensorQuantizer::Row {
    std::vector<GroupParameters> groups;
    std::vector<uint8_t> scaleCodes;
    std::vector<int16_t> level; ///< index into the codebook's levels; empty for kept floats
    std::vector<float> value;
    std::vector<uint8_t> clipped;
    std::vector<std::byte> blocks; ///< GGML and kept formats
};

TensorQuantizer::TensorQuantizer(TensorParameters parameters, std::shared_ptr<const GroupSearcher> searcher)
    : m_parameters(std::move(parameters))
    , m_searcher(searcher ? std::move(searcher) : std::make_shared<const GroupSearcher>())
    , m_group(std::make_shared<GroupQuantizer>(m_parameters.scheme, m_parameters.globalScale))
{
}

void TensorQuantizer::chooseGroups(const float* x, int64_t row, Row& out) const
{
    const TensorParameters& p = m_parameters;
    out.groups.clear();
    out.scaleCodes.clear();
    if (p.groupsPerRow == 0) {
        out.groups.push_back(p.tensorGroup);
        return;
    }
    for (int64_t g = 0; g < p.groupsPerRow; ++g) {
        const int64_t first = g * p.groupSize;
        const std::span values(x + first, size_t(std::min(p.groupSize, p.cols - first)));
        const bool kl = p.scheme.clip == ClipMethod::Kl && p.scheme.granularity == Granularity::Group;
        const ClipLimits limits = kl ? scaledLimits(finiteRange(values), p.clipRatio) : chooseLimits(*m_group, values);
        const GroupParameters group = m_group->fromLimits(limits);
        if (!p.scheme.doubleQuant) {
            out.groups.push_back(group);
            continue;
        }
        const float blockScale = p.scaleScales[size_t((row * p.groupsPerRow + g) / kDoubleQuantBlock)];
        out.scaleCodes.push_back(encodeScale(group.scale, p.scaleOffset, blockScale));
        const float scale = decodeScale(out.scaleCodes.back(), p.scaleOffset, blockScale);
        out.groups.push_back(m_group->fromScale(scale, limits));
    }
}

void TensorQuantizer::addGroup(const float* x, size_t at, std::span<const uint8_t> codes, const GroupParameters& group,
                               float minimum, Row& out) const
{
    out.groups.push_back(group);
    for (size_t i = 0; i < codes.size(); ++i) {
        out.level[at + i] = int16_t(m_group->levelOfCode(codes[i]));
        out.clipped[at + i] = m_group->clips(x[at + i] - minimum, group);
    }
}

void TensorQuantizer::encodeBlocks(const float* x, int64_t row, Row& out) const
{
    const TensorParameters& p = m_parameters;
    const FormatTraits& format = traits(p.scheme.format);
    const size_t size = size_t(format.blockSize), bytes = size_t(format.blockBytes), count = size_t(p.cols) / size;
    const float* importance = p.importance ? p.importance->ofRow(row, p.rows) : nullptr;
    out.groups.clear();
    out.blocks.resize(count * bytes);
    if (size == kSuperBlock) {
        const size_t groupSize = size_t(format.groupSize);
        for (size_t b = 0; b < count; ++b) {
            const SuperBlock block =
                encodeSuperBlock(format.format, x + b * size, importance ? importance + b * size : nullptr);
            packSuperBlock(format.format, block, out.blocks.data() + b * bytes);
            for (size_t at = 0; at < size; at += groupSize) {
                const GroupParameters group = block.group(int(at / groupSize));
                addGroup(x, b * size + at, std::span(block.codes).subspan(at, groupSize), group, group.minimum, out);
            }
        }
        return;
    }
    std::vector<GgmlBlock> blocks(count);
    const float rowMeanSquare = importance ? meanSquareOf(x, p.cols) : 0.0f;
    encodeGgmlBlocks(format.format, x, {importance, rowMeanSquare}, blocks, *m_searcher);
    for (size_t b = 0; b < count; ++b) {
        packGgmlBlock(format.format, blocks[b], out.blocks.data() + b * bytes);
        addGroup(x, b * size, blocks[b].codes, blocks[b].parameters, blocks[b].codeMinimum, out);
    }
}

void TensorQuantizer::quantizeRow(const float* x, int64_t row, bool withValues, Row& out) const
{
    const TensorParameters& p = m_parameters;
    const size_t cols = size_t(p.cols);
    const Format format = p.scheme.format;
    out.value.resize(cols);
    out.clipped.resize(cols);
    out.blocks.clear();
    if (p.scheme.keepsFloat()) {
        for (size_t i = 0; i < cols; ++i) {
            out.value[i] = castValue(format, x[i]);
            out.clipped[i] = castClips(format, x[i]);
            appendCast(format, out.value[i], out.blocks);
        }
        return;
    }
    out.level.resize(cols);
    if (!isGgml(format))
        chooseGroups(x, row, out);
    else
        encodeBlocks(x, row, out);
    for (size_t i = 0; i < cols; ++i) {
        const GroupParameters& group = out.groups[groupOf(p.groupsPerRow, p.groupSize, int64_t(i))];
        if (!isGgml(format)) {
            out.level[i] = int16_t(m_group->level(x[i], group, uint64_t(row) * cols + i));
            out.clipped[i] = m_group->clips(x[i], group);
        }
        if (withValues)
            out.value[i] = m_group->value(out.level[i], group) + group.minimum;
    }
}

std::vector<GroupParameters> TensorQuantizer::chooseParameters(const float* x, int64_t firstRow, int64_t rows) const
{
    const TensorParameters& p = m_parameters;
    if (p.scheme.keepsFloat())
        return {};
    if (p.groupsPerRow == 0)
        return {p.tensorGroup};
    std::vector<GroupParameters> groups;
    Row row;
    for (int64_t r = 0; r < rows; ++r) {
        if (isGgml(p.scheme.format))
            quantizeRow(x + r * p.cols, firstRow + r, false, row);
        else
            chooseGroups(x + r * p.cols, firstRow + r, row);
        groups.insert(groups.end(), row.groups.begin(), row.groups.end());
    }
    return groups;
}

QuantizedTensor TensorQuantizer::quantizeRows(const float* x, int64_t firstRow, int64_t rows) const
{
    const TensorParameters& p = m_parameters;
    QuantizedTensor q;
    q.scheme = p.scheme;
    q.firstRow = firstRow;
    q.rows = rows;
    q.cols = p.cols;
    q.groupSize = p.groupSize;
    q.groupsPerRow = p.groupsPerRow;
    q.globalScale = p.globalScale;
    const FormatTraits& row = traits(p.scheme.format);
    Row work;
    for (int64_t r = 0; r < rows; ++r) {
        quantizeRow(x + r * p.cols, firstRow + r, false, work);
        for (const int16_t level : work.level)
            q.codes.push_back(m_group->code(level));
        for (size_t g = 0; g < work.groups.size() && (p.groupsPerRow || r == 0); ++g) {
            q.scales.push_back(work.groups[g].scale);
            if (p.scheme.symmetry == Symmetry::Asymmetric)
                q.zeros.push_back(work.groups[g].zero);
            if (row.hasMinimum)
                q.mins.push_back(work.groups[g].minimum);
        }
        q.scaleCodes.insert(q.scaleCodes.end(), work.scaleCodes.begin(), work.scaleCodes.end());
        if (row.kind == FormatKind::Micro) {
            const std::span scales = std::span(q.scales).last(size_t(p.groupsPerRow));
            work.blocks = packMicroRow(p.scheme.format, std::span(q.codes).last(size_t(p.cols)), scales, p.globalScale);
        }
        q.blocks.insert(q.blocks.end(), work.blocks.begin(), work.blocks.end());
    }
    if (p.scheme.doubleQuant && rows > 0) {
        const int64_t first = firstRow * p.groupsPerRow / kDoubleQuantBlock;
        const int64_t last = ceilDiv((firstRow + rows) * p.groupsPerRow, kDoubleQuantBlock);
        q.scaleScales.assign(p.scaleScales.begin() + first, p.scaleScales.begin() + last);
        q.scaleOffset = p.scaleOffset;
    }
    return q;
}

ErrorMetrics TensorQuantizer::measureRows(const float* x, int64_t firstRow, int64_t rows, float* reconstructed) const
{
    const TensorParameters& p = m_parameters;
    ErrorMetrics sums;
    sums.occupancy.resize(m_group->levelCount());
    Row work;
    for (int64_t r = 0; r < rows; ++r) {
        const std::span values(x + r * p.cols, size_t(p.cols));
        quantizeRow(values.data(), firstRow + r, true, work);
        sums.merge(rowMetrics(values, work.value, work.clipped));
        for (size_t i = 0; i < work.level.size(); ++i)
            sums.occupancy[size_t(work.level[i])] += std::isfinite(values[i]);
        if (reconstructed)
            std::copy(work.value.begin(), work.value.end(), reconstructed + r * p.cols);
    }
    sums.bytes = storedBytes(p.scheme, firstRow + rows, p.cols) - storedBytes(p.scheme, firstRow, p.cols);
    sums.bitsPerWeight = sums.count ? 8.0 * double(sums.bytes) / double(sums.count) : 0;
    return sums;
}

void dequantize(const QuantizedTensor& q, float* out)
{
    if (q.scheme.keepsFloat()) {
        decodeToFloat(storedType(q.scheme.format), q.blocks, std::span(out, size_t(q.rows * q.cols)));
        return;
    }
    const GroupQuantizer group(q.scheme, q.globalScale);
    for (int64_t r = 0; r < q.rows; ++r) {
        for (int64_t c = 0; c < q.cols; ++c) {
            const size_t g = size_t(r * q.groupsPerRow) + groupOf(q.groupsPerRow, q.groupSize, c);
            GroupParameters p;
            p.scale = q.scales[g];
            p.zero = q.zeros.empty() ? 0 : q.zeros[g];
            p.minimum = q.mins.empty() ? 0.0f : q.mins[g];
            const size_t at = size_t(r * q.cols + c);
            out[at] = group.value(group.levelOfCode(q.codes[at]), p) + p.minimum;
        }
    }
}

ErrorMetrics compare(const float* x, const float* reconstructed, int64_t count)
{
    constexpr int64_t block = 4096;
    ErrorMetrics sums;
    for (int64_t first = 0; first < count; first += block) {
        const size_t n = size_t(std::min(block, count - first));
        sums.merge(rowMetrics(std::span(x + first, n), std::span(reconstructed + first, n), {}));
    }
    return sums;
}

} // namespace ql
