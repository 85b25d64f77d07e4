// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/atomicfile.h"

#include "core/io/mappedfile.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <random>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace fs = std::filesystem;

namespace ql {
namespace {

constexpr std::string_view kMark = ".quantloupe-";
constexpr std::string_view kSuffix = ".part";
constexpr size_t kMostPerWrite = size_t(1) << 30;

std::string reason(int error)
{
    return std::generic_category().message(error);
}

ErrorCode codeFor(int error)
{
    return error == ENOSPC || error == EDQUOT ? ErrorCode::DiskFull : ErrorCode::CannotWrite;
}

/// Where a symbolic link leads, so that saving through a link keeps the link.
std::string resolved(const std::string& target)
{
    std::error_code error;
    const fs::path path = fs::weakly_canonical(target, error);
    return error ? target : path.string();
}

std::string folderOf(const std::string& path)
{
    const std::string folder = fs::path(path).parent_path().string();
    return folder.empty() ? "." : folder;
}

std::string randomLetters(size_t n)
{
    static constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789";
    std::random_device random;
    std::string letters;
    for (size_t i = 0; i < n; ++i)
        letters += kLetters[random() % kLetters.size()];
    return letters;
}

/// "/folder/.NAME.quantloupe-XXXXXX.part", NAME shortened so that it fits a directory entry.
std::string temporaryName(const std::string& target)
{
    const fs::path path(target);
    const std::string name = "." + path.filename().string().substr(0, 200) + std::string(kMark) + randomLetters(6) +
                             std::string(kSuffix);
    return (path.parent_path() / name).string();
}

bool isTemporary(const std::string& name)
{
    return name.starts_with('.') && name.ends_with(kSuffix) && name.find(kMark) != std::string::npos;
}

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

Status checkSpace(const std::string& target, uint64_t expectedBytes)
{
    struct statvfs space = {};
    if (statvfs(folderOf(target).c_str(), &space) != 0)
        return {};
    const auto available = double(space.f_bavail) * double(space.f_frsize);
    if (double(expectedBytes) * 1.05 > available)
        return Error{ErrorCode::DiskFull,
                     std::to_string(expectedBytes) +
                         " bytes do not fit on this disk; free some space or choose another folder",
                     target};
    return {};
}

} // namespace

Result<AtomicFile> AtomicFile::create(const std::string& target, const std::vector<std::string>& sources,
                                      uint64_t expectedBytes)
{
    AtomicFile file;
    file.m_target = resolved(target);
    if (fs::path(file.m_target).filename().empty())
        return Error{ErrorCode::CannotWrite, "this names no file", target};
    QL_CHECK(checkTarget(file.m_target, sources));
    QL_CHECK(checkSpace(file.m_target, expectedBytes));
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
            return Error{codeFor(errno), "cannot create a file in this folder: " + reason(errno), m_target};
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
            return fail(codeFor(errno), reason(errno));
        bytes = bytes.subspan(size_t(n));
        m_position += uint64_t(n);
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
        return fail(codeFor(errno), "the disk did not take the data: " + reason(errno));
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
        return fail(codeFor(errno), reason(errno));
    close(std::exchange(m_descriptor, -1));
    const int folder = open(folderOf(m_target).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) {
        const bool synced = fsync(folder) == 0 || errno == EINVAL;
        close(folder);
        if (!synced)
            return fail(ErrorCode::CannotWrite, "the folder could not be synced: " + reason(errno));
    }
    return {};
}

int AtomicFile::sweep(const std::string& folder)
{
    int removed = 0;
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
        if (!isTemporary(it->path().filename().string()))
            continue;
        const std::string path = it->path().string();
        const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (descriptor < 0)
            continue;
        struct stat found = {};
        if (fstat(descriptor, &found) == 0 && S_ISREG(found.st_mode) && flock(descriptor, LOCK_EX | LOCK_NB) == 0 &&
            unlink(path.c_str()) == 0)
            ++removed;
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
