// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Files as byte sources: mapped read-only, or read piece by piece. A mapped file that shrinks while it is used does not
// end the program: its missing pages read as zeros and the source reports FileTruncated from then on.
#pragma once

#include "core/tensor/bytesource.h"

namespace ql {

/// Opens a regular file. FileNotFound, CannotOpen (folders, devices, pipes, missing permission) or ReadFailed. Where
/// mapping is impossible the file is read instead.
Result<std::shared_ptr<const ByteSource>> openFile(const std::string& path, FileAccess access = FileAccess::Map);

} // namespace ql
