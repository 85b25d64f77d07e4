// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/quant/schemetable.h"

#include "core/base/checked.h"

#include <array>
#include <string>
#include <utility>

namespace ql {

namespace {

/// A format that fixes everything.
constexpr FormatTraits fixedFormat(Format format, std::string_view name, std::string_view label,
                                   std::string_view section, FormatKind kind, int bits, int size, int bytes,
                                   std::string_view summary, std::string_view source)
{
    FormatTraits row{};
    row.format = format;
    row.name = name;
    row.label = label;
    row.section = section;
    row.kind = kind;
    row.bits = bits;
    row.blockSize = row.groupSize = size;
    row.blockBytes = bytes;
    row.summary = summary;
    row.source = source;
    return row;
}

/// The same row with groups, clipping, rounding and scales left to the user; integers choose zero points and range too.
constexpr FormatTraits choosable(FormatTraits row)
{
    row.choosesSymmetry = row.choosesRange = row.kind == FormatKind::Integer;
    row.choosesGranularity = row.choosesClip = row.choosesRounding = true;
    row.choosesScaleType = row.choosesDoubleQuant = true;
    return row;
}

constexpr FormatTraits keep(Format format, std::string_view name, std::string_view label, int bits,
                            std::string_view summary)
{
    return fixedFormat(format, name, label, "Keep", FormatKind::Keep, bits, 0, 0, summary, "IEEE 754; bfloat16");
}

constexpr FormatTraits integer(Format format, std::string_view name, std::string_view label, int bits,
                               std::string_view summary)
{
    return choosable(fixedFormat(format, name, label, "Integers", FormatKind::Integer, bits, 0, 0, summary,
                                 "Uniform affine quantization (Jacob et al. 2018)"));
}

constexpr FormatTraits codebook(Format format, std::string_view name, std::string_view label, std::string_view summary,
                                std::string_view source)
{
    return choosable(
        fixedFormat(format, name, label, "4-bit codebooks", FormatKind::Codebook, 4, 0, 0, summary, source));
}

constexpr FormatTraits float8(Format format, std::string_view name, std::string_view label, std::string_view summary)
{
    return choosable(fixedFormat(format, name, label, "Floating point", FormatKind::Float8, 8, 0, 0, summary,
                                 "OCP 8-bit Floating Point Specification (Micikevicius et al. 2022)"));
}

constexpr FormatTraits ggml(Format format, std::string_view name, std::string_view label, int bits, int bytes,
                            std::string_view summary)
{
    return fixedFormat(format, name, label, "GGML", FormatKind::Ggml, bits, 32, bytes, summary, "ggml, ggml-quants.c");
}

constexpr FormatTraits withMinimum(FormatTraits row)
{
    row.hasMinimum = true;
    return row;
}

/// ggml's quantizer can weigh the errors of its columns.
constexpr FormatTraits weighable(FormatTraits row)
{
    row.choosesImportance = true;
    return row;
}

/// 256 values in sub-blocks whose scales share one factor.
constexpr FormatTraits superBlock(Format format, std::string_view name, std::string_view label, int bits, int size,
                                  int bytes, std::string_view summary)
{
    FormatTraits row = weighable(ggml(format, name, label, bits, bytes, summary));
    row.blockSize = 256;
    row.groupSize = size;
    return row;
}

constexpr std::array<FormatTraits, 31> kTable{{
    keep(Format::F32, "f32", "F32", 32, "32-bit floats, nothing is lost."),
    keep(Format::F16, "f16", "F16", 16, "Half precision: 10 fraction bits, largest value 65504."),
    keep(Format::BF16, "bf16", "BF16", 16, "bfloat16: the range of F32 with 7 fraction bits."),
    integer(Format::Int2, "int2", "INT2", 2, "Three or four evenly spaced levels."),
    integer(Format::Int3, "int3", "INT3", 3, "Seven or eight evenly spaced levels."),
    integer(Format::Int4, "int4", "INT4", 4, "15 or 16 evenly spaced levels; the usual weight format of GPTQ and AWQ."),
    integer(Format::Int5, "int5", "INT5", 5, "31 or 32 evenly spaced levels."),
    integer(Format::Int6, "int6", "INT6", 6, "63 or 64 evenly spaced levels."),
    integer(Format::Int7, "int7", "INT7", 7, "127 or 128 evenly spaced levels."),
    integer(Format::Int8, "int8", "INT8", 8, "255 or 256 evenly spaced levels; close to lossless for weights."),
    codebook(Format::NF4, "nf4", "NF4", "16 quantiles of a normal distribution, as published with QLoRA.",
             "Dettmers et al. 2023, QLoRA; bitsandbytes"),
    codebook(Format::NF4Quantile, "nf4-quantile", "NF4 midpoint quantiles",
             "The quantiles at (i + 1/2) / 16 of a normal distribution, scaled to 1; has no zero.",
             "Definition by midpoint quantiles of N(0,1)"),
    codebook(Format::NF4Sym15, "nf4-sym15", "NF4 symmetric, 15 levels",
             "The symmetric 15-level table that circulates in tutorials.", "Tutorials; not the table of QLoRA"),
    codebook(Format::FP4, "fp4", "FP4 (bitsandbytes)", "4-bit floats with the magnitudes and codes of bitsandbytes.",
             "bitsandbytes, csrc/kernels.cu"),
    codebook(Format::E2M1, "e2m1", "E2M1", "4-bit floats: magnitudes 0, 0.5, 1, 1.5, 2, 3, 4, 6.",
             "OCP Microscaling Formats (MX) Specification 1.0"),
    float8(Format::FP8E4M3, "fp8-e4m3", "FP8 E4M3", "8-bit floats with 3 fraction bits, largest value 448."),
    float8(Format::FP8E5M2, "fp8-e5m2", "FP8 E5M2", "8-bit floats with 2 fraction bits, largest value 57344."),
    fixedFormat(Format::MXFP4, "mxfp4", "MXFP4", "Floating point", FormatKind::Micro, 4, 32, 17,
                "E2M1 with one power-of-two scale per 32 values.", "OCP MX Specification 1.0; block layout of ggml"),
    fixedFormat(Format::NVFP4, "nvfp4", "NVFP4", "Floating point", FormatKind::Micro, 4, 16, 9,
                "E2M1 with one E4M3 scale per 16 values and one F32 factor per tensor.",
                "NVIDIA ModelOpt; block layout of ggml"),
    weighable(ggml(Format::Q4_0, "q4_0", "Q4_0", 4, 18,
                   "16 levels, F16 scale per 32 values whose sign follows the largest value.")),
    weighable(withMinimum(ggml(Format::Q4_1, "q4_1", "Q4_1", 4, 20,
                               "16 levels between the minimum and the maximum of 32 values."))),
    weighable(ggml(Format::Q5_0, "q5_0", "Q5_0", 5, 22,
                   "32 levels, F16 scale per 32 values whose sign follows the largest value.")),
    weighable(withMinimum(ggml(Format::Q5_1, "q5_1", "Q5_1", 5, 24,
                               "32 levels between the minimum and the maximum of 32 values."))),
    ggml(Format::Q8_0, "q8_0", "Q8_0", 8, 34, "255 levels, F16 scale per 32 values."),
    weighable(ggml(Format::IQ4_NL, "iq4_nl", "IQ4_NL", 4, 18,
                   "16 unevenly spaced levels, scale found by a weighted search.")),
    withMinimum(superBlock(Format::Q2_K, "q2_k", "Q2_K", 2, 16, 84,
                           "4 levels; 16 sub-blocks of 16 values with 4-bit scales and minima.")),
    superBlock(Format::Q3_K, "q3_k", "Q3_K", 3, 16, 110, "8 levels; 16 sub-blocks of 16 values with 6-bit scales."),
    withMinimum(superBlock(Format::Q4_K, "q4_k", "Q4_K", 4, 32, 144,
                           "16 levels; 8 sub-blocks of 32 values with 6-bit scales and minima.")),
    withMinimum(superBlock(Format::Q5_K, "q5_k", "Q5_K", 5, 32, 176,
                           "32 levels; 8 sub-blocks of 32 values with 6-bit scales and minima.")),
    superBlock(Format::Q6_K, "q6_k", "Q6_K", 6, 16, 210, "64 levels; 16 sub-blocks of 16 values with 8-bit scales."),
    superBlock(Format::IQ4_XS, "iq4_xs", "IQ4_XS", 4, 32, 136,
               "The 16 uneven levels of IQ4_NL; 8 sub-blocks of 32 values with 6-bit scales."),
}};

constexpr bool tableInOrder()
{
    for (size_t i = 0; i < kTable.size(); ++i) {
        if (kTable[i].format != Format(i))
            return false;
    }
    return true;
}
static_assert(tableInOrder() && kTable.size() == size_t(Format::IQ4_XS) + 1, "one row per format, in enum order");

int scaleBits(ScaleType type)
{
    switch (type) {
    case ScaleType::F32:
        return 32;
    case ScaleType::F16:
    case ScaleType::BF16:
        return 16;
    case ScaleType::E8M0:
    case ScaleType::E4M3:
        return 8;
    }
    return 0;
}

uint64_t groupCount(const Scheme& scheme, int64_t rows, int64_t cols)
{
    switch (scheme.granularity) {
    case Granularity::Tensor:
        return 1;
    case Granularity::Channel:
        return uint64_t(rows);
    case Granularity::Group:
        return uint64_t(rows) * uint64_t(ceilDiv(cols, scheme.groupSize));
    }
    return 0;
}

uint64_t scaleBytes(const Scheme& scheme, uint64_t groups)
{
    if (scheme.doubleQuant)
        return groups + 4 * uint64_t(ceilDiv(int64_t(groups), 256)) + 4;
    const uint64_t tensorFactor = scheme.scaleType == ScaleType::E4M3 ? 4 : 0;
    return groups * uint64_t(scaleBits(scheme.scaleType)) / 8 + tensorFactor;
}

} // namespace

std::span<const FormatTraits> schemeTable()
{
    return kTable;
}

const FormatTraits& traits(Format format)
{
    return kTable[size_t(format)];
}

std::optional<Format> formatFromName(std::string_view name)
{
    for (const FormatTraits& row : kTable) {
        if (row.name == name)
            return row.format;
    }
    return std::nullopt;
}

uint64_t storedBytes(const Scheme& scheme, int64_t rows, int64_t cols)
{
    if (rows <= 0 || cols <= 0)
        return 0;
    const FormatTraits& row = traits(scheme.format);
    if (row.blockBytes) {
        const uint64_t tensorFactor = scheme.format == Format::NVFP4 ? 4 : 0;
        return uint64_t(rows) * uint64_t(ceilDiv(cols, row.blockSize)) * uint64_t(row.blockBytes) + tensorFactor;
    }
    const uint64_t codes = uint64_t(rows) * uint64_t(ceilDiv(cols * row.bits, 8));
    if (row.kind == FormatKind::Keep)
        return codes;
    const uint64_t groups = groupCount(scheme, rows, cols);
    const bool zeros = scheme.symmetry == Symmetry::Asymmetric;
    return codes + scaleBytes(scheme, groups) + (zeros ? uint64_t(ceilDiv(int64_t(groups) * row.bits, 8)) : 0);
}

double bitsPerWeight(const Scheme& scheme, int64_t rows, int64_t cols)
{
    if (rows <= 0 || cols <= 0)
        return 0;
    return 8.0 * double(storedBytes(scheme, rows, cols)) / (double(rows) * double(cols));
}

Status applicable(const Scheme& scheme, int64_t rows, int64_t cols)
{
    QL_CHECK(scheme.check());
    const FormatTraits& row = traits(scheme.format);
    if (rows > 0 && row.blockSize && cols % row.blockSize != 0) {
        return Error{ErrorCode::SchemeConflict,
                     std::string(row.name) + " needs rows that are a multiple of " + std::to_string(row.blockSize) +
                         " values; these have " + std::to_string(cols),
                     {}};
    }
    return {};
}

std::optional<Scheme> narrowerBlocks(const Scheme& scheme, int64_t rows, int64_t cols)
{
    static constexpr std::array<std::pair<Format, Format>, 6> kNext{{{Format::Q2_K, Format::Q4_0},
                                                                     {Format::Q3_K, Format::Q4_0},
                                                                     {Format::Q4_K, Format::Q5_0},
                                                                     {Format::Q5_K, Format::Q5_1},
                                                                     {Format::Q6_K, Format::Q8_0},
                                                                     {Format::IQ4_XS, Format::IQ4_NL}}};
    for (const auto& [from, to] : kNext) {
        if (scheme.format != from)
            continue;
        Scheme next = Scheme::defaultsFor(to);
        next.importance = scheme.importance;
        next = next.normalized();
        if (applicable(next, rows, cols).ok())
            return next;
    }
    return std::nullopt;
}

} // namespace ql
