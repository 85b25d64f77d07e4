// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// AtomicFolder: a folder of files that appears under its name whole or not at all. Filled beside the target, synced,
// verified, then renamed; what was there before is exchanged for it in one step. AtomicFile::sweep() removes leftovers.
#pragma once

#include "core/base/result.h"

#include <functional>
#include <string>
#include <vector>

namespace ql {

class AtomicFolder
{
public:
    /// Creates ".NAME.quantloupe-XXXXXX.part" beside `target`. TargetIsSource when one of the files `sources` lies in
    /// `target` or below it, also through symbolic or hard links; CannotWrite when the target is a file, the folder
    /// beside it is not writable, or something is in the target already (unless `replace`, and then only what looks
    /// like a checkpoint: files alone, among them config.json); DiskFull when `expectedBytes` plus 5 % do not fit.
    static Result<AtomicFolder> create(const std::string& target, const std::vector<std::string>& sources,
                                       uint64_t expectedBytes, bool replace);
    AtomicFolder(AtomicFolder&& other) noexcept;
    AtomicFolder& operator=(AtomicFolder&& other) = delete;
    ~AtomicFolder(); ///< removes the temporary unless committed

    /// Path of the temporary, to put files into.
    const std::string& path() const { return m_temporary; }
    /// Syncs, lets `verify` look at the temporary, and gives the folder its name. VerifyFailed wraps what `verify`
    /// found wrong (Cancelled and FileChanged pass as they are); in every case of failure the old target stays.
    Status commit(const std::function<Status(const std::string& temporaryPath)>& verify);

private:
    AtomicFolder() = default;
    Status createTemporary();
    Status publish();
    void discard();

    std::string m_target;
    std::string m_temporary;
    bool m_replace = false;
    int m_descriptor = -1; ///< of the temporary folder; its lock says that the owner lives
};

/// What AtomicFolder::create checks of the target, for those who write into a folder that others share: creates it
/// when it is missing.
Status openSharedFolder(const std::string& target, const std::vector<std::string>& sources, uint64_t expectedBytes);

/// fsync of a folder, so that names in it last.
Status syncFolder(const std::string& folder);

} // namespace ql
