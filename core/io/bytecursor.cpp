// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/bytecursor.h"

#include "core/base/format.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace ql {

static_assert(std::endian::native == std::endian::little, "files are little-endian and are read in place");

std::string atByte(const ByteSource& source, uint64_t position)
{
    return source.name() + ": byte " + std::to_string(position);
}

ByteCursor::ByteCursor(std::shared_ptr<const ByteSource> source, uint64_t position, uint64_t bufferBytes)
    : m_source(std::move(source))
    , m_size(m_source->size())
    , m_position(position)
    , m_buffer(static_cast<size_t>(std::clamp<uint64_t>(bufferBytes, 1, kBufferBytes)))
{
}

Status ByteCursor::fill()
{
    m_bufferStart = m_position;
    m_buffered = static_cast<size_t>(std::min<uint64_t>(m_buffer.size(), remaining()));
    const Status status = m_source->read(m_bufferStart, std::span(m_buffer).first(m_buffered));
    if (!status.ok())
        m_buffered = 0;
    return status;
}

Status ByteCursor::read(std::span<std::byte> out, std::string_view what)
{
    if (out.size() > remaining()) {
        return Error{ErrorCode::UnexpectedEnd,
                     "the file ends inside " + std::string(what) + "; it is truncated or damaged, download it again",
                     atByte(*m_source, m_position)};
    }
    while (!out.empty()) {
        if (m_position < m_bufferStart || m_position >= m_bufferStart + m_buffered)
            QL_CHECK(fill());
        const auto at = static_cast<size_t>(m_position - m_bufferStart);
        const size_t length = std::min(out.size(), m_buffered - at);
        std::memcpy(out.data(), m_buffer.data() + at, length);
        m_position += length;
        out = out.subspan(length);
    }
    return {};
}

Status ByteCursor::skip(uint64_t length, std::string_view what)
{
    if (length > remaining()) {
        return Error{ErrorCode::UnexpectedEnd,
                     std::string(what) + " needs " + formatBytes(length) + ", but only " + formatBytes(remaining()) +
                         " are left; the file is truncated or damaged",
                     atByte(*m_source, m_position)};
    }
    m_position += length;
    return {};
}

Result<std::string> ByteCursor::text(uint64_t length, std::string_view what)
{
    if (length > remaining())
        return skip(length, what).error();
    std::string result(static_cast<size_t>(length), '\0');
    QL_CHECK(read(std::as_writable_bytes(std::span(result)), what));
    return result;
}

} // namespace ql
