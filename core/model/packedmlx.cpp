// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// MLX (affine, mxfp4, mxfp8, nvfp4), the expert blocks of gpt-oss, and NVFP4 in GGUF with its factor per tensor.
#include "core/base/checked.h"
#include "core/model/packedfinder.h"

namespace ql
{
namespace
{

struct Mode {
    std::string name;
    int64_t group = 0;
    int64_t bits = 0;
};

struct ModeRow {
    const char* name;
    int group, bits;
    DType scales, levels;
    Format format;
};
constexpr ModeRow kFloatModes[] = {
    {"mxfp4", 32, 4, DType::F8E8M0, DType::F4, Format::MXFP4},
    {"mxfp8", 32, 8, DType::F8E8M0, DType::F8E4M3, Format::FP8E4M3},
    {"nvfp4", 16, 4, DType::F8E4M3, DType::F4, Format::NVFP4},
};

const ModeRow* floatMode(const std::string& name)
{
    for (const ModeRow& row : kFloatModes) {
        if (name == row.name)
            return &row;
    }
    return nullptr;
}

/// A module's own settings count before those of the model.
Mode modeOf(const QuantConfig& config, const std::string& module)
{
    Mode mode;
    const auto own = config.settings.find(module);
    const nlohmann::json* sources[] = {&config.settings,
                                       own != config.settings.end() && own->is_object() ? &*own : nullptr};
    for (const nlohmann::json* json : sources) {
        if (!json)
            continue;
        mode.group = wholeNumber(*json, {"group_size"}).value_or(mode.group);
        mode.bits = wholeNumber(*json, {"bits"}).value_or(mode.bits);
        const auto name = json->find("mode");
        if (name != json->end() && name->is_string())
            mode.name = name->get<std::string>();
    }
    return mode;
}

/// Without settings only the modes of fixed groups can be told, by words per group.
const ModeRow* modeFromShapes(const TensorInfo& codes, const TensorInfo& scales)
{
    for (const ModeRow& row : kFloatModes) {
        if (scales.shape.back() > 0 && codes.shape.back() == scales.shape.back() * (row.group * row.bits / 32))
            return &row;
    }
    return nullptr;
}

Status checkGroups(const PackedFinder& finder, const TensorInfo& codes, const TensorInfo& scales,
                   const PackedWeight& weight)
{
    const bool whole = codes.shape.back() * 32 % weight.bits == 0;
    Shape expected = codes.shape;
    expected.back() = weight.cols / weight.blockCols;
    if (!whole || weight.cols % weight.blockCols != 0)
        return finder.error(ErrorCode::SizeMismatch, codes,
                            std::to_string(codes.shape.back()) + " words per output are not whole groups of " +
                                std::to_string(weight.blockCols) + " codes of " + std::to_string(weight.bits) +
                                " bits");
    return finder.needShape(scales, expected);
}

Result<std::optional<PackedDraft>> affine(const PackedFinder& finder, const TensorInfo& codes, const TensorInfo& scales,
                                          const std::string& module, const Mode& mode, PackedDraft draft)
{
    const int64_t bits = mode.bits;
    if (bits < 2 || bits > 8 || bits == 7)
        return finder.error(ErrorCode::Unsupported, codes,
                            "MLX weights of " + std::to_string(bits) +
                                " bits are not read; 2, 3, 4, 5, 6 and 8 bits are");
    if (mode.group < 1 || mode.group > 1 << 20)
        return finder.error(ErrorCode::ConfigInvalid, codes,
                            "\"group_size\" " + std::to_string(mode.group) + " is out of range");
    QL_TRY(const TensorInfo* biases, finder.need(codes, module + ".biases"));
    QL_CHECK(finder.needType(scales, kScaleTypes));
    PackedWeight& weight = draft.weight;
    weight.bits = int(bits);
    weight.blockCols = mode.group;
    weight.cols = codes.shape.back() * 32 / bits;
    weight.values = integerLevels(0);
    weight.scaleType = scales.dtype;
    QL_CHECK(checkGroups(finder, codes, scales, weight));
    QL_CHECK(finder.needType(*biases, {scales.dtype}));
    QL_CHECK(finder.needShape(*biases, scales.shape));
    weight.biases = addPart(weight, *biases);
    draft.shape.back() = weight.cols;
    draft.dtype = valueTypeFor(scales.dtype, finder.config());
    describe(draft, "MLX", integerFormat(int(bits)), Symmetry::Asymmetric);
    return std::optional(std::move(draft));
}

Result<std::optional<PackedDraft>> floats(const PackedFinder& finder, const TensorInfo& codes, const TensorInfo& scales,
                                          const ModeRow& mode, PackedDraft draft)
{
    QL_CHECK(finder.needType(scales, {DType::U8}));
    PackedWeight& weight = draft.weight;
    weight.bits = mode.bits;
    weight.blockCols = mode.group;
    weight.cols = codes.shape.back() * 32 / mode.bits;
    weight.values = floatLevels(mode.levels);
    weight.scaleType = mode.scales;
    QL_CHECK(checkGroups(finder, codes, scales, weight));
    draft.shape.back() = weight.cols;
    draft.dtype = finder.config().dtype.value_or(DType::BF16);
    describe(draft, "MLX", mode.format);
    return std::optional(std::move(draft));
}

Result<std::optional<PackedDraft>> expertBlocks(const PackedFinder& finder, const TensorInfo& codes,
                                                const std::string& name)
{
    QL_TRY(const TensorInfo* scales, finder.need(codes, name + "_scales"));
    if (codes.shape.size() < 3 || codes.shape.back() != 16 || codes.parameters() == 0)
        return finder.error(ErrorCode::SizeMismatch, codes,
                            "has shape " + toString(codes.shape) +
                                "; blocks of 16 bytes in at least two more dimensions are read");
    QL_CHECK(finder.needType(*scales, {DType::U8}));
    QL_CHECK(finder.needShape(*scales, Shape(codes.shape.begin(), codes.shape.end() - 1)));
    PackedDraft draft;
    draft.name = name;
    draft.shape = scales->shape;
    draft.shape.back() *= 32;
    draft.dtype = finder.config().dtype.value_or(DType::BF16);
    PackedWeight& weight = draft.weight;
    weight.cols = draft.shape.back();
    weight.rows = int64_t(codes.parameters() / 16) / scales->shape.back();
    weight.bits = 4;
    weight.blockCols = 32;
    weight.values = floatLevels(DType::F4);
    addPart(weight, codes);
    weight.scales = addPart(weight, *scales);
    weight.scaleType = DType::F8E8M0;
    describe(draft, "MXFP4", Format::MXFP4);
    return std::optional(std::move(draft));
}

/// llama.cpp multiplies the product with "scale", one per matrix.
Result<std::optional<PackedDraft>> ggufNvfp4(const PackedFinder& finder, const TensorInfo& codes,
                                             const TensorInfo& factor)
{
    QL_CHECK(finder.needType(factor, {DType::F32}));
    PackedDraft draft;
    draft.name = codes.name;
    draft.shape = codes.shape;
    draft.dtype = codes.dtype;
    PackedWeight& weight = draft.weight;
    weight.cols = codes.cols();
    weight.rows = codes.rows();
    weight.codeOrder = CodeOrder::GgmlBlocks;
    weight.bits = 4;
    weight.blockCols = 16;
    weight.scaleRule = ScaleRule::TimesGlobal;
    const auto factors = int64_t(factor.parameters());
    const bool stack = factors > 1 && codes.shape.size() == 3 && codes.shape[0] == factors;
    if (factors != 1 && !stack)
        return finder.error(ErrorCode::SizeMismatch, factor,
                            "holds " + std::to_string(factors) + " factors for a weight of shape " +
                                toString(codes.shape));
    weight.stackRows = stack ? codes.shape[1] : 0;
    addPart(weight, codes);
    weight.global = addPart(weight, factor);
    describe(draft, "NVFP4", Format::NVFP4);
    return std::optional(std::move(draft));
}

} // namespace

Result<std::optional<PackedDraft>> recogniseMlx(const PackedFinder& finder, const TensorInfo& tensor)
{
    const std::string module = moduleOf(tensor, ".weight");
    if (module.empty() || tensor.dtype != DType::U32)
        return std::optional<PackedDraft>();
    const bool known = finder.config().method == "mlx";
    const TensorInfo* scales = finder.find(module + ".scales");
    if (!scales && known)
        QL_CHECK(finder.need(tensor, module + ".scales"));
    if (!scales)
        return std::optional<PackedDraft>();
    if (tensor.shape.size() < 2 || tensor.parameters() == 0 || scales->shape.size() != tensor.shape.size())
        return finder.error(ErrorCode::SizeMismatch, tensor,
                            "has shape " + toString(tensor.shape) + ", its scales " + toString(scales->shape));
    PackedDraft draft;
    draft.name = tensor.name;
    draft.shape = tensor.shape;
    draft.weight.rows = int64_t(tensor.parameters()) / tensor.shape.back();
    addPart(draft.weight, tensor);
    draft.weight.scales = addPart(draft.weight, *scales);
    const Mode mode = modeOf(finder.config(), module);
    const bool bare = scales->dtype == DType::U8 && !finder.find(module + ".biases");
    if (const ModeRow* row = known ? floatMode(mode.name) : bare ? modeFromShapes(tensor, *scales) : nullptr)
        return floats(finder, tensor, *scales, *row, std::move(draft));
    if (!known)
        return std::optional<PackedDraft>(); // bits and group size cannot be told from shapes alone
    if (!mode.name.empty() && mode.name != "affine")
        return finder.error(ErrorCode::Unsupported, tensor, "MLX mode \"" + mode.name + "\" is not read");
    return affine(finder, tensor, *scales, module, mode, std::move(draft));
}

Result<std::optional<PackedDraft>> recogniseBlocks(const PackedFinder& finder, const TensorInfo& tensor)
{
    if (const std::string name = moduleOf(tensor, "_blocks"); !name.empty() && tensor.dtype == DType::U8)
        return expertBlocks(finder, tensor, name);
    const std::string module = tensor.dtype == DType::NVFP4 ? moduleOf(tensor, ".weight") : std::string();
    const TensorInfo* factor = module.empty() ? nullptr : finder.find(module + ".scale");
    return factor ? ggufNvfp4(finder, tensor, *factor)
                  : Result<std::optional<PackedDraft>>(std::optional<PackedDraft>());
}

} // namespace ql
