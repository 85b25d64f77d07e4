// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// config.json of Hugging Face transformers, versions 3 to 5.
#include "core/base/utf8.h"
#include "core/io/json.h"
#include "core/nn/configreader.h"
#include "core/nn/families.h"
#include "core/tensor/floats.h"

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

constexpr double kTiny = 1e-12, kHuge = 1e12;

std::optional<Activation> activationNamed(std::string_view name)
{
    if (name == "silu" || name == "swish")
        return Activation::Silu;
    if (name == "gelu" || name == "gelu_python")
        return Activation::Gelu;
    if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast" || name == "gelu_tanh" ||
        name == "gelu_python_tanh")
        return Activation::GeluTanh;
    if (name == "relu")
        return Activation::Relu;
    return std::nullopt;
}

void readSizes(ConfigReader& in, NetworkConfig& c)
{
    c.layers = int(in.integer({"num_hidden_layers", "n_layer"}, 1, kMostLayers));
    c.hidden = int(in.integer({"hidden_size", "n_embd"}, 1, kMostChannels));
    c.heads = int(in.integer({"num_attention_heads", "n_head"}, 1, kMostHeads));
    c.kvHeads = int(in.integer({"num_key_value_heads"}, 1, kMostHeads, c.heads));
    if (!in.has({"head_dim"}) && c.hidden % c.heads != 0)
        in.fail("\"hidden_size\" " + std::to_string(c.hidden) + " is not a multiple of " + std::to_string(c.heads) +
                " attention heads, and there is no \"head_dim\"");
    c.headDim = int(in.integer({"head_dim"}, 1, kMostHeadDim, std::max(1, c.hidden / c.heads)));
    c.vocabulary = in.integer({"vocab_size"}, 1, kMostTokens);
    c.context = in.integer({"max_position_embeddings", "n_positions", "n_ctx"}, 1, kMostTokens, 2048);
    const bool fourfold = c.architecture == "gpt2"; // its n_inner is null in every published model
    c.intermediate = int(in.integer({"intermediate_size", "ffn_dim", "n_inner"}, 1, kMostChannels,
                                    fourfold ? std::optional<int64_t>(std::min(4 * int64_t(c.hidden), kMostChannels))
                                             : std::nullopt));
    c.embeddingSize = int(in.integer({"word_embed_proj_dim"}, 1, kMostChannels, c.hidden));
    c.normEpsilon =
        in.number({"rms_norm_eps", "layer_norm_epsilon", "layer_norm_eps"}, 0, 1, c.normEpsilon);
}

Status readActivation(ConfigReader& in, NetworkConfig& c)
{
    // Gemma's old configurations say "gelu" in hidden_act and mean the tanh form.
    const bool gemma = c.architecture == "gemma" || c.architecture == "gemma2";
    const std::string name = gemma ? in.text({"hidden_activation"}, "gelu_pytorch_tanh")
                                   : in.text({"hidden_act", "activation_function"}, {});
    if (name.empty())
        return {};
    const auto activation = activationNamed(name);
    if (!activation)
        return Error{ErrorCode::Unsupported,
                     "the forward pass does not know the activation \"" + printable(name) + '"', in.where()};
    c.activation = *activation;
    return {};
}

/// The object that describes the rotary embedding: "rope_parameters" of version 5, perhaps one per kind of layer, or
/// "rope_scaling".
const nlohmann::json* ropeObject(const nlohmann::json& config)
{
    for (const char* key : {"rope_parameters", "rope_scaling"}) {
        const auto at = config.find(key);
        if (at == config.end() || !at->is_object())
            continue;
        const auto global = at->find("full_attention");
        return global != at->end() && global->is_object() ? &*global : &*at;
    }
    return nullptr;
}

std::optional<RopeConfig::Scaling> scalingNamed(std::string_view name, bool phi3)
{
    using Scaling = RopeConfig::Scaling;
    if (name.empty() || name == "default" || name == "none")
        return Scaling::None;
    if (name == "linear")
        return Scaling::Linear;
    if (name == "dynamic")
        return Scaling::Dynamic;
    if (name == "llama3")
        return Scaling::Llama3;
    if (name == "longrope" || name == "su" || (phi3 && name == "yarn"))
        return Scaling::LongRope;
    if (name == "yarn")
        return Scaling::Yarn;
    return std::nullopt;
}

/// YaRN's factor of cosine and sine when the configuration gives it by two slopes.
double slopedFactor(ConfigReader& in, double factor)
{
    const double slope = in.number({"mscale"}, 0, kHuge, 0);
    const double all = in.number({"mscale_all_dim"}, 0, kHuge, 0);
    if (slope == 0 || all == 0 || factor <= 1)
        return 0;
    return (0.1 * slope * std::log(factor) + 1) / (0.1 * all * std::log(factor) + 1);
}

void readScaling(ConfigReader& in, ConfigReader& top, const NetworkConfig& c, RopeConfig& rope)
{
    using Scaling = RopeConfig::Scaling;
    const int64_t original = in.integer({"original_max_position_embeddings"}, 1, kMostTokens, c.context);
    rope.originalContext = rope.scaling == Scaling::Dynamic
                               ? c.context
                               : top.integer({"original_max_position_embeddings"}, 1, kMostTokens, original);
    const double stretched = double(c.context) / double(rope.originalContext);
    const bool derived = rope.scaling == Scaling::LongRope || rope.scaling == Scaling::Yarn;
    rope.factor = in.number({"factor"}, kTiny, kHuge, derived ? std::optional(stretched) : std::nullopt);
    rope.attentionFactor = in.number({"attention_factor"}, 0, kHuge, 0);
    if (rope.scaling == Scaling::Llama3) {
        rope.lowFrequencyFactor = in.number({"low_freq_factor"}, kTiny, kHuge);
        rope.highFrequencyFactor = in.number({"high_freq_factor"}, kTiny, kHuge);
        if (rope.highFrequencyFactor <= rope.lowFrequencyFactor)
            in.fail("\"high_freq_factor\" must be larger than \"low_freq_factor\"");
    }
    if (rope.scaling == Scaling::Yarn) {
        rope.betaFast = in.number({"beta_fast"}, kTiny, kHuge, 32);
        rope.betaSlow = in.number({"beta_slow"}, kTiny, kHuge, 1);
        rope.truncate = in.boolean({"truncate"}, true);
        if (rope.attentionFactor == 0)
            rope.attentionFactor = slopedFactor(in, rope.factor);
    }
    if (rope.scaling == Scaling::LongRope) {
        if (!in.has({"short_factor"}) || !in.has({"long_factor"}))
            in.fail("\"short_factor\" and \"long_factor\" are needed by this kind of rotary embedding");
        rope.shortFactors = in.numbers({"short_factor"}, size_t(rope.dimensions / 2));
        rope.longFactors = in.numbers({"long_factor"}, size_t(rope.dimensions / 2));
    }
}

Status readRope(const nlohmann::json& config, ConfigReader& top, NetworkConfig& c, double share)
{
    static const nlohmann::json kEmpty = nlohmann::json::object();
    const auto* object = ropeObject(config);
    ConfigReader in(object ? *object : kEmpty, top.where());
    RopeConfig& rope = c.rope;
    rope.theta = in.number({"rope_theta"}, 1.0 + 1e-9, 1e18, top.number({"rope_theta", "rotary_emb_base"}, 1.0 + 1e-9, 1e18, 1e4));
    share = in.number({"partial_rotary_factor"}, 0, 1, top.number({"partial_rotary_factor", "rotary_pct"}, 0, 1, share));
    rope.dimensions = int(double(c.headDim) * share);
    const std::string name = in.text({"rope_type", "type"}, {});
    const auto scaling = scalingNamed(name, c.architecture == "phi3");
    if (!scaling)
        return Error{ErrorCode::Unsupported,
                     "the forward pass does not know the rotary embedding \"" + printable(name) + '"', top.where()};
    rope.scaling = *scaling;
    if (rope.scaling != RopeConfig::Scaling::None)
        readScaling(in, top, c, rope);
    return in.status();
}

/// Which blocks have experts, and of what size.
void readExperts(ConfigReader& in, NetworkConfig& c)
{
    const bool mixtral = c.architecture == "mixtral";
    if (!mixtral && c.architecture != "qwen2moe" && c.architecture != "qwen3moe")
        return;
    c.experts = int(in.integer({"num_local_experts", "num_experts"}, 1, kMostExperts));
    c.expertsUsed = int(in.integer({"num_experts_per_tok"}, 1, std::max(1, c.experts)));
    c.expertIntermediate = mixtral ? c.intermediate : int(in.integer({"moe_intermediate_size"}, 1, kMostChannels));
    c.normaliseExperts = mixtral || in.boolean({"norm_topk_prob"}, false);
    if (c.architecture == "qwen2moe") {
        c.sharedIntermediate = int(in.integer({"shared_expert_intermediate_size"}, 1, kMostChannels));
        c.queryKeyValueBias = in.boolean({"qkv_bias"}, true);
    }
    const int64_t step = mixtral ? 1 : in.integer({"decoder_sparse_step"}, 1, kMostLayers, 1);
    const auto* plain = mixtral ? nullptr : in.find({"mlp_only_layers"});
    if (plain && !plain->is_array())
        in.fail("\"mlp_only_layers\" must be a list of layers");
    for (int layer = 0; layer < c.layers; ++layer) {
        const bool excepted = plain && std::find(plain->begin(), plain->end(), layer) != plain->end();
        c.expertLayers.push_back((layer + 1) % step == 0 && !excepted);
    }
}

void readWindows(ConfigReader& in, NetworkConfig& c)
{
    c.windows.assign(size_t(c.layers), 0);
    const bool qwen = c.architecture.starts_with("qwen");
    const bool everywhere = c.architecture == "mistral" || c.architecture == "mixtral" || c.architecture == "phi3" ||
                            c.architecture == "qwen3moe";
    const bool alternating = c.architecture == "gemma2";
    if (!qwen && !everywhere && !alternating)
        return;
    const int64_t window = in.integer({"sliding_window"}, 0, kMostTokens, alternating ? 4096 : 0);
    if (qwen && !in.boolean({"use_sliding_window"}, false))
        return;
    const int64_t full = in.integer({"max_window_layers"}, 0, kMostTokens, 28);
    const auto* types = everywhere ? nullptr : in.find({"layer_types"});
    if (types && (!types->is_array() || types->size() < size_t(c.layers))) {
        in.fail("\"layer_types\" must name a kind for each of " + std::to_string(c.layers) + " layers");
        return;
    }
    for (size_t i = 0; i < c.windows.size(); ++i) {
        const bool sliding = types       ? (*types)[i] == "sliding_attention"
                             : everywhere ? true
                             : alternating ? i % 2 == 0
                             : c.architecture == "qwen2moe" ? i % 2 == 0 && int64_t(i) < full
                                           : int64_t(i) >= full;
        c.windows[i] = sliding ? window : 0;
    }
}

/// sqrt(hidden) in the precision of the embedding, as the Gemma family computes it.
double gemmaScale(const Model& model, int hidden)
{
    const auto scale = float(std::sqrt(double(hidden)));
    for (const TensorInfo& tensor : model.tensors()) {
        if (tensor.role != TensorRole::Embedding)
            continue;
        if (tensor.dtype == DType::BF16)
            return double(bf16ToFloat(floatToBf16(scale)));
        if (tensor.dtype == DType::F16)
            return double(halfToFloat(floatToHalf(scale)));
    }
    return double(scale);
}

void readFamily(ConfigReader& in, NetworkConfig& c, const Model& model, bool tiedByDefault)
{
    c.tiedHead = c.hasHead && in.boolean({"tie_word_embeddings"}, tiedByDefault);
    c.attentionScale = 1 / std::sqrt(double(c.headDim));
    if (c.architecture == "gemma" || c.architecture == "gemma2")
        c.embeddingScale = gemmaScale(model, c.hidden);
    if (c.architecture == "gemma2") {
        c.attentionScale = 1 / std::sqrt(in.number({"query_pre_attn_scalar"}, kTiny, kHuge, 256));
        c.attentionSoftcap = in.number({"attn_logit_softcapping"}, 0, kHuge, 0);
        c.logitSoftcap = in.number({"final_logit_softcapping"}, 0, kHuge, 0);
    }
    if (c.architecture == "gpt2") {
        if (!in.boolean({"scale_attn_weights"}, true))
            c.attentionScale = 1;
        c.scaledByLayer = in.boolean({"scale_attn_by_inverse_layer_idx"}, false);
    }
    if (c.architecture == "gptneox")
        c.parallelResidual = in.boolean({"use_parallel_residual"}, true);
    if (c.architecture == "opt") {
        const bool before = in.boolean({"do_layer_norm_before"}, true);
        c.placement = before ? NetworkConfig::NormPlacement::Before : NetworkConfig::NormPlacement::After;
        c.finalNorm = before && !in.boolean({"_remove_final_layer_norm"}, false);
        c.linearBias = c.queryKeyValueBias = in.boolean({"enable_bias"}, true);
    } else {
        c.embeddingSize = c.hidden;
    }
}

} // namespace

Result<NetworkConfig> configFromHuggingFace(const Model& model, const NetworkFamily& family)
{
    const std::string where = model.path() + ": config.json";
    QL_TRY(const nlohmann::json document, parseJson(model.configJson(), where));
    const nlohmann::json* config = &document;
    // A multimodal model's language part.
    if (const auto inner = document.find("text_config"); inner != document.end() && inner->is_object() &&
                                                        !document.contains("hidden_size"))
        config = &*inner;
    if (!config->is_object())
        return Error{ErrorCode::ConfigInvalid, "the configuration is not an object", where};
    ConfigReader in(*config, where);
    NetworkConfig c = family.traits;
    c.architecture = family.architecture;
    readSizes(in, c);
    QL_CHECK(in.status());
    QL_CHECK(readActivation(in, c));
    if (family.rotary)
        QL_CHECK(readRope(*config, in, c, family.rotaryShare));
    readWindows(in, c);
    readExperts(in, c);
    readFamily(in, c, model, family.tiedByDefault);
    QL_CHECK(in.status());
    QL_CHECK(checkConfig(c, where));
    return c;
}

} // namespace ql
