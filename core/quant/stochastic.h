// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Counter-based random numbers for stochastic rounding: a value depends only on the seed and on the flat index in the
// tensor (row * cols + col), so every device and any order of work gives the same bytes. 32-bit arithmetic only.
#pragma once

#include <cstdint>

namespace ql {

/// A bijection of 32 bits with low bias (Wellons, "lowbias32").
constexpr uint32_t mix32(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    x ^= x >> 16;
    return x;
}

/// What a seed becomes; computed once on the host and handed to kernels.
struct StochasticKey {
    uint32_t first = 0;
    uint32_t second = 0;

    constexpr explicit StochasticKey(uint64_t seed)
        : first(mix32(uint32_t(seed) + 0x9e3779b9u)), second(mix32(uint32_t(seed >> 32) ^ first))
    {
    }
};

/// Uniform in [0, 1): the upper 24 bits of mix32(mix32(low ^ first) + second + high * 0x9e3779b9), times 2^-24.
constexpr float stochasticUniform(StochasticKey key, uint64_t index)
{
    const uint32_t inner = mix32(uint32_t(index) ^ key.first);
    const uint32_t hash = mix32(inner + key.second + uint32_t(index >> 32) * 0x9e3779b9u);
    return float(hash >> 8) * 0x1p-24f;
}

} // namespace ql
