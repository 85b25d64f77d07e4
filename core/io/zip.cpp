// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/zip.h"

#include "core/base/checked.h"
#include "core/base/format.h"
#include "core/base/utf8.h"
#include "core/io/bytecursor.h"

#include <algorithm>
#include <unordered_set>

namespace ql {
namespace {

constexpr uint32_t kEndSignature = 0x06054B50;
constexpr uint32_t kLocator64Signature = 0x07064B50;
constexpr uint32_t kEnd64Signature = 0x06064B50;
constexpr uint32_t kEntrySignature = 0x02014B50;
constexpr uint32_t kLocalSignature = 0x04034B50;
constexpr uint64_t kEndBytes = 22;
constexpr uint64_t kLocator64Bytes = 20;
constexpr uint64_t kEnd64Bytes = 56;
constexpr uint64_t kEntryBytes = 46;
constexpr uint64_t kLocalBytes = 30;
constexpr uint64_t kMaxComment = 65535;
constexpr uint64_t kMaxEntries = 1 << 20;
constexpr uint16_t kMaxNameBytes = 4096;
constexpr uint16_t kEncrypted = 1;
constexpr uint16_t kMaskedHeaders = 1 << 13;

constexpr uint64_t kMaxDeflateRatio = 1032; ///< no deflate stream can do better
constexpr uint64_t kMaxMember = uint64_t(2) << 30;
constexpr uint64_t kMaxTotal = uint64_t(8) << 30;
constexpr uint64_t kHarmless = uint64_t(256) << 20;
constexpr uint64_t kMaxTotalRatio = 200;

struct Directory {
    uint64_t entries = 0;
    uint64_t bytes = 0;
    uint64_t offset = 0;
};

struct Entry {
    ZipMember member;
    uint16_t flags = 0;
    uint16_t method = 0;
    uint16_t disk = 0;
    uint64_t localOffset = 0;
};

class DirectoryReader
{
public:
    explicit DirectoryReader(const ByteSource& archive)
        // The cursor lives no longer than the caller's archive, so it need not share ownership.
        : m_archive(std::shared_ptr<const void>(), &archive)
    {
    }

    Result<std::vector<ZipMember>> read()
    {
        QL_TRY(const Directory directory, locate());
        QL_TRY(std::vector<Entry> entries, readEntries(directory));
        for (Entry& entry : entries)
            QL_CHECK(readLocal(entry, directory));
        QL_CHECK(checkOverlaps(entries));
        QL_CHECK(checkRatio(entries));
        std::vector<ZipMember> members;
        members.reserve(entries.size());
        for (Entry& entry : entries)
            members.push_back(std::move(entry.member));
        return members;
    }

private:
    Error fail(ErrorCode code, std::string message) const
    {
        return {code, std::move(message), m_archive->name()};
    }
    Error fail(const Entry& entry, ErrorCode code, std::string message) const
    {
        return {code, std::move(message), m_archive->name() + ": member '" + printable(entry.member.name) + "'"};
    }

    Result<uint64_t> findEnd() const;
    Result<Directory> locate() const;
    Result<Directory> locate64(uint64_t end) const;
    Result<std::vector<Entry>> readEntries(const Directory& directory) const;
    Result<Entry> readEntry(ByteCursor& in) const;
    Status readExtra64(ByteCursor& in, Entry& entry, uint64_t length) const;
    Status checkEntry(const Entry& entry) const;
    Status readLocal(Entry& entry, const Directory& directory) const;
    Status checkOverlaps(const std::vector<Entry>& entries) const;
    Status checkRatio(const std::vector<Entry>& entries) const;

    std::shared_ptr<const ByteSource> m_archive;
};

/// The end record is the last one whose comment reaches exactly to the end of the file.
Result<uint64_t> DirectoryReader::findEnd() const
{
    const uint64_t size = m_archive->size();
    const uint64_t window = std::min(size, kEndBytes + kMaxComment);
    std::vector<std::byte> tail(static_cast<size_t>(window));
    QL_CHECK(m_archive->read(size - window, tail));
    const auto at = [&](uint64_t i) { return static_cast<uint32_t>(tail[static_cast<size_t>(i)]); };
    for (uint64_t i = window >= kEndBytes ? window - kEndBytes + 1 : 0; i-- > 0;) {
        const uint32_t signature = at(i) | at(i + 1) << 8 | at(i + 2) << 16 | at(i + 3) << 24;
        const uint64_t comment = at(i + 20) | at(i + 21) << 8;
        if (signature == kEndSignature && i + kEndBytes + comment == window)
            return size - window + i;
    }
    return fail(ErrorCode::ZipInvalid, "the archive has no directory at its end; it is truncated or damaged");
}

Result<Directory> DirectoryReader::locate() const
{
    QL_TRY(const uint64_t end, findEnd());
    ByteCursor in(m_archive, end + 4);
    QL_TRY(const auto disk, in.value<uint16_t>("the end record"));
    QL_TRY(const auto startDisk, in.value<uint16_t>("the end record"));
    QL_TRY(const auto entriesHere, in.value<uint16_t>("the end record"));
    QL_TRY(const auto entries, in.value<uint16_t>("the end record"));
    QL_TRY(const auto bytes, in.value<uint32_t>("the end record"));
    QL_TRY(const auto offset, in.value<uint32_t>("the end record"));
    Directory directory{entries, bytes, offset};
    uint64_t limit = end;
    if (entries == 0xFFFF || bytes == 0xFFFFFFFF || offset == 0xFFFFFFFF) {
        QL_TRY(directory, locate64(end));
        limit = end - kLocator64Bytes - kEnd64Bytes;
    } else if (disk != 0 || startDisk != 0 || entriesHere != entries) {
        return fail(ErrorCode::ZipUnsupported, "the archive spans several volumes");
    }
    if (!rangeInside(directory.offset, directory.bytes, limit))
        return fail(ErrorCode::ZipInvalid, "the directory does not lie inside the archive");
    if (directory.entries > directory.bytes / kEntryBytes || directory.entries > kMaxEntries) {
        return fail(ErrorCode::ZipInvalid, "the directory of " + formatBytes(directory.bytes) + " cannot hold " +
                                               std::to_string(directory.entries) + " members");
    }
    return directory;
}

Result<Directory> DirectoryReader::locate64(uint64_t end) const
{
    if (end < kLocator64Bytes + kEnd64Bytes)
        return fail(ErrorCode::ZipInvalid, "the ZIP64 end record is missing");
    ByteCursor locator(m_archive, end - kLocator64Bytes);
    QL_TRY(const auto locatorSignature, locator.value<uint32_t>("the ZIP64 locator"));
    QL_TRY(const auto disk, locator.value<uint32_t>("the ZIP64 locator"));
    QL_TRY(const auto at, locator.value<uint64_t>("the ZIP64 locator"));
    if (locatorSignature != kLocator64Signature || !rangeInside(at, kEnd64Bytes, end - kLocator64Bytes))
        return fail(ErrorCode::ZipInvalid, "the ZIP64 end record is missing");
    if (disk != 0)
        return fail(ErrorCode::ZipUnsupported, "the archive spans several volumes");
    ByteCursor in(m_archive, at);
    QL_TRY(const auto signature, in.value<uint32_t>("the ZIP64 end record"));
    if (signature != kEnd64Signature)
        return fail(ErrorCode::ZipInvalid, "the ZIP64 end record is missing");
    QL_CHECK(in.skip(8 + 2 + 2 + 4 + 4 + 8, "the ZIP64 end record"));
    Directory directory;
    QL_TRY(directory.entries, in.value<uint64_t>("the ZIP64 end record"));
    QL_TRY(directory.bytes, in.value<uint64_t>("the ZIP64 end record"));
    QL_TRY(directory.offset, in.value<uint64_t>("the ZIP64 end record"));
    return directory;
}

Result<std::vector<Entry>> DirectoryReader::readEntries(const Directory& directory) const
{
    std::vector<Entry> entries;
    std::unordered_set<std::string> names;
    ByteCursor in(m_archive, directory.offset);
    for (uint64_t i = 0; i < directory.entries; ++i) {
        QL_TRY(Entry entry, readEntry(in));
        if (in.position() > directory.offset + directory.bytes)
            return fail(entry, ErrorCode::ZipInvalid, "the member does not lie inside the directory");
        QL_CHECK(checkEntry(entry));
        if (!names.insert(entry.member.name).second)
            return fail(entry, ErrorCode::ZipInvalid, "the name appears twice");
        entries.push_back(std::move(entry));
    }
    if (in.position() != directory.offset + directory.bytes)
        return fail(ErrorCode::ZipInvalid, "the directory holds more than its members");
    return entries;
}

Result<Entry> DirectoryReader::readEntry(ByteCursor& in) const
{
    constexpr std::string_view what = "the directory";
    Entry entry;
    QL_TRY(const auto signature, in.value<uint32_t>(what));
    if (signature != kEntrySignature)
        return fail(ErrorCode::ZipInvalid, "the directory is damaged at byte " + std::to_string(in.position() - 4));
    QL_CHECK(in.skip(4, what));
    QL_TRY(entry.flags, in.value<uint16_t>(what));
    QL_TRY(entry.method, in.value<uint16_t>(what));
    QL_CHECK(in.skip(4, what));
    QL_TRY(entry.member.crc, in.value<uint32_t>(what));
    QL_TRY(entry.member.compressedSize, in.value<uint32_t>(what));
    QL_TRY(entry.member.size, in.value<uint32_t>(what));
    QL_TRY(const auto nameBytes, in.value<uint16_t>(what));
    QL_TRY(const auto extraBytes, in.value<uint16_t>(what));
    QL_TRY(const auto commentBytes, in.value<uint16_t>(what));
    QL_TRY(entry.disk, in.value<uint16_t>(what));
    QL_CHECK(in.skip(6, what));
    QL_TRY(entry.localOffset, in.value<uint32_t>(what));
    if (nameBytes == 0 || nameBytes > kMaxNameBytes)
        return fail(ErrorCode::ZipInvalid, "a member's name has " + std::to_string(nameBytes) + " bytes");
    QL_TRY(entry.member.name, in.text(nameBytes, what));
    QL_CHECK(readExtra64(in, entry, extraBytes));
    QL_CHECK(in.skip(commentBytes, what));
    return entry;
}

/// Takes the 64-bit values, in their fixed order, for those fields that are saturated.
Status DirectoryReader::readExtra64(ByteCursor& in, Entry& entry, uint64_t length) const
{
    constexpr uint16_t kZip64Id = 1;
    std::vector<uint64_t*> wanted;
    for (uint64_t* field : {&entry.member.size, &entry.member.compressedSize, &entry.localOffset}) {
        if (*field == 0xFFFFFFFF)
            wanted.push_back(field);
    }
    while (length >= 4) {
        QL_TRY(const auto id, in.value<uint16_t>("the directory"));
        QL_TRY(const auto bytes, in.value<uint16_t>("the directory"));
        length -= 4;
        if (bytes > length)
            return fail(entry, ErrorCode::ZipInvalid, "an extra field is cut short");
        length -= bytes;
        uint64_t left = bytes;
        if (id == kZip64Id) {
            for (; !wanted.empty() && left >= 8; left -= 8) {
                QL_TRY(*wanted.front(), in.value<uint64_t>("the directory"));
                wanted.erase(wanted.begin());
            }
        }
        QL_CHECK(in.skip(left, "the directory"));
    }
    QL_CHECK(in.skip(length, "the directory"));
    if (!wanted.empty())
        return fail(entry, ErrorCode::ZipInvalid, "a 64-bit size or offset is missing");
    return {};
}

Status DirectoryReader::checkEntry(const Entry& entry) const
{
    const ZipMember& member = entry.member;
    if (!isOneLine(member.name))
        return fail(entry, ErrorCode::ZipInvalid, "the name is not UTF-8 text on one line");
    if (entry.flags & (kEncrypted | kMaskedHeaders))
        return fail(entry, ErrorCode::ZipUnsupported, "the member is encrypted; save the archive without a password");
    if (entry.disk != 0 && entry.disk != 0xFFFF)
        return fail(entry, ErrorCode::ZipUnsupported, "the archive spans several volumes");
    if (entry.method != 0 && entry.method != 8) {
        return fail(entry, ErrorCode::ZipUnsupported, "compression method " + std::to_string(entry.method) +
                                                          " is not read; save it with numpy.savez or savez_compressed");
    }
    if (entry.method == 0 && member.size != member.compressedSize)
        return fail(entry, ErrorCode::ZipInvalid, "the member is stored, but its two sizes differ");
    return {};
}

Status DirectoryReader::readLocal(Entry& entry, const Directory& directory) const
{
    const auto damaged = [&](const char* how) { return fail(entry, ErrorCode::ZipInvalid, how); };
    if (!rangeInside(entry.localOffset, kLocalBytes + entry.member.name.size(), directory.offset))
        return damaged("the member does not lie before the directory");
    ByteCursor in(m_archive, entry.localOffset, kLocalBytes + entry.member.name.size());
    QL_TRY(const auto signature, in.value<uint32_t>("a local header"));
    QL_CHECK(in.skip(2, "a local header"));
    QL_TRY(const auto flags, in.value<uint16_t>("a local header"));
    QL_TRY(const auto method, in.value<uint16_t>("a local header"));
    QL_CHECK(in.skip(16, "a local header"));
    QL_TRY(const auto nameBytes, in.value<uint16_t>("a local header"));
    QL_TRY(const auto extraBytes, in.value<uint16_t>("a local header"));
    if (signature != kLocalSignature)
        return damaged("the member is not where the directory says");
    if (nameBytes != entry.member.name.size())
        return damaged("the member has another name than in the directory");
    QL_TRY(const std::string name, in.text(nameBytes, "a local header"));
    if (name != entry.member.name)
        return damaged("the member has another name than in the directory");
    if (method != entry.method || ((flags ^ entry.flags) & (kEncrypted | kMaskedHeaders)) != 0)
        return damaged("the member has another method than in the directory");
    entry.member.offset = entry.localOffset + kLocalBytes + nameBytes + extraBytes;
    entry.member.deflated = method == 8;
    if (!rangeInside(entry.member.offset, entry.member.compressedSize, directory.offset))
        return damaged("the member's bytes do not lie before the directory");
    return {};
}

Status DirectoryReader::checkOverlaps(const std::vector<Entry>& entries) const
{
    std::vector<const Entry*> sorted;
    for (const Entry& entry : entries)
        sorted.push_back(&entry);
    std::sort(sorted.begin(), sorted.end(),
              [](const Entry* a, const Entry* b) { return a->localOffset < b->localOffset; });
    uint64_t end = 0;
    for (const Entry* entry : sorted) {
        if (entry->localOffset < end)
            return fail(*entry, ErrorCode::ZipBomb, "the member shares bytes with another one");
        end = entry->member.offset + entry->member.compressedSize;
    }
    return {};
}

Status DirectoryReader::checkRatio(const std::vector<Entry>& entries) const
{
    uint64_t inflated = 0;
    uint64_t compressed = 0;
    for (const Entry& entry : entries) {
        const ZipMember& member = entry.member;
        if (!member.deflated)
            continue;
        if (member.size > kMaxMember || member.size / kMaxDeflateRatio > member.compressedSize) {
            return fail(entry, ErrorCode::ZipBomb, "the member claims to inflate from " +
                                                       formatBytes(member.compressedSize) + " to " +
                                                       formatBytes(member.size) + "; save it uncompressed (numpy.savez)");
        }
        inflated += member.size;
        compressed += member.compressedSize;
    }
    if (inflated > kMaxTotal || (inflated > kHarmless && inflated / kMaxTotalRatio > compressed)) {
        return fail(ErrorCode::ZipBomb, "the archive would inflate from " + formatBytes(compressed) + " to " +
                                            formatBytes(inflated) + "; save it uncompressed (numpy.savez)");
    }
    return {};
}

} // namespace

Result<std::vector<ZipMember>> readZipDirectory(const ByteSource& archive)
{
    return DirectoryReader(archive).read();
}

} // namespace ql
