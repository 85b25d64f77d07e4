// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Weights that keep their name and have a scale beside them: 8-bit integers and floats of compressed-tensors, ModelOpt
// and Hugging Face FP8, and ModelOpt's NVFP4.
#include "core/base/checked.h"
#include "core/model/packedfinder.h"

#include <array>
#include <charconv>
#include <cmath>

namespace ql
{
namespace
{

using Block = std::array<int64_t, 2>;

/// [128, 128] or "128x128".
std::optional<Block> blockFrom(const nlohmann::json& json)
{
    if (json.is_array() && json.size() == 2 && json[0].is_number_unsigned() && json[1].is_number_unsigned())
        return Block{json[0].get<int64_t>(), json[1].get<int64_t>()};
    if (!json.is_string())
        return std::nullopt;
    const auto& text = json.get_ref<const std::string&>();
    Block block{};
    const char* end = text.data() + text.size();
    const auto first = std::from_chars(text.data(), end, block[0]);
    if (first.ec != std::errc() || first.ptr == end || *first.ptr != 'x')
        return std::nullopt;
    const auto second = std::from_chars(first.ptr + 1, end, block[1]);
    return second.ec == std::errc() && second.ptr == end ? std::optional(block) : std::nullopt;
}

/// The blocks that the configuration knows, then the usual ones.
std::vector<Block> candidateBlocks(const QuantConfig& config)
{
    std::vector<Block> blocks;
    const auto add = [&](const nlohmann::json& object, const char* key) {
        const auto at = object.is_object() ? object.find(key) : object.end();
        if (!object.is_object() || at == object.end())
            return;
        if (const auto block = blockFrom(*at); block && (*block)[0] > 0 && (*block)[1] > 0)
            blocks.push_back(*block);
    };
    add(config.settings, "weight_block_size");
    const auto groups = config.settings.find("config_groups");
    if (groups != config.settings.end() && groups->is_object()) {
        for (const auto& [name, group] : groups->items()) {
            if (group.is_object() && group.contains("weights"))
                add(group["weights"], "block_structure");
        }
    }
    blocks.push_back({128, 128});
    return blocks;
}

Status badScales(const PackedFinder& finder, const TensorInfo& scales, const PackedWeight& weight)
{
    return finder.error(ErrorCode::SizeMismatch, scales,
                        "has shape " + toString(scales.shape) + ", which does not fit a weight of shape " +
                            toString({weight.rows, weight.cols}));
}

/// One scale, one per output, groups along the inputs, or blocks.
Status readGrid(const PackedFinder& finder, const TensorInfo& scales, PackedWeight& weight)
{
    const Shape& shape = scales.shape;
    weight.blockRows = 1;
    weight.blockCols = weight.cols;
    if (scales.parameters() == 1) {
        weight.blockRows = weight.rows;
        return {};
    }
    if (shape.empty() || shape.size() > 2 || shape[0] < 1 || shape.back() < 1)
        return badScales(finder, scales, weight);
    const int64_t across = shape.size() == 2 ? shape[1] : 1;
    if (shape[0] == weight.rows && weight.cols % across == 0) {
        weight.blockCols = weight.cols / across;
        return {};
    }
    for (const auto& [rows, cols] : candidateBlocks(finder.config())) {
        if (rows <= INT64_MAX / 2 && cols <= INT64_MAX / 2 && shape[0] == ceilDiv(weight.rows, rows) &&
            across == ceilDiv(weight.cols, cols)) {
            weight.blockRows = rows;
            weight.blockCols = cols;
            return {};
        }
    }
    return badScales(finder, scales, weight);
}

std::string methodOf(const QuantConfig& config)
{
    return config.method == "compressed-tensors" ? "compressed-tensors"
           : config.method == "modelopt"         ? "ModelOpt"
                                                 : "FP8";
}

/// Integers and floats of 8 bits.
Result<std::optional<PackedDraft>> bytes(const PackedFinder& finder, const TensorInfo& codes, const std::string& module,
                                         const TensorInfo& scales)
{
    PackedDraft draft;
    draft.name = codes.name;
    draft.shape = codes.shape;
    PackedWeight& weight = draft.weight;
    weight.rows = codes.shape[0];
    weight.cols = codes.shape[1];
    weight.bits = 8;
    addPart(weight, codes);
    weight.scales = addPart(weight, scales);
    weight.scaleType = scales.dtype == DType::U8 ? DType::F8E8M0 : scales.dtype;
    QL_CHECK(finder.needType(scales, {DType::F32, DType::F16, DType::BF16, DType::U8, DType::F8E8M0}));
    QL_CHECK(readGrid(finder, scales, weight));
    const bool integers = codes.dtype == DType::I8;
    weight.values = integers ? signedByteLevels() : floatLevels(codes.dtype);
    draft.dtype = valueTypeFor(scales.dtype, finder.config());
    const TensorInfo* zeros = finder.find(module + ".weight_zero_point");
    if (zeros && integers) {
        QL_CHECK(finder.needType(*zeros, {DType::I8}));
        QL_CHECK(finder.needShape(*zeros, scales.shape));
        weight.zeros = addPart(weight, *zeros);
        weight.zeroOrder = ZeroOrder::Plain;
    } else if (integers && !zeros && saysAsymmetric(finder.config(), 8)) {
        return finder.need(codes, module + ".weight_zero_point").error();
    } else if (zeros) {
        addPart(weight, *zeros); // of symmetric floats: zeros that change nothing
    }
    const Format format = integers ? Format::Int8 : codes.dtype == DType::F8E4M3 ? Format::FP8E4M3 : Format::FP8E5M2;
    const std::string method = methodOf(finder.config());
    describe(draft, integers && method == "FP8" ? "compressed-tensors" : method, format,
             weight.zeros >= 0 ? Symmetry::Asymmetric : Symmetry::Symmetric);
    return std::optional(std::move(draft));
}

Result<std::optional<PackedDraft>> modelOptPairs(const PackedFinder& finder, const TensorInfo& codes,
                                                 const std::string& module)
{
    QL_TRY(const TensorInfo* scales, finder.need(codes, module + ".weight_scale"));
    QL_TRY(const TensorInfo* global, finder.need(codes, module + ".weight_scale_2"));
    PackedDraft draft;
    draft.name = codes.name;
    draft.shape = {codes.shape[0], codes.shape[1] * 2};
    draft.dtype = finder.config().dtype.value_or(DType::BF16);
    PackedWeight& weight = draft.weight;
    weight.rows = draft.shape[0];
    weight.cols = draft.shape[1];
    weight.bits = 4;
    weight.values = floatLevels(DType::F4);
    weight.blockCols = 16;
    addPart(weight, codes);
    QL_CHECK(finder.needType(*scales, {DType::F8E4M3}));
    if (weight.cols % weight.blockCols != 0)
        return finder.error(ErrorCode::SizeMismatch, codes,
                            std::to_string(weight.cols) + " inputs are not whole groups of 16");
    QL_CHECK(finder.needShape(*scales, {weight.rows, weight.cols / weight.blockCols}));
    QL_CHECK(finder.needType(*global, kScaleTypes));
    weight.scales = addPart(weight, *scales);
    weight.scaleType = DType::F8E4M3;
    weight.global = addPart(weight, *global);
    weight.scaleRule = ScaleRule::TimesGlobal;
    describe(draft, "ModelOpt", Format::NVFP4);
    return std::optional(std::move(draft));
}

} // namespace

Result<std::optional<PackedDraft>> recogniseScaled(const PackedFinder& finder, const TensorInfo& tensor)
{
    const std::string module = moduleOf(tensor, ".weight");
    const bool codes = tensor.dtype == DType::I8 || tensor.dtype == DType::U8 || tensor.dtype == DType::F8E4M3 ||
                       tensor.dtype == DType::F8E5M2;
    if (module.empty() || !codes)
        return std::optional<PackedDraft>();
    const TensorInfo* scales = finder.find(module + ".weight_scale");
    if (!scales)
        scales = finder.find(module + ".weight_scale_inv");
    const bool pairs = tensor.dtype == DType::U8 && finder.find(module + ".weight_scale_2");
    if (!scales && !pairs) {
        // Without a configuration the bytes may be meant as they are.
        const std::string& method = finder.config().method;
        const bool named = method == "compressed-tensors" || method == "modelopt" || method == "fp8";
        if (named && tensor.shape.size() == 2)
            QL_CHECK(finder.need(tensor, module + (method == "fp8" ? ".weight_scale_inv" : ".weight_scale")));
        return std::optional<PackedDraft>();
    }
    if (tensor.dtype == DType::U8 && !pairs)
        return finder.error(ErrorCode::Unsupported, tensor,
                            "bytes with a scale but no \"weight_scale_2\" are of no format that is read here");
    if (finder.find(module + ".pre_quant_scale"))
        return finder.error(ErrorCode::Unsupported, tensor,
                            "weights whose inputs are rescaled (\"pre_quant_scale\") are not read");
    QL_CHECK(finder.needMatrix(tensor));
    return pairs ? modelOptPairs(finder, tensor, module) : bytes(finder, tensor, module, *scales);
}

} // namespace ql
