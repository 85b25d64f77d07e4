// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ActivationScheme: how the input of a linear layer is quantized while the network runs. A small comparable value; its
// text form is used by policies and the command line ("int8,token,asym", "int8,tensor,clip=percentile:99.9").
#pragma once

#include "core/quant/scheme.h"

#include <optional>
#include <string>
#include <string_view>

namespace ql {

struct ActivationScheme {
    /// Tensor and Channel are static: ranges come from a calibration. Token and Group are dynamic: each token (or each
    /// group of neighbouring channels of a token) gets its scale when it arrives.
    enum class Granularity : uint8_t { Tensor, Channel, Token, Group };
    /// How a static range is chosen, and how a dynamic one is clipped. Average: mean over calibration sequences of each
    /// sequence's extremes (static only). Absolute: set by hand, on the plot.
    enum class Range : uint8_t { MinMax, Average, Percentile, Mse, Kl, Absolute };

    Format format = Format::Int8;
    Symmetry symmetry = Symmetry::Symmetric;
    CodeRange codes = CodeRange::Strict;
    Granularity granularity = Granularity::Token;
    int groupSize = 128; ///< channels, for Granularity::Group
    Range range = Range::MinMax;
    double rangeParameter = 0; ///< percentile in %, or the absolute limit; 0 otherwise
    double rangeLow = 0;       ///< Absolute, asymmetric: the lower limit; 0 otherwise

    bool isStatic() const { return granularity == Granularity::Tensor || granularity == Granularity::Channel; }
    /// Scales are f32; the arithmetic of a group is GroupQuantizer's under this scheme (granularity and clip left out).
    Scheme groupScheme() const;

    /// Canonical text: FORMAT, then what differs from sym, range=strict, token, clip=minmax. Options: sym|asym,
    /// range=strict|full, tensor|channel|token|group=N, clip=minmax|average|percentile:P|mse|kl|abs:V|abs:LO:HI.
    std::string text() const;
    /// SchemeSyntax, SchemeUnknownFormat, SchemeBadOption, SchemeConflict (a float or GGML format, a dynamic average, KL
    /// for groups).
    static Result<ActivationScheme> parse(std::string_view text);
    Status check() const;
    /// Whether activations can be stored so: integers, 4-bit codebooks, 8-bit floats, MXFP4 (which is in groups).
    static bool takes(Format format);

    friend bool operator==(const ActivationScheme&, const ActivationScheme&) = default;
    friend auto operator<=>(const ActivationScheme&, const ActivationScheme&) = default;
};

} // namespace ql
