// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// GPTQ and AWQ: codes in 32-bit words beside "qzeros" and "scales", as AutoGPTQ and AutoAWQ publish them.
#include "core/base/checked.h"
#include "core/model/packedfinder.h"

namespace ql
{
namespace
{

struct Words {
    const TensorInfo *codes, *scales, *zeros;
    std::string module;
    int64_t groups, rows;
};

PackedDraft draftOf(const PackedFinder& finder, const Words& words, int64_t cols, int64_t group)
{
    PackedDraft draft;
    draft.name = words.module + ".weight";
    draft.shape = {words.rows, cols};
    draft.dtype = valueTypeFor(words.scales->dtype, finder.config());
    PackedWeight& weight = draft.weight;
    addPart(weight, *words.codes);
    weight.scales = addPart(weight, *words.scales);
    weight.zeros = addPart(weight, *words.zeros);
    weight.rows = words.rows;
    weight.cols = cols;
    weight.scaleType = words.scales->dtype;
    weight.scalesByColumn = true;
    weight.blockCols = group;
    weight.values = integerLevels(0);
    return draft;
}

/// Inputs that share a scale: what the settings say where it fits, else what the number of groups says; 0 for nothing.
int64_t groupSize(const QuantConfig& config, int64_t cols, int64_t groups)
{
    const int64_t said = config.number({"group_size", "q_group_size"}).value_or(0);
    if (said > 0 && said <= cols && ceilDiv(cols, said) == groups)
        return said;
    return groups > 0 && cols % groups == 0 ? cols / groups : 0;
}

Result<std::optional<PackedDraft>> awq(const PackedFinder& finder, const Words& words)
{
    const QuantConfig& config = finder.config();
    const std::string version = config.text({"version"});
    if (config.method == "awq" && !version.empty() && version != "gemm")
        return finder.error(ErrorCode::Unsupported, *words.codes,
                            "AWQ checkpoints of version \"" + version + "\" are not read; only \"gemm\" is");
    const int64_t bits = config.number({"bits", "w_bit"}).value_or(4);
    if (config.method == "awq" && bits != 4)
        return finder.error(ErrorCode::Unsupported, *words.codes,
                            "AWQ weights of " + std::to_string(bits) + " bits are not read; only 4 bits are");
    const int64_t cols = words.codes->shape[0];
    QL_CHECK(finder.needShape(*words.zeros, {words.groups, words.rows / 8}));
    if (cols % words.groups != 0)
        return finder.error(ErrorCode::SizeMismatch, *words.scales,
                            "has " + std::to_string(words.groups) + " groups for " + std::to_string(cols) + " inputs");
    PackedDraft draft = draftOf(finder, words, cols, cols / words.groups);
    draft.weight.bits = 4;
    draft.weight.codeOrder = CodeOrder::ColumnNibbles;
    draft.weight.zeroOrder = ZeroOrder::RowNibbles;
    describe(draft, "AWQ", Format::Int4, Symmetry::Asymmetric);
    return std::optional(std::move(draft));
}

Result<int> gptqBits(const PackedFinder& finder, const Words& words)
{
    const int64_t zeroBits = words.zeros->shape[1] * 32;
    const int64_t bits = zeroBits / words.rows;
    if (zeroBits % words.rows != 0 || bits < 1 || bits > 16)
        return finder.error(ErrorCode::SizeMismatch, *words.zeros,
                            "has " + std::to_string(words.zeros->shape[1]) + " words per group for " +
                                std::to_string(words.rows) + " outputs");
    if (bits != 2 && bits != 3 && bits != 4 && bits != 8)
        return finder.error(ErrorCode::Unsupported, *words.codes,
                            "GPTQ weights of " + std::to_string(bits) + " bits are not read; 2, 3, 4 and 8 bits are");
    if (words.codes->shape[0] * 32 % bits != 0 || (bits == 3 && words.codes->shape[0] % 3 != 0))
        return finder.error(ErrorCode::SizeMismatch, *words.codes,
                            std::to_string(words.codes->shape[0]) + " words per output do not hold whole codes of " +
                                std::to_string(bits) + " bits");
    return int(bits);
}

Result<std::optional<PackedDraft>> gptq(const PackedFinder& finder, const Words& words)
{
    const QuantConfig& config = finder.config();
    QL_TRY(const int bits, gptqBits(finder, words));
    QL_CHECK(finder.needShape(*words.zeros, {words.groups, words.rows * bits / 32}));
    const int64_t cols = words.codes->shape[0] * 32 / bits;
    const TensorInfo* index = finder.find(words.module + ".g_idx");
    if (index) {
        QL_CHECK(finder.needType(*index, {DType::I32}));
        QL_CHECK(finder.needShape(*index, {cols}));
    } else if (config.boolean("desc_act").value_or(false) && !config.boolean("static_groups").value_or(false) &&
               words.groups > 1) {
        return finder.need(*words.codes, words.module + ".g_idx").error(); // groups in the order of activations
    }
    const int64_t group = groupSize(config, cols, words.groups);
    if (group == 0)
        return finder.error(ErrorCode::SizeMismatch, *words.scales,
                            "has " + std::to_string(words.groups) + " groups for " + std::to_string(cols) + " inputs");
    PackedDraft draft = draftOf(finder, words, cols, group);
    PackedWeight& weight = draft.weight;
    weight.bits = bits;
    weight.codeOrder = CodeOrder::ColumnStream;
    weight.zeroOrder = ZeroOrder::RowStream;
    // The first version stores zero points less one. A stored -1 comes back as 0, except with 3 bits, whose published
    // reader does not mask.
    const bool second = config.text({"checkpoint_format", "format"}) == "gptq_v2";
    weight.zeroAdd = second ? 0 : 1;
    weight.zeroWraps = !second && bits != 3;
    if (index)
        weight.groupIndex = addPart(weight, *index);
    describe(draft, "GPTQ", integerFormat(bits),
             config.boolean("sym").value_or(false) ? Symmetry::Symmetric : Symmetry::Asymmetric);
    return std::optional(std::move(draft));
}

} // namespace

Result<std::optional<PackedDraft>> recogniseWords(const PackedFinder& finder, const TensorInfo& tensor)
{
    const std::string module = moduleOf(tensor, ".qweight");
    if (module.empty())
        return std::optional<PackedDraft>();
    QL_TRY(const TensorInfo* scales, finder.need(tensor, module + ".scales"));
    QL_TRY(const TensorInfo* zeros, finder.need(tensor, module + ".qzeros"));
    QL_CHECK(finder.needType(tensor, {DType::I32, DType::U32}));
    QL_CHECK(finder.needType(*zeros, {DType::I32, DType::U32}));
    QL_CHECK(finder.needType(*scales, kScaleTypes));
    for (const TensorInfo* part : {&tensor, zeros, scales})
        QL_CHECK(finder.needMatrix(*part));
    const Words words{&tensor, scales, zeros, module, scales->shape[0], scales->shape[1]};
    if (tensor.shape[1] == words.rows)
        return gptq(finder, words);
    if (words.rows % 8 == 0 && tensor.shape[1] == words.rows / 8)
        return awq(finder, words);
    return finder.error(ErrorCode::SizeMismatch, tensor,
                        "has shape " + toString(tensor.shape) +
                            ", which is neither that of GPTQ nor that of AWQ GEMM for " + std::to_string(words.rows) +
                            " outputs");
}

} // namespace ql
