// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Packed layouts: codes to the bytes that files hold, and back.
#pragma once

#include "core/quant/quantizedtensor.h"

#include <cstddef>
#include <span>
#include <vector>

namespace ql {

/// Dense LSB-first bitstream, `bits` per code (low bits of each byte of `codes`); the last byte is zero-padded.
/// 1..8 bits. It is the order of GPTQ, compressed-tensors, MLX and OCP E2M1 pairs (element 2i in the low nibble).
std::vector<std::byte> packBits(std::span<const uint8_t> codes, int bits);
/// `signExtend` restores two's complement codes.
std::vector<uint8_t> unpackBits(std::span<const std::byte> packed, int bits, size_t count, bool signExtend);
/// bitsandbytes order: first element in the high nibble; an odd tail is padded with 0.
std::vector<std::byte> packHighNibbleFirst(std::span<const uint8_t> codes);
std::vector<uint8_t> unpackHighNibbleFirst(std::span<const std::byte> packed, size_t count);

/// One row of a microscaling format in ggml's block layout. MXFP4: per 32 values the E8M0 byte, then 16 bytes whose low
/// nibbles hold values 0..15 and high nibbles 16..31. NVFP4: per 64 values four E4M3 bytes, then per 16 values 8 bytes
/// half-split in the same way; the last superblock of a row may hold fewer than four groups.
std::vector<std::byte> packMicroRow(Format format, std::span<const uint8_t> codes, std::span<const float> scales,
                                    float globalScale);

/// The bytes of one row's codes as the program's own files and the group inspector show them: fixed blocks for GGML and
/// microscaling formats, high nibble first for fp4 and the nf4 tables, dense bits otherwise. `row` counts from
/// q.firstRow.
std::vector<std::byte> packedRow(const QuantizedTensor& q, int64_t row);

} // namespace ql
