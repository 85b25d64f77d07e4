// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Bytes: little-endian values one after another, for handcrafted files in tests.
#pragma once

#include "core/tensor/bytesource.h"

#include <cstring>
#include <string_view>
#include <type_traits>

namespace ql::test {

class Bytes
{
public:
    Bytes& raw(std::string_view text)
    {
        const auto* data = reinterpret_cast<const std::byte*>(text.data());
        m_data.insert(m_data.end(), data, data + text.size());
        return *this;
    }
    Bytes& append(const Bytes& other)
    {
        m_data.insert(m_data.end(), other.m_data.begin(), other.m_data.end());
        return *this;
    }
    template <class T>
        requires std::is_arithmetic_v<T>
    Bytes& number(T value)
    {
        return raw({reinterpret_cast<const char*>(&value), sizeof(T)});
    }
    Bytes& u8(uint8_t v) { return number(v); }
    Bytes& u16(uint16_t v) { return number(v); }
    Bytes& u32(uint32_t v) { return number(v); }
    Bytes& u64(uint64_t v) { return number(v); }
    Bytes& i64(int64_t v) { return number(v); }
    /// u64 length, then the text, as GGUF writes strings.
    Bytes& string(std::string_view text) { return u64(text.size()).raw(text); }
    Bytes& zeros(size_t count)
    {
        m_data.resize(m_data.size() + count);
        return *this;
    }
    Bytes& padTo(size_t alignment)
    {
        while (m_data.size() % alignment != 0)
            m_data.push_back(std::byte(0));
        return *this;
    }
    Bytes& cut(size_t count)
    {
        m_data.resize(m_data.size() - count);
        return *this;
    }

    size_t size() const { return m_data.size(); }
    const std::vector<std::byte>& data() const { return m_data; }
    std::vector<std::byte>& data() { return m_data; }
    std::shared_ptr<const ByteSource> source(std::string name = "test file") const
    {
        return memorySource(std::move(name), m_data);
    }

private:
    std::vector<std::byte> m_data;
};

} // namespace ql::test
