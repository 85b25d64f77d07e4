// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// compressed-tensors as vLLM and transformers read it (compressed_tensors: compressors/, quantization/quant_args.py):
// signed codes packed along the row, scales per group, one configuration group per distinct scheme.
#include "core/export/compressedtensorsconfig.h"
#include "core/export/exportvalues.h"
#include "core/export/packedlayers.h"
#include "core/quant/packing.h"
#include "core/tensor/floats.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstring>

namespace ql {
namespace {

int64_t packedRowBytes(const QuantizedTensor& q)
{
    return (q.cols * bitsOf(q.scheme) + 31) / 32 * 4;
}

/// Rows of whole words; symmetric codes with 2^(b-1) added, which is how they are stored.
Patch packIntegers(const QuantizedTensor& q)
{
    std::vector<std::byte> bytes;
    for (int64_t row = 0; row < q.rows; ++row) {
        const auto packed = packBits(unsignedCodes(q, row), bitsOf(q.scheme));
        bytes.insert(bytes.end(), packed.begin(), packed.end());
        bytes.resize(size_t((row + 1) * packedRowBytes(q)));
    }
    return contiguousRows(q, uint64_t(packedRowBytes(q)), std::move(bytes));
}

/// Words along the rows: element (word, group) of [ceil(N*b/32), G].
Patch packZeros(const QuantizedTensor& q, int64_t groupSize)
{
    const int bits = bitsOf(q.scheme);
    const FileGroups groups(q, groupSize);
    const int64_t words = (q.rows * bits + 31) / 32;
    const auto perRow = size_t(groups.perRow());
    std::vector<std::byte> bytes(size_t(words) * perRow * 4);
    for (size_t group = 0; group < perRow; ++group) {
        std::vector<uint8_t> zeros;
        for (int64_t row = 0; row < q.rows; ++row)
            zeros.push_back(uint8_t(unsignedZero(q, groups.at(row, int64_t(group)))));
        auto packed = packBits(zeros, bits);
        packed.resize(size_t(words) * 4);
        for (size_t word = 0; word < size_t(words); ++word)
            std::memcpy(bytes.data() + (word * perRow + group) * 4, packed.data() + word * 4, 4);
    }
    const uint64_t offset = uint64_t(q.firstRow * bits / 32) * perRow * 4;
    return {offset, bytes.size(), bytes.size(), std::move(bytes)};
}

/// One signed byte per code or zero point.
std::byte signedByte(const QuantizedTensor& q, int value)
{
    return std::byte(value - (1 << (bitsOf(q.scheme) - 1)));
}

Patch signedCodes(const QuantizedTensor& q)
{
    std::vector<std::byte> bytes;
    for (int64_t row = 0; row < q.rows; ++row) {
        for (const uint8_t code : unsignedCodes(q, row))
            bytes.push_back(signedByte(q, code));
    }
    return contiguousRows(q, uint64_t(q.cols), std::move(bytes));
}

Patch signedZeros(const QuantizedTensor& q, int64_t groupSize)
{
    const FileGroups groups(q, groupSize);
    std::vector<std::byte> bytes;
    for (int64_t row = 0; row < q.rows; ++row) {
        for (int64_t group = 0; group < groups.perRow(); ++group)
            bytes.push_back(signedByte(q, unsignedZero(q, groups.at(row, group))));
    }
    return contiguousRows(q, uint64_t(groups.perRow()), std::move(bytes));
}

Patch scalesOf(const QuantizedTensor& q, int64_t groupSize, DType type)
{
    const FileGroups groups(q, groupSize);
    return contiguousRows(q, dtypeBytes(type, uint64_t(groups.perRow())).value_or(0), rowScales(q, groups, type));
}

/// Values 2i in low nibbles.
Patch packNibbles(const QuantizedTensor& q)
{
    return contiguousRows(q, uint64_t(q.cols) / 2, packBits(q.codes, 4));
}

Patch byteScales(const QuantizedTensor& q)
{
    std::vector<std::byte> bytes;
    for (const float scale : q.scales)
        bytes.push_back(q.scheme.format == Format::NVFP4 ? std::byte(floatToE4m3(scale / q.globalScale))
                                                         : std::byte(std::ilogb(scale) + 127));
    return contiguousRows(q, uint64_t(q.groupsPerRow), std::move(bytes));
}

template <class T>
std::vector<std::byte> bytesOf(std::initializer_list<T> values)
{
    const auto bytes = std::as_bytes(std::span(values.begin(), values.size()));
    return {bytes.begin(), bytes.end()};
}

class CompressedTensorsFormat : public CheckpointFormat
{
public:
    CompressedTensorsFormat(DType model, KvPolicy kvCache, std::vector<std::optional<ActivationScheme>> activations)
        : CheckpointFormat(model), m_kvCache(std::move(kvCache)), m_activations(std::move(activations))
    {
    }

    Settled settle(const TensorInfo& tensor, const Scheme& wished) const override
    {
        if (tensor.transposed)
            return {std::nullopt, "compressed-tensors holds linear layers stored [out, in]"};
        if (wished.format == Format::NVFP4 || wished.format == Format::MXFP4)
            return {wished, {}};
        if (!isInteger(wished) && wished.format != Format::FP8E4M3)
            return {std::nullopt, "compressed-tensors stores integers, FP8 E4M3, NVFP4 and MXFP4"};
        std::string why;
        Scheme scheme = withoutDouble(wished, why);
        const bool plain = modelType() == DType::F32 && scheme.scaleType <= ScaleType::BF16;
        if (!plain)
            scheme = withScales(scheme, roundedScaleType(modelType()), why);
        if (wished.format == Format::FP8E4M3 && scheme.granularity == Granularity::Group) {
            scheme.granularity = Granularity::Channel;
            why = "its FP8 has scales per tensor or channel";
        }
        const bool divides = scheme.granularity != Granularity::Group || tensor.cols() % scheme.groupSize == 0;
        if (!divides && !settleGroups(scheme, tensor.cols(), kCompressedGroups, why))
            return {std::nullopt, why};
        return {scheme.normalized(), why};
    }

    void unify(std::vector<CheckpointTensor>& tensors, std::vector<std::string>& warnings) override
    {
        for (CheckpointTensor& tensor : tensors) {
            if (tensor.quantized() && m_activations[size_t(tensor.tensor)])
                m_inputs[tensor.tensor] = *m_activations[size_t(tensor.tensor)];
        }
        tellUnsaid(tensors, m_inputs, m_kvCache, warnings);
    }

    void addEntries(CheckpointTensor& tensor, const TensorInfo&) const override
    {
        const std::string name = tensor.module + ".weight";
        const int64_t rows = tensor.rows, cols = tensor.cols;
        switch (layoutOf(tensor, inputOf(tensor))) {
        case CompressedLayout::Packed: return addPacked(tensor, name);
        case CompressedLayout::IntBytes: return addBytes(tensor, name);
        case CompressedLayout::FloatBytes: return addFloats(tensor, name);
        case CompressedLayout::Nvfp4:
            addSlices(tensor, name + "_packed", DType::U8, {rows, cols / 2}, packNibbles);
            addSlices(tensor, name + "_scale", DType::F8E4M3, {rows, cols / 16}, byteScales);
            return addWhole(tensor, name + "_global_scale", DType::F32, {1},
                            [](const TensorParameters& p) { return bytesOf({1.0f / p.globalScale}); });
        case CompressedLayout::Mxfp4:
            addSlices(tensor, name + "_packed", DType::U8, {rows, cols / 2}, packNibbles);
            return addSlices(tensor, name + "_scale", DType::U8, {rows, cols / 32}, byteScales);
        }
    }

    void addConfig(nlohmann::json& config, const std::vector<CheckpointTensor>& tensors) const override
    {
        config["quantization_config"] = compressedConfig(tensors, m_inputs, m_kvCache);
    }

private:
    const ActivationScheme* inputOf(const CheckpointTensor& tensor) const
    {
        const auto found = m_inputs.find(tensor.tensor);
        return found == m_inputs.end() ? nullptr : &found->second;
    }

    void addScales(CheckpointTensor& tensor, const std::string& name, int64_t group) const
    {
        addSlices(tensor, name + "_scale", modelType(), {tensor.rows, tensor.cols / group},
                  [group, model = modelType()](const QuantizedTensor& q) { return scalesOf(q, group, model); });
    }

    void addPacked(CheckpointTensor& tensor, const std::string& name) const
    {
        const int bits = bitsOf(tensor.decision.scheme);
        const int64_t rows = tensor.rows, cols = tensor.cols, group = compressedGroup(tensor);
        addSlices(tensor, name + "_packed", DType::I32, {rows, (cols * bits + 31) / 32}, packIntegers);
        addScales(tensor, name, group);
        addWhole(tensor, name + "_shape", DType::I64, {2},
                 [rows, cols](const TensorParameters&) { return bytesOf({rows, cols}); });
        if (tensor.decision.scheme.symmetry == Symmetry::Asymmetric)
            addSlices(tensor, name + "_zero_point", DType::I32, {(rows * bits + 31) / 32, cols / group},
                      [group](const QuantizedTensor& q) { return packZeros(q, group); });
    }

    void addBytes(CheckpointTensor& tensor, const std::string& name) const
    {
        const int64_t group = compressedGroup(tensor);
        addSlices(tensor, name, DType::I8, {tensor.rows, tensor.cols}, signedCodes);
        addScales(tensor, name, group);
        if (tensor.decision.scheme.symmetry == Symmetry::Asymmetric)
            addSlices(tensor, name + "_zero_point", DType::I8, {tensor.rows, tensor.cols / group},
                      [group](const QuantizedTensor& q) { return signedZeros(q, group); });
    }

    void addFloats(CheckpointTensor& tensor, const std::string& name) const
    {
        addSlices(tensor, name, DType::F8E4M3, {tensor.rows, tensor.cols}, [](const QuantizedTensor& q) {
            const auto codes = std::as_bytes(std::span(q.codes));
            return contiguousRows(q, uint64_t(q.cols), {codes.begin(), codes.end()});
        });
        if (tensor.decision.scheme.granularity != Granularity::Tensor)
            return addScales(tensor, name, tensor.cols);
        addWhole(tensor, name + "_scale", modelType(), {1}, [model = modelType()](const TensorParameters& p) {
            return encodeFloats(std::span(&p.tensorGroup.scale, 1), model);
        });
    }

    KvPolicy m_kvCache;
    std::vector<std::optional<ActivationScheme>> m_activations;
    std::map<int, ActivationScheme> m_inputs; ///< that the format can say, by tensor
};

} // namespace

std::unique_ptr<CheckpointFormat> compressedTensorsFormat(DType model, KvPolicy kvCache,
                                                          std::vector<std::optional<ActivationScheme>> activations)
{
    return std::make_unique<CompressedTensorsFormat>(model, std::move(kvCache), std::move(activations));
}

} // namespace ql
