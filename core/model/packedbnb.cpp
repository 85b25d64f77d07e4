// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// bitsandbytes: NF4 and FP4 with their quantization state, and 8-bit rows with their maxima ("SCB").
#include "core/base/checked.h"
#include "core/base/utf8.h"
#include "core/io/json.h"
#include "core/model/packedfinder.h"

#include <cmath>

namespace ql
{
namespace
{

constexpr uint64_t kLargestState = 64 << 10;

struct State {
    const TensorInfo* tensor = nullptr;
    std::string type; ///< "nf4" or "fp4"
    nlohmann::json json;
    int64_t block = 0;
    Shape shape;
    uint64_t count = 0;
};

Result<State> readState(const PackedFinder& finder, const TensorInfo& tensor, std::string type)
{
    State state{&tensor, std::move(type), {}, 0, {}, 0};
    const auto invalid = [&](const std::string& message) {
        return finder.error(ErrorCode::InvalidMetadata, tensor, message);
    };
    QL_CHECK(finder.needType(tensor, {DType::U8, DType::I8}));
    if (tensor.bytes == 0 || tensor.bytes > kLargestState)
        return invalid("a quantization state of " + std::to_string(tensor.bytes) + " bytes is not believable");
    std::string text(size_t(tensor.bytes), '\0');
    QL_CHECK(finder.readBytes(tensor, std::as_writable_bytes(std::span(text.data(), text.size()))));
    auto json = parseJson(text, tensor.name, {kLargestState, 8});
    if (!json.ok() || !json->is_object())
        return invalid("the quantization state is no JSON object" + (json.ok() ? "" : ": " + json.error().message));
    state.json = std::move(*json);
    const auto said = state.json.find("quant_type");
    if (said == state.json.end() || *said != state.type)
        return invalid("the quantization state does not say \"quant_type\": \"" + state.type + "\"");
    state.block = wholeNumber(state.json, {"blocksize"}).value_or(0);
    if (state.block < 16 || state.block > 1 << 16)
        return invalid("\"blocksize\" must be a number from 16 to 65536");
    const auto shape = state.json.find("shape");
    if (shape == state.json.end() || !shape->is_array() || shape->empty() || shape->size() > 4)
        return invalid("\"shape\" must be a list of dimensions");
    for (const auto& dim : *shape) {
        if (!dim.is_number_unsigned() || dim.get<uint64_t>() == 0 || dim.get<uint64_t>() > uint64_t(INT64_MAX))
            return invalid("\"shape\" must be a list of dimensions");
        state.shape.push_back(dim.get<int64_t>());
    }
    const auto count = elementCount(state.shape);
    if (!count || *count > uint64_t(INT64_MAX) / 2)
        return invalid("\"shape\" " + toString(state.shape) + " is larger than any file");
    state.count = *count;
    return state;
}

Status needCount(const PackedFinder& finder, const TensorInfo& tensor, DType type, int64_t count)
{
    QL_CHECK(finder.needType(tensor, {type}));
    if (tensor.parameters() == uint64_t(count))
        return {};
    return finder.error(ErrorCode::SizeMismatch, tensor,
                        "holds " + std::to_string(tensor.parameters()) + " values instead of " + std::to_string(count));
}

/// Scales that are codes themselves.
Status readNested(const PackedFinder& finder, const TensorInfo& codes, const State& state, int64_t blocks,
                  PackedWeight& weight)
{
    QL_TRY(const TensorInfo* outer, finder.need(codes, codes.name + ".nested_absmax"));
    QL_TRY(const TensorInfo* table, finder.need(codes, codes.name + ".nested_quant_map"));
    weight.nestedBlock = wholeNumber(state.json, {"nested_blocksize"}).value_or(0);
    const auto offset = state.json.find("nested_offset");
    const bool number = offset != state.json.end() && offset->is_number() && std::isfinite(offset->get<double>());
    if (weight.nestedBlock < 16 || weight.nestedBlock > 1 << 16 || !number)
        return finder.error(ErrorCode::InvalidMetadata, *state.tensor,
                            "\"nested_blocksize\" must be a number from 16 to 65536 and \"nested_offset\" a number");
    QL_CHECK(needCount(finder, *outer, DType::F32, ceilDiv(blocks, weight.nestedBlock)));
    QL_CHECK(needCount(finder, *table, DType::F32, 256));
    weight.nestedOffset = float(offset->get<double>());
    weight.nestedScales = addPart(weight, *outer);
    weight.nestedTable = addPart(weight, *table);
    weight.scaleRule = ScaleRule::Nested;
    return {};
}

Result<std::optional<PackedDraft>> fourBits(const PackedFinder& finder, const TensorInfo& codes, const State& state)
{
    if (codes.bytes != (state.count + 1) / 2)
        return finder.error(ErrorCode::SizeMismatch, codes,
                            "has " + std::to_string(codes.bytes) + " bytes; its quantization state asks for " +
                                std::to_string((state.count + 1) / 2));
    QL_TRY(const TensorInfo* scales, finder.need(codes, codes.name + ".absmax"));
    QL_TRY(const TensorInfo* table, finder.need(codes, codes.name + ".quant_map"));
    PackedDraft draft;
    draft.name = codes.name;
    draft.shape = state.shape;
    const auto type = state.json.find("dtype");
    const auto named =
        type != state.json.end() && type->is_string() ? floatTypeFromName(type->get<std::string>()) : std::nullopt;
    draft.dtype = named.value_or(finder.config().dtype.value_or(DType::F16));
    PackedWeight& weight = draft.weight;
    weight.cols = state.shape.back();
    weight.rows = int64_t(state.count / uint64_t(weight.cols));
    weight.bits = 4;
    weight.codeOrder = CodeOrder::FlatNibbles;
    weight.blockCols = state.block;
    addPart(weight, codes);
    weight.scales = addPart(weight, *scales);
    weight.scaleType = scales->dtype;
    const int64_t blocks = ceilDiv(int64_t(state.count), state.block);
    const bool nested = finder.find(codes.name + ".nested_absmax") || state.json.contains("nested_blocksize");
    QL_CHECK(needCount(finder, *scales, nested ? DType::U8 : DType::F32, blocks));
    if (nested)
        QL_CHECK(readNested(finder, codes, state, blocks, weight));
    QL_CHECK(needCount(finder, *table, DType::F32, 16));
    weight.table = addPart(weight, *table);
    addPart(weight, *state.tensor);
    describe(draft, "bitsandbytes", state.type == "nf4" ? Format::NF4 : Format::FP4);
    return std::optional(std::move(draft));
}

Result<std::optional<PackedDraft>> eightBits(const PackedFinder& finder, const TensorInfo& codes,
                                             const TensorInfo& maxima, const std::string& module)
{
    QL_CHECK(finder.needMatrix(codes));
    QL_CHECK(needCount(finder, maxima, DType::F32, codes.shape[0]));
    PackedDraft draft;
    draft.name = codes.name;
    draft.shape = codes.shape;
    draft.dtype = finder.config().dtype.value_or(DType::F16);
    PackedWeight& weight = draft.weight;
    weight.rows = codes.shape[0];
    weight.cols = codes.shape[1];
    weight.values = signedByteLevels();
    weight.blockCols = weight.cols;
    weight.scaleRule = ScaleRule::RowMaximum127;
    addPart(weight, codes);
    weight.scales = addPart(weight, maxima);
    if (const TensorInfo* order = finder.find(module + ".weight_format")) {
        std::byte first{};
        QL_CHECK(needCount(finder, *order, DType::U8, 1));
        QL_CHECK(finder.readBytes(*order, std::span(&first, 1)));
        if (first != std::byte{0})
            return finder.error(ErrorCode::Unsupported, *order,
                                "weights in tile order " + std::to_string(int(first)) +
                                    " are not read; only rows (0) are");
        addPart(weight, *order);
    }
    describe(draft, "bitsandbytes", Format::Int8);
    weight.scheme.range = CodeRange::Strict;
    return std::optional(std::move(draft));
}

} // namespace

Result<std::optional<PackedDraft>> recogniseBitsAndBytes(const PackedFinder& finder, const TensorInfo& tensor)
{
    for (const char* type : {"nf4", "fp4"}) {
        if (const TensorInfo* found = finder.find(tensor.name + ".quant_state.bitsandbytes__" + type)) {
            QL_TRY(const State state, readState(finder, *found, type));
            return fourBits(finder, tensor, state);
        }
    }
    if (finder.find(tensor.name + ".absmax") || finder.find(tensor.name + ".quant_map"))
        QL_CHECK(finder.need(tensor, tensor.name + ".quant_state.bitsandbytes__nf4"));
    const std::string module = moduleOf(tensor, ".weight");
    const TensorInfo* maxima = module.empty() || tensor.dtype != DType::I8 ? nullptr : finder.find(module + ".SCB");
    if (maxima)
        return eightBits(finder, tensor, *maxima, module);
    if (tensor.dtype == DType::I8 && finder.config().method == "bitsandbytes" && !module.empty())
        QL_CHECK(finder.need(tensor, module + ".SCB"));
    return std::optional<PackedDraft>();
}

} // namespace ql
