// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What the GGML kernel takes and gives: sixteen blocks of 32 values at a time.
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

} // namespace ql::simd
