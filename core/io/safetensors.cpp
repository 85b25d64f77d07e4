// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/safetensors.h"

#include "core/base/checked.h"
#include "core/base/utf8.h"
#include "core/io/safetensorssax.h"

#include <algorithm>
#include <array>
#include <limits>
#include <tuple>

namespace ql {
namespace {

std::string whereTensor(const ByteSource& source, const TensorInfo& tensor)
{
    return source.name() + ": tensor " + printable(tensor.name);
}

/// Length of the JSON text, from the first eight bytes.
Result<uint64_t> headerLength(const ByteSource& source)
{
    std::array<uint8_t, 8> word{};
    if (source.size() < word.size())
        return Error{ErrorCode::HeaderTooSmall, "too short for a safetensors file (" + std::to_string(source.size()) +
                     " bytes); is it complete?", source.name()};
    QL_CHECK(source.read(0, std::as_writable_bytes(std::span(word))));
    uint64_t length = 0;
    for (size_t i = word.size(); i-- > 0;)
        length = length << 8 | word[i];
    if (length > kSafetensorsHeaderLimit)
        return Error{ErrorCode::HeaderTooLarge, "the header claims " + std::to_string(length) +
                     " bytes, more than the 100,000,000 that the format allows; is this a safetensors file?",
                     source.name() + ": byte 0"};
    if (length > source.size() - word.size())
        return Error{ErrorCode::InvalidHeaderLength, "the header claims " + std::to_string(length) +
                     " bytes, the file ends before; was the download cut?", source.name() + ": byte 0"};
    return length;
}

/// The header in place where the source can be addressed, else copied into `buffer`.
Result<std::string_view> headerText(const ByteSource& source, uint64_t length, std::vector<std::byte>& buffer)
{
    std::span<const std::byte> bytes;
    if (const auto view = source.view(8, length)) {
        bytes = *view;
    } else {
        buffer.resize(length);
        QL_CHECK(source.read(8, buffer));
        bytes = buffer;
    }
    return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Status checkNames(const ByteSource& source, const std::vector<TensorInfo>& tensors)
{
    std::vector<std::string_view> names;
    names.reserve(tensors.size());
    for (const TensorInfo& tensor : tensors)
        names.push_back(tensor.name);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end())
        return Error{ErrorCode::DuplicateTensor, "the header lists this tensor twice",
                     source.name() + ": tensor " + printable(*twice)};
    return {};
}

/// Bytes that shape and type ask for.
Result<uint64_t> sizeOf(const ByteSource& source, const TensorInfo& tensor)
{
    const auto count = elementCount(tensor.shape);
    const auto& info = dtypeInfo(tensor.dtype);
    const auto bits = uint64_t(info.blockBytes) * 8 / uint64_t(info.blockElements);
    if (!count || *count > uint64_t(std::numeric_limits<int64_t>::max()) || !checkedMul(*count, bits))
        return Error{ErrorCode::ShapeOverflow, "shape " + toString(tensor.shape) + " is too large to be real",
                     whereTensor(source, tensor)};
    const auto bytes = dtypeBytes(tensor.dtype, *count);
    if (!bytes)
        return Error{ErrorCode::MisalignedSlice,
                     "shape " + toString(tensor.shape) + " of " + std::string(info.name) + " does not fill whole bytes",
                     whereTensor(source, tensor)};
    return *bytes;
}

/// Tensors must cover the data section without holes or overlaps. Turns offsets into offsets in the file.
Status checkCover(const ByteSource& source, SafetensorsHeader& header, const std::vector<uint64_t>& ends)
{
    uint64_t expected = 0;
    for (size_t i = 0; i < header.tensors.size(); ++i) {
        TensorInfo& tensor = header.tensors[i];
        if (tensor.offset != expected || ends[i] < tensor.offset)
            return Error{ErrorCode::InvalidOffset,
                         "data_offsets [" + std::to_string(tensor.offset) + ", " + std::to_string(ends[i]) +
                             "] should begin at " + std::to_string(expected) +
                             "; tensors must follow each other without holes or overlaps",
                         whereTensor(source, tensor)};
        QL_TRY(tensor.bytes, sizeOf(source, tensor));
        if (ends[i] - tensor.offset != tensor.bytes)
            return Error{ErrorCode::SizeMismatch,
                         "data_offsets span " + std::to_string(ends[i] - tensor.offset) + " bytes, " +
                             std::string(dtypeInfo(tensor.dtype).name) + " " + toString(tensor.shape) + " needs " +
                             std::to_string(tensor.bytes),
                         whereTensor(source, tensor)};
        expected = ends[i];
    }
    const uint64_t available = source.size() - header.dataOffset;
    if (expected != available)
        return Error{ErrorCode::MetadataIncompleteBuffer,
                     "the header describes " + std::to_string(expected) + " bytes of data, the file holds " +
                         std::to_string(available) + (available < expected ? "; was the download cut?" : ""),
                     source.name()};
    for (TensorInfo& tensor : header.tensors)
        tensor.offset += header.dataOffset;
    return {};
}

} // namespace

Result<SafetensorsHeader> parseSafetensors(const ByteSource& source)
{
    QL_TRY(const uint64_t length, headerLength(source));
    std::vector<std::byte> buffer;
    QL_TRY(const std::string_view text, headerText(source, length, buffer));
    if (!text.starts_with('{'))
        return Error{ErrorCode::InvalidHeaderStart, "the header does not begin with '{'; is this a safetensors file?",
                     source.name() + ": byte 8"};
    if (!isUtf8(text))
        return Error{ErrorCode::InvalidUtf8, "the header is not valid UTF-8", source.name()};
    auto parsed = parseSafetensorsEntries(text, source.name());
    if (buffer.empty() && !source.view(8, length)) // the parser has seen the zeros of a mapping that was cut
        return Error{ErrorCode::FileTruncated, "the file was cut while it was read", source.name()};
    QL_TRY(auto entries, std::move(parsed));

    std::sort(entries.tensors.begin(), entries.tensors.end(), [](const auto& a, const auto& b) {
        return std::tie(a.info.offset, a.end) < std::tie(b.info.offset, b.end);
    });
    SafetensorsHeader header;
    header.metadata = std::move(entries.metadata);
    header.dataOffset = 8 + length;
    header.tensors.reserve(entries.tensors.size());
    std::vector<uint64_t> ends;
    ends.reserve(entries.tensors.size());
    for (auto& entry : entries.tensors) {
        header.tensors.push_back(std::move(entry.info));
        ends.push_back(entry.end);
    }
    QL_CHECK(checkNames(source, header.tensors));
    QL_CHECK(checkCover(source, header, ends));
    return header;
}

int safetensorsTypeOrder(DType type)
{
    static constexpr std::array kOrder{
        DType::Bool,   DType::F4,     DType::F6E2M3, DType::F6E3M2, DType::U8,         DType::I8,
        DType::F8E5M2, DType::F8E4M3, DType::F8E8M0, DType::F8E4M3FNUZ, DType::F8E5M2FNUZ, DType::I16,
        DType::U16,    DType::F16,    DType::BF16,   DType::I32,    DType::U32,        DType::F32,
        DType::C64,    DType::F64,    DType::I64,    DType::U64};
    const auto at = std::find(kOrder.begin(), kOrder.end(), type);
    return at == kOrder.end() ? -1 : int(at - kOrder.begin());
}

} // namespace ql
