// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/nn/families.h"

#include "core/base/utf8.h"

#include <array>

namespace ql {
namespace {

NetworkConfig llamaLike()
{
    return {};
}

NetworkConfig qwen(bool bias, bool queryKeyNorm)
{
    NetworkConfig c;
    c.queryKeyValueBias = bias;
    c.queryKeyNorm = queryKeyNorm;
    return c;
}

NetworkConfig gemma(NetworkConfig::NormPlacement placement)
{
    NetworkConfig c;
    c.placement = placement;
    c.normOffsetOne = true;
    c.activation = Activation::GeluTanh;
    return c;
}

NetworkConfig phi3()
{
    NetworkConfig c;
    c.fusedQkv = c.fusedGateUp = true;
    return c;
}

/// LayerNorm, biases and a plain MLP.
NetworkConfig classic(Activation activation)
{
    NetworkConfig c;
    c.norm = NetworkConfig::Norm::Layer;
    c.normEpsilon = 1e-5;
    c.activation = activation;
    c.gatedMlp = false;
    return c;
}

NetworkConfig gpt2()
{
    NetworkConfig c = classic(Activation::GeluTanh);
    c.fusedQkv = c.learnedPositions = c.linearBias = c.queryKeyValueBias = true;
    return c;
}

NetworkConfig gptNeox()
{
    NetworkConfig c = classic(Activation::Gelu);
    c.fusedQkv = c.parallelResidual = true;
    c.qkvOrder = NetworkConfig::QkvOrder::PerHead;
    return c;
}

NetworkConfig opt()
{
    NetworkConfig c = classic(Activation::Relu);
    c.learnedPositions = true;
    c.positionOffset = 2;
    return c;
}

NetworkConfig bert()
{
    NetworkConfig c = classic(Activation::Gelu);
    c.placement = NetworkConfig::NormPlacement::After;
    c.normEpsilon = 1e-12;
    c.learnedPositions = c.embeddingNorm = c.tokenTypes = c.linearBias = c.queryKeyValueBias = true;
    c.causal = c.hasHead = c.finalNorm = false;
    return c;
}

} // namespace

std::span<const NetworkFamily> networkFamilies()
{
    using Placement = NetworkConfig::NormPlacement;
    static const std::array<NetworkFamily, 14> families{{
        {"llama", "Llama", llamaLike(), true},
        {"mistral", "Mistral", llamaLike(), true},
        {"mixtral", "Mixtral", llamaLike(), true},
        {"qwen2", "Qwen2", qwen(true, false), true},
        {"qwen2moe", "Qwen2-MoE", qwen(true, false), true},
        {"qwen3", "Qwen3", qwen(false, true), true},
        {"qwen3moe", "Qwen3-MoE", qwen(false, true), true},
        {"gemma", "Gemma", gemma(Placement::Before), true, true},
        {"gemma2", "Gemma 2", gemma(Placement::Sandwich), true, true},
        {"phi3", "Phi-3", phi3(), true},
        {"gpt2", "GPT-2", gpt2(), false, true},
        {"gptneox", "GPT-NeoX", gptNeox(), true, false, 0.25},
        {"opt", "OPT", opt(), false, true},
        {"bert", "BERT", bert()},
    }};
    return families;
}

const NetworkFamily* findNetworkFamily(std::string_view architecture)
{
    for (const NetworkFamily& family : networkFamilies()) {
        if (family.architecture == architecture)
            return &family;
    }
    return nullptr;
}

Status checkConfig(const NetworkConfig& c, const std::string& where)
{
    const auto invalid = [&](const std::string& message) { return Error{ErrorCode::ConfigInvalid, message, where}; };
    if (c.heads % c.kvHeads != 0)
        return invalid(std::to_string(c.heads) + " attention heads cannot share " + std::to_string(c.kvHeads) +
                       " key and value heads");
    if (c.qkvOrder == NetworkConfig::QkvOrder::PerHead && c.heads != c.kvHeads)
        return invalid("heads that share keys and values are not known in the family \"" + c.architecture + '"');
    if (c.rope.dimensions > c.headDim || c.rope.dimensions % 2 != 0)
        return invalid("the rotary embedding turns " + std::to_string(c.rope.dimensions) + " of " +
                       std::to_string(c.headDim) + " dimensions; an even number of them is needed");
    if (c.rope.scaling != RopeConfig::Scaling::None && c.rope.originalContext < 2)
        return invalid("an original context of one token cannot be stretched");
    return {};
}

Result<NetworkConfig> NetworkConfig::of(const Model& model)
{
    const NetworkFamily* family = findNetworkFamily(model.architecture());
    if (!family && model.architecture() == "unknown")
        return Error{ErrorCode::Unsupported,
                     "the model's family is not known, so it cannot be run; its weights can still be viewed", model.path()};
    if (!family)
        return Error{ErrorCode::Unsupported,
                     "the forward pass does not know the family \"" + printable(model.architecture()) +
                         "\"; its weights can still be viewed",
                     model.path()};
    if (model.configJson().empty())
        return Error{ErrorCode::ConfigInvalid,
                     "there is no config.json beside the weights, which says how the model computes", model.path()};
    return model.format() == ModelFormat::Gguf ? configFromGguf(model, *family) : configFromHuggingFace(model, *family);
}

} // namespace ql
