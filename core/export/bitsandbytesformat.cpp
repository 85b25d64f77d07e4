// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// bitsandbytes 4-bit as bitsandbytes reads it (functional.py, nn/modules.py): blocks of the flattened weight, first value
// in the high nibble, f32 block maxima or their QLoRA double quantization, and a JSON text among the tensors.
#include "core/base/checked.h"
#include "core/base/format.h"
#include "core/export/exportvalues.h"
#include "core/export/packedlayers.h"
#include "core/quant/codebook.h"
#include "core/quant/doublequant.h"
#include "core/quant/packing.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace ql {
namespace {

constexpr std::initializer_list<int> kBlockSizes{4096, 2048, 1024, 512, 256, 128, 64, 32};

bool isBlockSize(int64_t size)
{
    return std::find(kBlockSizes.begin(), kBlockSizes.end(), size) != kBlockSizes.end();
}

bool ownGroups(const Scheme& scheme, int64_t cols)
{
    return scheme.granularity == Granularity::Group && isBlockSize(scheme.groupSize) && cols % scheme.groupSize == 0;
}

/// Whether blocks run on from row to row.
bool crossesRows(const Scheme& scheme, const TensorInfo& tensor)
{
    return scheme.granularity == Granularity::Group && isBlockSize(scheme.groupSize) && !tensor.transposed &&
           !tensor.packed && tensor.cols() % scheme.groupSize != 0 &&
           tensor.rows() * tensor.cols() % scheme.groupSize == 0;
}

Patch packWeights(const QuantizedTensor& q)
{
    return contiguousRows(q, uint64_t(q.cols) / 2, packHighNibbleFirst(q.codes));
}

std::vector<std::byte> bytesOf(std::span<const float> values)
{
    return encodeFloats(values, DType::F32);
}

std::vector<std::byte> quantMap(const Scheme& scheme)
{
    std::array<float, 16> map{};
    for (const Level& level : codebookFor(scheme).levels)
        map[size_t(level.code)] = level.value;
    return bytesOf(map);
}

const char* typeName(DType type)
{
    return type == DType::F32 ? "float32" : type == DType::BF16 ? "bfloat16" : "float16";
}

/// The quantization state; its length does not depend on the offset, so that it is known before.
std::string stateText(const Scheme& scheme, int64_t block, DType dtype, const Shape& shape, float offset)
{
    std::string text = "{\"quant_type\": \"" + std::string(scheme.format == Format::NF4 ? "nf4" : "fp4") +
                       "\", \"blocksize\": " + std::to_string(block) + ", \"dtype\": \"" + typeName(dtype) + "\", \"shape\": [" +
                       std::to_string(shape[0]) + ", " + std::to_string(shape[1]) + "]";
    if (!scheme.doubleQuant)
        return text + "}";
    constexpr size_t kLongestNumber = 24;
    text += ", \"nested_blocksize\": " + std::to_string(kDoubleQuantBlock) +
            ", \"nested_dtype\": \"float32\", \"nested_offset\": ";
    const size_t length = text.size() + kLongestNumber + 1;
    // Python's parser wants a digit on both sides of a point and takes an exponent; shortest numbers have both.
    text += formatExact(double(offset)) + "}";
    text.resize(length, ' ');
    return text;
}

std::vector<std::byte> textBytes(const std::string& text)
{
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

class BitsAndBytesFormat : public CheckpointFormat
{
public:
    using CheckpointFormat::CheckpointFormat;

    Settled settle(const TensorInfo& tensor, const Scheme& wished) const override
    {
        if (wished.format != Format::NF4 && wished.format != Format::FP4)
            return {std::nullopt, "bitsandbytes stores NF4 and FP4"};
        std::string why;
        Scheme scheme = wished;
        if (crossesRows(scheme, tensor))
            return {scheme, "its blocks run on from row to row"};
        if (!ownGroups(scheme, tensor.cols()))
            scheme = withoutDouble(scheme, why);
        if (!settleGroups(scheme, tensor.cols(), kBlockSizes, why))
            return {std::nullopt, why};
        return {scheme, why};
    }

    void unify(std::vector<CheckpointTensor>& tensors, std::vector<std::string>&) override
    {
        keepWhatNamesCover(tensors);
    }

    void addEntries(CheckpointTensor& tensor, const TensorInfo& info) const override
    {
        const Scheme scheme = tensor.decision.scheme;
        const Shape shape{tensor.rows, tensor.cols};
        const int64_t values = tensor.rows * tensor.cols;
        int64_t block = fileGroup(scheme, tensor.cols, kBlockSizes);
        if (crossesRows(scheme, info)) {
            block = scheme.groupSize;
            tensor.rows = values / block;
            tensor.cols = block;
        }
        const std::string name = tensor.module + ".weight";
        addSlices(tensor, name, DType::U8, {values / 2, 1}, packWeights);
        if (scheme.doubleQuant)
            addDouble(tensor, name, values / block);
        else
            addSlices(tensor, name + ".absmax", DType::F32, {values / block}, [block](const QuantizedTensor& q) {
                return contiguousRows(q, uint64_t(q.cols / block) * 4, rowScales(q, FileGroups(q, block), DType::F32));
            });
        addWhole(tensor, name + ".quant_map", DType::F32, {16},
                 [scheme](const TensorParameters&) { return quantMap(scheme); });
        const auto state = [scheme, block, model = modelType(), shape](const TensorParameters& p) {
            return textBytes(stateText(scheme, block, model, shape, p.scaleOffset));
        };
        const auto length = int64_t(state({}).size());
        addWhole(tensor, name + ".quant_state.bitsandbytes__" + (scheme.format == Format::NF4 ? "nf4" : "fp4"), DType::U8,
                 {length}, state);
    }

    void addConfig(nlohmann::json& config, const std::vector<CheckpointTensor>& tensors) const override
    {
        int64_t nf4 = 0, fp4 = 0, doubled = 0, plain = 0;
        for (const CheckpointTensor& tensor : tensors) {
            if (!tensor.quantized())
                continue;
            const int64_t size = tensor.rows * tensor.cols;
            (tensor.decision.scheme.format == Format::NF4 ? nf4 : fp4) += size;
            (tensor.decision.scheme.doubleQuant ? doubled : plain) += size;
        }
        config["quantization_config"] = {{"quant_method", "bitsandbytes"},
                                         {"load_in_4bit", true},
                                         {"load_in_8bit", false},
                                         {"_load_in_4bit", true},
                                         {"_load_in_8bit", false},
                                         {"llm_int8_threshold", 6.0},
                                         {"llm_int8_skip_modules", keptModules(tensors)},
                                         {"llm_int8_enable_fp32_cpu_offload", false},
                                         {"llm_int8_has_fp16_weight", false},
                                         {"bnb_4bit_compute_dtype", typeName(modelType())},
                                         {"bnb_4bit_quant_type", nf4 >= fp4 ? "nf4" : "fp4"},
                                         {"bnb_4bit_use_double_quant", doubled > plain},
                                         {"bnb_4bit_quant_storage", "uint8"}};
    }

private:
    static void addDouble(CheckpointTensor& tensor, const std::string& name, int64_t blocks)
    {
        addSlices(tensor, name + ".absmax", DType::U8, {blocks}, [](const QuantizedTensor& q) {
            const auto codes = std::as_bytes(std::span(q.scaleCodes));
            return contiguousRows(q, uint64_t(q.groupsPerRow), {codes.begin(), codes.end()});
        });
        addWhole(tensor, name + ".nested_absmax", DType::F32, {ceilDiv(blocks, kDoubleQuantBlock)},
                 [](const TensorParameters& p) { return bytesOf(p.scaleScales); });
        addWhole(tensor, name + ".nested_quant_map", DType::F32, {256},
                 [](const TensorParameters&) { return bytesOf(dynamicMap()); });
    }
};

} // namespace

std::unique_ptr<CheckpointFormat> bitsAndBytesFormat(DType model)
{
    return std::make_unique<BitsAndBytesFormat>(model);
}

} // namespace ql
