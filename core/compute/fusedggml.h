// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// FusedGgml: GGML blocks and superblocks on vector kernels, sixteen at a time, one per lane, with the bytes of the scalar
// quantizer. Immutable; blocks with NaN, Inf or extreme magnitudes go to the reference.
#pragma once

#include "core/compute/tiles.h"
#include "core/quant/quantizer.h"
#include "core/quant/searchrule.h"

#include <optional>

namespace ql {

/// Where codes, scales and blocks also go, from the range's first on; null members are skipped.
struct GgmlOutput {
    uint8_t* codes = nullptr;
    float* scales = nullptr;
    float* mins = nullptr;
    std::byte* blocks = nullptr;
};

class FusedGgml
{
public:
    /// Nothing for other formats, nor for blocks of 32 weighted by importance.
    static std::optional<FusedGgml> create(const simd::Kernels& kernels, const TensorParameters& parameters);

    /// Values of a block; ranges begin and end between blocks.
    int64_t unit() const { return m_blockSize; }
    /// Quantizes, reconstructs and compares `range` of the tensor, which lies at `x`; adds to `metrics`, which may be null
    /// (bytes and bits per weight are left alone).
    void measure(simd::Source x, ValueRange range, const GgmlOutput& out, ErrorMetrics* metrics) const;

private:
    FusedGgml(const simd::Kernels& kernels, const TensorParameters& parameters);
    struct Tables;
    /// Blocks that follow each other, at most sixteen.
    struct Batch {
        const float* x;
        int64_t blocks;
        int64_t first; ///< of the range's blocks
        int64_t value; ///< of the tensor
    };
    float largestOf(const float* x, int64_t count) const; ///< magnitude; Inf where a value is not finite
    /// Whether f32 sums of squares keep their digits.
    bool tame(const float* x, int64_t count, float most) const;
    bool encode(const Batch& batch, const GgmlOutput& out, Tables& tables) const;
    bool encodeSuper(const Batch& batch, const GgmlOutput& out, Tables& tables) const;
    void writeSuper(const simd::SuperBlocks& lanes, const Batch& batch, const GgmlOutput& out) const;
    void addTables(const Tables& tables, ErrorMetrics& metrics) const;
    const float* importanceAt(int64_t value) const;
    void encodeByReference(const Batch& batch, const GgmlOutput& out, ErrorMetrics* metrics) const;

    const simd::Kernels* m_kernels;
    TensorParameters m_parameters;
    GroupQuantizer m_group;
    int64_t m_blockSize;
    int64_t m_blockBytes;
    simd::GgmlRule m_rule;      ///< of blocks
    SuperBlockRule m_superRule; ///< of superblocks
    std::optional<simd::LookupCode> m_lookup;
};

} // namespace ql
