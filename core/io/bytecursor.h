// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ByteCursor: reads little-endian values one after another from a ByteSource, a small buffer at a time, so that a
// header of any size is walked without being held. Not shared between threads.
#pragma once

#include "core/tensor/bytesource.h"

#include <string>
#include <type_traits>

namespace ql {

class ByteCursor
{
public:
    static constexpr uint64_t kBufferBytes = 64 << 10;

    explicit ByteCursor(std::shared_ptr<const ByteSource> source, uint64_t position = 0,
                        uint64_t bufferBytes = kBufferBytes);

    uint64_t position() const { return m_position; }
    uint64_t remaining() const { return m_position < m_size ? m_size - m_position : 0; }

    /// Copies the next bytes and moves past them. UnexpectedEnd names the file, the byte and `what` was being read.
    Status read(std::span<std::byte> out, std::string_view what);
    /// Moves past `length` bytes without reading them; UnexpectedEnd when the file ends before.
    Status skip(uint64_t length, std::string_view what);
    /// The next `length` bytes as text. The caller has bounded `length`.
    Result<std::string> text(uint64_t length, std::string_view what);

    template <class T>
        requires(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>)
    Result<T> value(std::string_view what)
    {
        T result;
        QL_CHECK(read(std::as_writable_bytes(std::span(&result, 1)), what));
        return result;
    }

private:
    Status fill();

    std::shared_ptr<const ByteSource> m_source;
    uint64_t m_size = 0;
    uint64_t m_position = 0;
    uint64_t m_bufferStart = 0;
    size_t m_buffered = 0;
    std::vector<std::byte> m_buffer;
};

/// "FILE: byte N"
std::string atByte(const ByteSource& source, uint64_t position);

} // namespace ql
