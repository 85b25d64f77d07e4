// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The reference quantizers of ggml (ggml-quants.c) for Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 and IQ4_NL, as its file quantizer
// runs them, with and without an importance matrix: codes come from the unrounded f32 scale, the f16 scale is stored.
// Outside ggml's own domain: NaN counts as 0 in the codes, Inf lands on the outermost code, scales come from finite
// values only, f16 scales and minima stop at +-65504, and a scale whose inverse is not finite gives the codes of 0.
#pragma once

#include "core/quant/ggmlsearch.h"
#include "core/quant/groupquant.h"

#include <array>
#include <cstddef>

namespace ql {

inline constexpr int kGgmlBlock = 32;

/// One block of 32 values. `parameters.inverse` and `codeMinimum` are those that the codes came from, unrounded;
/// `parameters.scale` and `.minimum` are the stored f16 values.
struct GgmlBlock {
    GroupParameters parameters;
    float codeMinimum = 0;
    std::array<uint8_t, kGgmlBlock> codes{}; ///< as Codebook::levels number them; Q8_0 two's complement
};

/// Importance of the columns of blocks that follow each other. Null: unweighted; Q8_0 never is weighted.
struct BlockImportance {
    const float* columns = nullptr;
    float rowMeanSquare = 0; ///< of the whole row that they lie in
};
/// Sum of squares of the finite values, divided by `count`; in f32, in order.
float meanSquareOf(const float* x, int64_t count);

/// Without importance.
GgmlBlock encodeGgmlBlock(Format format, const float* x);
/// Blocks of one row; the scales that are searched are searched sixteen at a time.
void encodeGgmlBlocks(Format format, const float* x, const BlockImportance& importance, std::span<GgmlBlock> blocks,
                      const GroupSearcher& searcher);
/// Bytes of a block as its file format stores it; traits(format).blockBytes of them.
void packGgmlBlock(Format format, const GgmlBlock& block, std::byte* out);

} // namespace ql
