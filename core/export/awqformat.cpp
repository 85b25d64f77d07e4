// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// AWQ as AutoAWQ's GEMM kernels read it (modules/linear/gemm.py, utils/packing_utils.py): 4 bits packed along the
// output, eight columns to a word in the order 0 2 4 6 1 3 5 7; one group size for the whole model.
#include "core/export/packedlayers.h"

#include <nlohmann/json.hpp>

#include <array>
#include <span>

namespace ql {
namespace {

constexpr std::initializer_list<int> kGroupSizes{128, 64, 32};
constexpr std::array<int, 8> kColumnOfNibble{0, 2, 4, 6, 1, 3, 5, 7};

/// Words of eight neighbouring outputs.
void appendWords(std::span<const uint8_t> values, std::vector<std::byte>& out)
{
    for (size_t first = 0; first < values.size(); first += 8) {
        for (size_t nibble = 0; nibble < 8; nibble += 2)
            out.push_back(std::byte(values[first + size_t(kColumnOfNibble[nibble])] |
                                    values[first + size_t(kColumnOfNibble[nibble + 1])] << 4));
    }
}

Patch columns(const QuantizedTensor& q, int64_t outputs)
{
    return {uint64_t(q.firstRow) / 2, uint64_t(outputs) / 2, uint64_t(q.rows) / 2, {}};
}

/// Element (input, word) of [K, N/8].
Patch packWeights(const QuantizedTensor& q, int64_t outputs)
{
    std::vector<uint8_t> turned(size_t(q.rows * q.cols));
    for (int64_t row = 0; row < q.rows; ++row) {
        const auto codes = unsignedCodes(q, row);
        for (int64_t col = 0; col < q.cols; ++col)
            turned[size_t(col * q.rows + row)] = codes[size_t(col)];
    }
    Patch patch = columns(q, outputs);
    appendWords(turned, patch.bytes);
    return patch;
}

/// Element (group, word) of [G, N/8].
Patch packZeros(const QuantizedTensor& q, int64_t outputs, int64_t groupSize)
{
    const FileGroups groups(q, groupSize);
    Patch patch = columns(q, outputs);
    std::vector<uint8_t> zeros;
    for (int64_t group = 0; group < groups.perRow(); ++group) {
        for (int64_t row = 0; row < q.rows; ++row)
            zeros.push_back(uint8_t(unsignedZero(q, groups.at(row, group))));
    }
    appendWords(zeros, patch.bytes);
    return patch;
}

class AwqFormat : public CheckpointFormat
{
public:
    using CheckpointFormat::CheckpointFormat;

    Settled settle(const TensorInfo& tensor, const Scheme& wished) const override
    {
        if (wished.format != Format::Int4)
            return {std::nullopt, "AWQ stores 4-bit integers"};
        if (tensor.role == TensorRole::LmHead || tensor.transposed)
            return {std::nullopt, "AutoAWQ quantizes linear layers inside the blocks"};
        if (tensor.rows() % 8 != 0)
            return {std::nullopt, "AWQ packs outputs by 8"};
        std::string why;
        Scheme scheme = withScales(withoutDouble(wished, why), ScaleType::F16, why);
        if (!settleGroups(scheme, tensor.cols(), kGroupSizes, why))
            return {std::nullopt, why};
        return {scheme, why};
    }

    /// The size that stores most parameters stays; other layers are kept.
    void unify(std::vector<CheckpointTensor>& tensors, std::vector<std::string>&) override
    {
        int64_t most = -1;
        for (const int size : kGroupSizes) {
            int64_t stored = 0;
            for (const CheckpointTensor& tensor : tensors)
                stored += fits(tensor, size) ? tensor.rows * tensor.cols : 0;
            if (stored > most) {
                most = stored;
                m_group = size;
            }
        }
        for (CheckpointTensor& tensor : tensors) {
            if (tensor.quantized() && !fits(tensor, m_group))
                keepAsStored(tensor.decision, "AWQ has one group size for all layers, here " + std::to_string(m_group));
        }
        keepWhatNamesCover(tensors);
    }

    void addEntries(CheckpointTensor& tensor, const TensorInfo&) const override
    {
        const int64_t inputs = tensor.cols, outputs = tensor.rows, groups = inputs / m_group;
        addSlices(tensor, tensor.module + ".qweight", DType::I32, {inputs, outputs / 8},
                  [outputs](const QuantizedTensor& q) { return packWeights(q, outputs); });
        addSlices(tensor, tensor.module + ".qzeros", DType::I32, {groups, outputs / 8},
                  [outputs, group = m_group](const QuantizedTensor& q) { return packZeros(q, outputs, group); });
        addSlices(tensor, tensor.module + ".scales", DType::F16, {groups, outputs},
                  [outputs, group = m_group](const QuantizedTensor& q) {
                      return Patch{uint64_t(q.firstRow) * 2, uint64_t(outputs) * 2, uint64_t(q.rows) * 2,
                                   columnScales(q, FileGroups(q, group), DType::F16)};
                  });
    }

    void addConfig(nlohmann::json& config, const std::vector<CheckpointTensor>& tensors) const override
    {
        config["quantization_config"] = {{"quant_method", "awq"},
                                         {"bits", 4},
                                         {"group_size", m_group},
                                         {"zero_point", true},
                                         {"version", "gemm"},
                                         {"modules_to_not_convert", keptModules(tensors)}};
    }

private:
    static bool fits(const CheckpointTensor& tensor, int size)
    {
        return tensor.quantized() && fileGroup(tensor.decision.scheme, tensor.cols, {size}) != 0;
    }

    int m_group = 128;
};

} // namespace

std::unique_ptr<CheckpointFormat> awqFormat(DType model)
{
    return std::make_unique<AwqFormat>(model);
}

} // namespace ql
