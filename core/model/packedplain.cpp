// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// This program's own export "codes": NAME.codes with one byte per value, NAME.scales, NAME.zeros and NAME.mins, and the
// scheme in the metadata.
#include "core/model/packedfinder.h"
#include "core/quant/codebook.h"
#include "core/quant/schemetable.h"

namespace ql
{
namespace
{

Levels levelsOf(const Scheme& scheme)
{
    Levels levels{};
    for (const Level& level : codebookFor(scheme).levels)
        levels[uint8_t(level.code)] = level.value;
    return levels;
}

/// Values that share a scale along a row, as the export lays them out.
int64_t groupOf(const Scheme& scheme, int64_t cols)
{
    const FormatTraits& row = traits(scheme.format);
    return row.groupSize ? row.groupSize : scheme.granularity == Granularity::Group ? scheme.groupSize : cols;
}

/// Adds the companion if it is there, or if it is needed; -1 where there is none.
Result<int> companion(const PackedFinder& finder, PackedDraft& draft, const char* suffix, DType type, bool needed)
{
    if (!needed)
        return -1;
    QL_TRY(const TensorInfo* found, finder.need(draft.weight.parts.front(), draft.name + suffix));
    QL_CHECK(finder.needType(*found, {type}));
    const PackedWeight& weight = draft.weight;
    const bool whole = weight.blockRows == weight.rows && weight.blockCols == weight.cols && found->shape.size() == 1;
    const int64_t groups = (weight.cols + weight.blockCols - 1) / weight.blockCols;
    QL_CHECK(finder.needShape(*found, whole ? Shape{1} : Shape{weight.rows, groups}));
    return addPart(draft.weight, *found);
}

} // namespace

Result<std::optional<PackedDraft>> recognisePlain(const PackedFinder& finder, const TensorInfo& tensor)
{
    const std::string name = moduleOf(tensor, ".codes");
    const auto stated = name.empty() ? finder.contents().metadata.end() : finder.contents().metadata.find("scheme." + name);
    if (stated == finder.contents().metadata.end())
        return std::optional<PackedDraft>();
    const auto scheme = Scheme::parse(stated->second);
    if (!scheme.ok() || scheme->keepsFloat())
        return finder.error(ErrorCode::InvalidMetadata, tensor, "its scheme in the metadata is none of codes");
    QL_CHECK(finder.needType(tensor, {DType::I8, DType::U8}));
    QL_CHECK(finder.needMatrix(tensor));
    PackedDraft draft;
    draft.name = name;
    draft.shape = tensor.shape;
    draft.dtype = finder.config().dtype.value_or(DType::F16);
    PackedWeight& weight = draft.weight;
    weight.rows = tensor.shape[0];
    weight.cols = tensor.shape[1];
    weight.bits = 8;
    weight.values = levelsOf(*scheme);
    weight.blockCols = groupOf(*scheme, weight.cols);
    const FormatTraits& row = traits(scheme->format);
    if (!row.groupSize && scheme->granularity == Granularity::Tensor)
        weight.blockRows = weight.rows;
    addPart(weight, tensor);
    const bool zeros = row.kind == FormatKind::Integer && scheme->symmetry == Symmetry::Asymmetric;
    QL_TRY(weight.scales, companion(finder, draft, ".scales", DType::F32, true));
    QL_TRY(weight.zeros, companion(finder, draft, ".zeros", DType::I32, zeros));
    QL_TRY(weight.biases, companion(finder, draft, ".mins", DType::F32, row.hasMinimum));
    weight.zeroOrder = zeros ? ZeroOrder::Plain : ZeroOrder::None;
    describe(draft, "codes", scheme->format, scheme->symmetry);
    weight.scheme = *scheme;
    return std::optional(std::move(draft));
}

} // namespace ql
