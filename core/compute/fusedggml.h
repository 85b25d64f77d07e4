// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// FusedGgml: GGML block formats on vector kernels, sixteen blocks at a time, with the bytes of the scalar quantizer.
// Immutable; blocks with NaN, Inf or extreme magnitudes go to the reference.
#pragma once

#include "core/compute/tiles.h"
#include "core/quant/quantizer.h"

#include <optional>

namespace ql {

/// Where blocks also go, from the range's first value and block on; null members are skipped.
struct GgmlOutput {
    uint8_t* codes = nullptr;
    float* scales = nullptr;
    float* mins = nullptr;
    std::byte* blocks = nullptr;
};

class FusedGgml
{
public:
    /// Nothing for other formats, superblocks and weighted searches.
    static std::optional<FusedGgml> create(const simd::Kernels& kernels, const TensorParameters& parameters);

    /// Ranges begin at whole blocks.
    static constexpr int64_t kUnit = 32;
    /// Quantizes, reconstructs and compares; adds to `metrics`, which may be null (bytes and bits per weight are left
    /// alone).
    void measure(simd::Source x, int64_t count, const GgmlOutput& out, ErrorMetrics* metrics) const;

private:
    FusedGgml(const simd::Kernels& kernels, const TensorParameters& parameters);
    struct Tables;
    bool encode(const float* x, int64_t firstBlock, const GgmlOutput& out, bool count, Tables& tables) const;
    void addTables(const Tables& tables, ErrorMetrics& metrics) const;
    void encodeByReference(const float* x, int64_t blocks, int64_t firstBlock, const GgmlOutput& out,
                           ErrorMetrics* metrics) const;

    const simd::Kernels* m_kernels;
    TensorParameters m_parameters;
    GroupQuantizer m_group;
    simd::GgmlRule m_rule;
    std::optional<simd::LookupCode> m_lookup;
};

} // namespace ql
