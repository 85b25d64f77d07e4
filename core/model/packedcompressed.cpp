// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The packed formats of compressed-tensors: pack-quantized integers, nvfp4 and mxfp4, all called "weight_packed".
#include "core/base/checked.h"
#include "core/model/packedfinder.h"

#include <cstring>
#include <vector>

namespace ql
{
namespace
{

constexpr std::string_view kSuffix = ".weight_packed";

/// The widths that config groups name, each once; all of them, likely ones first, when there is no configuration.
std::vector<int> candidateBits(const QuantConfig& config)
{
    std::vector<int> bits;
    const auto groups = config.settings.find("config_groups");
    if (groups != config.settings.end() && groups->is_object()) {
        for (const auto& [name, group] : groups->items()) {
            const auto weights = group.is_object() ? group.find("weights") : group.end();
            const auto said =
                group.is_object() && weights != group.end() ? wholeNumber(*weights, {"num_bits"}) : std::nullopt;
            if (said && *said >= 1 && *said <= 8)
                bits.push_back(int(*said));
        }
    }
    return bits.empty() ? std::vector<int>{4, 8, 2, 3, 5, 6, 7} : bits;
}

struct Width {
    int bits = 0;
    bool words = false; ///< the older packing
};

/// The width tells the packing. Where both are as wide - for 1, 2, 4 and 8 bits they are the same - the dense stream of
/// today counts.
std::optional<Width> widthOf(const QuantConfig& config, int64_t cols, int64_t words)
{
    const std::vector<int> candidates = candidateBits(config);
    for (const int bits : candidates) {
        if (ceilDiv(cols * bits, 32) == words)
            return Width{bits, false};
    }
    for (const int bits : candidates) {
        if (ceilDiv(cols, 32 / bits) == words)
            return Width{bits, true};
    }
    return std::nullopt;
}

/// Scales [rows, groups], [rows, 1], [rows], [1] or a scalar.
Status readScales(const PackedFinder& finder, const TensorInfo& scales, PackedWeight& weight)
{
    QL_CHECK(finder.needType(scales, kScaleTypes));
    weight.scales = addPart(weight, scales);
    weight.scaleType = scales.dtype;
    weight.blockRows = 1;
    weight.blockCols = weight.cols;
    if (scales.parameters() == 1) {
        weight.blockRows = weight.rows;
        return {};
    }
    const bool matrix = scales.shape.size() == 2;
    const int64_t groups = matrix ? scales.shape[1] : 1;
    if (scales.shape.empty() || scales.shape[0] != weight.rows || groups < 1 || groups > weight.cols)
        return finder.error(ErrorCode::SizeMismatch, scales,
                            "has shape " + toString(scales.shape) + ", which does not fit a weight of shape " +
                                toString({weight.rows, weight.cols}));
    const int64_t said = ceilDiv(weight.cols, groups);
    if (ceilDiv(weight.cols, said) != groups || (groups > 1 && weight.cols % groups != 0))
        return finder.error(ErrorCode::SizeMismatch, scales,
                            "has " + std::to_string(groups) + " groups for " + std::to_string(weight.cols) + " inputs");
    weight.blockCols = said;
    return {};
}

Status readPackedZeros(const PackedFinder& finder, const TensorInfo& zeros, PackedWeight& weight)
{
    const int64_t groups = ceilDiv(weight.cols, weight.blockCols);
    weight.zeros = addPart(weight, zeros);
    if (zeros.dtype == DType::I8) {
        weight.zeroOrder = ZeroOrder::Plain;
        return finder.needShape(zeros, finder.find(weight.parts[size_t(weight.scales)].name)->shape);
    }
    QL_CHECK(finder.needType(zeros, {DType::I32}));
    const int64_t outputs = weight.blockRows > 1 ? 1 : weight.rows;
    const bool words = weight.codeOrder == CodeOrder::RowWords;
    weight.zeroOrder = words ? ZeroOrder::ColumnWords : ZeroOrder::ColumnStream;
    weight.zeroAdd = -(1 << (weight.bits - 1));
    if (outputs == 1 && weight.rows > 1)
        return finder.error(ErrorCode::Unsupported, zeros, "a packed zero point for a whole tensor is not read");
    return finder.needShape(zeros,
                            {words ? ceilDiv(outputs, 32 / weight.bits) : ceilDiv(outputs * weight.bits, 32), groups});
}

Result<std::optional<PackedDraft>> packedIntegers(const PackedFinder& finder, const TensorInfo& codes,
                                                  const std::string& module)
{
    QL_TRY(const TensorInfo* shape, finder.need(codes, module + ".weight_shape"));
    QL_TRY(const TensorInfo* scales, finder.need(codes, module + ".weight_scale"));
    QL_CHECK(finder.needType(*shape, {DType::I64}));
    QL_CHECK(finder.needShape(*shape, {2}));
    int64_t dims[2] = {};
    QL_CHECK(finder.readBytes(*shape, std::as_writable_bytes(std::span(dims))));
    const int64_t words = codes.shape[1];
    if (dims[0] != codes.shape[0] || dims[1] < 1 || dims[1] > words * 32)
        return finder.error(ErrorCode::SizeMismatch, *shape,
                            "says " + toString({dims[0], dims[1]}) + ", which " + toString(codes.shape) +
                                " packed words cannot hold");
    const auto width = widthOf(finder.config(), dims[1], words);
    if (!width)
        return finder.error(ErrorCode::Unsupported, codes,
                            std::to_string(words) + " words for " + std::to_string(dims[1]) +
                                " inputs fit no number of bits that is read here (2 to 8, as the configuration says)");
    PackedDraft draft;
    draft.name = module + ".weight";
    draft.shape = {dims[0], dims[1]};
    PackedWeight& weight = draft.weight;
    weight.rows = dims[0];
    weight.cols = dims[1];
    weight.bits = width->bits;
    weight.codeOrder = width->words ? CodeOrder::RowWords : CodeOrder::RowStream;
    weight.values = integerLevels(1 << (width->bits - 1));
    addPart(weight, codes);
    addPart(weight, *shape);
    QL_CHECK(readScales(finder, *scales, weight));
    draft.dtype = valueTypeFor(scales->dtype, finder.config());
    const TensorInfo* zeros = finder.find(module + ".weight_zero_point");
    if (zeros)
        QL_CHECK(readPackedZeros(finder, *zeros, weight));
    else if (saysAsymmetric(finder.config(), width->bits))
        return finder.need(codes, module + ".weight_zero_point").error();
    if (const TensorInfo* index = finder.find(module + ".weight_g_idx")) {
        QL_CHECK(finder.needType(*index, {DType::I32}));
        QL_CHECK(finder.needShape(*index, {weight.cols}));
        weight.groupIndex = addPart(weight, *index);
    }
    if (width->bits < 2)
        return finder.error(ErrorCode::Unsupported, codes, "weights of 1 bit are not read");
    describe(draft, "compressed-tensors", integerFormat(width->bits),
             zeros ? Symmetry::Asymmetric : Symmetry::Symmetric);
    return std::optional(std::move(draft));
}

/// Pairs of E2M1 codes, the first in the low nibble.
Result<std::optional<PackedDraft>> packedPairs(const PackedFinder& finder, const TensorInfo& codes,
                                               const std::string& module)
{
    QL_TRY(const TensorInfo* scales, finder.need(codes, module + ".weight_scale"));
    PackedDraft draft;
    draft.name = module + ".weight";
    draft.shape = {codes.shape[0], codes.shape[1] * 2};
    draft.dtype = finder.config().dtype.value_or(DType::BF16);
    PackedWeight& weight = draft.weight;
    weight.rows = draft.shape[0];
    weight.cols = draft.shape[1];
    weight.bits = 4;
    weight.values = floatLevels(DType::F4);
    addPart(weight, codes);
    weight.scales = addPart(weight, *scales);
    const bool nvfp4 = scales->dtype == DType::F8E4M3;
    weight.blockCols = nvfp4 ? 16 : 32;
    if (weight.cols % weight.blockCols != 0)
        return finder.error(ErrorCode::SizeMismatch, codes,
                            std::to_string(weight.cols) + " inputs are not whole groups of " +
                                std::to_string(weight.blockCols));
    QL_CHECK(finder.needType(*scales, {DType::F8E4M3, DType::U8, DType::F8E8M0}));
    QL_CHECK(finder.needShape(*scales, {weight.rows, weight.cols / weight.blockCols}));
    weight.scaleType = nvfp4 ? DType::F8E4M3 : DType::F8E8M0;
    if (nvfp4) {
        QL_TRY(const TensorInfo* global, finder.need(codes, module + ".weight_global_scale"));
        QL_CHECK(finder.needType(*global, kScaleTypes));
        weight.global = addPart(weight, *global);
        weight.scaleRule = ScaleRule::OverGlobal;
    }
    describe(draft, "compressed-tensors", nvfp4 ? Format::NVFP4 : Format::MXFP4);
    return std::optional(std::move(draft));
}

} // namespace

Result<std::optional<PackedDraft>> recogniseCompressed(const PackedFinder& finder, const TensorInfo& tensor)
{
    const std::string module = moduleOf(tensor, kSuffix);
    if (module.empty())
        return std::optional<PackedDraft>();
    QL_CHECK(finder.needType(tensor, {DType::I32, DType::U8}));
    QL_CHECK(finder.needMatrix(tensor));
    return tensor.dtype == DType::U8 ? packedPairs(finder, tensor, module) : packedIntegers(finder, tensor, module);
}

} // namespace ql
