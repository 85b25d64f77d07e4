// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Split GGUF models: PREFIX-00001-of-00003.gguf and its siblings, as llama.cpp's gguf-split writes them. The keys
// split.no (from 0), split.count and split.tensors.count say what belongs together.
#pragma once

#include "core/io/gguf.h"

namespace ql {

struct GgufSplitName {
    std::string prefix; ///< path up to the first dash
    int number = 0;     ///< from 1
    int count = 0;
    bool operator==(const GgufSplitName&) const = default;
};

/// Nothing when the path does not end in -NNNNN-of-NNNNN.gguf with 1 <= number <= count.
std::optional<GgufSplitName> parseSplitName(std::string_view path);
std::string splitPath(const GgufSplitName& name);

/// All parts in order, whichever of them `part` is; `part` alone when it is not split. FileNotFound names a missing
/// part; SplitInconsistent when names, keys and counts contradict each other; DuplicateTensor across parts.
Result<std::vector<GgufFile>> openSplit(GgufFile part, FileAccess access);

} // namespace ql
