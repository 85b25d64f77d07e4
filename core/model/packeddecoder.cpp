// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/packeddecoder.h"

#include "core/base/checked.h"
#include "core/model/packedcodes.h"
#include "core/tensor/tensorview.h"

#include <algorithm>

namespace ql
{
namespace
{

constexpr float kOver127 = 7.874015748031496e-3f; ///< as bitsandbytes writes it
constexpr int64_t kTileValues = 256 * 1024;       ///< decoded at a time

class PackedReader final : public PackedValues
{
public:
    PackedReader(std::shared_ptr<const PackedWeight> weight, std::vector<PackedPart> parts)
        : m_weight(std::move(weight)), m_w(*m_weight), m_parts(std::move(parts)), m_values(m_w.values)
    {
        for (const PackedPart& part : m_parts)
            m_bytes += part.info.bytes;
        if (m_w.scales >= 0)
            m_parts[size_t(m_w.scales)].info.dtype = m_w.scaleType;
    }

    int64_t rows() const override { return m_w.rows; }
    int64_t cols() const override { return m_w.cols; }
    uint64_t byteSize() const override { return m_bytes; }
    const std::shared_ptr<const ByteSource>& source() const override { return m_parts.front().source; }
    void release() const override
    {
        for (const PackedPart& part : m_parts)
            part.source->release(part.info.offset, part.info.bytes);
    }

    /// Loads what every row needs.
    Status load()
    {
        if (m_w.global >= 0) {
            const TensorInfo& info = m_parts[size_t(m_w.global)].info;
            m_factors.resize(size_t(m_w.stackRows ? m_w.rows / m_w.stackRows : 1));
            if (info.parameters() != m_factors.size())
                return Error{ErrorCode::SizeMismatch,
                             "holds " + std::to_string(info.parameters()) + " factors instead of " +
                                 std::to_string(m_factors.size()),
                             m_parts[size_t(m_w.global)].where()};
            QL_CHECK(m_parts[size_t(m_w.global)].readFloats(0, m_factors));
        }
        if (m_w.table >= 0)
            QL_CHECK(m_parts[size_t(m_w.table)].readFloats(0, std::span(m_values).first(16)));
        if (m_w.nestedTable >= 0) {
            m_nested.resize(256);
            QL_CHECK(m_parts[size_t(m_w.nestedTable)].readFloats(0, m_nested));
        }
        return m_w.groupIndex >= 0 ? loadGroups() : Status();
    }

    Status readRows(int64_t row, int64_t n, float* out) const override
    {
        const int64_t step = std::max<int64_t>(8, kTileValues / std::max<int64_t>(1, m_w.cols));
        while (n > 0 && m_w.cols > 0) {
            const int64_t count = std::min(step, n);
            QL_CHECK(readTile(row, count, out));
            row += count;
            n -= count;
            out += count * m_w.cols;
        }
        return {};
    }

private:
    int64_t groups() const { return ceilDiv(m_w.cols, m_w.blockCols); }

    Status loadGroups()
    {
        const PackedPart& part = m_parts[size_t(m_w.groupIndex)];
        m_groupOf.resize(size_t(m_w.cols));
        QL_CHECK(part.readInts(0, m_groupOf));
        // compressed-tensors writes -1 everywhere where groups follow each other after all.
        if (std::all_of(m_groupOf.begin(), m_groupOf.end(), [](int32_t group) { return group == -1; }))
            m_groupOf.clear();
        for (size_t k = 0; k < m_groupOf.size(); ++k) {
            if (m_groupOf[k] < 0 || m_groupOf[k] >= groups())
                return Error{ErrorCode::CannotDecode,
                             "input " + std::to_string(k) + " has group " + std::to_string(m_groupOf[k]) +
                                 "; there are " + std::to_string(groups()) + " groups",
                             part.where() + ": byte " + std::to_string(part.info.offset + 4 * k)};
        }
        return {};
    }

    Status readTile(int64_t row, int64_t n, float* out) const
    {
        if (m_w.codeOrder == CodeOrder::GgmlBlocks)
            return readBlocks(row, n, out);
        std::vector<uint8_t> codes(size_t(n * m_w.cols));
        QL_CHECK(readCodes(m_w, m_parts.front(), row, n, codes));
        if (m_w.codeOrder == CodeOrder::FlatNibbles)
            return scaleFlat(row, codes, out);

        const size_t grid = size_t(n * groups());
        std::vector<float> scales(grid), zeros, biases;
        QL_CHECK(readGrid(m_w.scales, row, n, scales));
        if (m_w.zeros >= 0) {
            zeros.resize(grid);
            QL_CHECK(readZeros(m_w, m_parts[size_t(m_w.zeros)], row, n, groups(), zeros));
        }
        if (m_w.biases >= 0) {
            biases.resize(grid);
            QL_CHECK(readGrid(m_w.biases, row, n, biases));
        }
        applyGlobal(row, n, scales);
        for (int64_t r = 0; r < n; ++r) {
            const size_t line = size_t(r * groups());
            scaleRow(codes.data() + r * m_w.cols, scales.data() + line, zeros.empty() ? nullptr : zeros.data() + line,
                     biases.empty() ? nullptr : biases.data() + line, out + r * m_w.cols);
        }
        return {};
    }

    void scaleRow(const uint8_t* codes, const float* scales, const float* zeros, const float* biases, float* out) const
    {
        const bool maximum = m_w.scaleRule == ScaleRule::RowMaximum127;
        for (int64_t first = 0; first < m_w.cols; first += m_groupOf.empty() ? m_w.blockCols : 1) {
            const int64_t end = m_groupOf.empty() ? std::min(first + m_w.blockCols, m_w.cols) : first + 1;
            const int64_t g = m_groupOf.empty() ? first / m_w.blockCols : m_groupOf[size_t(first)];
            const float zero = zeros ? zeros[g] : 0.0f;
            for (int64_t c = first; c < end; ++c) {
                const float value = (m_values[codes[c]] - zero) * scales[g];
                out[c] = biases ? value + biases[g] : maximum ? value * kOver127 : value;
            }
        }
    }

    /// Scales or biases of rows [row, row + n), one per row and group.
    Status readGrid(int number, int64_t row, int64_t n, std::span<float> out) const
    {
        PackedPart part = m_parts[size_t(number)];
        if (m_w.scalesByColumn) {
            std::vector<float> line(static_cast<size_t>(n));
            for (int64_t g = 0; g < groups(); ++g) {
                QL_CHECK(part.readFloats(uint64_t(g * m_w.rows + row), line));
                for (int64_t r = 0; r < n; ++r)
                    out[size_t(r * groups() + g)] = line[size_t(r)];
            }
            return {};
        }
        const int64_t firstBlock = row / m_w.blockRows;
        const int64_t blocks = (row + n - 1) / m_w.blockRows - firstBlock + 1;
        std::vector<float> lines(size_t(blocks * groups()));
        QL_CHECK(part.readFloats(uint64_t(firstBlock * groups()), lines));
        for (int64_t r = 0; r < n; ++r)
            std::copy_n(lines.data() + ((row + r) / m_w.blockRows - firstBlock) * groups(), groups(),
                        out.data() + r * groups());
        return {};
    }

    float factorOf(int64_t row) const { return m_factors[size_t(m_w.stackRows ? row / m_w.stackRows : 0)]; }

    void applyGlobal(int64_t row, int64_t n, std::span<float> scales) const
    {
        if (m_w.global < 0)
            return;
        for (int64_t r = 0; r < n; ++r) {
            const float factor = factorOf(row + r);
            for (float& scale : scales.subspan(size_t(r * groups()), size_t(groups())))
                scale = m_w.scaleRule == ScaleRule::OverGlobal ? scale / factor : scale * factor;
        }
    }

    Status readBlocks(int64_t row, int64_t n, float* out) const
    {
        const PackedPart& codes = m_parts.front();
        QL_TRY(const TensorView blocks,
               TensorView::create(codes.source, codes.info.offset, codes.info.dtype, {m_w.rows, m_w.cols}));
        QL_CHECK(blocks.readRows(row, n, out));
        for (int64_t i = 0; i < n * m_w.cols; ++i)
            out[i] *= factorOf(row + i / m_w.cols);
        return {};
    }

    /// Blocks that run on across the ends of rows.
    Status scaleFlat(int64_t row, std::span<const uint8_t> codes, float* out) const
    {
        const int64_t first = row * m_w.cols;
        const int64_t firstBlock = first / m_w.blockCols;
        std::vector<float> scales(size_t((first + int64_t(codes.size()) - 1) / m_w.blockCols - firstBlock + 1));
        QL_CHECK(m_parts[size_t(m_w.scales)].readFloats(uint64_t(firstBlock), scales));
        if (m_w.scaleRule == ScaleRule::Nested)
            QL_CHECK(unnest(firstBlock, scales));
        for (size_t i = 0; i < codes.size(); ++i)
            out[i] = m_values[codes[i]] * scales[size_t((first + int64_t(i)) / m_w.blockCols - firstBlock)];
        return {};
    }

    /// Codes of scales, as numbers, become scales.
    Status unnest(int64_t firstBlock, std::span<float> scales) const
    {
        const int64_t firstOuter = firstBlock / m_w.nestedBlock;
        std::vector<float> outer(size_t((firstBlock + int64_t(scales.size()) - 1) / m_w.nestedBlock - firstOuter + 1));
        QL_CHECK(m_parts[size_t(m_w.nestedScales)].readFloats(uint64_t(firstOuter), outer));
        for (size_t i = 0; i < scales.size(); ++i) {
            const float scale =
                m_nested[size_t(scales[i])] * outer[size_t((firstBlock + int64_t(i)) / m_w.nestedBlock - firstOuter)];
            scales[i] = scale + m_w.nestedOffset;
        }
        return {};
    }

    std::shared_ptr<const PackedWeight> m_weight;
    const PackedWeight& m_w;
    std::vector<PackedPart> m_parts;
    std::array<float, 256> m_values;
    std::vector<float> m_factors;   ///< of the tensor, or of each matrix of a stack
    std::vector<float> m_nested;    ///< levels of the scales' codes
    std::vector<int32_t> m_groupOf; ///< of each input; empty where groups follow each other
    uint64_t m_bytes = 0;
};

} // namespace

Result<std::shared_ptr<const PackedValues>> openPacked(const TensorInfo& tensor,
                                                       std::span<const std::shared_ptr<const ByteSource>> files)
{
    std::vector<PackedPart> parts;
    for (const TensorInfo& part : tensor.packed->parts)
        parts.push_back({part, files[part.file]});
    auto reader = std::make_shared<PackedReader>(tensor.packed, std::move(parts));
    QL_CHECK(reader->load());
    return std::shared_ptr<const PackedValues>(std::move(reader));
}

} // namespace ql
