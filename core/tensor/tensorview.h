// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// TensorView: a typed, bounded window on a ByteSource, seen as a matrix whose rows are output channels.
// Shares ownership of the source; readable from any thread.
#pragma once

#include "core/tensor/bytesource.h"
#include "core/tensor/columnimportance.h"
#include "core/tensor/dtype.h"
#include "core/tensor/packedvalues.h"
#include "core/tensor/shape.h"

namespace ql {

class TensorView
{
public:
    TensorView() = default;
    /// Fails with ShapeOverflow, SizeMismatch or TensorOutOfFile when the tensor does not lie inside `source`.
    /// `transposed` marks weights stored [in, out] (GPT-2's Conv1D): rows() and readRows() then present [out, in].
    static Result<TensorView> create(std::shared_ptr<const ByteSource> source, uint64_t offset, DType dtype, Shape shape,
                                     bool transposed = false);
    /// Values that are decoded from several stored tensors, presented as F32: bytes() gives nothing and byteSize() counts
    /// everything stored. SizeMismatch when `shape` is not that of the values.
    static Result<TensorView> create(std::shared_ptr<const PackedValues> values, Shape shape);
    /// An f32 tensor held in memory.
    static TensorView fromFloats(std::vector<float> values, int64_t rows, int64_t cols, std::string name = "memory");

    DType dtype() const { return m_dtype; } ///< of the stored elements; F32 where they are packed
    bool packed() const { return m_packed != nullptr; }
    const Shape& shape() const { return m_shape; } ///< as stored
    bool transposed() const { return m_transposed; }
    int64_t rows() const { return m_rows; } ///< output channels: product of all dimensions but the last; 1 for vectors
    int64_t cols() const { return m_cols; } ///< input dimension: the last one
    int64_t count() const { return m_rows * m_cols; }
    uint64_t byteSize() const { return m_bytes; }
    uint64_t offset() const { return m_offset; } ///< of the first byte, in the source; 0 where values are packed
    const std::shared_ptr<const ByteSource>& source() const { return m_source; }

    /// Values of rows [row, row + n) as f32, n * cols() of them, row-major. CannotDecode for undecodable types.
    Status readRows(int64_t row, int64_t n, float* out) const;
    /// Values [first, first + n) in matrix order; need not begin or end at a row.
    Status readFlat(int64_t first, int64_t n, float* out) const;
    /// These rows, and of them only these columns, as f32 in memory; their importance comes along.
    struct Columns {
        int64_t first = 0, count = 0;
    };
    Result<TensorView> gather(std::span<const int64_t> rows, std::span<const Columns> columns) const;
    Result<TensorView> gather(std::span<const int64_t> rows) const;
    /// `count` rows, evenly spread; as above.
    Result<TensorView> gatherSpread(int64_t count) const;
    /// Stored bytes in place (never for transposed and packed views, so that the order is the matrix order).
    std::optional<std::span<const std::byte>> bytes() const;
    /// The same window with what weighted quantizers should know of its columns; null where nothing is known.
    TensorView weighted(std::shared_ptr<const ColumnImportance> importance) const;
    const std::shared_ptr<const ColumnImportance>& importance() const { return m_importance; }
    /// The values are not needed soon; see ByteSource::release.
    void release() const;

private:
    Status readPacked(int64_t first, int64_t n, float* out) const;

    std::shared_ptr<const ByteSource> m_source;
    std::shared_ptr<const PackedValues> m_packed;
    std::shared_ptr<const ColumnImportance> m_importance;
    uint64_t m_offset = 0;
    uint64_t m_bytes = 0;
    DType m_dtype = DType::F32;
    bool m_transposed = false;
    Shape m_shape;
    int64_t m_rows = 0;
    int64_t m_cols = 0;
};

} // namespace ql
