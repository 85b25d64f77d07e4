// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Stored bytes to f32, for every decodable DType; GGML blocks after formats published with ggml (ggml-quants).
#pragma once

#include "core/tensor/dtype.h"

#include <cstddef>
#include <span>

namespace ql {

/// Decodes out.size() values from `bytes`, which must hold exactly that many (whole blocks). False if the type cannot
/// be decoded or the sizes disagree. Integers and booleans convert to the nearest f32; C64 is not decodable.
bool decodeToFloat(DType type, std::span<const std::byte> bytes, std::span<float> out);

} // namespace ql
