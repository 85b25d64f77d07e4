// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Shape: dimensions outermost first, row-major, as in safetensors and PyTorch (GGUF dims are reversed on reading).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ql {

using Shape = std::vector<int64_t>;

/// Product of the dimensions (1 for a scalar); nothing on overflow or a negative dimension.
std::optional<uint64_t> elementCount(const Shape& shape);
/// "[4096, 11008]"
std::string toString(const Shape& shape);

} // namespace ql
