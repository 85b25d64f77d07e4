// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Kernel sources as embedded by EmbedKernels.cmake, and one program's source with its includes resolved.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ql
{

struct KernelFile {
    std::string_view name; ///< "statistics.cl"
    std::string_view text;
};
std::span<const KernelFile> kernelFiles();

/// The text of `name`, every `#include "x.cl"` replaced by that file the first time it occurs; empty if unknown.
std::string kernelSource(std::string_view name);

/// FNV-1a, 64 bits.
uint64_t hashText(std::string_view text);

} // namespace ql
