// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// AtomicFile: a file that appears under its name whole or not at all. Written beside the target, synced, then renamed.
#pragma once

#include "core/base/result.h"

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ql {

class AtomicFile
{
public:
    /// Creates ".NAME.quantloupe-XXXXXX.part" beside `target`. TargetIsSource when `target` is one of `sources`, also
    /// through symbolic or hard links; CannotWrite when the folder is not writable; DiskFull when `expectedBytes` plus
    /// 5 % do not fit.
    static Result<AtomicFile> create(const std::string& target, const std::vector<std::string>& sources = {},
                                     uint64_t expectedBytes = 0);
    AtomicFile(AtomicFile&&) noexcept;
    AtomicFile& operator=(AtomicFile&&) noexcept;
    ~AtomicFile(); ///< removes the temporary unless committed

    Status write(std::span<const std::byte> bytes); ///< CannotWrite or DiskFull, once wrong always wrong
    Status write(std::string_view text);
    /// Anywhere in the file, which grows as needed; position() stays where it is.
    Status writeAt(uint64_t offset, std::span<const std::byte> bytes);
    uint64_t position() const { return m_position; }
    /// Path of the temporary, for verification before it is published.
    const std::string& temporaryPath() const { return m_temporary; }
    /// Syncs, lets `verify` reopen the temporary, renames over the target and syncs the folder. VerifyFailed wraps what
    /// `verify` found wrong (Cancelled passes as it is); in every case of failure the old target stays.
    Status commit(const std::function<Status(const std::string& temporaryPath)>& verify = {});

    /// Removes temporaries, files and folders, that a killed process left in `folder` (their owner no longer runs).
    /// Only those whose name contains `what`, where other machines with locks of their own write into the folder, too.
    static int sweep(const std::string& folder, std::string_view what = {});

private:
    AtomicFile() = default;
    Status createTemporary();
    Error fail(ErrorCode code, const std::string& message);
    void discard();

    std::string m_target;
    std::string m_temporary;
    int m_descriptor = -1;
    uint64_t m_position = 0;
    std::optional<Error> m_failure;
};

/// Writes a whole small file atomically.
Status writeFileAtomically(const std::string& target, std::string_view text);
/// Reads a whole file of at most `limit` bytes (FileNotFound, CannotOpen, JsonTooLarge, ReadFailed).
Result<std::string> readWholeFile(const std::string& path, uint64_t limit);

} // namespace ql
