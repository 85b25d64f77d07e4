// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/ggufwriter.h"

#include "core/base/checked.h"
#include "core/base/utf8.h"
#include "core/io/gguf.h"
#include "core/io/mappedfile.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace ql {
namespace {

constexpr uint32_t kVersion = 3;
constexpr size_t kMostDimensions = 4;
constexpr size_t kNameLimit = 64;
constexpr uint64_t kMostBytes = uint64_t(std::numeric_limits<int64_t>::max()) / 2;

template <class T>
void append(std::string& out, T value)
{
    for (size_t i = 0; i < sizeof(T); ++i)
        out += char((uint64_t(value) >> (8 * i)) & 0xFF);
}

void appendText(std::string& out, std::string_view text)
{
    append<uint64_t>(out, text.size());
    out += text;
}

Error about(const std::string& name, ErrorCode code, std::string message)
{
    return {code, std::move(message), "tensor " + printable(name)};
}

} // namespace

void GgufWriter::setText(std::string_view key, std::string_view value)
{
    set(key, GgufValue(std::string(value)));
}

void GgufWriter::setU32(std::string_view key, uint32_t value)
{
    set(key, GgufValue(value));
}

void GgufWriter::set(std::string_view key, const GgufValue& value)
{
    appendText(m_keys, key);
    append(m_keys, uint32_t(typeOf(value)));
    std::visit(
        [this](const auto& v) {
            using T = std::decay_t<decltype(v)>;
            if constexpr (std::is_same_v<T, std::string>)
                appendText(m_keys, v);
            else if constexpr (std::is_same_v<T, float>)
                append(m_keys, std::bit_cast<uint32_t>(v));
            else if constexpr (std::is_same_v<T, double>)
                append(m_keys, std::bit_cast<uint64_t>(v));
            else if constexpr (!std::is_same_v<T, GgufArray>)
                append(m_keys, v);
        },
        value);
    ++m_keyCount;
}

void GgufWriter::setArray(std::string_view key, GgufType element, uint64_t count, std::string_view bytes)
{
    appendText(m_keys, key);
    append(m_keys, uint32_t(GgufType::Array));
    append(m_keys, uint32_t(element));
    append(m_keys, count);
    m_keys += bytes;
    ++m_keyCount;
}

void GgufWriter::setTexts(std::string_view key, const std::vector<std::string>& values)
{
    std::string bytes;
    for (const std::string& value : values)
        appendText(bytes, value);
    setArray(key, GgufType::String, values.size(), bytes);
}

void GgufWriter::setFloats(std::string_view key, const std::vector<float>& values)
{
    std::string bytes;
    for (const float value : values)
        append(bytes, std::bit_cast<uint32_t>(value));
    setArray(key, GgufType::F32, values.size(), bytes);
}

void GgufWriter::setIntegers(std::string_view key, const std::vector<int32_t>& values)
{
    std::string bytes;
    for (const int32_t value : values)
        append(bytes, value);
    setArray(key, GgufType::I32, values.size(), bytes);
}

Status GgufWriter::addTensor(const std::string& name, DType dtype, Shape shape)
{
    while (shape.size() > 1 && shape.front() == 1)
        shape.erase(shape.begin());
    const DTypeInfo& type = dtypeInfo(dtype);
    if (name.empty() || name.size() >= kNameLimit)
        return about(name, ErrorCode::NameTooLong, "GGUF names have 1 to 63 bytes");
    if (shape.empty() || shape.size() > kMostDimensions)
        return about(name, ErrorCode::BadDimensionCount, "GGUF tensors have 1 to 4 dimensions");
    if (std::any_of(shape.begin(), shape.end(), [](int64_t dim) { return dim <= 0; }))
        return about(name, ErrorCode::BadDimension, "shape " + toString(shape) + " is empty");
    if (type.ggmlId < 0)
        return about(name, ErrorCode::BadTensorType, "GGUF has no type " + std::string(type.name));
    if (shape.back() % type.blockElements != 0)
        return about(name, ErrorCode::BadBlockMultiple,
                     "rows of shape " + toString(shape) + " do not fill whole blocks of " + std::string(type.name));
    const auto count = elementCount(shape);
    const auto bytes = count ? dtypeBytes(dtype, *count) : std::nullopt;
    const auto padded = bytes ? checkedAlign(*bytes, kAlignment) : std::nullopt;
    if (!padded || *padded > kMostBytes - m_dataBytes)
        return about(name, ErrorCode::ShapeOverflow, "shape " + toString(shape) + " is too large for a file");
    if (!m_names.insert(name).second)
        return about(name, ErrorCode::DuplicateTensor, "declared twice");
    m_dataBytes += *padded;
    m_entries.push_back({name, dtype, std::move(shape), *bytes});
    return {};
}

std::string GgufWriter::header() const
{
    std::string out = "GGUF";
    append(out, kVersion);
    append<uint64_t>(out, m_entries.size());
    append(out, m_keyCount);
    out += m_keys;
    uint64_t offset = 0;
    for (const Entry& entry : m_entries) {
        appendText(out, entry.name);
        append(out, uint32_t(entry.shape.size()));
        for (auto dim = entry.shape.rbegin(); dim != entry.shape.rend(); ++dim)
            append(out, uint64_t(*dim));
        append(out, uint32_t(dtypeInfo(entry.dtype).ggmlId));
        append(out, offset);
        offset += *checkedAlign(entry.bytes, kAlignment);
    }
    out.resize(*checkedAlign(out.size(), kAlignment), '\0');
    return out;
}

uint64_t GgufWriter::fileBytes() const
{
    return header().size() + m_dataBytes;
}

Status GgufWriter::begin(const std::string& target, const std::vector<std::string>& sources)
{
    const std::string head = header();
    QL_TRY(auto file, AtomicFile::create(target, sources, head.size() + m_dataBytes));
    m_file = std::move(file);
    m_current = 0;
    m_written = 0;
    return m_file->write(head);
}

Status GgufWriter::pad()
{
    const uint64_t end = m_file->position();
    return m_file->write(std::string(size_t(*checkedAlign(end, kAlignment) - end), '\0'));
}

Status GgufWriter::write(std::span<const std::byte> bytes)
{
    while (!bytes.empty()) {
        if (!m_file || m_current >= m_entries.size())
            return Error{ErrorCode::InvalidArgument, "more data than declared", {}};
        const uint64_t left = m_entries[m_current].bytes - m_written;
        const auto portion = bytes.first(size_t(std::min<uint64_t>(bytes.size(), left)));
        QL_CHECK(m_file->write(portion));
        bytes = bytes.subspan(portion.size());
        m_written += portion.size();
        if (portion.size() == left) {
            QL_CHECK(pad());
            ++m_current;
            m_written = 0;
        }
    }
    return {};
}

Status GgufWriter::asDeclared(const std::string& path) const
{
    QL_TRY(auto source, openFile(path));
    QL_TRY(const GgufFile file, parseGguf(std::move(source)));
    const bool same = file.metadata.size() == m_keyCount &&
                      std::equal(file.tensors.begin(), file.tensors.end(), m_entries.begin(), m_entries.end(),
                                 [](const GgufTensor& a, const Entry& b) {
                                     return a.name == b.name && a.dtype == b.dtype && a.shape == b.shape;
                                 });
    return same ? Status() : Error{ErrorCode::VerifyFailed, "the header differs from what was declared", path};
}

Status GgufWriter::finish(const std::function<Status(const std::string& temporaryPath)>& verify)
{
    if (!m_file || m_current != m_entries.size())
        return Error{ErrorCode::InvalidArgument, "less data than declared", {}};
    const Status status = m_file->commit([&](const std::string& temporary) -> Status {
        QL_CHECK(asDeclared(temporary));
        return verify ? verify(temporary) : Status();
    });
    m_file.reset();
    return status;
}

} // namespace ql
