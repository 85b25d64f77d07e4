// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/export/exportlayout.h"

#include "core/export/exportvalues.h"
#include "core/quant/schemetable.h"

namespace ql {
namespace {

using Kind = ExportPart::Kind;

bool hasSafetensorsType(DType type)
{
    return !dtypeInfo(type).safetensors.empty();
}

/// Signed codes are two's complement: symmetric integers, and GGML's 8-bit codes.
DType codeType(const Scheme& scheme)
{
    const FormatTraits& row = traits(scheme.format);
    const bool isSigned = (row.kind == FormatKind::Integer && scheme.symmetry == Symmetry::Symmetric) ||
                          scheme.format == Format::Q8_0;
    return isSigned ? DType::I8 : DType::U8;
}

void addCodes(ExportLayout& layout, int index, const TensorInfo& tensor, const Scheme& scheme)
{
    const FormatTraits& row = traits(scheme.format);
    const int64_t rows = tensor.rows(), cols = tensor.cols();
    const int64_t groupSize = row.groupSize                               ? row.groupSize
                              : scheme.granularity == Granularity::Group ? scheme.groupSize
                                                                         : cols;
    const bool perTensor = !row.groupSize && scheme.granularity == Granularity::Tensor;
    const Shape groups = perTensor ? Shape{1} : Shape{rows, (cols + groupSize - 1) / groupSize};
    const auto add = [&](Kind kind, const char* suffix, DType type, Shape shape) {
        layout.parts.push_back({index, kind, {tensor.name + suffix, type, std::move(shape)}});
    };
    add(Kind::Codes, ".codes", codeType(scheme), {rows, cols});
    add(Kind::Scales, ".scales", DType::F32, groups);
    if (row.kind == FormatKind::Integer && scheme.symmetry == Symmetry::Asymmetric)
        add(Kind::Zeros, ".zeros", DType::I32, groups);
    if (row.hasMinimum)
        add(Kind::Mins, ".mins", DType::F32, groups);
    layout.metadata["scheme." + tensor.name] = scheme.text();
}

Status addTensor(ExportLayout& layout, int index, const TensorInfo& tensor, const Decision& decision, ExportFormat format)
{
    const auto add = [&](Kind kind, DType type) {
        layout.parts.push_back({index, kind, {tensor.name, type, tensor.shape}});
    };
    if (decision.asStored && hasSafetensorsType(tensor.dtype) && !tensor.packed) {
        add(Kind::Raw, tensor.dtype);
        return {};
    }
    if (!dtypeInfo(tensor.dtype).decodable && !tensor.packed)
        return Error{ErrorCode::CannotDecode,
                     std::string(dtypeInfo(tensor.dtype).name) +
                         " cannot be decoded and safetensors has no such type, so this model cannot be exported",
                     "tensor " + tensor.name};
    if (!decision.asStored && decision.scheme.keepsFloat())
        add(Kind::Values, format == ExportFormat::Codes ? floatType(decision.scheme.format) : valueType(tensor.dtype));
    else if (decision.asStored || format == ExportFormat::Dequantized)
        add(Kind::Values, valueType(tensor.dtype));
    else
        addCodes(layout, index, tensor, decision.scheme);
    return {};
}

} // namespace

Result<ExportLayout> layOut(const Model& model, const std::vector<Decision>& decisions, ExportFormat format)
{
    ExportLayout layout;
    layout.metadata["format"] = "pt";
    layout.metadata["quantloupe.export"] = exportFormatName(format);
    layout.metadata["quantloupe.source"] = model.fingerprint();
    for (size_t i = 0; i < decisions.size(); ++i)
        QL_CHECK(addTensor(layout, int(i), model.tensors()[i], decisions[i], format));
    return layout;
}

} // namespace ql
