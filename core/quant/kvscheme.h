// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// KvScheme: how keys and values are stored in the cache. A small comparable value with a text form ("int8,token",
// "int4,keys=channel,segment=32,recent=128,first=4"). After KIVI (Liu et al. 2024) and KVQuant (Hooper et al. 2024).
#pragma once

#include "core/quant/scheme.h"

#include <string>
#include <string_view>

namespace ql {

struct KvScheme {
    /// Channel: one scale per head channel over a segment of tokens. Token: one scale per token and head.
    enum class KeyAxis : uint8_t { Token, Channel };

    Format format = Format::Int8;      ///< of keys, and of values unless valueFormat differs
    Format valueFormat = Format::Int8;
    Symmetry symmetry = Symmetry::Asymmetric;
    KeyAxis keys = KeyAxis::Token;     ///< values are always per token
    int groupSize = 0;                 ///< channels per scale within a head, per-token axes; 0: the whole head
    int segment = 32;                  ///< tokens that are quantized together; a segment stays in full precision until
                                       ///< all of it is older than `recent`
    int recent = 0;                    ///< newest tokens kept in full precision
    int first = 0;                     ///< first tokens of a sequence kept in full precision (attention sinks)

    /// Where the quantized positions [first, end) end when `length` positions are cached: whole segments, counted from
    /// `first`, whose tokens are all older than `recent`. `first` when there are none.
    int64_t quantizedEnd(int64_t length) const;
    /// Scales f32, nearest rounding; what one group of one head is quantized with.
    Scheme groupScheme(bool values) const;
    /// Bits per stored element in the long run, scales (f16) and zero points counted.
    double bitsPerElement(int headDim) const;

    /// Canonical text: FORMAT, then what differs from the defaults. Options: values=FORMAT, sym|asym, keys=token|channel,
    /// token (short for keys=token), group=N, segment=N, recent=N, first=N.
    std::string text() const;
    static Result<KvScheme> parse(std::string_view text); ///< errors as Scheme::parse
    Status check() const;
    /// Whether a cache can be stored so: integers, 4-bit codebooks, 8-bit floats.
    static bool takes(Format format);

    friend bool operator==(const KvScheme&, const KvScheme&) = default;
    friend auto operator<=>(const KvScheme&, const KvScheme&) = default;
};

} // namespace ql
