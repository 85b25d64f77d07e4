// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// MLX as mlx-lm reads it (mlx_lm/utils.py; mlx ops.cpp): affine groups w = code * scale + bias along the row, and MXFP4.
#include "core/export/exportvalues.h"
#include "core/export/packedlayers.h"
#include "core/quant/packing.h"
#include "core/tensor/floats.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

namespace ql {
namespace {

constexpr std::initializer_list<int> kGroupSizes{128, 64, 32};

Patch packWeights(const QuantizedTensor& q)
{
    const int bits = bitsOf(q.scheme);
    std::vector<std::byte> bytes;
    for (int64_t row = 0; row < q.rows; ++row) {
        const auto begin = q.codes.begin() + row * q.cols;
        const auto packed = packBits(isInteger(q.scheme) ? unsignedCodes(q, row) : std::vector(begin, begin + q.cols), bits);
        bytes.insert(bytes.end(), packed.begin(), packed.end());
    }
    return contiguousRows(q, uint64_t(q.cols * bits / 8), std::move(bytes));
}

uint64_t scaleRow(const QuantizedTensor& q, int64_t groupSize, DType type)
{
    return dtypeBytes(type, uint64_t(q.cols / groupSize)).value_or(0);
}

/// -scale * zero: a power of two times the scale for symmetric codes, so that no type rounds it.
Patch packBiases(const QuantizedTensor& q, int64_t groupSize, DType type)
{
    const FileGroups groups(q, groupSize);
    std::vector<float> biases;
    for (int64_t row = 0; row < q.rows; ++row) {
        for (int64_t group = 0; group < groups.perRow(); ++group) {
            const size_t at = groups.at(row, group);
            biases.push_back(-q.scales[at] * float(unsignedZero(q, at)));
        }
    }
    return contiguousRows(q, scaleRow(q, groupSize, type), encodeFloats(biases, type));
}

Patch packExponents(const QuantizedTensor& q)
{
    std::vector<std::byte> bytes;
    for (const float scale : q.scales)
        bytes.push_back(std::byte(std::ilogb(scale) + 127));
    return contiguousRows(q, uint64_t(q.groupsPerRow), std::move(bytes));
}

/// The type of scales and biases: the model's, unless it would round the biases.
DType floatsOf(const Scheme& scheme, DType model)
{
    return isInteger(scheme) && scheme.symmetry == Symmetry::Asymmetric ? DType::F32 : model;
}

/// Group size, bits and mode of one entry of the configuration.
using Settings = std::tuple<int64_t, int, std::string>;

Settings settingsOf(const CheckpointTensor& tensor)
{
    const Scheme& scheme = tensor.decision.scheme;
    if (scheme.format == Format::MXFP4)
        return {32, 4, "mxfp4"};
    return {fileGroup(scheme, tensor.cols, kGroupSizes), bitsOf(scheme), "affine"};
}

nlohmann::json jsonOf(const Settings& settings)
{
    return {{"group_size", std::get<0>(settings)}, {"bits", std::get<1>(settings)}, {"mode", std::get<2>(settings)}};
}

class MlxFormat : public CheckpointFormat
{
public:
    using CheckpointFormat::CheckpointFormat;

    Settled settle(const TensorInfo& tensor, const Scheme& wished) const override
    {
        if (tensor.transposed)
            return {std::nullopt, "mlx-lm turns this kind of layer round when it loads it"};
        if (wished.format == Format::MXFP4)
            return {wished, {}};
        if (!isInteger(wished) || wished.format == Format::Int7)
            return {std::nullopt, wished.format == Format::NVFP4
                                      ? "MLX's nvfp4 has no factor for the whole tensor; it stores integers and MXFP4"
                                      : "MLX stores integers of 2, 3, 4, 5, 6 or 8 bits and MXFP4"};
        const DType model = modelType();
        std::string why;
        Scheme scheme = withoutDouble(wished, why);
        const ScaleType wide = floatsOf(wished, model) == DType::F32 ? scheme.scaleType : roundedScaleType(model);
        scheme = withScales(scheme, wide > ScaleType::BF16 ? ScaleType::F16 : wide, why);
        if (scheme.symmetry == Symmetry::Asymmetric && scheme.scaleType == ScaleType::F32)
            scheme.scaleType = ScaleType::F16; // so that f32 holds scale times zero point exactly
        if (!settleGroups(scheme, tensor.cols(), kGroupSizes, why))
            return {std::nullopt, why};
        return {scheme, why};
    }

    void unify(std::vector<CheckpointTensor>& tensors, std::vector<std::string>& warnings) override
    {
        const auto wide = std::count_if(tensors.begin(), tensors.end(), [this](const CheckpointTensor& tensor) {
            return tensor.quantized() && floatsOf(tensor.decision.scheme, modelType()) != modelType();
        });
        if (wide > 0)
            warnings.push_back("scales and biases of " + std::to_string(wide) +
                               " asymmetric layers are in f32, since 16 bits do not hold scale times zero point exactly: "
                               "MLX computes in f32 from there on; symmetric layers stay in 16 bits");
    }

    void addEntries(CheckpointTensor& tensor, const TensorInfo&) const override
    {
        const auto [group, bits, mode] = settingsOf(tensor);
        const int64_t rows = tensor.rows, cols = tensor.cols;
        const DType type = floatsOf(tensor.decision.scheme, modelType());
        addSlices(tensor, tensor.module + ".weight", DType::U32, {rows, cols * bits / 32}, packWeights);
        if (mode == "mxfp4") {
            addSlices(tensor, tensor.module + ".scales", DType::U8, {rows, cols / 32}, packExponents);
            return;
        }
        addSlices(tensor, tensor.module + ".scales", type, {rows, cols / group},
                  [group = group, type](const QuantizedTensor& q) {
                      return contiguousRows(q, scaleRow(q, group, type), rowScales(q, FileGroups(q, group), type));
                  });
        addSlices(tensor, tensor.module + ".biases", type, {rows, cols / group},
                  [group = group, type](const QuantizedTensor& q) { return packBiases(q, group, type); });
    }

    /// What most parameters have, then every layer that differs; a layer without scales is not quantized.
    void addConfig(nlohmann::json& config, const std::vector<CheckpointTensor>& tensors) const override
    {
        std::map<Settings, int64_t> sizes;
        for (const CheckpointTensor& tensor : tensors) {
            if (tensor.quantized())
                sizes[settingsOf(tensor)] += tensor.rows * tensor.cols;
        }
        Settings common{64, 4, "affine"};
        int64_t most = -1;
        for (const auto& [settings, size] : sizes) {
            if (size > most)
                std::tie(common, most) = std::tuple(settings, size);
        }
        nlohmann::json json = jsonOf(common);
        for (const CheckpointTensor& tensor : tensors) {
            if (tensor.quantized() && settingsOf(tensor) != common)
                json[tensor.module] = jsonOf(settingsOf(tensor));
        }
        config["quantization"] = json;
        config["quantization_config"] = std::move(json);
    }

    const char* metadataFormat() const override { return "mlx"; }
    bool takesEmbeddings() const override { return true; }
};

} // namespace

std::unique_ptr<CheckpointFormat> mlxFormat(DType model)
{
    return std::make_unique<MlxFormat>(model);
}

} // namespace ql
