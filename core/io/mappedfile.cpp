// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/mappedfile.h"

#include "core/base/checked.h"
#include "core/io/sigbusguard.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace ql {
namespace {

constexpr size_t kMostPerRead = size_t(1) << 30; ///< Linux transfers at most about 2 GiB per call

std::string reason(int error)
{
    return std::generic_category().message(error);
}

/// What tells one state of one file from another.
struct Identity {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    timespec modified = {};

    explicit Identity(const struct stat& s) : device(s.st_dev), inode(s.st_ino), size(s.st_size), modified(s.st_mtim) {}
};

class FileSource : public ByteSource
{
public:
    FileSource(const std::string& path, const struct stat& opened)
        : m_name(path), m_absolute(absolute(path)), m_identity(opened)
    {
    }

    const std::string& name() const override { return m_name; }
    uint64_t size() const override { return uint64_t(m_identity.size); }
    int64_t modifiedNs() const override
    {
        return int64_t(m_identity.modified.tv_sec) * 1'000'000'000 + m_identity.modified.tv_nsec;
    }

    Status checkUnchanged() const override
    {
        struct stat now = {};
        if (stat(m_absolute.c_str(), &now) != 0)
            return changed(errno == ENOENT ? "was deleted or moved" : "cannot be reached: " + reason(errno));
        if (now.st_dev != m_identity.device || now.st_ino != m_identity.inode)
            return changed("was replaced by another file");
        if (now.st_size != m_identity.size)
            return changed(now.st_size < m_identity.size ? "became shorter" : "became longer");
        if (now.st_mtim.tv_sec != m_identity.modified.tv_sec || now.st_mtim.tv_nsec != m_identity.modified.tv_nsec)
            return changed("was written to");
        return {};
    }

protected:
    Error truncated(uint64_t offset) const
    {
        return {ErrorCode::FileTruncated, "the file can no longer be read from here on; was it cut? Open it again",
                m_name + ": byte " + std::to_string(offset)};
    }

private:
    static std::string absolute(const std::string& path)
    {
        std::error_code ignored;
        const auto result = std::filesystem::absolute(path, ignored);
        return ignored ? path : result.string();
    }
    Error changed(const std::string& how) const
    {
        return {ErrorCode::FileChanged, "the file " + how + " since it was opened; open it again", m_name};
    }

    std::string m_name;
    std::string m_absolute;
    Identity m_identity;
};

struct Mapping {
    const std::byte* address;
    size_t length;

    Mapping(const void* start, size_t bytes) : address(static_cast<const std::byte*>(start)), length(bytes) {}
    ~Mapping() { munmap(const_cast<std::byte*>(address), length); }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
};

class MappedSource final : public FileSource
{
public:
    MappedSource(const std::string& path, const struct stat& opened, void* address)
        : FileSource(path, opened), m_mapping(address, size_t(size())), m_guard(address, size_t(size()))
    {
    }

    bool guarded() const { return m_guard.active(); }

    std::optional<std::span<const std::byte>> view(uint64_t offset, uint64_t length) const override
    {
        if (!rangeInside(offset, length, size()) || m_guard.faulted())
            return std::nullopt;
        return std::span(m_mapping.address + offset, length);
    }
    Status read(uint64_t offset, std::span<std::byte> out) const override
    {
        if (!rangeInside(offset, out.size(), size()))
            return truncated(size());
        std::copy_n(m_mapping.address + offset, out.size(), out.data());
        if (m_guard.faulted())
            return truncated(offset);
        return {};
    }
    void release(uint64_t offset, uint64_t length) const override
    {
        if (!rangeInside(offset, length, size()))
            return;
        // Only pages that lie wholly inside: their neighbours may be in use.
        static const auto page = uint64_t(sysconf(_SC_PAGESIZE));
        const uint64_t first = (offset + page - 1) / page * page;
        const uint64_t last = (offset + length) / page * page;
        if (first < last)
            madvise(const_cast<std::byte*>(m_mapping.address) + first, size_t(last - first), MADV_DONTNEED);
    }
    Status checkUnchanged() const override
    {
        QL_CHECK(FileSource::checkUnchanged());
        if (m_guard.faulted())
            return Error{ErrorCode::FileChanged, "part of the file could not be read; open it again", name()};
        return {};
    }

private:
    Mapping m_mapping; // declared first, so that the range is no longer guarded when it is unmapped
    SigbusGuard m_guard;
};

class ReadSource final : public FileSource
{
public:
    ReadSource(const std::string& path, const struct stat& opened, int descriptor)
        : FileSource(path, opened), m_descriptor(descriptor)
    {
    }
    ~ReadSource() override { close(m_descriptor); }

    std::optional<std::span<const std::byte>> view(uint64_t, uint64_t) const override { return std::nullopt; }
    Status read(uint64_t offset, std::span<std::byte> out) const override
    {
        if (!rangeInside(offset, out.size(), size()))
            return truncated(size());
        while (!out.empty()) {
            const ssize_t n = pread(m_descriptor, out.data(), std::min(out.size(), kMostPerRead), off_t(offset));
            if (n < 0 && errno == EINTR)
                continue;
            if (n < 0)
                return Error{ErrorCode::ReadFailed, reason(errno), name() + ": byte " + std::to_string(offset)};
            if (n == 0)
                return truncated(offset);
            out = out.subspan(size_t(n));
            offset += uint64_t(n);
        }
        return {};
    }

private:
    int m_descriptor;
};

Error cannotOpen(const std::string& path, int error)
{
    if (error == ENOENT || error == ENOTDIR)
        return {ErrorCode::FileNotFound, "there is no such file", path};
    return {ErrorCode::CannotOpen, reason(error), path};
}

} // namespace

Result<std::shared_ptr<const ByteSource>> openFile(const std::string& path, FileAccess access)
{
    using Source = std::shared_ptr<const ByteSource>;
    const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0)
        return cannotOpen(path, errno);
    struct stat opened = {};
    if (fstat(descriptor, &opened) != 0 || !S_ISREG(opened.st_mode)) {
        close(descriptor);
        return Error{ErrorCode::CannotOpen,
                     S_ISDIR(opened.st_mode) ? "this is a folder, not a file" : "this is not a regular file", path};
    }
    if (access == FileAccess::Map && opened.st_size > 0) {
        void* address = mmap(nullptr, size_t(opened.st_size), PROT_READ, MAP_SHARED | MAP_NORESERVE, descriptor, 0);
        if (address != MAP_FAILED) {
            auto source = std::make_shared<const MappedSource>(path, opened, address);
            if (source->guarded()) {
                close(descriptor);
                return Source(std::move(source));
            }
        }
    }
    return Source(std::make_shared<const ReadSource>(path, opened, descriptor));
}

} // namespace ql
