// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Checked size arithmetic: every number from a file passes here before it becomes an allocation or a pointer.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>

namespace ql {

inline std::optional<uint64_t> checkedAdd(uint64_t a, uint64_t b)
{
    uint64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? std::nullopt : std::optional(sum);
}

inline std::optional<uint64_t> checkedMul(uint64_t a, uint64_t b)
{
    uint64_t product = 0;
    return __builtin_mul_overflow(a, b, &product) ? std::nullopt : std::optional(product);
}

/// Smallest multiple of `alignment` (a power of two) that is >= `value`; nothing when that overflows.
inline std::optional<uint64_t> checkedAlign(uint64_t value, uint64_t alignment)
{
    if (!std::has_single_bit(alignment))
        return std::nullopt;
    const auto padded = checkedAdd(value, alignment - 1);
    return padded ? std::optional(*padded & ~(alignment - 1)) : std::nullopt;
}

/// Whether [offset, offset + length) lies in [0, size), without wrapping.
inline bool rangeInside(uint64_t offset, uint64_t length, uint64_t size)
{
    return offset <= size && length <= size - offset;
}

inline int64_t ceilDiv(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

} // namespace ql
