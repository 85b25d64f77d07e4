// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What the GGML kernels take and give: sixteen blocks or groups at a time.
#pragma once

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


/// A search for the scales (and minima) of sixteen groups; see core/quant/ggmlsearch.h.
struct SearchRule {
    enum Kind : uint8_t { Signed, Affine, Table };
    static constexpr int kGroups = 16;
    static constexpr int kMostValues = 32; ///< of one group
    Kind kind = Signed;
    int size = kMostValues;
    float top = 0; ///< highest code (Affine), or half the codes (Signed)
    float first = 0, step = 0; ///< of the scales that are tried (Affine)
    int last = 0;
    bool absolute = false;
};

/// Of group g; code i at codes[g * size + i], none for tables.
struct SearchedGroups {
    float scale[SearchRule::kGroups];
    float minimum[SearchRule::kGroups];
    uint8_t codes[SearchRule::kGroups * SearchRule::kMostValues];
};

} // namespace ql::simd
