// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The scheme table: one row per format. Menus, tests, benchmarks, command-line help and documentation iterate it;
// adding a format is a row here, its reference functions and one kernel.
#pragma once

#include "core/quant/scheme.h"

#include <optional>
#include <span>
#include <string_view>

namespace ql {

enum class FormatKind : uint8_t {
    Keep,     ///< no grid: stored as a float type
    Integer,  ///< uniform grid, scale and optional zero point per group
    Codebook, ///< 16 levels times a scale per group
    Float8,   ///< 8-bit floats times a scale per group
    Micro,    ///< OCP microscaling: fixed group and scale type (MXFP4, NVFP4)
    Ggml,     ///< fixed GGML block layout
};

struct FormatTraits {
    Format format;
    std::string_view name;    ///< in scheme texts: "int4", "nf4", "q4_0"
    std::string_view label;   ///< in menus: "INT4", "NF4", "Q4_0"
    std::string_view section; ///< menu group: "Integers", "4-bit codebooks", "Floating point", "GGML", "Keep"
    FormatKind kind;
    int bits;         ///< of one code
    int blockSize;    ///< fixed group size, 0 where the user chooses
    int blockBytes;   ///< bytes of one fixed block as stored, 0 where the user chooses
    std::string_view summary; ///< one sentence for tooltips
    std::string_view source;  ///< where the definition comes from
    // What may be chosen; the rest is fixed by the format.
    bool choosesSymmetry, choosesRange, choosesGranularity, choosesClip, choosesRounding, choosesScaleType,
        choosesDoubleQuant;
};

std::span<const FormatTraits> schemeTable();
const FormatTraits& traits(Format format);
std::optional<Format> formatFromName(std::string_view name);

/// Storage bits per weight of `scheme` on a rows x cols matrix: codes, scales, zero points, second-level scales and
/// padding of the last group, as the packed layouts of packing.h store them.
double bitsPerWeight(const Scheme& scheme, int64_t rows, int64_t cols);
uint64_t storedBytes(const Scheme& scheme, int64_t rows, int64_t cols);
/// Nothing when `scheme` can be applied to such a matrix, else why not (SchemeConflict): a GGML block that does not
/// divide the row, for example.
Status applicable(const Scheme& scheme, int64_t rows, int64_t cols);

} // namespace ql
