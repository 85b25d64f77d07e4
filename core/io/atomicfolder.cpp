// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/atomicfolder.h"

#include "core/io/atomicnames.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace fs = std::filesystem;

namespace ql {
namespace {

bool sameFile(const struct stat& a, const struct stat& b)
{
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

std::vector<fs::directory_entry> entriesOf(const std::string& folder)
{
    std::vector<fs::directory_entry> entries;
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
        entries.push_back(*it);
    return entries;
}

/// Whether a source lies in the folder or below it, or one of the folder's files is a source under another name.
Status checkSources(const std::string& target, const struct stat& folder, const std::vector<std::string>& sources)
{
    const Error isSource{ErrorCode::TargetIsSource, "this folder holds the model that is being read; choose another name",
                         target};
    const auto entries = entriesOf(target);
    for (const std::string& source : sources) {
        struct stat file = {};
        if (stat(source.c_str(), &file) != 0)
            continue;
        for (fs::path at = resolvedPath(source); at.has_relative_path(); at = at.parent_path()) {
            struct stat above = {};
            if (stat(at.c_str(), &above) == 0 && sameFile(above, folder))
                return isSource;
        }
        for (const auto& entry : entries) {
            struct stat other = {};
            if (stat(entry.path().c_str(), &other) == 0 && sameFile(other, file))
                return isSource;
        }
    }
    return {};
}

Status checkContent(const std::string& target, bool replace)
{
    const auto entries = entriesOf(target);
    if (entries.empty())
        return {};
    if (!replace)
        return Error{ErrorCode::CannotWrite,
                     "there is a folder of this name with something in it; choose another name or ask to replace it",
                     target};
    const bool filesOnly = std::all_of(entries.begin(), entries.end(), [](const auto& entry) {
        std::error_code ignored;
        return !entry.is_directory(ignored);
    });
    std::error_code ignored;
    if (!filesOnly || !fs::exists(fs::path(target) / "config.json", ignored))
        return Error{ErrorCode::CannotWrite, "this folder is not replaced: it does not look like a checkpoint", target};
    return {};
}

/// Nothing, or the folder that is there.
Status checkTarget(const std::string& target, const std::vector<std::string>& sources)
{
    struct stat existing = {};
    if (fs::path(target).filename().empty() || target == "." || target == "..")
        return Error{ErrorCode::CannotWrite, "this names no new folder", target};
    if (stat(target.c_str(), &existing) != 0)
        return {};
    if (!S_ISDIR(existing.st_mode))
        return Error{ErrorCode::CannotWrite, "this format writes a folder, and a file has this name; choose another",
                     target};
    return checkSources(target, existing, sources);
}

std::string withoutSlash(std::string path)
{
    while (path.size() > 1 && path.ends_with('/'))
        path.pop_back();
    return path;
}

} // namespace

Status syncFolder(const std::string& folder)
{
    const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return {};
    const bool synced = fsync(descriptor) == 0 || errno == EINVAL;
    const int error = errno;
    close(descriptor);
    if (!synced)
        return Error{ErrorCode::CannotWrite, "the folder could not be synced: " + errnoText(error), folder};
    return {};
}

Result<AtomicFolder> AtomicFolder::create(const std::string& target, const std::vector<std::string>& sources,
                                          uint64_t expectedBytes, bool replace)
{
    AtomicFolder folder;
    folder.m_target = resolvedPath(withoutSlash(target));
    folder.m_replace = replace;
    QL_CHECK(checkTarget(folder.m_target, sources));
    QL_CHECK(checkContent(folder.m_target, replace));
    QL_CHECK(checkFreeSpace(folderOfPath(folder.m_target), expectedBytes, folder.m_target));
    QL_CHECK(folder.createTemporary());
    return folder;
}

Status AtomicFolder::createTemporary()
{
    for (int attempt = 0; attempt < 100; ++attempt) {
        const std::string name = temporaryName(m_target);
        if (mkdir(name.c_str(), 0777) != 0) {
            if (errno == EEXIST)
                continue;
            return Error{errnoCode(errno), "cannot create a folder here: " + errnoText(errno), m_target};
        }
        m_temporary = name;
        m_descriptor = open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        // The lock tells a sweep that the owner lives; one may have come between creating and locking.
        struct stat mine = {}, named = {};
        // Where there are no locks, no sweep takes one either.
        const bool locked = m_descriptor >= 0 && flock(m_descriptor, LOCK_EX) == 0;
        if (m_descriptor >= 0 && fstat(m_descriptor, &mine) == 0 &&
            (!locked || (stat(name.c_str(), &named) == 0 && sameFile(mine, named))))
            return {};
        if (m_descriptor >= 0)
            close(std::exchange(m_descriptor, -1));
    }
    return Error{ErrorCode::CannotWrite, "cannot create a temporary folder here", m_target};
}

AtomicFolder::AtomicFolder(AtomicFolder&& other) noexcept
    : m_target(std::move(other.m_target)), m_temporary(std::exchange(other.m_temporary, {})),
      m_replace(other.m_replace), m_descriptor(std::exchange(other.m_descriptor, -1))
{
}

AtomicFolder::~AtomicFolder()
{
    discard();
}

void AtomicFolder::discard()
{
    if (m_descriptor < 0)
        return;
    std::error_code ignored;
    fs::remove_all(m_temporary, ignored);
    close(std::exchange(m_descriptor, -1));
}

Status AtomicFolder::commit(const std::function<Status(const std::string& temporaryPath)>& verify)
{
    QL_CHECK(syncFolder(m_temporary));
    if (const Status status = verify(m_temporary); !status.ok()) {
        const ErrorCode code = status.error().code;
        if (code == ErrorCode::Cancelled || code == ErrorCode::FileChanged || code == ErrorCode::VerifyFailed)
            return status;
        return Error{ErrorCode::VerifyFailed, "what was written does not read back: " + status.error().text(), m_target};
    }
    QL_CHECK(publish());
    return syncFolder(folderOfPath(m_target));
}

Status AtomicFolder::publish()
{
    // An empty folder of that name gives way; one with content does not, unless it is exchanged.
    if (rename(m_temporary.c_str(), m_target.c_str()) == 0) {
        close(std::exchange(m_descriptor, -1));
        return {};
    }
    if (errno != ENOTEMPTY && errno != EEXIST)
        return Error{errnoCode(errno), errnoText(errno), m_target};
    QL_CHECK(checkContent(m_target, m_replace));
    if (renameat2(AT_FDCWD, m_temporary.c_str(), AT_FDCWD, m_target.c_str(), RENAME_EXCHANGE) != 0)
        return Error{ErrorCode::CannotWrite,
                     "this file system cannot exchange folders (" + errnoText(errno) + "); remove the old one first",
                     m_target};
    discard();
    return {};
}

Status openSharedFolder(const std::string& target, const std::vector<std::string>& sources, uint64_t expectedBytes)
{
    const std::string folder = resolvedPath(withoutSlash(target));
    QL_CHECK(checkTarget(folder, sources));
    QL_CHECK(checkFreeSpace(folderOfPath(folder), expectedBytes, folder));
    if (mkdir(folder.c_str(), 0777) != 0 && errno != EEXIST)
        return Error{errnoCode(errno), "cannot create this folder: " + errnoText(errno), folder};
    return {};
}

} // namespace ql
