// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/tensor/tensorview.h"

#include "core/base/checked.h"
#include "core/tensor/decode.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>

namespace ql {
namespace {

constexpr int64_t kTile = 64 * 1024; ///< values decoded at a time, a multiple of every block size

/// Decodes values [first, first + n) in stored order.
class StoredReader
{
public:
    explicit StoredReader(const TensorView& view) : m_view(view), m_info(dtypeInfo(view.dtype())) {}

    Status read(int64_t first, int64_t n, float* out)
    {
        const int64_t block = m_info.blockElements;
        while (n > 0) {
            const int64_t lead = first % block;
            const int64_t values = std::min(n, kTile - lead);
            const int64_t blocks = ceilDiv(lead + values, block);
            if (lead == 0 && blocks * block == values) {
                QL_CHECK(decodeBlocks(first / block, blocks, out));
            } else {
                m_values.resize(size_t(blocks * block));
                QL_CHECK(decodeBlocks(first / block, blocks, m_values.data()));
                std::copy_n(m_values.data() + lead, values, out);
            }
            first += values;
            n -= values;
            out += values;
        }
        return {};
    }

private:
    Status decodeBlocks(int64_t firstBlock, int64_t blocks, float* out)
    {
        const auto length = uint64_t(blocks) * uint64_t(m_info.blockBytes);
        const uint64_t offset = m_view.offset() + uint64_t(firstBlock) * uint64_t(m_info.blockBytes);
        const std::span values(out, size_t(blocks * m_info.blockElements));
        if (const auto bytes = m_view.source()->view(offset, length)) {
            QL_CHECK(decode(*bytes, values));
            if (m_view.source()->view(offset, length))
                return {};
            // The file went away meanwhile; reading says how.
        }
        m_bytes.resize(length);
        QL_CHECK(m_view.source()->read(offset, m_bytes));
        return decode(m_bytes, values);
    }

    Status decode(std::span<const std::byte> bytes, std::span<float> values) const
    {
        if (!decodeToFloat(m_info.type, bytes, values))
            return Error{ErrorCode::CannotDecode,
                         "values of type " + std::string(m_info.name) + " cannot be decoded; only its size is known",
                         m_view.source()->name()};
        return {};
    }

    const TensorView& m_view;
    const DTypeInfo& m_info;
    std::vector<std::byte> m_bytes;
    std::vector<float> m_values;
};

/// Values of the presented block [row, row + rows) x [col, col + cols) of a tensor stored the other way round.
Status readTransposed(const TensorView& view, int64_t row, int64_t rows, int64_t col, int64_t cols, float* out)
{
    constexpr int64_t kStripe = 64;
    const int64_t stored = view.rows(); // length of one stored row
    StoredReader reader(view);
    std::vector<float> tile(size_t(std::min(kStripe, cols) * std::min(rows, kTile / kStripe)));
    for (int64_t r0 = 0; r0 < rows; r0 += kTile / kStripe) {
        const int64_t width = std::min(kTile / kStripe, rows - r0);
        for (int64_t c0 = 0; c0 < cols; c0 += kStripe) {
            const int64_t height = std::min(kStripe, cols - c0);
            if (width == stored)
                QL_CHECK(reader.read((col + c0) * stored, height * width, tile.data()));
            for (int64_t c = 0; c < height && width != stored; ++c)
                QL_CHECK(reader.read((col + c0 + c) * stored + row + r0, width, tile.data() + c * width));
            for (int64_t r = 0; r < width; ++r) {
                for (int64_t c = 0; c < height; ++c)
                    out[(r0 + r) * cols + c0 + c] = tile[size_t(c * width + r)];
            }
        }
    }
    return {};
}

} // namespace

Result<TensorView> TensorView::create(std::shared_ptr<const ByteSource> source, uint64_t offset, DType dtype,
                                      Shape shape, bool transposed)
{
    constexpr auto kMost = uint64_t(std::numeric_limits<int64_t>::max());
    const int64_t last = shape.empty() ? 1 : shape.back();
    const auto count = elementCount(shape);
    const auto outer = elementCount(shape.empty() ? shape : Shape(shape.begin(), shape.end() - 1));
    if (!count || *count > kMost || !outer || *outer > kMost)
        return Error{ErrorCode::ShapeOverflow, "shape " + toString(shape) + " has more elements than a file can hold",
                     source->name()};
    const auto bytes = dtypeBytes(dtype, *count);
    if (!bytes && *count % uint64_t(dtypeInfo(dtype).blockElements) == 0)
        return Error{ErrorCode::ShapeOverflow, "shape " + toString(shape) + " has more bytes than a file can hold",
                     source->name()};
    if (!bytes)
        return Error{ErrorCode::SizeMismatch,
                     "shape " + toString(shape) + " does not fill whole blocks of " +
                         std::string(dtypeInfo(dtype).name),
                     source->name()};
    if (!rangeInside(offset, *bytes, source->size()))
        return Error{ErrorCode::TensorOutOfFile,
                     "tensor of " + std::to_string(*bytes) + " bytes at byte " + std::to_string(offset) +
                         " does not lie inside the file",
                     source->name()};
    TensorView view;
    view.m_source = std::move(source);
    view.m_offset = offset;
    view.m_bytes = *bytes;
    view.m_dtype = dtype;
    view.m_transposed = transposed && shape.size() >= 2;
    view.m_shape = std::move(shape);
    view.m_rows = view.m_transposed ? last : int64_t(*outer);
    view.m_cols = view.m_transposed ? int64_t(*outer) : last;
    return view;
}

Result<TensorView> TensorView::create(std::shared_ptr<const PackedValues> values, Shape shape)
{
    const int64_t cols = shape.empty() ? 1 : shape.back();
    const auto count = elementCount(shape);
    const auto rows = elementCount(shape.empty() ? shape : Shape(shape.begin(), shape.end() - 1));
    if (!count || !rows || *rows != uint64_t(values->rows()) || cols != values->cols())
        return Error{ErrorCode::SizeMismatch,
                     "shape " + toString(shape) + " is not that of " + std::to_string(values->rows()) + " x " +
                         std::to_string(values->cols()) + " packed values",
                     values->source()->name()};
    TensorView view;
    view.m_source = values->source();
    view.m_bytes = values->byteSize();
    view.m_shape = std::move(shape);
    view.m_rows = values->rows();
    view.m_cols = cols;
    view.m_packed = std::move(values);
    return view;
}

TensorView TensorView::fromFloats(std::vector<float> values, int64_t rows, int64_t cols, std::string name)
{
    assert(rows >= 0 && cols >= 0 && int64_t(values.size()) == rows * cols);
    std::vector<std::byte> bytes(values.size() * sizeof(float));
    if (!bytes.empty())
        std::memcpy(bytes.data(), values.data(), bytes.size());
    auto view = create(memorySource(std::move(name), std::move(bytes)), 0, DType::F32, {rows, cols});
    return view ? std::move(view).value() : TensorView();
}

Status TensorView::readRows(int64_t row, int64_t n, float* out) const
{
    if (row < 0 || n < 0 || row > m_rows || n > m_rows - row)
        return Error{ErrorCode::InvalidArgument, "rows outside the tensor",
                     m_source ? m_source->name() : std::string()};
    if (m_transposed)
        return readTransposed(*this, row, n, 0, m_cols, out);
    return readFlat(row * m_cols, n * m_cols, out);
}

Status TensorView::readFlat(int64_t first, int64_t n, float* out) const
{
    if (first < 0 || n < 0 || first > count() || n > count() - first)
        return Error{ErrorCode::InvalidArgument, "values outside the tensor",
                     m_source ? m_source->name() : std::string()};
    if (n == 0)
        return {};
    if (m_packed)
        return readPacked(first, n, out);
    if (!m_transposed)
        return StoredReader(*this).read(first, n, out);

    const int64_t row = first / m_cols;
    const int64_t col = first % m_cols;
    const int64_t head = col == 0 && n >= m_cols ? 0 : std::min(n, m_cols - col);
    const int64_t whole = (n - head) / m_cols;
    const int64_t tail = n - head - whole * m_cols;
    const int64_t next = row + (head > 0 ? 1 : 0);
    QL_CHECK(readTransposed(*this, row, 1, col, head, out));
    QL_CHECK(readTransposed(*this, next, whole, 0, m_cols, out + head));
    return readTransposed(*this, next + whole, 1, 0, tail, out + head + whole * m_cols);
}

/// Rows are decoded whole: those that are wanted in part go through a buffer of one row.
Status TensorView::readPacked(int64_t first, int64_t n, float* out) const
{
    std::vector<float> line;
    while (n > 0) {
        const int64_t row = first / m_cols;
        const int64_t col = first % m_cols;
        const int64_t values = col == 0 && n >= m_cols ? n / m_cols * m_cols : std::min(n, m_cols - col);
        if (values >= m_cols) {
            QL_CHECK(m_packed->readRows(row, values / m_cols, out));
        } else {
            line.resize(size_t(m_cols));
            QL_CHECK(m_packed->readRows(row, 1, line.data()));
            std::copy_n(line.data() + col, values, out);
        }
        first += values;
        n -= values;
        out += values;
    }
    return {};
}

Result<TensorView> TensorView::gather(std::span<const int64_t> rows, std::span<const Columns> columns) const
{
    int64_t width = 0;
    for (const Columns& piece : columns)
        width += piece.count;
    std::vector<float> values(rows.size() * size_t(width));
    float* out = values.data();
    for (const int64_t row : rows) {
        for (const Columns& piece : columns) {
            QL_CHECK(readFlat(row * m_cols + piece.first, piece.count, out));
            out += piece.count;
        }
    }
    TensorView gathered = fromFloats(std::move(values), int64_t(rows.size()), width, m_source->name());
    if (!m_importance || !m_importance->fits(m_rows, m_cols))
        return gathered;
    auto importance = std::make_shared<ColumnImportance>();
    importance->cols = width;
    importance->source = m_importance->source;
    const bool shared = m_importance->matrices() == 1;
    for (const int64_t row : rows.first(std::min<size_t>(rows.size(), shared ? 1 : rows.size()))) {
        const float* own = m_importance->ofRow(row, m_rows);
        for (const Columns& piece : columns)
            importance->values.insert(importance->values.end(), own + piece.first, own + piece.first + piece.count);
    }
    return gathered.weighted(std::move(importance));
}

Result<TensorView> TensorView::gather(std::span<const int64_t> rows) const
{
    const Columns whole{0, m_cols};
    return gather(rows, std::span(&whole, 1));
}

Result<TensorView> TensorView::gatherSpread(int64_t count) const
{
    std::vector<int64_t> rows(size_t(count), 0);
    for (int64_t i = 0; i < count; ++i)
        rows[size_t(i)] = i * m_rows / count;
    return gather(rows);
}

TensorView TensorView::weighted(std::shared_ptr<const ColumnImportance> importance) const
{
    TensorView view = *this;
    view.m_importance = std::move(importance);
    return view;
}

std::optional<std::span<const std::byte>> TensorView::bytes() const
{
    if (!m_source || m_transposed || m_packed)
        return std::nullopt;
    return m_source->view(m_offset, m_bytes);
}

void TensorView::release() const
{
    if (m_packed)
        m_packed->release();
    else
        m_source->release(m_offset, m_bytes);
}

} // namespace ql
