// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/export/compressedtensorsconfig.h"

#include "core/export/packedlayers.h"
#include "core/quant/schemetable.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace ql {
namespace {

using Json = nlohmann::json;

const char* layoutName(CompressedLayout layout)
{
    switch (layout) {
    case CompressedLayout::Packed: return "pack-quantized";
    case CompressedLayout::IntBytes: return "int-quantized";
    case CompressedLayout::FloatBytes: return "float-quantized";
    case CompressedLayout::Nvfp4: return "nvfp4-pack-quantized";
    case CompressedLayout::Mxfp4: break;
    }
    return "mxfp4-pack-quantized";
}

Json weightArguments(const CheckpointTensor& tensor)
{
    const Scheme& scheme = tensor.decision.scheme;
    Json json{{"num_bits", bitsOf(scheme)},
              {"type", isInteger(scheme) ? "int" : "float"},
              {"symmetric", scheme.symmetry == Symmetry::Symmetric},
              {"dynamic", false},
              {"strategy", "group"},
              {"group_size", nullptr}};
    if (scheme.format == Format::NVFP4) {
        json["strategy"] = "tensor_group";
        json["group_size"] = 16;
    } else if (scheme.format == Format::MXFP4) {
        json["group_size"] = 32;
        json["scale_dtype"] = "torch.uint8";
    } else if (scheme.granularity == Granularity::Group) {
        json["group_size"] = compressedGroup(tensor);
    } else {
        // One scale for the tensor is stored as equal scales of all channels, except by FP8.
        json["strategy"] = scheme.granularity == Granularity::Tensor && !isInteger(scheme) ? "tensor" : "channel";
    }
    return json;
}

bool canSay(const ActivationScheme& scheme)
{
    const bool known = traits(scheme.format).kind == FormatKind::Integer || scheme.format == Format::FP8E4M3 ||
                       scheme.format == Format::MXFP4;
    return known && !scheme.isStatic();
}

Json inputArguments(const ActivationScheme& scheme)
{
    const FormatTraits& row = traits(scheme.format);
    const bool integer = row.kind == FormatKind::Integer;
    Json json{{"num_bits", row.bits},
              {"type", integer ? "int" : "float"},
              {"symmetric", !integer || scheme.symmetry == Symmetry::Symmetric},
              {"dynamic", true},
              {"strategy", "token"},
              {"group_size", nullptr}};
    if (scheme.format == Format::MXFP4 || scheme.granularity == ActivationScheme::Granularity::Group) {
        json["strategy"] = "group";
        json["group_size"] = scheme.format == Format::MXFP4 ? 32 : scheme.groupSize;
    }
    if (scheme.format == Format::MXFP4)
        json["scale_dtype"] = "torch.uint8";
    return json;
}

bool canSay(const KvPolicy& cache)
{
    if (!cache.layers.empty() || !cache.defaultScheme)
        return false;
    const KvScheme& scheme = *cache.defaultScheme;
    const bool known = traits(scheme.format).kind == FormatKind::Integer || scheme.format == Format::FP8E4M3;
    return known && scheme.valueFormat == scheme.format && scheme.keys == KvScheme::KeyAxis::Token &&
           scheme.groupSize == 0 && scheme.recent == 0 && scheme.first == 0;
}

Json cacheArguments(const KvScheme& scheme)
{
    const FormatTraits& row = traits(scheme.format);
    const bool integer = row.kind == FormatKind::Integer;
    return {{"num_bits", row.bits},   {"type", integer ? "int" : "float"},
            {"symmetric", !integer || scheme.symmetry == Symmetry::Symmetric},
            {"dynamic", true},        {"strategy", "token"},
            {"group_size", nullptr}};
}

const ActivationScheme* inputOf(const CheckpointTensor& tensor, const InputSchemes& inputs)
{
    const auto found = inputs.find(tensor.tensor);
    return found == inputs.end() ? nullptr : &found->second;
}

/// Layers of equal schemes, in the order of their first one.
struct Group {
    CompressedLayout layout;
    Json scheme;
    std::vector<std::string> modules;
};

std::vector<Group> groupsOf(const std::vector<CheckpointTensor>& tensors, const InputSchemes& inputs)
{
    std::vector<Group> groups;
    std::map<std::string, size_t> known;
    for (const CheckpointTensor& tensor : tensors) {
        if (!tensor.quantized())
            continue;
        const ActivationScheme* input = inputOf(tensor, inputs);
        const CompressedLayout layout = layoutOf(tensor, input);
        Json scheme{{"weights", weightArguments(tensor)},
                    {"input_activations", input ? inputArguments(*input) : Json()},
                    {"output_activations", nullptr}};
        const auto [at, isNew] = known.emplace(layoutName(layout) + scheme.dump(), groups.size());
        if (isNew)
            groups.push_back({layout, std::move(scheme), {}});
        groups[at->second].modules.push_back(tensor.module);
    }
    return groups;
}

} // namespace

int64_t compressedGroup(const CheckpointTensor& tensor)
{
    const Scheme& scheme = tensor.decision.scheme;
    if (scheme.granularity != Granularity::Group)
        return tensor.cols;
    return tensor.cols % scheme.groupSize == 0 ? scheme.groupSize : fileGroup(scheme, tensor.cols, kCompressedGroups);
}

CompressedLayout layoutOf(const CheckpointTensor& tensor, const ActivationScheme* input)
{
    const Scheme& scheme = tensor.decision.scheme;
    if (scheme.format == Format::NVFP4)
        return CompressedLayout::Nvfp4;
    if (scheme.format == Format::MXFP4)
        return CompressedLayout::Mxfp4;
    if (!isInteger(scheme))
        return CompressedLayout::FloatBytes;
    return input ? CompressedLayout::IntBytes : CompressedLayout::Packed;
}

void tellUnsaid(const std::vector<CheckpointTensor>& tensors, InputSchemes& inputs, KvPolicy& kvCache,
                std::vector<std::string>& warnings)
{
    std::string first;
    const size_t unsaid = std::erase_if(inputs, [&](const auto& input) {
        if (!canSay(input.second) && first.empty())
            first = input.second.text();
        return !canSay(input.second);
    });
    if (unsaid > 0)
        warnings.push_back("the inputs of " + std::to_string(unsaid) + " layers stay in full precision: " + first +
                           " is static or has no name in compressed-tensors");
    if (!kvCache.empty() && !canSay(kvCache)) {
        warnings.push_back("the KV cache stays in full precision: compressed-tensors says one scheme for all layers, with "
                           "a scale per token and no exceptions");
        kvCache = {};
    } else if (!kvCache.empty()) {
        warnings.push_back("the KV cache has a scale per token, which not every engine reads");
    }
    const bool odd = std::any_of(tensors.begin(), tensors.end(), [&](const CheckpointTensor& tensor) {
        const int bits = bitsOf(tensor.decision.scheme);
        return tensor.quantized() && layoutOf(tensor, inputOf(tensor, inputs)) == CompressedLayout::Packed &&
               (bits == 3 || bits >= 5) && bits != 8;
    });
    if (odd)
        warnings.push_back("codes of 3, 5, 6 and 7 bits are packed densely; compressed-tensors reads them so since "
                           "May 2026");
}

nlohmann::json compressedConfig(const std::vector<CheckpointTensor>& tensors, const InputSchemes& inputs,
                                const KvPolicy& kvCache)
{
    const std::vector<Group> groups = groupsOf(tensors, inputs);
    const bool mixed = std::any_of(groups.begin(), groups.end(),
                                   [&](const Group& group) { return group.layout != groups.front().layout; });
    Json json{{"quant_method", "compressed-tensors"},
              {"version", "0.20.0"},
              {"format", groups.empty() ? "dense" : mixed ? "mixed-precision" : layoutName(groups.front().layout)},
              {"quantization_status", "compressed"},
              {"global_compression_ratio", nullptr},
              {"ignore", keptModules(tensors)},
              {"kv_cache_scheme", kvCache.defaultScheme ? cacheArguments(*kvCache.defaultScheme) : Json()},
              {"config_groups", Json::object()},
              {"sparsity_config", Json::object()},
              {"transform_config", Json::object()}};
    for (size_t i = 0; i < groups.size(); ++i) {
        Json group = groups[i].scheme;
        group["targets"] = groups.size() == 1 ? Json{"Linear"} : Json(groups[i].modules);
        if (mixed)
            group["format"] = layoutName(groups[i].layout);
        json["config_groups"]["group_" + std::to_string(i)] = std::move(group);
    }
    return json;
}

} // namespace ql
