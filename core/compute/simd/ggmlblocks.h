// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What the GGML kernels take and give: sixteen blocks or groups at a time.
#pragma once

#include "core/quant/searchrule.h"

#include <cstdint>

namespace ql::simd {

/// How a GGML block format makes codes; see encodeGgmlBlock().
struct GgmlRule {
    enum Kind : uint8_t { Signed, Minimum, Q8, Table };
    Kind kind = Signed;
    float half = 0;   ///< code of 0 (Signed)
    float offset = 0; ///< added before truncation
    float top = 0;    ///< highest code
    float clipLo = 0, clipHi = 0;
};

/// Sixteen encoded blocks; value i of block b at codes[i * 16 + b].
struct GgmlBlocks {
    static constexpr int kBlocks = 16;
    static constexpr int kValues = 32;
    float scale[kBlocks];   ///< as stored in f16
    float minimum[kBlocks]; ///< as stored in f16; 0 for formats without one
    uint8_t codes[kBlocks * kValues];
    uint64_t clipped = 0;
};

/// Of group g; code i at codes[g * size + i], none for tables.
struct SearchedGroups {
    static constexpr int kGroups = int(GroupSearch::kMostGroups);
    static constexpr int kMostValues = int(GroupSearch::kMostValues); ///< of one group
    float scale[kGroups];
    float minimum[kGroups];
    uint8_t codes[kGroups * kMostValues];
};

/// Sixteen superblocks, one per lane: value i of block b at codes[i * 16 + b], sub-block g at scales[g * 16 + b]. What
/// SuperBlock of core/quant/superblock.h holds.
struct SuperBlocks {
    static constexpr int kBlocks = 16;
    static constexpr int kValues = 256;
    static constexpr int kMostGroups = 16;
    float scale[kBlocks];
    float minimum[kBlocks];
    uint8_t scales[kMostGroups * kBlocks]; ///< two's complement
    uint8_t minimums[kMostGroups * kBlocks];
    uint8_t codes[kValues * kBlocks];
    uint64_t clipped = 0; ///< beyond the outermost levels by more than half a step
};

} // namespace ql::simd
