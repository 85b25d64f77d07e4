// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Scheme: how one tensor is quantized. A small comparable value; its text form is used by the command line, policy
// files, tooltips and caches ("int4,group=128,clip=mse").
#pragma once

#include "core/base/result.h"

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace ql {

enum class Format : uint8_t {
    F32, F16, BF16,
    Int2, Int3, Int4, Int5, Int6, Int7, Int8,
    NF4, NF4Quantile, NF4Sym15, FP4, E2M1, FP8E4M3, FP8E5M2, MXFP4, NVFP4,
    Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_XS,
};

enum class Symmetry : uint8_t { Symmetric, Asymmetric };
/// Strict: codes [-Q, Q] with Q = 2^(b-1)-1. Full: all 2^b codes, scale = limit / ((2^b-1)/2).
enum class CodeRange : uint8_t { Strict, Full };
enum class Granularity : uint8_t { Tensor, Channel, Group };
/// Output is a wish that a calibration resolves to a Ratio (resolveOutputClip); nothing quantizes under it.
enum class ClipMethod : uint8_t { MinMax, Percentile, Mse, Kl, Sigma, Ratio, Absolute, Output };
enum class Rounding : uint8_t { Nearest, Stochastic };
enum class ScaleType : uint8_t { F32, F16, BF16, E8M0, E4M3 };

struct Scheme {
    Format format = Format::F16;
    Symmetry symmetry = Symmetry::Symmetric;
    CodeRange range = CodeRange::Strict;
    Granularity granularity = Granularity::Group;
    int groupSize = 128; ///< along a row; only meaningful for Granularity::Group
    ClipMethod clip = ClipMethod::MinMax;
    double clipParameter = 0; ///< percentile in % of |x| kept, sigmas, ratio, or absolute limit; 0 for other methods
    Rounding rounding = Rounding::Nearest;
    uint64_t seed = 0; ///< of stochastic rounding
    ScaleType scaleType = ScaleType::F16;
    bool doubleQuant = false; ///< scales themselves quantized to 8 bits in blocks of 256 (QLoRA)
    /// Errors weighted by the mean squared input of their column (option "imatrix"); nothing quantizes under it without
    /// TensorView::importance().
    bool importance = false;

    /// Canonical text: the format, then only what differs from that format's defaults, in fixed order.
    std::string text() const;
    /// SchemeSyntax, SchemeUnknownFormat, SchemeBadOption or SchemeConflict; the message names the option.
    static Result<Scheme> parse(std::string_view text);
    /// SchemeBadOption for a value out of range, SchemeConflict for options that the format does not take.
    Status check() const;
    /// The same scheme with every field that has no meaning here at its default (the group size of a per-channel
    /// scheme, the seed of nearest rounding ...); parse(text()) gives exactly this.
    Scheme normalized() const;
    /// The field's usual settings for a format (design: integers group 128 f16 scales; nf4/fp4 group 64 f32 scales).
    static Scheme defaultsFor(Format format);
    /// Whether values are kept or cast (f32, f16, bf16) and no grid exists.
    bool keepsFloat() const { return format <= Format::BF16; }

    friend bool operator==(const Scheme&, const Scheme&) = default;
    friend auto operator<=>(const Scheme&, const Scheme&) = default;
};

} // namespace ql
