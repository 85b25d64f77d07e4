// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// GGUF metadata, with the keys and defaults of llama.cpp.
#include "core/base/utf8.h"
#include "core/io/json.h"
#include "core/nn/configreader.h"
#include "core/nn/families.h"

#include <cmath>

namespace ql {
namespace {

constexpr double kTiny = 1e-12, kHuge = 1e12;
constexpr int kGemma2Large = 46; ///< blocks of the one Gemma 2 whose attention scale is hidden / heads

/// Divisors per rotated pair that the file carries as a tensor; empty when it does not.
Result<std::vector<double>> divisors(const Model& model, std::string_view name, size_t count)
{
    const int index = model.indexOf(name);
    if (index < 0)
        return std::vector<double>();
    QL_TRY(const TensorView view, model.view(index));
    if (view.count() != int64_t(count))
        return Error{ErrorCode::SizeMismatch,
                     "tensor " + std::string(name) + " has shape " + toString(view.shape()) + ", not [" +
                         std::to_string(count) + "]",
                     model.path()};
    std::vector<float> values(count);
    QL_CHECK(view.readFlat(0, int64_t(count), values.data()));
    for (const float v : values) {
        if (!(v > 0) || !std::isfinite(v))
            return Error{ErrorCode::ConfigInvalid, "tensor " + std::string(name) + " must hold positive numbers",
                         model.path()};
    }
    return std::vector<double>(values.begin(), values.end());
}

Status readScaling(const Model& model, ConfigReader& in, const NetworkConfig& c, RopeConfig& rope)
{
    using Scaling = RopeConfig::Scaling;
    const std::string type = in.text({"rope.scaling.type"}, "none");
    rope.factor = in.number({"rope.scaling.factor", "rope.scale_linear"}, kTiny, kHuge, 1);
    rope.originalContext = in.integer({"rope.scaling.original_context_length"}, 1, kMostTokens, c.context);
    const double given = in.number({"rope.scaling.attn_factor"}, kTiny, kHuge, 1);
    const size_t pairs = size_t(rope.dimensions / 2);
    QL_TRY(const std::vector<double> all, divisors(model, "rope_freqs.weight", pairs));
    QL_TRY(const std::vector<double> shorts, divisors(model, "rope_factors_short.weight", pairs));
    QL_TRY(const std::vector<double> longs, divisors(model, "rope_factors_long.weight", pairs));
    if (!all.empty() || (!shorts.empty() && !longs.empty())) {
        rope.scaling = Scaling::LongRope;
        rope.shortFactors = all.empty() ? shorts : all;
        rope.longFactors = all.empty() ? longs : all;
        rope.attentionFactor = given;
    } else if (type == "yarn") {
        rope.scaling = Scaling::Yarn;
        rope.betaFast = in.number({"rope.scaling.yarn_beta_fast"}, kTiny, kHuge, 32);
        rope.betaSlow = in.number({"rope.scaling.yarn_beta_slow"}, kTiny, kHuge, 1);
        rope.attentionFactor = given * (rope.factor > 1 ? 1 + 0.1 * std::log(rope.factor) : 1);
    } else if (type == "linear" || rope.factor != 1) {
        rope.scaling = Scaling::Linear;
    } else if (type != "none" && type != "longrope") {
        return Error{ErrorCode::Unsupported,
                     "the forward pass does not know the rotary embedding \"" + printable(type) + '"', in.where()};
    }
    return {};
}

void readSizes(const Model& model, ConfigReader& in, NetworkConfig& c)
{
    c.layers = int(in.integer({"block_count"}, 1, kMostLayers));
    c.hidden = int(in.integer({"embedding_length"}, 1, kMostChannels));
    c.embeddingSize = c.hidden;
    c.heads = int(in.integer({"attention.head_count"}, 1, kMostHeads));
    c.kvHeads = int(in.integer({"attention.head_count_kv"}, 1, kMostHeads, c.heads));
    if (!in.has({"attention.key_length"}) && c.hidden % c.heads != 0)
        in.fail("the embedding length is not a multiple of the number of heads, and there is no key length");
    c.headDim = int(in.integer({"attention.key_length"}, 1, kMostHeadDim, std::max(1, c.hidden / c.heads)));
    if (in.integer({"attention.value_length"}, 1, kMostHeadDim, c.headDim) != c.headDim)
        in.fail("keys and values of different lengths are not supported");
    c.context = in.integer({"context_length"}, 1, kMostTokens, 2048);
    c.intermediate = int(in.integer({"feed_forward_length"}, 1, kMostChannels));
    c.normEpsilon =
        in.number({"attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon"}, 0, 1, c.normEpsilon);
    const int embedding = model.indexOf("token_embd.weight");
    c.vocabulary = embedding < 0 ? 0 : model.tensors()[size_t(embedding)].rows();
}

/// GGUF calls Mixtral "llama".
Status readExperts(const Model& model, ConfigReader& in, NetworkConfig& c)
{
    constexpr int64_t kSoftmax = 1; ///< llama.cpp's number of the gating function
    c.experts = int(in.integer({"expert_count"}, 0, kMostExperts, 0));
    if (c.experts == 0)
        return {};
    const bool qwen = c.architecture == "qwen2moe" || c.architecture == "qwen3moe";
    const bool softmax = in.integer({"expert_gating_func"}, 0, 1000, kSoftmax) == kSoftmax;
    if ((!qwen && c.architecture != "llama") || !softmax)
        return Error{ErrorCode::Unsupported,
                     "the forward pass does not know \"" + c.architecture + "\" with " +
                         (softmax ? "experts" : "experts that are not chosen by a softmax") +
                         "; its weights can still be viewed",
                     model.path()};
    c.expertsUsed = int(in.integer({"expert_used_count"}, 1, c.experts));
    c.expertIntermediate = int(in.integer({"expert_feed_forward_length"}, 1, kMostChannels, c.intermediate));
    if (c.architecture == "qwen2moe")
        c.sharedIntermediate = int(in.integer({"expert_shared_feed_forward_length"}, 1, kMostChannels, c.intermediate));
    c.normaliseExperts = in.boolean({"expert_weights_norm"}, c.architecture != "qwen2moe");
    for (int layer = 0; layer < c.layers; ++layer)
        c.expertLayers.push_back(model.indexOf("blk." + std::to_string(layer) + ".ffn_gate_inp.weight") >= 0);
    return {};
}

void readFamily(const Model& model, ConfigReader& in, NetworkConfig& c)
{
    c.normOffsetOne = false; // added when the file was made
    c.qkvOrder = NetworkConfig::QkvOrder::Thirds;
    c.pairedRotary = c.architecture == "llama";
    c.tiedHead = c.hasHead && model.indexOf("output.weight") < 0;
    c.attentionScale = 1 / std::sqrt(double(c.headDim));
    c.causal = in.boolean({"attention.causal"}, c.causal);
    c.windows.assign(size_t(c.layers), 0);
    const bool gemma2 = c.architecture == "gemma2";
    if (gemma2 || c.architecture == "phi3") {
        const int64_t window = in.integer({"attention.sliding_window"}, 0, kMostTokens, gemma2 ? 4096 : 0);
        for (size_t i = 0; i < c.windows.size(); ++i)
            c.windows[i] = gemma2 && i % 2 != 0 ? 0 : window;
    }
    if (gemma2 || c.architecture == "gemma")
        c.embeddingScale = double(std::sqrt(float(c.hidden)));
    if (gemma2) {
        const double divisor = c.layers == kGemma2Large ? double(c.hidden) / c.heads : double(c.headDim);
        c.attentionScale = in.number({"attention.scale"}, kTiny, kHuge, 1 / std::sqrt(divisor));
        c.attentionSoftcap = in.number({"attn_logit_softcapping"}, 0, kHuge, 50);
        c.logitSoftcap = in.number({"final_logit_softcapping"}, 0, kHuge, 30);
    }
    if (c.architecture == "gptneox")
        c.parallelResidual = in.boolean({"use_parallel_residual"}, true);
}

} // namespace

Result<NetworkConfig> configFromGguf(const Model& model, const NetworkFamily& family)
{
    const std::string where = model.path() + ": GGUF metadata";
    QL_TRY(const nlohmann::json document, parseJson(model.configJson(), where, {uint64_t(1) << 30, 64}));
    ConfigReader in(document, where, std::string(family.architecture) + ".");
    NetworkConfig c = family.traits;
    c.architecture = family.architecture;
    readSizes(model, in, c);
    QL_CHECK(readExperts(model, in, c));
    QL_CHECK(in.status());
    if (family.rotary) {
        c.rope.theta = in.number({"rope.freq_base"}, 1.0 + 1e-9, 1e18, 1e4);
        c.rope.dimensions = int(in.integer({"rope.dimension_count"}, 0, c.headDim, c.headDim));
        QL_CHECK(readScaling(model, in, c, c.rope));
    }
    readFamily(model, in, c);
    QL_CHECK(in.status());
    QL_CHECK(checkConfig(c, where));
    return c;
}

} // namespace ql
