// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Layouts as published with AutoGPTQ (qlinear_cuda_old), AutoAWQ (packing_utils), compressed-tensors (pack_quantized),
// MLX (quantized.cpp) and bitsandbytes (functional.py).
#include "core/model/packedcodes.h"

#include "core/base/checked.h"
#include "core/base/utf8.h"
#include "core/tensor/decode.h"

#include <algorithm>
#include <cstring>

namespace ql
{
namespace
{

constexpr int64_t kWordBits = 32;
/// Nibble of an AWQ word that holds column 8c + j.
constexpr int kAwqNibble[8] = {0, 4, 1, 5, 2, 6, 3, 7};

/// `bits` bits (at most 8) from bit `at` of a little-endian stream that holds them all.
uint32_t bitsAt(std::span<const std::byte> stream, int64_t at, int bits)
{
    const size_t byte = size_t(at / 8);
    uint32_t window = uint32_t(stream[byte]);
    if (at % 8 + bits > 8)
        window |= uint32_t(stream[byte + 1]) << 8;
    return (window >> (at % 8)) & ((1u << bits) - 1);
}

uint32_t wordAt(std::span<const std::byte> bytes, size_t index)
{
    uint32_t word = 0;
    std::memcpy(&word, bytes.data() + index * sizeof(word), sizeof(word));
    return word;
}

/// Code i of one line of codes that fills whole words, dense or with the upper bits of each word unused.
uint32_t codeAt(std::span<const std::byte> line, int64_t i, int bits, bool words)
{
    const int64_t perWord = kWordBits / bits;
    return bitsAt(line, words ? i / perWord * kWordBits + i % perWord * bits : i * bits, bits);
}

Status readRowCodes(const PackedWeight& weight, const PackedPart& codes, int64_t row, int64_t n, std::span<uint8_t> out)
{
    const uint64_t lineBytes = codes.info.bytes / uint64_t(weight.rows);
    std::vector<std::byte> bytes(size_t(lineBytes) * size_t(n));
    QL_CHECK(codes.read(uint64_t(row) * lineBytes, bytes));
    const bool words = weight.codeOrder == CodeOrder::RowWords;
    if (weight.bits == 8) {
        std::memcpy(out.data(), bytes.data(), out.size());
        return {};
    }
    for (int64_t r = 0; r < n; ++r) {
        const auto line = std::span(bytes).subspan(size_t(r) * lineBytes, lineBytes);
        uint8_t* target = out.data() + r * weight.cols;
        for (int64_t c = 0; c < weight.cols; ++c)
            target[c] = uint8_t(codeAt(line, c, weight.bits, words));
    }
    return {};
}

/// Words [cols * bits / 32, rows]: word line by word line, n neighbouring words at a time.
Status readColumnCodes(const PackedWeight& weight, const PackedPart& codes, int64_t row, int64_t n,
                       std::span<uint8_t> out)
{
    // 32 codes fill `bits` words whatever the width, so that many lines are taken together.
    const int64_t lines = weight.cols * weight.bits / kWordBits;
    const size_t lineBytes = size_t(n) * sizeof(uint32_t);
    std::vector<std::byte> words(lineBytes * size_t(weight.bits));
    std::vector<std::byte> column(size_t(weight.bits) * sizeof(uint32_t));
    for (int64_t first = 0; first < lines; first += weight.bits) {
        const int64_t count = std::min<int64_t>(weight.bits, lines - first);
        for (int64_t i = 0; i < count; ++i)
            QL_CHECK(codes.read(uint64_t(((first + i) * weight.rows + row) * 4),
                                std::span(words).subspan(size_t(i) * lineBytes, lineBytes)));
        const int64_t col = first * kWordBits / weight.bits;
        const int64_t values = std::min(count * kWordBits / weight.bits, weight.cols - col);
        for (int64_t r = 0; r < n; ++r) {
            for (int64_t i = 0; i < count; ++i)
                std::memcpy(column.data() + i * 4, words.data() + size_t(i) * lineBytes + size_t(r) * 4, 4);
            for (int64_t k = 0; k < values; ++k)
                out[size_t(r * weight.cols + col + k)] = uint8_t(bitsAt(column, k * weight.bits, weight.bits));
        }
    }
    return {};
}

/// Words [cols, rows / 8]: each holds eight neighbouring output channels.
Status readAwqCodes(const PackedWeight& weight, const PackedPart& codes, int64_t row, int64_t n, std::span<uint8_t> out)
{
    const int64_t firstWord = row / 8;
    const int64_t words = ceilDiv(row + n, 8) - firstWord;
    std::vector<std::byte> line(size_t(words) * sizeof(uint32_t));
    for (int64_t k = 0; k < weight.cols; ++k) {
        QL_CHECK(codes.read(uint64_t((k * (weight.rows / 8) + firstWord) * 4), line));
        for (int64_t r = 0; r < n; ++r) {
            const uint32_t word = wordAt(line, size_t((row + r) / 8 - firstWord));
            out[size_t(r * weight.cols + k)] = uint8_t(word >> (4 * kAwqNibble[(row + r) % 8]) & 15);
        }
    }
    return {};
}

Status readFlatNibbles(const PackedWeight& weight, const PackedPart& codes, int64_t row, int64_t n,
                       std::span<uint8_t> out)
{
    const int64_t first = row * weight.cols;
    const int64_t begin = first / 2;
    std::vector<std::byte> bytes(size_t(ceilDiv(first + n * weight.cols, 2) - begin));
    QL_CHECK(codes.read(uint64_t(begin), bytes));
    for (size_t i = 0; i < out.size(); ++i) {
        const size_t at = size_t(first % 2) + i;
        out[i] = at % 2 ? uint8_t(bytes[at / 2]) & 15 : uint8_t(bytes[at / 2]) >> 4;
    }
    return {};
}

int zeroPoint(const PackedWeight& weight, uint32_t stored)
{
    const int zero = int(stored) + weight.zeroAdd;
    return weight.zeroWraps ? zero & ((1 << weight.bits) - 1) : zero;
}

/// Words [groups, ...] whose lines run along the output.
Status readRowZeros(const PackedWeight& weight, const PackedPart& zeros, int64_t row, int64_t n, int64_t groups,
                    std::span<float> out)
{
    const uint64_t lineBytes = zeros.info.bytes / uint64_t(groups);
    std::vector<std::byte> line(lineBytes);
    for (int64_t g = 0; g < groups; ++g) {
        QL_CHECK(zeros.read(uint64_t(g) * lineBytes, line));
        for (int64_t r = 0; r < n; ++r) {
            const int64_t channel = row + r;
            const uint32_t stored = weight.zeroOrder == ZeroOrder::RowStream
                                        ? codeAt(line, channel, weight.bits, false)
                                        : wordAt(line, size_t(channel / 8)) >> (4 * kAwqNibble[channel % 8]) & 15;
            out[size_t(r * groups + g)] = float(zeroPoint(weight, stored));
        }
    }
    return {};
}

/// Words [..., groups] whose columns run along the output.
Status readColumnZeros(const PackedWeight& weight, const PackedPart& zeros, int64_t row, int64_t n, int64_t groups,
                       std::span<float> out)
{
    const bool words = weight.zeroOrder == ZeroOrder::ColumnWords;
    const int64_t perWord = kWordBits / weight.bits;
    const int64_t firstLine = words ? row / perWord : row * weight.bits / kWordBits;
    const int64_t lastLine = words ? (row + n - 1) / perWord : ((row + n) * weight.bits - 1) / kWordBits;
    const int64_t lines = lastLine - firstLine + 1;
    std::vector<std::byte> bytes(size_t(lines * groups) * 4);
    QL_CHECK(zeros.read(uint64_t(firstLine * groups * 4), bytes));
    std::vector<std::byte> column(size_t(lines) * 4);
    for (int64_t g = 0; g < groups; ++g) {
        for (int64_t i = 0; i < lines; ++i)
            std::memcpy(column.data() + i * 4, bytes.data() + (i * groups + g) * 4, 4);
        const int64_t skipped = words ? firstLine * perWord : firstLine * kWordBits;
        for (int64_t r = 0; r < n; ++r) {
            const uint32_t stored = words ? codeAt(column, row + r - skipped, weight.bits, true)
                                          : bitsAt(column, (row + r) * weight.bits - skipped, weight.bits);
            out[size_t(r * groups + g)] = float(zeroPoint(weight, stored));
        }
    }
    return {};
}

/// One integer for each scale, in the same order.
Status readPlainZeros(const PackedWeight& weight, const PackedPart& zeros, int64_t row, int64_t n, int64_t groups,
                      std::span<float> out)
{
    const int64_t firstBlock = row / weight.blockRows;
    const int64_t blocks = (row + n - 1) / weight.blockRows - firstBlock + 1;
    std::vector<float> lines(size_t(blocks * groups));
    QL_CHECK(zeros.readFloats(uint64_t(firstBlock * groups), lines));
    for (int64_t r = 0; r < n; ++r) {
        for (int64_t g = 0; g < groups; ++g)
            out[size_t(r * groups + g)] =
                lines[size_t(((row + r) / weight.blockRows - firstBlock) * groups + g)] + float(weight.zeroAdd);
    }
    return {};
}

} // namespace

std::string PackedPart::where() const
{
    return source->name() + ": tensor " + printable(info.name);
}

Status PackedPart::read(uint64_t begin, std::span<std::byte> out) const
{
    if (!rangeInside(begin, out.size(), info.bytes))
        return Error{ErrorCode::TensorOutOfFile,
                     "asks for bytes beyond its end, from byte " + std::to_string(begin) + " on", where()};
    if (const Status status = source->read(info.offset + begin, out); !status.ok())
        return Error{status.error().code, status.error().message,
                     status.error().where + ": tensor " + printable(info.name)};
    return {};
}

Status PackedPart::readFloats(uint64_t first, std::span<float> out) const
{
    const uint64_t size = uint64_t(dtypeInfo(info.dtype).blockBytes);
    std::vector<std::byte> bytes(out.size() * size);
    QL_CHECK(read(first * size, bytes));
    if (!decodeToFloat(info.dtype, bytes, out))
        return Error{ErrorCode::CannotDecode,
                     "values of type " + std::string(dtypeInfo(info.dtype).name) + " cannot be decoded", where()};
    return {};
}

Status PackedPart::readInts(uint64_t first, std::span<int32_t> out) const
{
    return read(first * sizeof(int32_t), std::as_writable_bytes(out));
}

Status readCodes(const PackedWeight& weight, const PackedPart& codes, int64_t row, int64_t n, std::span<uint8_t> out)
{
    switch (weight.codeOrder) {
    case CodeOrder::RowStream:
    case CodeOrder::RowWords:
        return readRowCodes(weight, codes, row, n, out);
    case CodeOrder::ColumnStream:
        return readColumnCodes(weight, codes, row, n, out);
    case CodeOrder::ColumnNibbles:
        return readAwqCodes(weight, codes, row, n, out);
    case CodeOrder::FlatNibbles:
        return readFlatNibbles(weight, codes, row, n, out);
    case CodeOrder::GgmlBlocks:
        break;
    }
    return Error{ErrorCode::Internal, "blocks have no codes of their own", codes.where()};
}

Status readZeros(const PackedWeight& weight, const PackedPart& zeros, int64_t row, int64_t n, int64_t groups,
                 std::span<float> out)
{
    switch (weight.zeroOrder) {
    case ZeroOrder::RowStream:
    case ZeroOrder::RowNibbles:
        return readRowZeros(weight, zeros, row, n, groups, out);
    case ZeroOrder::ColumnStream:
    case ZeroOrder::ColumnWords:
        return readColumnZeros(weight, zeros, row, n, groups, out);
    case ZeroOrder::Plain:
        return readPlainZeros(weight, zeros, row, n, groups, out);
    case ZeroOrder::None:
        break;
    }
    std::fill(out.begin(), out.end(), 0.0f);
    return {};
}

} // namespace ql
