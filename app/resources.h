// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Where the program finds what comes with it, and where it keeps what it may lose.
#pragma once

#include "core/base/result.h"

#include <string>

namespace ql {

/// Folder or file "models/loupe-3m" of the resources: $QUANTLOUPE_RESOURCES, beside the executable
/// (../share/quantloupe), or the source tree it was built from. FileNotFound names the places tried.
Result<std::string> resourcePath(const std::string& relative);
/// Compiled OpenCL programs, under the user's cache folder; created when missing.
std::string kernelCacheFolder();
/// Where running exports say where they write (ExportNote), under the user's data folder.
std::string exportNotesFolder();

} // namespace ql
