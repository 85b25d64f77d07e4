// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// SuperBlock: 256 values of Q2_K, Q3_K, Q4_K, Q5_K, Q6_K or IQ4_XS: sub-blocks of 16 or 32 whose small integer scales
// (and minima) share one f16 factor. Encoded as ggml's file quantizer does (ggml-quants.c), with and without importance.
#pragma once

#include "core/quant/ggmlsearch.h"
#include "core/quant/groupquant.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace ql {

inline constexpr int kSuperBlock = 256;
/// Finite values are cut here, so that squares and cubes of them can be added.
inline constexpr float kLargestInSuperBlock = 1e9f;

struct SuperBlock {
    float scale = 0;   ///< as stored, rounded to f16
    float minimum = 0; ///< the same for minima, >= 0
    std::array<int8_t, 16> scales{};    ///< per sub-block
    std::array<uint8_t, 16> minimums{}; ///< per sub-block, of formats that have them
    std::array<uint8_t, kSuperBlock> codes{}; ///< as Codebook::levels number them

    /// What sub-block `index` reconstructs with: scale * scales[index], -minimum * minimums[index].
    GroupParameters group(int index) const;
};

bool isSuperBlock(Format format);
/// `weighted`: by importance.
SuperBlockRule superBlockRule(Format format, bool weighted);
/// `importance` of the 256 columns, or null. Outside ggml's own domain: NaN counts as 0, infinite values land on the
/// outermost codes, finite ones are cut at +-1e9, f16 factors at 65504.
SuperBlock encodeSuperBlock(Format format, const float* x, const float* importance);
/// Bytes of a superblock as its file format stores it; traits(format).blockBytes of them.
void packSuperBlock(Format format, const SuperBlock& block, std::byte* out);

} // namespace ql
