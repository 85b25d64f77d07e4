// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/atomicfile.h"

#include "core/io/atomicnames.h"
#include "core/io/mappedfile.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace fs = std::filesystem;

namespace ql {
namespace {

constexpr size_t kMostPerWrite = size_t(1) << 30;

/// Preflight of the target itself: its kind, and that it is no source.
Status checkTarget(const std::string& target, const std::vector<std::string>& sources)
{
    struct stat existing = {};
    if (stat(target.c_str(), &existing) != 0)
        return {};
    if (!S_ISREG(existing.st_mode))
        return Error{ErrorCode::CannotWrite, "this is not a file; choose another name", target};
    for (const std::string& source : sources) {
        struct stat other = {};
        if (stat(source.c_str(), &other) == 0 && other.st_dev == existing.st_dev && other.st_ino == existing.st_ino)
            return Error{ErrorCode::TargetIsSource, "this is the file that is being read; choose another name", target};
    }
    return {};
}

} // namespace

Result<AtomicFile> AtomicFile::create(const std::string& target, const std::vector<std::string>& sources,
                                      uint64_t expectedBytes)
{
    AtomicFile file;
    file.m_target = resolvedPath(target);
    if (fs::path(file.m_target).filename().empty())
        return Error{ErrorCode::CannotWrite, "this names no file", target};
    QL_CHECK(checkTarget(file.m_target, sources));
    QL_CHECK(checkFreeSpace(folderOfPath(file.m_target), expectedBytes, file.m_target));
    QL_CHECK(file.createTemporary());
    return file;
}

Status AtomicFile::createTemporary()
{
    for (int attempt = 0; attempt < 100; ++attempt) {
        m_temporary = temporaryName(m_target);
        m_descriptor = open(m_temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (m_descriptor < 0 && errno == EEXIST)
            continue;
        if (m_descriptor < 0)
            return Error{errnoCode(errno), "cannot create a file in this folder: " + errnoText(errno), m_target};
        // The lock tells sweep() that the owner lives; a sweep may have come between creating and locking.
        struct stat mine = {};
        if (flock(m_descriptor, LOCK_EX) != 0 || fstat(m_descriptor, &mine) != 0 || mine.st_nlink > 0) {
            struct stat existing = {};
            if (stat(m_target.c_str(), &existing) == 0)
                fchmod(m_descriptor, existing.st_mode & 0777);
            return {};
        }
        close(std::exchange(m_descriptor, -1));
    }
    return Error{ErrorCode::CannotWrite, "cannot create a temporary file in this folder", m_target};
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : m_target(std::move(other.m_target)), m_temporary(std::exchange(other.m_temporary, {})),
      m_descriptor(std::exchange(other.m_descriptor, -1)), m_position(other.m_position),
      m_failure(std::move(other.m_failure))
{
}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept
{
    if (this != &other) {
        discard();
        m_target = std::move(other.m_target);
        m_temporary = std::exchange(other.m_temporary, {});
        m_descriptor = std::exchange(other.m_descriptor, -1);
        m_position = other.m_position;
        m_failure = std::move(other.m_failure);
    }
    return *this;
}

AtomicFile::~AtomicFile()
{
    discard();
}

void AtomicFile::discard()
{
    if (m_descriptor < 0)
        return;
    unlink(m_temporary.c_str());
    close(std::exchange(m_descriptor, -1));
}

Error AtomicFile::fail(ErrorCode code, const std::string& message)
{
    m_failure = Error{code, message, m_target};
    return *m_failure;
}

Status AtomicFile::write(std::span<const std::byte> bytes)
{
    if (m_failure)
        return *m_failure;
    if (m_descriptor < 0)
        return fail(ErrorCode::CannotWrite, "the file is already finished");
    while (!bytes.empty()) {
        const ssize_t n = ::write(m_descriptor, bytes.data(), std::min(bytes.size(), kMostPerWrite));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(errnoCode(errno), errnoText(errno));
        bytes = bytes.subspan(size_t(n));
        m_position += uint64_t(n);
    }
    return {};
}

Status AtomicFile::writeAt(uint64_t offset, std::span<const std::byte> bytes)
{
    if (m_failure)
        return *m_failure;
    if (m_descriptor < 0)
        return fail(ErrorCode::CannotWrite, "the file is already finished");
    while (!bytes.empty()) {
        const ssize_t n = pwrite(m_descriptor, bytes.data(), std::min(bytes.size(), kMostPerWrite), off_t(offset));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(errnoCode(errno), errnoText(errno));
        bytes = bytes.subspan(size_t(n));
        offset += uint64_t(n);
    }
    return {};
}

Status AtomicFile::write(std::string_view text)
{
    return write(std::as_bytes(std::span(text)));
}

Status AtomicFile::commit(const std::function<Status(const std::string& temporaryPath)>& verify)
{
    if (m_failure)
        return *m_failure;
    if (m_descriptor < 0)
        return fail(ErrorCode::CannotWrite, "the file is already finished");
    if (fsync(m_descriptor) != 0)
        return fail(errnoCode(errno), "the disk did not take the data: " + errnoText(errno));
    if (verify) {
        if (const Status status = verify(m_temporary); !status.ok()) {
            // Only the written file can fail to read back; a cancelled job or a changed source keep their own words.
            if (status.error().code == ErrorCode::Cancelled)
                return fail(ErrorCode::Cancelled, status.error().message);
            if (status.error().code == ErrorCode::FileChanged)
                return status.error();
            return fail(ErrorCode::VerifyFailed, "what was written does not read back: " + status.error().message);
        }
    }
    if (rename(m_temporary.c_str(), m_target.c_str()) != 0)
        return fail(errnoCode(errno), errnoText(errno));
    close(std::exchange(m_descriptor, -1));
    const int folder = open(folderOfPath(m_target).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) {
        const bool synced = fsync(folder) == 0 || errno == EINVAL;
        close(folder);
        if (!synced)
            return fail(ErrorCode::CannotWrite, "the folder could not be synced: " + errnoText(errno));
    }
    return {};
}

int AtomicFile::sweep(const std::string& folder, std::string_view what)
{
    int removed = 0;
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
        const std::string name = it->path().filename().string();
        if (!isTemporaryName(name) || name.find(what) == std::string::npos)
            continue;
        const std::string path = it->path().string();
        const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (descriptor < 0)
            continue;
        struct stat found = {};
        const bool known = fstat(descriptor, &found) == 0 && (S_ISREG(found.st_mode) || S_ISDIR(found.st_mode));
        if (known && flock(descriptor, LOCK_EX | LOCK_NB) == 0) {
            std::error_code failure;
            fs::remove_all(path, failure);
            removed += failure ? 0 : 1;
        }
        close(descriptor);
    }
    return removed;
}

Status writeFileAtomically(const std::string& target, std::string_view text)
{
    QL_TRY(auto file, AtomicFile::create(target, {}, text.size()));
    QL_CHECK(file.write(text));
    return file.commit();
}

Result<std::string> readWholeFile(const std::string& path, uint64_t limit)
{
    QL_TRY(const auto source, openFile(path, FileAccess::Read));
    if (source->size() > limit)
        return Error{ErrorCode::JsonTooLarge,
                     "larger than the " + std::to_string(limit) + " bytes that such a file may have", path};
    std::string text(source->size(), '\0');
    QL_CHECK(source->read(0, std::as_writable_bytes(std::span(text))));
    return text;
}

} // namespace ql
