// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/compute/cpubackend.h"
#include "core/compute/fusedggml.h"
#include "core/compute/fusedquantizer.h"
#include "core/compute/tilereduce.h"
#include "core/quant/doublequant.h"
#include "core/quant/packing.h"
#include "core/quant/schemetable.h"

#include <algorithm>

namespace ql {
namespace {

template <class T>
void append(std::vector<T>& to, const std::vector<T>& from)
{
    to.insert(to.end(), from.begin(), from.end());
}

/// Adds the rows of `next`, which follow those of `q`. Second-level scales are those of the whole slice already.
void appendRows(QuantizedTensor& q, const QuantizedTensor& next)
{
    append(q.codes, next.codes);
    append(q.mins, next.mins);
    append(q.scaleCodes, next.scaleCodes);
    append(q.blocks, next.blocks);
    if (q.groupsPerRow > 0 || q.scales.empty()) {
        append(q.scales, next.scales);
        append(q.zeros, next.zeros);
    }
}

QuantizedTensor emptySlice(const TensorParameters& p, int64_t firstRow, int64_t rows)
{
    QuantizedTensor q;
    q.scheme = p.scheme;
    q.firstRow = firstRow;
    q.rows = rows;
    q.cols = p.cols;
    q.groupSize = p.groupSize;
    q.groupsPerRow = p.groupsPerRow;
    q.globalScale = p.globalScale;
    if (p.scheme.doubleQuant && rows > 0) {
        const int64_t first = firstRow * p.groupsPerRow / kDoubleQuantBlock;
        const int64_t last = ((firstRow + rows) * p.groupsPerRow + kDoubleQuantBlock - 1) / kDoubleQuantBlock;
        q.scaleScales.assign(p.scaleScales.begin() + first, p.scaleScales.begin() + last);
        q.scaleOffset = p.scaleOffset;
    }
    return q;
}

/// Rows [first, first + count) cut for the pool.
std::vector<ValueRange> cutRows(int64_t firstRow, int64_t rows, int64_t cols)
{
    std::vector<ValueRange> tasks = cutIntoTasks(rows * cols, std::max<int64_t>(1, cols));
    for (ValueRange& task : tasks)
        task.first += firstRow * cols;
    return tasks;
}

/// Makes room for what vector code writes out of order.
void allocate(QuantizedTensor& q, const TensorParameters& p)
{
    const bool asymmetric = p.scheme.symmetry == Symmetry::Asymmetric;
    q.codes.resize(size_t(q.rows * q.cols));
    const int64_t groups = p.groupsPerRow * q.rows;
    q.scales.resize(size_t(groups));
    q.zeros.resize(asymmetric ? size_t(groups) : 0);
    q.scaleCodes.resize(p.scheme.doubleQuant ? size_t(groups) : 0);
    if (p.groupsPerRow == 0 && q.rows > 0) {
        q.scales = {p.tensorGroup.scale};
        if (asymmetric)
            q.zeros = {p.tensorGroup.zero};
    }
}

/// Where rows from `row` of the slice on go.
FusedOutput outputFrom(QuantizedTensor& q, int64_t row)
{
    const int64_t group = row * q.groupsPerRow;
    FusedOutput out;
    out.codes = q.codes.data() + row * q.cols;
    if (q.groupsPerRow > 0) {
        out.scales = q.scales.data() + group;
        out.zeros = q.zeros.empty() ? nullptr : q.zeros.data() + group;
        out.scaleCodes = q.scaleCodes.empty() ? nullptr : q.scaleCodes.data() + group;
    }
    return out;
}

/// The same for GGML blocks.
void allocateBlocks(QuantizedTensor& q)
{
    const FormatTraits& format = traits(q.scheme.format);
    const size_t groups = size_t(q.rows * q.groupsPerRow);
    q.codes.resize(size_t(q.rows * q.cols));
    q.scales.resize(groups);
    if (format.hasMinimum)
        q.mins.resize(groups);
    q.blocks.resize(size_t(q.rows * q.cols / format.blockSize * format.blockBytes));
}

GgmlOutput blocksFrom(QuantizedTensor& q, int64_t row)
{
    const FormatTraits& format = traits(q.scheme.format);
    const int64_t group = row * q.groupsPerRow;
    GgmlOutput out;
    out.codes = q.codes.data() + row * q.cols;
    out.scales = q.scales.data() + group;
    out.mins = q.mins.empty() ? nullptr : q.mins.data() + group;
    out.blocks = q.blocks.data() + row * (q.cols / format.blockSize) * format.blockBytes;
    return out;
}

/// File blocks of rows whose codes and scales are known.
std::vector<std::byte> microBlocks(const QuantizedTensor& q, int64_t row, int64_t rows)
{
    std::vector<std::byte> blocks;
    for (int64_t r = row; r < row + rows; ++r) {
        const std::span codes(q.codes.data() + r * q.cols, size_t(q.cols));
        const std::span scales(q.scales.data() + r * q.groupsPerRow, size_t(q.groupsPerRow));
        append(blocks, packMicroRow(q.scheme.format, codes, scales, q.globalScale));
    }
    return blocks;
}

} // namespace

Result<QuantizedTensor> CpuBackend::quantizeRows(const TensorView& tensor, const TensorParameters& parameters,
                                                 int64_t firstRow, int64_t rows, const JobControl& job)
{
    if (firstRow < 0 || rows < 0 || firstRow > tensor.rows() || rows > tensor.rows() - firstRow ||
        parameters.rows != tensor.rows() || parameters.cols != tensor.cols())
        return Error{ErrorCode::InvalidArgument, "rows or parameters do not belong to this tensor", {}};
    const int64_t cols = tensor.cols();
    const auto fused = m_kernels ? FusedQuantizer::create(*m_kernels, parameters) : std::nullopt;
    const TensorQuantizer reference(parameters, m_searcher);
    const std::vector<ValueRange> tasks = cutRows(firstRow, rows, cols);
    std::vector<QuantizedTensor> slices(tasks.size(), emptySlice(parameters, 0, 0));
    QuantizedTensor q = emptySlice(parameters, firstRow, rows);
    const auto ggml = m_kernels ? FusedGgml::create(*m_kernels, parameters) : std::nullopt;
    if (fused)
        allocate(q, parameters);
    else if (ggml)
        allocateBlocks(q);
    ByteProgress progress(tensor, job);
    const bool micro = traits(parameters.scheme.format).kind == FormatKind::Micro;
    const auto quantizeTask = [&](int64_t index) -> Status {
        TileSource source(tensor);
        FusedScratch scratch;
        const auto quantizeTile = [&](ValueRange tile) -> Status {
            const int64_t row = tile.first / cols;
            if (ggml) {
                QL_TRY(const simd::Source x, source.values(tile));
                ggml->measure(x, tile, blocksFrom(q, row - firstRow), nullptr);
                return {};
            }
            if (!fused) {
                QL_TRY(const float* x, source.floats(tile));
                appendRows(slices[size_t(index)], reference.quantizeRows(x, row, tile.count / cols));
                return {};
            }
            QL_TRY(const simd::Source x, source.values(tile));
            const FusedOutput out = outputFrom(q, row - firstRow);
            ErrorMetrics ignored;
            fused->measure(x, tile, scratch, out, ignored);
            if (micro)
                append(slices[size_t(index)].blocks, microBlocks(q, row - firstRow, tile.count / cols));
            return {};
        };
        const Status done = forEachTileOf(tasks[size_t(index)], cols, job, progress, quantizeTile);
        return done ? source.check() : done;
    };
    QL_CHECK(runTasks(*m_pool, int64_t(tasks.size()), job, quantizeTask));
    for (const QuantizedTensor& slice : slices)
        appendRows(q, slice);
    return q;
}

Status CpuBackend::dequantize(const QuantizedTensor& q, float* out, const JobControl& job)
{
    if (q.scheme.keepsFloat()) {
        ql::dequantize(q, out);
        return {};
    }
    const GroupQuantizer group(q.scheme, q.globalScale);
    std::array<float, 256> valueOf{};
    for (int code = 0; code < 256; ++code)
        valueOf[size_t(code)] = group.codebook().levels[size_t(group.levelOfCode(uint8_t(code)))].value;
    const std::vector<ValueRange> tasks = cutRows(0, q.rows, q.cols);
    return runTasks(*m_pool, int64_t(tasks.size()), job, [&](int64_t index) -> Status {
        const ValueRange task = tasks[size_t(index)];
        for (int64_t row = task.first / q.cols; row < (task.first + task.count) / q.cols; ++row) {
            if (job.cancelled())
                return cancelledError();
            const int64_t size = q.groupsPerRow == 0 ? q.cols : q.groupSize;
            for (int64_t first = 0; first < q.cols; first += size) {
                const size_t g = q.groupsPerRow == 0 ? 0 : size_t(row * q.groupsPerRow + first / size);
                const float scale = q.scales[g];
                const float zero = q.zeros.empty() ? 0.0f : float(q.zeros[g]);
                const float minimum = q.mins.empty() ? 0.0f : q.mins[g];
                const int64_t end = row * q.cols + std::min(q.cols, first + size);
                for (int64_t i = row * q.cols + first; i < end; ++i)
                    out[i] = scale * (valueOf[q.codes[size_t(i)]] - zero) + minimum;
            }
        }
        return {};
    });
}

} // namespace ql
