// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Deflated members of a ZIP archive, inflated with zlib.
#include "core/io/zip.h"

#include "core/base/checked.h"
#include "core/base/utf8.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <mutex>
#include <new>
#include <zlib.h>

namespace ql {
namespace {

constexpr uint64_t kTile = 256 << 10;
constexpr uint64_t kPrefix = 128 << 10;

/// A raw deflate stream out of an archive, read a tile at a time.
class Inflater
{
public:
    Inflater(const ByteSource& archive, const ZipMember& member)
        : m_archive(archive)
        , m_position(member.offset)
        , m_left(member.compressedSize)
        , m_input(static_cast<size_t>(std::min(kTile, member.compressedSize)))
    {
        m_good = inflateInit2(&m_stream, -MAX_WBITS) == Z_OK;
    }
    ~Inflater() { inflateEnd(&m_stream); }
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;

    /// Inflates until `out` is full or the stream ends; the number of bytes written.
    Result<size_t> read(std::span<std::byte> out)
    {
        size_t written = 0;
        while (m_good && !m_ended && written < out.size()) {
            QL_CHECK(refill());
            const size_t room = std::min<size_t>(out.size() - written, std::numeric_limits<uInt>::max());
            m_stream.next_out = reinterpret_cast<Bytef*>(out.data() + written);
            m_stream.avail_out = static_cast<uInt>(room);
            const int state = inflate(&m_stream, Z_NO_FLUSH);
            written += room - m_stream.avail_out;
            m_ended = state == Z_STREAM_END;
            m_good = m_ended || state == Z_OK;
        }
        return written;
    }
    /// The stream ended as it should, with all input used.
    bool complete() const { return m_ended && m_left == 0 && m_stream.avail_in == 0; }

private:
    Status refill()
    {
        if (m_stream.avail_in > 0 || m_left == 0)
            return {};
        const auto length = static_cast<size_t>(std::min(kTile, m_left));
        QL_CHECK(m_archive.read(m_position, std::span(m_input).first(length)));
        m_position += length;
        m_left -= length;
        m_stream.next_in = reinterpret_cast<Bytef*>(m_input.data());
        m_stream.avail_in = static_cast<uInt>(length);
        return {};
    }

    const ByteSource& m_archive;
    uint64_t m_position;
    uint64_t m_left;
    std::vector<std::byte> m_input;
    z_stream m_stream = {};
    bool m_good = false;
    bool m_ended = false;
};

class InflatedMember final : public ByteSource
{
public:
    InflatedMember(std::shared_ptr<const ByteSource> archive, const ZipMember& member)
        : m_archive(std::move(archive)), m_member(member), m_name(m_archive->name() + ": member '" + printable(member.name) + "'")
    {
    }

    const std::string& name() const override { return m_name; }
    uint64_t size() const override { return m_member.size; }
    std::optional<std::span<const std::byte>> view(uint64_t offset, uint64_t length) const override
    {
        if (!m_loaded || !rangeInside(offset, length, m_member.size))
            return std::nullopt;
        return std::span(m_bytes).subspan(offset, length);
    }

    Status read(uint64_t offset, std::span<std::byte> out) const override
    {
        if (!rangeInside(offset, out.size(), m_member.size))
            return fail(ErrorCode::FileTruncated, "the member ends before the data that was asked for");
        if (out.empty())
            return {};
        if (!m_loaded && offset + out.size() <= kPrefix)
            return readPrefix(offset, out);
        std::call_once(m_once, [this] { load(); });
        if (m_error)
            return *m_error;
        std::memcpy(out.data(), m_bytes.data() + offset, out.size());
        return {};
    }
    Status checkUnchanged() const override { return m_archive->checkUnchanged(); }

private:
    Error fail(ErrorCode code, std::string message) const { return {code, std::move(message), m_name}; }

    Status readPrefix(uint64_t offset, std::span<std::byte> out) const
    {
        std::vector<std::byte> prefix(static_cast<size_t>(offset + out.size()));
        Inflater inflater(*m_archive, m_member);
        QL_TRY(const size_t written, inflater.read(prefix));
        if (written != prefix.size())
            return fail(ErrorCode::ZipInvalid, "the compressed bytes are damaged");
        std::memcpy(out.data(), prefix.data() + offset, out.size());
        return {};
    }

    void load() const
    {
        try {
            if (const Status status = inflateAll(); status.ok()) {
                m_loaded = true;
            } else {
                m_bytes = {};
                m_error = status.error();
            }
        } catch (const std::bad_alloc&) {
            m_bytes = {};
            m_error = fail(ErrorCode::OutOfMemory, "not enough memory to inflate the member; save it uncompressed");
        }
    }

    Status inflateAll() const
    {
        m_bytes.resize(static_cast<size_t>(m_member.size));
        Inflater inflater(*m_archive, m_member);
        QL_TRY(const size_t written, inflater.read(m_bytes));
        std::byte beyond[1];
        QL_TRY(const size_t surplus, inflater.read(beyond));
        if (surplus > 0)
            return fail(ErrorCode::ZipBomb, "the member inflates to more than it says");
        if (written != m_bytes.size() || !inflater.complete())
            return fail(ErrorCode::ZipInvalid, "the compressed bytes are damaged or cut short");
        if (crc32_z(0, reinterpret_cast<const Bytef*>(m_bytes.data()), m_bytes.size()) != m_member.crc)
            return fail(ErrorCode::ZipChecksum, "the checksum does not fit; the archive is damaged");
        return {};
    }

    std::shared_ptr<const ByteSource> m_archive;
    ZipMember m_member;
    std::string m_name;
    mutable std::once_flag m_once;
    mutable std::atomic<bool> m_loaded = false;
    mutable std::vector<std::byte> m_bytes;
    mutable std::optional<Error> m_error;
};

} // namespace

std::shared_ptr<const ByteSource> inflatedMember(std::shared_ptr<const ByteSource> archive, const ZipMember& member)
{
    return std::make_shared<const InflatedMember>(std::move(archive), member);
}

} // namespace ql
