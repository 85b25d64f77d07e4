// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What AtomicFile and AtomicFolder share: names of temporaries, room on the disk, errno as an error. Stateless.
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <optional>
#include <string>

namespace ql {

/// "/folder/.NAME.quantloupe-XXXXXX.part", NAME shortened so that it fits a directory entry.
std::string temporaryName(const std::string& target);
bool isTemporaryName(const std::string& name);

/// Where symbolic links lead, so that saving through a link keeps the link.
std::string resolvedPath(const std::string& target);
std::string folderOfPath(const std::string& path); ///< "." for a plain name

std::string errnoText(int error);
ErrorCode errnoCode(int error); ///< DiskFull or CannotWrite

/// Bytes that this user may still write where `path` lies or would lie, in the first of its folders that is there;
/// nullopt where the system does not tell.
std::optional<uint64_t> freeBytesAt(const std::string& path);
/// DiskFull when `expectedBytes` plus 5 % do not fit where `folder` is.
Status checkFreeSpace(const std::string& folder, uint64_t expectedBytes, const std::string& where);

} // namespace ql
