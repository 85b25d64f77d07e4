// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// GGML blocks to f32, with the arithmetic order of ggml's dequantize_row_* functions, so that values are equal bit for
// bit. Stateless; any thread.
#pragma once

#include "core/tensor/dtype.h"

#include <cstddef>
#include <span>

namespace ql {

/// Decodes whole blocks; out.size() values. False if the type is not a decodable GGML block or the sizes disagree.
/// NVFP4 is decoded without the per-tensor factor, which GGUF keeps in a tensor of its own.
bool decodeGgmlBlocks(DType type, std::span<const std::byte> bytes, std::span<float> out);

} // namespace ql
