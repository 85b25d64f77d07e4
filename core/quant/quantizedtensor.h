// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// QuantizedTensor: codes, scales and zero points of some rows of a matrix; what quantizers return and exporters write.
#pragma once

#include "core/quant/scheme.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ql {

struct QuantizedTensor {
    Scheme scheme;
    int64_t firstRow = 0; ///< of the matrix, when this is a slice of it
    int64_t rows = 0;
    int64_t cols = 0;
    int64_t groupSize = 0;    ///< values per group (sub-block of superblocks) along a row; rows * cols for per-tensor
    int64_t groupsPerRow = 0; ///< 0 for per-tensor
    /// One byte per value, row-major. Symmetric integers: two's complement. Asymmetric integers: 0..2^b-1. Codebooks:
    /// the format's own code number. Float8: the stored byte. GGML: the unpacked block code. Keep: empty.
    std::vector<uint8_t> codes;
    std::vector<float> scales; ///< per group, as reconstruction uses them (after rounding to the scale type)
    std::vector<float> mins;   ///< per group, formats with a minimum (Q4_1, Q2_K ...); else empty
    std::vector<int32_t> zeros;///< per group, asymmetric integers; else empty
    /// Double quantization: one 8-bit code per group, f32 scale per 256 groups, one offset (QLoRA, section 3).
    std::vector<uint8_t> scaleCodes;
    std::vector<float> scaleScales; ///< from the block of the first group here; blocks count through the tensor
    float scaleOffset = 0;
    float globalScale = 1; ///< per-tensor factor of E4M3 scales; `scales` already include it
    /// GGML and microscaling formats: the bytes exactly as their file formats store them. Kept floats: the stored
    /// values, little-endian. Else empty (see packing.h).
    std::vector<std::byte> blocks;
};

} // namespace ql
