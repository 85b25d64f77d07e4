// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/gguf.h"

#include "core/base/checked.h"
#include "core/base/format.h"
#include "core/base/utf8.h"
#include "core/io/bytecursor.h"

#include <unordered_set>

namespace ql {
namespace {

constexpr uint64_t kMaxLength = uint64_t(1) << 30; ///< of strings (bytes) and arrays (elements), as in ggml
constexpr uint64_t kMaxKeyBytes = 65535;
constexpr uint64_t kMaxNameBytes = 63; ///< ggml keeps names in 64 bytes with a terminator
constexpr uint64_t kMaxAlignment = 1 << 20;
constexpr uint64_t kMaxKeys = 1 << 16;
constexpr uint64_t kMaxTensors = 1 << 20;
constexpr uint64_t kMaxHeldText = 16 << 20; ///< keys and string values together
constexpr uint64_t kMinKeyBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 1 + 4 + 4 + 8;
constexpr uint32_t kMaxDimensions = 4;

std::string inQuotes(std::string_view text)
{
    return "'" + printable(text) + "'";
}

class Parser
{
public:
    explicit Parser(std::shared_ptr<const ByteSource> source) : m_in(source) { m_file.source = std::move(source); }

    Result<GgufFile> parse()
    {
        QL_CHECK(readCounts());
        for (uint64_t i = 0; i < m_keyCount; ++i)
            QL_CHECK(readKey(i));
        for (uint64_t i = 0; i < m_tensorCount; ++i)
            QL_CHECK(readTensor(i));
        QL_CHECK(layOut());
        return std::move(m_file);
    }

private:
    /// `m_item` says what was being read ("key 'x'").
    Error fail(ErrorCode code, std::string message) const
    {
        return {code, std::move(message) + " (byte " + std::to_string(m_itemStart) + ")",
                m_file.source->name() + ": " + m_item};
    }

    void begin(std::string item)
    {
        m_item = std::move(item);
        m_itemStart = m_in.position();
    }

    Status readCounts();
    Status checkVersion();
    Result<uint64_t> readCount(std::string_view what, uint64_t itemBytes, uint64_t most);
    Result<uint64_t> readLength(std::string_view what);
    Status readKey(uint64_t index);
    Status hold(uint64_t bytes);
    Result<GgufValue> readValue(uint32_t type);
    Result<GgufValue> readArray();
    Status skipStrings(uint64_t count);
    Status setAlignment(const GgufValue& value);
    Status readTensor(uint64_t index);
    Result<std::string> readName(uint64_t index);
    Result<Shape> readDimensions();
    Status measure(GgufTensor& tensor);
    Status layOut();

    ByteCursor m_in;
    GgufFile m_file;
    std::string m_item = "header";
    uint64_t m_itemStart = 0;
    uint64_t m_keyCount = 0;
    uint64_t m_tensorCount = 0;
    uint64_t m_heldText = 0;
    std::unordered_set<std::string> m_names;
};

Status Parser::readCounts()
{
    QL_TRY(const std::string magic, m_in.text(4, "the magic number"));
    if (magic != "GGUF")
        return fail(ErrorCode::BadMagic, "this is not a GGUF file: it begins with " + inQuotes(magic));
    QL_CHECK(checkVersion());
    begin("header");
    QL_TRY(m_tensorCount, readCount("tensors", kMinTensorBytes, kMaxTensors));
    QL_TRY(m_keyCount, readCount("metadata keys", kMinKeyBytes, kMaxKeys));
    return {};
}

Status Parser::checkVersion()
{
    begin("version");
    QL_TRY(m_file.version, m_in.value<uint32_t>("the version"));
    const uint32_t version = m_file.version;
    if (version == 2 || version == 3)
        return {};
    if (version == 1)
        return fail(ErrorCode::BadVersion, "GGUF version 1 is no longer read; convert the model again");
    if (version != 0 && (version & 0xFFFF) == 0)
        return fail(ErrorCode::WrongEndianness, "the file is big-endian; convert it to little-endian first");
    return fail(ErrorCode::BadVersion, "GGUF version " + std::to_string(version) + " is not known (2 and 3 are)");
}

Result<uint64_t> Parser::readCount(std::string_view what, uint64_t itemBytes, uint64_t most)
{
    QL_TRY(const auto count, m_in.value<int64_t>(what));
    const std::string said = "the header announces " + std::to_string(count) + " " + std::string(what);
    if (count < 0)
        return fail(ErrorCode::BadCount, said);
    if (const uint64_t fit = m_in.remaining() / itemBytes; static_cast<uint64_t>(count) > fit)
        return fail(ErrorCode::BadCount, said + ", but at most " + std::to_string(fit) + " fit the file");
    if (static_cast<uint64_t>(count) > most)
        return fail(ErrorCode::BadCount, said + "; more than " + std::to_string(most) + " are not read");
    return static_cast<uint64_t>(count);
}

Result<uint64_t> Parser::readLength(std::string_view what)
{
    QL_TRY(const auto length, m_in.value<uint64_t>(m_item));
    if (length > kMaxLength)
        return fail(ErrorCode::StringTooLong, std::string(what) + " claims " + std::to_string(length) + " bytes");
    return length;
}

Status Parser::hold(uint64_t bytes)
{
    m_heldText += bytes;
    if (m_heldText > kMaxHeldText)
        return fail(ErrorCode::HeaderTooLarge, "the metadata texts exceed " + formatBytes(kMaxHeldText));
    return {};
}

Status Parser::readKey(uint64_t index)
{
    begin("metadata key " + std::to_string(index));
    QL_TRY(const uint64_t length, readLength("the key"));
    if (length == 0)
        return fail(ErrorCode::BadKey, "the key is empty");
    if (length > kMaxKeyBytes && length <= m_in.remaining())
        return fail(ErrorCode::BadKey, "the key is longer than " + std::to_string(kMaxKeyBytes) + " bytes");
    QL_CHECK(hold(length));
    QL_TRY(std::string key, m_in.text(length, m_item));
    m_item = "key " + inQuotes(key);
    if (!isUtf8(key))
        return fail(ErrorCode::InvalidUtf8, "the key is not UTF-8");
    if (!isOneLine(key))
        return fail(ErrorCode::BadKey, "the key holds control characters");
    if (m_file.metadata.contains(key))
        return fail(ErrorCode::DuplicateKey, "the key appears twice");
    QL_TRY(const auto type, m_in.value<uint32_t>(m_item));
    QL_TRY(GgufValue value, readValue(type));
    if (key == "general.alignment")
        QL_CHECK(setAlignment(value));
    m_file.metadata.emplace(std::move(key), std::move(value));
    return {};
}

Result<GgufValue> Parser::readValue(uint32_t type)
{
    if (type >= kGgufTypeCount)
        return fail(ErrorCode::BadValueType, "value type " + std::to_string(type) + " is not known");
    switch (static_cast<GgufType>(type)) {
    case GgufType::String: {
        QL_TRY(const uint64_t length, readLength("the string"));
        if (length <= m_in.remaining())
            QL_CHECK(hold(length));
        QL_TRY(std::string text, m_in.text(length, m_item));
        return GgufValue(std::move(text));
    }
    case GgufType::Array: return readArray();
    case GgufType::Bool: {
        QL_TRY(const auto byte, m_in.value<uint8_t>(m_item));
        if (byte > 1)
            return fail(ErrorCode::BadValueType, "a bool holds " + std::to_string(byte) + " instead of 0 or 1");
        return GgufValue(byte == 1);
    }
    default: return readGgufScalar(m_in, static_cast<GgufType>(type), m_item);
    }
}

Result<GgufValue> Parser::readArray()
{
    QL_TRY(const auto type, m_in.value<uint32_t>(m_item));
    if (type >= kGgufTypeCount)
        return fail(ErrorCode::BadValueType, "array element type " + std::to_string(type) + " is not known");
    const auto element = static_cast<GgufType>(type);
    if (element == GgufType::Array)
        return fail(ErrorCode::NestedArray, "arrays of arrays are not read");
    QL_TRY(const auto count, m_in.value<uint64_t>(m_item));
    if (count > kMaxLength)
        return fail(ErrorCode::ArrayTooLong, "the array claims " + std::to_string(count) + " elements");
    GgufArray array{element, count, m_in.position(), 0};
    if (element == GgufType::String)
        QL_CHECK(skipStrings(count));
    else
        QL_CHECK(m_in.skip(count * ggufTypeSize(element), m_item));
    array.bytes = m_in.position() - array.offset;
    return GgufValue(array);
}

Status Parser::skipStrings(uint64_t count)
{
    if (count > m_in.remaining() / sizeof(uint64_t))
        return m_in.skip(count * sizeof(uint64_t), m_item);
    for (uint64_t i = 0; i < count; ++i) {
        QL_TRY(const uint64_t length, readLength("a string of the array"));
        QL_CHECK(m_in.skip(length, m_item));
    }
    return {};
}

Status Parser::setAlignment(const GgufValue& value)
{
    if (typeOf(value) != GgufType::U32) {
        return fail(ErrorCode::BadAlignment,
                    "the alignment is of type " + std::string(ggufTypeName(typeOf(value))) + " instead of u32");
    }
    const uint64_t alignment = std::get<uint32_t>(value);
    if (!std::has_single_bit(alignment) || alignment > kMaxAlignment) {
        return fail(ErrorCode::BadAlignment, "the alignment is " + std::to_string(alignment) +
                                                 "; it must be a power of two of at most " +
                                                 std::to_string(kMaxAlignment));
    }
    m_file.alignment = alignment;
    return {};
}

Result<std::string> Parser::readName(uint64_t index)
{
    begin("tensor " + std::to_string(index));
    QL_TRY(const uint64_t length, readLength("the name"));
    if (length > kMaxNameBytes) {
        return fail(ErrorCode::NameTooLong, "the name has " + std::to_string(length) + " bytes; at most " +
                                                std::to_string(kMaxNameBytes) + " are allowed");
    }
    if (length == 0)
        return fail(ErrorCode::BadKey, "the name is empty");
    QL_TRY(std::string name, m_in.text(length, m_item));
    m_item = "tensor " + inQuotes(name);
    if (!isUtf8(name))
        return fail(ErrorCode::InvalidUtf8, "the name is not UTF-8");
    if (!isOneLine(name))
        return fail(ErrorCode::BadKey, "the name holds control characters");
    if (!m_names.insert(name).second)
        return fail(ErrorCode::DuplicateTensor, "the name appears twice");
    return name;
}

Result<Shape> Parser::readDimensions()
{
    QL_TRY(const auto count, m_in.value<uint32_t>(m_item));
    if (count > kMaxDimensions)
        return fail(ErrorCode::BadDimensionCount, std::to_string(count) + " dimensions; at most 4 are allowed");
    Shape shape(count);
    for (auto dim = shape.rbegin(); dim != shape.rend(); ++dim) {
        QL_TRY(*dim, m_in.value<int64_t>(m_item));
        if (*dim < 0)
            return fail(ErrorCode::BadDimension, "a dimension is " + std::to_string(*dim));
    }
    return shape;
}

Status Parser::measure(GgufTensor& tensor)
{
    // Zero dimensions are left out of the product, so that they neither hide an overflow nor divide anything.
    uint64_t product = 1;
    bool empty = false;
    for (const int64_t dim : tensor.shape) {
        const auto next = checkedMul(product, dim == 0 ? 1 : static_cast<uint64_t>(dim));
        if (!next || *next > static_cast<uint64_t>(INT64_MAX))
            return fail(ErrorCode::ShapeOverflow, "the shape " + toString(tensor.shape) + " overflows");
        product = *next;
        empty = empty || dim == 0;
    }
    const DTypeInfo& info = dtypeInfo(tensor.dtype);
    const int64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
    if (row % info.blockElements != 0) {
        return fail(ErrorCode::BadBlockMultiple, "rows of " + std::to_string(row) + " elements do not fill blocks of " +
                                                     std::to_string(info.blockElements) + " (" +
                                                     std::string(info.name) + ")");
    }
    const uint64_t blocks = empty ? 0 : product / static_cast<uint64_t>(info.blockElements);
    const auto bytes = checkedMul(blocks, static_cast<uint64_t>(info.blockBytes));
    if (!bytes || !checkedAlign(*bytes, m_file.alignment))
        return fail(ErrorCode::ShapeOverflow, "the size of shape " + toString(tensor.shape) + " overflows");
    tensor.bytes = *bytes;
    return {};
}

Status Parser::readTensor(uint64_t index)
{
    GgufTensor tensor;
    QL_TRY(tensor.name, readName(index));
    QL_TRY(tensor.shape, readDimensions());
    QL_TRY(const auto type, m_in.value<uint32_t>(m_item));
    const auto dtype = dtypeFromGgml(type);
    if (!dtype) {
        return fail(ErrorCode::BadTensorType, "tensor type " + std::to_string(type) +
                                                  " is not known; the file may need a newer version of this program");
    }
    tensor.dtype = *dtype;
    QL_TRY(tensor.offset, m_in.value<uint64_t>(m_item));
    QL_CHECK(measure(tensor));
    m_file.tensors.push_back(std::move(tensor));
    return {};
}

/// Offsets must be the running sum of padded sizes; this also rules out overlaps, holes and misalignment.
Status Parser::layOut()
{
    const uint64_t size = m_file.source->size();
    const auto start = checkedAlign(m_in.position(), m_file.alignment);
    if (!start)
        return fail(ErrorCode::UnexpectedEnd, "the data section begins beyond the file");
    m_file.dataOffset = *start;
    uint64_t expected = 0;
    for (GgufTensor& tensor : m_file.tensors) {
        m_item = "tensor " + inQuotes(tensor.name);
        m_itemStart = *start + expected;
        if (tensor.offset != expected) {
            return fail(ErrorCode::BadTensorOffset, "the offset is " + std::to_string(tensor.offset) +
                                                        " where the tensors before it end at " +
                                                        std::to_string(expected));
        }
        const auto absolute = checkedAdd(*start, tensor.offset);
        if (!absolute || !rangeInside(*absolute, tensor.bytes, size)) {
            return fail(ErrorCode::TensorOutOfFile, "its " + formatBytes(tensor.bytes) + " do not lie inside the file of " +
                                                        formatBytes(size) + "; the file is truncated or damaged");
        }
        tensor.offset = *absolute;
        // Cannot wrap: the tensor lies inside the file and its padded size was checked.
        expected = *checkedAlign(expected + tensor.bytes, m_file.alignment);
    }
    const uint64_t end = *start + expected;
    m_file.trailingBytes = size > end ? size - end : 0;
    return {};
}

} // namespace

Result<GgufFile> parseGguf(std::shared_ptr<const ByteSource> source)
{
    return Parser(std::move(source)).parse();
}

} // namespace ql
