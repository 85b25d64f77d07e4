// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/export/exportnote.h"

#include "core/export/checkpointparts.h"
#include "core/export/ggufexport.h"
#include "core/io/atomicfile.h"
#include "core/io/atomicnames.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace fs = std::filesystem;

namespace ql {
namespace {

constexpr std::string_view kSuffix = ".export";
constexpr uint64_t kLongestNote = 1 << 16;

std::string machineName()
{
    std::array<char, 256> name{};
    return gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : std::string();
}

/// Whether nobody holds the note; if so, it is locked now.
bool lockAbandoned(int descriptor)
{
    return flock(descriptor, LOCK_EX | LOCK_NB) == 0;
}

/// Two lines and the folder, which may have any byte in its name.
std::string noteText(const ExportPlace& place)
{
    return machineName() + '\n' + place.names + '\n' + place.folder;
}

/// The place in a note of this machine; nothing of others, and an empty folder where the note is broken.
std::optional<ExportPlace> readNote(const std::string& path)
{
    const auto text = readWholeFile(path, kLongestNote);
    const size_t first = text.ok() ? text->find('\n') : std::string::npos;
    const size_t second = first == std::string::npos ? first : text->find('\n', first + 1);
    if (second == std::string::npos)
        return ExportPlace{};
    if (text->substr(0, first) != machineName())
        return std::nullopt;
    return ExportPlace{text->substr(second + 1), text->substr(first + 1, second - first - 1)};
}

} // namespace

ExportPlace exportPlace(const std::string& target, const ExportOptions& options)
{
    std::string path = target;
    while (path.size() > 1 && path.ends_with('/'))
        path.pop_back();
    path = resolvedPath(path);
    if (options.part == 0 && !options.merge)
        return {folderOfPath(path), {}};
    if (exportsFolder(options.format))
        return {path, options.merge ? std::string() : partMark(options.part, options.parts), true};
    return {folderOfPath(path), '.' + fs::path(ggufTarget(path, options)).filename().string() + '.', true};
}

ExportNote::ExportNote(const std::string& notesFolder, const std::string& target, const ExportOptions& options)
{
    std::error_code error;
    if (notesFolder.empty() || (fs::create_directories(notesFolder, error), error))
        return;
    const std::string text = noteText(exportPlace(target, options));
    for (int number = 0; number < 100 && m_descriptor < 0; ++number) {
        m_path = notesFolder + '/' + std::to_string(getpid()) + '-' + std::to_string(number) + std::string(kSuffix);
        m_descriptor = open(m_path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (m_descriptor < 0 && errno != EEXIST)
            return;
        // A sweep may have come between creating and locking.
        struct stat mine = {};
        const bool held = m_descriptor >= 0 && lockAbandoned(m_descriptor) && fstat(m_descriptor, &mine) == 0 &&
                          mine.st_nlink > 0;
        if (m_descriptor >= 0 && !held)
            close(std::exchange(m_descriptor, -1));
    }
    // A note that is cut names no place, or one that is not there.
    [[maybe_unused]] const ssize_t written = m_descriptor < 0 ? 0 : write(m_descriptor, text.data(), text.size());
}

ExportNote::~ExportNote()
{
    if (m_descriptor < 0)
        return;
    unlink(m_path.c_str());
    close(m_descriptor);
}

int sweepKilledExports(const std::string& notesFolder)
{
    int removed = 0;
    std::error_code error;
    for (fs::directory_iterator it(notesFolder, error), end; !error && it != end; it.increment(error)) {
        const std::string path = it->path().string();
        if (!path.ends_with(kSuffix))
            continue;
        const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (descriptor < 0)
            continue;
        if (lockAbandoned(descriptor)) {
            if (const auto place = readNote(path)) {
                removed += place->folder.empty() ? 0 : AtomicFile::sweep(place->folder, place->names);
                unlink(path.c_str());
            }
        }
        close(descriptor);
    }
    return removed;
}

} // namespace ql
