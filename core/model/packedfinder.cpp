// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/packedfinder.h"

#include "core/base/utf8.h"
#include "core/quant/schemetable.h"
#include "core/tensor/floats.h"

#include <algorithm>

namespace ql
{
namespace
{

std::string groupText(const PackedWeight& weight)
{
    if (weight.codeOrder == CodeOrder::FlatNibbles)
        return " g" + std::to_string(weight.blockCols) + (weight.scaleRule == ScaleRule::Nested ? " double" : "");
    if (weight.blockRows > 1 && weight.blockCols < weight.cols)
        return ' ' + std::to_string(weight.blockRows) + 'x' + std::to_string(weight.blockCols);
    if (weight.blockRows > 1 && weight.blockRows >= weight.rows)
        return " tensor";
    return weight.blockCols >= weight.cols ? " channel" : " g" + std::to_string(weight.blockCols);
}

} // namespace

PackedFinder::PackedFinder(const Model::Contents& contents, QuantConfig config)
    : m_contents(contents), m_config(std::move(config))
{
    m_byName.reserve(contents.tensors.size());
    for (const TensorInfo& tensor : contents.tensors)
        m_byName.emplace(tensor.name, &tensor);
}

const TensorInfo* PackedFinder::find(const std::string& name) const
{
    const auto at = m_byName.find(name);
    return at == m_byName.end() ? nullptr : at->second;
}

Result<const TensorInfo*> PackedFinder::need(const TensorInfo& codes, const std::string& name) const
{
    if (const TensorInfo* found = find(name))
        return found;
    return error(ErrorCode::NoSuchTensor, codes,
                 "its companion " + printable(name) + " is missing, so it cannot be decoded");
}

Error PackedFinder::error(ErrorCode code, const TensorInfo& tensor, const std::string& message) const
{
    const std::string file =
        tensor.file < m_contents.files.size() ? m_contents.files[tensor.file]->name() : m_contents.path;
    return {code, message, file + ": tensor " + printable(tensor.name) + " at byte " + std::to_string(tensor.offset)};
}

Status PackedFinder::needType(const TensorInfo& tensor, std::initializer_list<DType> types) const
{
    if (std::find(types.begin(), types.end(), tensor.dtype) != types.end())
        return {};
    std::string known;
    for (const DType type : types)
        known += (known.empty() ? "" : " or ") + std::string(dtypeInfo(type).name);
    return error(ErrorCode::BadTensorType, tensor,
                 "is of type " + std::string(dtypeInfo(tensor.dtype).name) + "; only " + known + " is read here");
}

Status PackedFinder::needShape(const TensorInfo& tensor, const Shape& shape) const
{
    if (tensor.shape == shape)
        return {};
    return error(ErrorCode::SizeMismatch, tensor,
                 "has shape " + toString(tensor.shape) + " instead of " + toString(shape));
}

Status PackedFinder::needMatrix(const TensorInfo& tensor) const
{
    if (tensor.shape.size() == 2 && tensor.shape[0] > 0 && tensor.shape[1] > 0)
        return {};
    return error(ErrorCode::SizeMismatch, tensor,
                 "has shape " + toString(tensor.shape) + " instead of that of a matrix");
}

Status PackedFinder::readBytes(const TensorInfo& tensor, std::span<std::byte> out) const
{
    return m_contents.files[tensor.file]->read(tensor.offset, out);
}

std::string moduleOf(const TensorInfo& tensor, std::string_view suffix)
{
    if (!tensor.name.ends_with(suffix) || tensor.name.size() == suffix.size())
        return {};
    return tensor.name.substr(0, tensor.name.size() - suffix.size());
}

int addPart(PackedWeight& weight, const TensorInfo& part)
{
    weight.parts.push_back(part);
    return int(weight.parts.size()) - 1;
}

Levels integerLevels(int offset)
{
    Levels levels;
    for (size_t code = 0; code < levels.size(); ++code)
        levels[code] = float(int(code) - offset);
    return levels;
}

Levels signedByteLevels()
{
    Levels levels;
    for (size_t code = 0; code < levels.size(); ++code)
        levels[code] = float(int8_t(uint8_t(code)));
    return levels;
}

Levels floatLevels(DType type)
{
    Levels levels;
    for (size_t code = 0; code < levels.size(); ++code) {
        const auto byte = uint8_t(code);
        levels[code] = type == DType::F8E4M3   ? e4m3ToFloat(byte)
                       : type == DType::F8E5M2 ? e5m2ToFloat(byte)
                                               : e2m1ToFloat(byte & 15);
    }
    return levels;
}

Format integerFormat(int bits)
{
    return Format(int(Format::Int2) + std::clamp(bits, 2, 8) - 2);
}

ScaleType storedScaleType(DType type)
{
    switch (type) {
    case DType::F16:
        return ScaleType::F16;
    case DType::BF16:
        return ScaleType::BF16;
    case DType::F8E4M3:
        return ScaleType::E4M3;
    case DType::F8E8M0:
        return ScaleType::E8M0;
    default:
        return ScaleType::F32;
    }
}

DType valueTypeFor(DType scales, const QuantConfig& config)
{
    return scales == DType::F16 || scales == DType::BF16 ? scales : config.dtype.value_or(DType::F32);
}

void describe(PackedDraft& draft, std::string method, Format format, Symmetry symmetry)
{
    PackedWeight& weight = draft.weight;
    const FormatTraits& row = traits(format);
    Scheme scheme = Scheme::defaultsFor(format);
    if (row.kind == FormatKind::Integer) {
        scheme.symmetry = symmetry;
        // The published quantizers of GPTQ and compressed-tensors use all codes.
        scheme.range = CodeRange::Full;
    }
    if (row.blockSize == 0) {
        const bool tensor = weight.blockRows >= weight.rows && weight.blockRows > 1 && weight.blockCols >= weight.cols;
        const bool flat = weight.codeOrder == CodeOrder::FlatNibbles;
        scheme.granularity = tensor                                     ? Granularity::Tensor
                             : weight.blockCols >= weight.cols && !flat ? Granularity::Channel
                                                                        : Granularity::Group;
        scheme.groupSize = int(std::min<int64_t>(weight.blockCols, 1 << 20));
        scheme.scaleType = storedScaleType(weight.scaleType);
        scheme.doubleQuant = weight.scaleRule == ScaleRule::Nested;
        if (scheme.doubleQuant)
            scheme.scaleType = ScaleType::F32;
    }
    weight.scheme = scheme.normalized();
    const std::string label(row.label);
    weight.label =
        (label.starts_with(method) ? label : method + ' ' + label) + (row.blockSize ? "" : groupText(weight));
    weight.method = std::move(method);
}

} // namespace ql
