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
    int blockSize;    ///< values of one fixed block as stored, 0 where the user chooses
    int groupSize;    ///< values per scale: blockSize, or the sub-block of a superblock
    int blockBytes;   ///< bytes of one fixed block as stored, 0 where the user chooses
    std::string_view summary; ///< one sentence for tooltips
    std::string_view source;  ///< where the definition comes from
    bool hasMinimum;          ///< value = scale * level + minimum
    // What may be chosen; the rest is fixed by the format.
    bool choosesSymmetry, choosesRange, choosesGranularity, choosesClip, choosesRounding, choosesScaleType,
        choosesDoubleQuant, choosesImportance;
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
/// What llama.cpp's quantizer takes where superblocks do not divide a row: the next format with blocks of 32 (Q4_K: Q5_0,
/// Q5_K: Q5_1, Q6_K: Q8_0, IQ4_XS: IQ4_NL, others Q4_0). Nothing for other formats, or where that does not fit either.
std::optional<Scheme> narrowerBlocks(const Scheme& scheme, int64_t rows, int64_t cols);

} // namespace ql
