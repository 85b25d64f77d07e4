// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What a search may choose from, and the texts that say so: schemes, group sizes, clip methods, sizes in bytes.
#pragma once

#include "core/quant/scheme.h"

#include <span>
#include <vector>

namespace ql {

/// The format as a search tries it: its usual settings, integers clipped by MSE.
Scheme candidateOf(Format format);
/// Every integer format of the scheme table and NF4.
std::vector<Scheme> defaultCandidates();
/// "int4,group=32;int8,channel;nf4". Errors of Scheme::parse naming the candidate; EmptySelection without any.
Result<std::vector<Scheme>> parseCandidates(std::string_view text);
/// Each scheme with each group size and each clip method ("mse", "percentile:99.9"), where its format lets one choose;
/// an empty list leaves what the scheme has. Doubles are left out. SchemeBadOption and SchemeConflict.
Result<std::vector<Scheme>> crossCandidates(std::span<const Scheme> schemes, std::span<const int> groupSizes,
                                            std::span<const std::string> clips);

/// Bytes: "1.5GB" and "800 MB" are decimal, "1.5GiB" binary; units up to T, in any case; without one, bytes.
/// InvalidArgument naming the text.
Result<uint64_t> parseByteSize(std::string_view text);

} // namespace ql
