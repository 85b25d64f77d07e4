// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ZipBuilder and npyFile: archives and arrays for tests, well-made unless told otherwise.
#pragma once

#include "support/bytes.h"

#include <optional>
#include <zlib.h>

namespace ql::test {

/// An NPY file: magic number, version, dictionary padded to 64 bytes, data.
inline Bytes npyFile(std::string dictionary, const Bytes& data, int major = 1)
{
    const size_t preamble = major == 1 ? 10 : 12;
    dictionary += std::string(63 - (preamble + dictionary.size()) % 64, ' ') + "\n";
    Bytes out;
    out.raw("\x93NUMPY").u8(uint8_t(major)).u8(0);
    if (major == 1)
        out.u16(uint16_t(dictionary.size()));
    else
        out.u32(uint32_t(dictionary.size()));
    return out.raw(dictionary).append(data);
}

/// A 2 x 2 array of f32.
inline Bytes smallNpy()
{
    return npyFile("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }",
                   Bytes().number(1.f).number(2.f).number(3.f).number(4.f));
}

inline Bytes deflated(const Bytes& bytes)
{
    z_stream stream = {};
    deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    Bytes out;
    out.data().resize(deflateBound(&stream, bytes.size()) + 16);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data().data()));
    stream.avail_in = uInt(bytes.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data().data());
    stream.avail_out = uInt(out.size());
    deflate(&stream, Z_FINISH);
    out.data().resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

struct ZipBuilder {
    struct Member {
        std::string name;
        Bytes bytes; ///< as they lie in the archive
        uint16_t method = 0;
        uint16_t flags = 0;
        uint16_t disk = 0;
        uint32_t crc = 0;
        uint64_t size = 0;
        std::optional<uint64_t> compressedSize;
        std::optional<uint64_t> localOffset;
        std::optional<std::string> localName;
        std::optional<uint16_t> localMethod;
        uint32_t localSignature = 0x04034B50;
        bool zip64 = false;
        Bytes extra; ///< further extra fields of the directory entry
    };

    std::vector<Member> members;
    std::string comment;
    std::optional<uint16_t> entries;
    std::optional<uint32_t> directoryBytes;
    std::optional<uint32_t> directoryOffset;
    std::optional<uint64_t> end64Offset;
    std::optional<uint64_t> entries64;
    uint32_t entrySignature = 0x02014B50;
    uint16_t disk = 0;
    bool zip64 = false;
    size_t dropped = 0;

    Member& store(std::string name, const Bytes& content)
    {
        const auto crc = uint32_t(crc32_z(0, reinterpret_cast<const Bytef*>(content.data().data()), content.size()));
        Member member;
        member.name = std::move(name);
        member.bytes = content;
        member.crc = crc;
        member.size = content.size();
        return members.emplace_back(std::move(member));
    }
    Member& deflate(std::string name, const Bytes& content)
    {
        Member& member = store(std::move(name), content);
        member.bytes = deflated(content);
        member.method = 8;
        return member;
    }

    Bytes build() const
    {
        Bytes out;
        Bytes directory;
        for (const Member& m : members) {
            const uint64_t offset = m.localOffset.value_or(out.size());
            const uint64_t packed = m.compressedSize.value_or(m.bytes.size());
            const auto narrow = [&](uint64_t v) { return m.zip64 ? 0xFFFFFFFFu : uint32_t(v); };
            const std::string local = m.localName.value_or(m.name);
            out.u32(m.localSignature).u16(20).u16(m.flags).u16(m.localMethod.value_or(m.method)).u32(0).u32(m.crc);
            out.u32(narrow(packed)).u32(narrow(m.size)).u16(uint16_t(local.size())).u16(0).raw(local).append(m.bytes);
            Bytes extra = m.extra;
            if (m.zip64)
                extra.u16(1).u16(24).u64(m.size).u64(packed).u64(offset);
            directory.u32(entrySignature).u16(20).u16(20).u16(m.flags).u16(m.method).u32(0).u32(m.crc);
            directory.u32(narrow(packed)).u32(narrow(m.size)).u16(uint16_t(m.name.size())).u16(uint16_t(extra.size()));
            directory.u16(0).u16(m.disk).u16(0).u32(0).u32(narrow(offset)).raw(m.name).append(extra);
        }
        const uint64_t at = out.size();
        out.append(directory);
        if (zip64) {
            const uint64_t end64 = out.size();
            out.u32(0x06064B50).u64(44).u16(45).u16(45).u32(0).u32(0).u64(members.size());
            out.u64(entries64.value_or(members.size())).u64(directory.size()).u64(at);
            out.u32(0x07064B50).u32(0).u64(end64Offset.value_or(end64)).u32(1);
        }
        const uint16_t count = entries.value_or(zip64 ? 0xFFFF : uint16_t(members.size()));
        out.u32(0x06054B50).u16(disk).u16(disk).u16(count).u16(count);
        out.u32(directoryBytes.value_or(zip64 ? 0xFFFFFFFF : uint32_t(directory.size())));
        out.u32(directoryOffset.value_or(zip64 ? 0xFFFFFFFF : uint32_t(at)));
        out.u16(uint16_t(comment.size())).raw(comment);
        return out.cut(dropped);
    }
    std::shared_ptr<const ByteSource> source() const { return build().source("test.npz"); }
};

} // namespace ql::test
