// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/tensor/bytesource.h"

#include "core/base/checked.h"

#include <cstring>

namespace ql {
namespace {

class MemorySource final : public ByteSource
{
public:
    MemorySource(std::string name, std::vector<std::byte> bytes) : m_name(std::move(name)), m_bytes(std::move(bytes)) {}

    const std::string& name() const override { return m_name; }
    uint64_t size() const override { return m_bytes.size(); }
    std::optional<std::span<const std::byte>> view(uint64_t offset, uint64_t length) const override
    {
        if (!rangeInside(offset, length, m_bytes.size()))
            return std::nullopt;
        return std::span(m_bytes).subspan(offset, length);
    }
    Status read(uint64_t offset, std::span<std::byte> out) const override
    {
        if (!rangeInside(offset, out.size(), m_bytes.size()))
            return Error{ErrorCode::FileTruncated, "ends before the data that was asked for",
                         m_name + ": byte " + std::to_string(offset)};
        if (!out.empty())
            std::memcpy(out.data(), m_bytes.data() + offset, out.size());
        return {};
    }

private:
    std::string m_name;
    std::vector<std::byte> m_bytes;
};

} // namespace

std::shared_ptr<const ByteSource> memorySource(std::string name, std::vector<std::byte> bytes)
{
    return std::make_shared<const MemorySource>(std::move(name), std::move(bytes));
}

} // namespace ql
