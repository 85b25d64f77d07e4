// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/export/packedlayers.h"

#include "core/base/checked.h"
#include "core/export/exportvalues.h"
#include "core/quant/schemetable.h"

#include <unordered_set>

namespace ql {

FileGroups::FileGroups(const QuantizedTensor& q, int64_t groupSize)
    : m_q(q), m_groupSize(groupSize), m_perRow(ceilDiv(q.cols, groupSize))
{
}

size_t FileGroups::at(int64_t row, int64_t group) const
{
    if (m_q.groupsPerRow == 0)
        return 0;
    return size_t(row * m_q.groupsPerRow + group * m_groupSize / m_q.groupSize);
}

bool isInteger(const Scheme& scheme)
{
    return traits(scheme.format).kind == FormatKind::Integer;
}

int bitsOf(const Scheme& scheme)
{
    return traits(scheme.format).bits;
}

std::vector<uint8_t> unsignedCodes(const QuantizedTensor& q, int64_t row)
{
    const auto begin = q.codes.begin() + row * q.cols;
    std::vector<uint8_t> codes(begin, begin + q.cols);
    if (q.scheme.symmetry == Symmetry::Symmetric) {
        const int offset = 1 << (bitsOf(q.scheme) - 1);
        for (uint8_t& code : codes)
            code = uint8_t(int8_t(code) + offset);
    }
    return codes;
}

int unsignedZero(const QuantizedTensor& q, size_t group)
{
    return q.scheme.symmetry == Symmetry::Symmetric ? 1 << (bitsOf(q.scheme) - 1) : q.zeros[group];
}

std::vector<std::byte> rowScales(const QuantizedTensor& q, const FileGroups& groups, DType type)
{
    std::vector<float> scales;
    for (int64_t row = 0; row < q.rows; ++row) {
        for (int64_t group = 0; group < groups.perRow(); ++group)
            scales.push_back(q.scales[groups.at(row, group)]);
    }
    return encodeFloats(scales, type);
}

std::vector<std::byte> columnScales(const QuantizedTensor& q, const FileGroups& groups, DType type)
{
    std::vector<float> scales;
    for (int64_t group = 0; group < groups.perRow(); ++group) {
        for (int64_t row = 0; row < q.rows; ++row)
            scales.push_back(q.scales[groups.at(row, group)]);
    }
    return encodeFloats(scales, type);
}

Patch contiguousRows(const QuantizedTensor& q, uint64_t rowBytes, std::vector<std::byte> bytes)
{
    const uint64_t length = bytes.size();
    return {uint64_t(q.firstRow) * rowBytes, length, length, std::move(bytes)};
}

Scheme withScales(Scheme scheme, ScaleType type, std::string& why)
{
    if (scheme.scaleType > ScaleType::BF16)
        why = "its scales are plain floats";
    scheme.scaleType = type;
    return scheme;
}

Scheme withoutDouble(Scheme scheme, std::string& why)
{
    if (scheme.doubleQuant)
        why = "it does not quantize scales";
    scheme.doubleQuant = false;
    return scheme;
}

ScaleType roundedScaleType(DType type)
{
    return type == DType::F32 ? ScaleType::F32 : type == DType::BF16 ? ScaleType::BF16 : ScaleType::F16;
}

int64_t fileGroup(const Scheme& scheme, int64_t cols, std::initializer_list<int> sizes)
{
    const int64_t own = scheme.granularity == Granularity::Group ? scheme.groupSize : cols;
    for (const int size : sizes) {
        if (own % size == 0 && cols % size == 0)
            return size;
    }
    return 0;
}

bool settleGroups(Scheme& scheme, int64_t cols, std::initializer_list<int> sizes, std::string& why)
{
    if (fileGroup(scheme, cols, sizes))
        return true;
    std::string known;
    for (const int size : sizes)
        known += (known.empty() ? "" : ", ") + std::to_string(size);
    why = "its groups are of " + known + " values and divide the row";
    for (const int size : sizes) {
        if (cols % size != 0 || (scheme.granularity == Granularity::Group && size > scheme.groupSize))
            continue;
        scheme.granularity = Granularity::Group;
        scheme.groupSize = size;
        return true;
    }
    return false;
}

void addSlices(CheckpointTensor& tensor, std::string name, DType type, Shape shape,
               std::function<Patch(const QuantizedTensor&)> pack)
{
    tensor.entries.push_back(
        {{std::move(name), type, std::move(shape)}, CheckpointEntry::Fill::Slices, std::move(pack), {}});
}

void addWhole(CheckpointTensor& tensor, std::string name, DType type, Shape shape,
              std::function<std::vector<std::byte>(const TensorParameters&)> whole)
{
    tensor.entries.push_back(
        {{std::move(name), type, std::move(shape)}, CheckpointEntry::Fill::Whole, {}, std::move(whole)});
}

std::vector<std::string> keptModules(const std::vector<CheckpointTensor>& tensors)
{
    std::vector<std::string> kept;
    bool head = false;
    for (const CheckpointTensor& tensor : tensors) {
        head = head || tensor.role == TensorRole::LmHead;
        if (!tensor.module.empty() && !tensor.quantized())
            kept.push_back(tensor.module);
    }
    // A head that shares the embedding's weights is a layer without a tensor.
    if (!head)
        kept.push_back("lm_head");
    return kept;
}

void keepWhatNamesCover(std::vector<CheckpointTensor>& tensors)
{
    const std::vector<std::string> kept = keptModules(tensors);
    const std::unordered_set<std::string_view> names(kept.begin(), kept.end());
    for (CheckpointTensor& tensor : tensors) {
        const std::string_view module = tensor.module;
        for (size_t length = 1; length < module.size() && tensor.quantized(); ++length) {
            if (names.contains(module.substr(0, length)))
                keepAsStored(tensor.decision, "engines leave out every layer whose name begins with " +
                                                  std::string(module.substr(0, length)) + ", which is kept");
        }
    }
}

void keepAsStored(Decision& decision, const std::string& why)
{
    decision.fallback = "kept as stored instead of " + decision.scheme.text() + ": " + why;
    decision.asStored = true;
}

} // namespace ql
