// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/quant/nearestggml.h"

#include "core/quant/schemetable.h"

#include <array>

namespace ql {
namespace {

constexpr int kBlock = 32;

/// Types to try, nearest first; the same twice where there is one only.
using Types = std::array<Format, 2>;

/// Superblocks pay for large groups; blocks of 32 have a scale, and a minimum or none.
Types integerTypes(const Scheme& wished, Format super, Format plain, Format withMinimum)
{
    const Format block = wished.symmetry == Symmetry::Symmetric ? plain : withMinimum;
    const bool small = wished.granularity == Granularity::Group && wished.groupSize <= kBlock;
    return small ? Types{block, block} : Types{super, block};
}

std::optional<Types> typesFor(const Scheme& wished)
{
    switch (wished.format) {
    case Format::Int2: return Types{Format::Q2_K, Format::Q4_0};
    case Format::Int3: return Types{Format::Q3_K, Format::Q4_0};
    case Format::Int4: return integerTypes(wished, Format::Q4_K, Format::Q4_0, Format::Q4_1);
    case Format::Int5: return integerTypes(wished, Format::Q5_K, Format::Q5_0, Format::Q5_1);
    case Format::Int6: return Types{Format::Q6_K, Format::Q8_0};
    case Format::Int7:
    case Format::Int8:
    case Format::FP8E4M3:
    case Format::FP8E5M2: return Types{Format::Q8_0, Format::Q8_0};
    case Format::NF4:
    case Format::NF4Quantile:
    case Format::NF4Sym15:
    case Format::FP4: return Types{Format::IQ4_NL, Format::IQ4_NL};
    case Format::E2M1:
    case Format::NVFP4: return Types{Format::MXFP4, Format::MXFP4};
    default: return std::nullopt;
    }
}

} // namespace

std::optional<Scheme> nearestGgml(const Scheme& wished, int64_t rows, int64_t cols)
{
    const auto types = typesFor(wished);
    if (!types)
        return std::nullopt;
    for (const Format type : *types) {
        Scheme scheme = Scheme::defaultsFor(type);
        scheme.importance = wished.importance && traits(type).choosesImportance;
        if (applicable(scheme, rows, cols).ok())
            return scheme;
    }
    return std::nullopt;
}

} // namespace ql
