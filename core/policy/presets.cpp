// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/policy/presets.h"

#include "core/policy/ggufmixture.h"
#include "core/quant/schemetable.h"

#include <algorithm>

namespace ql {
namespace {

constexpr std::string_view kWeights = "Weights", kBoth = "Weights and activations", kGguf = "GGUF", kCache = "KV cache";
constexpr std::string_view kGgufPrefix = "gguf-";

/// Empty texts: the part is left alone; "none": it is cleared.
struct Row {
    Preset preset;
    std::string_view weights, activations, cache;
};

constexpr Row kRows[] = {
    {{"keep", "Keep F16", "No quantization: linear layers as F16.", kWeights}, "f16", "", ""},
    {{"int8", "INT8 per channel", "One scale per output channel; nearly lossless at half the size of F16.", kWeights},
     "int8,channel", "", ""},
    {{"int4", "INT4, group 128", "Symmetric, one scale per 128 weights, limits by least squares.", kWeights},
     "int4,group=128,clip=mse", "", ""},
    {{"int4-awq", "INT4 asymmetric, group 128 (AWQ)", "16 levels with a zero point, as AWQ and GPTQ files store them.", kWeights},
     "int4,asym,group=128", "", ""},
    {{"nf4", "NF4 (QLoRA)", "NormalFloat in blocks of 64 with double quantization: 4.13 bits per weight.", kWeights},
     "nf4,group=64,double", "", ""},
    {{"mixed", "Mixed INT4 and INT8",
      "INT4; values and down projections of the outer blocks and every third between INT8; embeddings, head and norms kept.",
      kWeights},
     "int4,group=128,clip=mse", "", ""},
    {{"mxfp4", "MXFP4", "OCP microscaling: E2M1 with a power-of-two scale per 32 weights.", kWeights}, "mxfp4", "", ""},
    {{"nvfp4", "NVFP4", "E2M1 with an FP8 scale per 16 weights and one factor per tensor.", kWeights}, "nvfp4", "", ""},
    {{"w8a8", "W8A8", "INT8 weights per channel and INT8 inputs per token, for integer kernels.", kBoth}, "int8,channel",
     "int8,token", ""},
    {{"w4a16", "W4A16", "INT4 weights in groups of 128, inputs in full precision.", kBoth}, "int4,group=128", "none", ""},
    {{"w4a8", "W4A8", "INT4 weights in groups of 128 and INT8 inputs per token.", kBoth}, "int4,group=128", "int8,token", ""},
    {{"gguf-q8_0", "Q8_0", "8.5 bits everywhere: nearly lossless.", kGguf}, "", "", ""},
    {{"gguf-q6_k", "Q6_K", "6.56 bits everywhere.", kGguf}, "", "", ""},
    {{"gguf-q5_k_m", "Q5_K_M", "Q5_K; Q6_K for sensitive values and down projections.", kGguf}, "", "", ""},
    {{"gguf-q5_k_s", "Q5_K_S", "Q5_K everywhere, head Q6_K.", kGguf}, "", "", ""},
    {{"gguf-q5_0", "Q5_0", "Q5_0 everywhere, head Q6_K.", kGguf}, "", "", ""},
    {{"gguf-q4_k_m", "Q4_K_M", "Q4_K; Q6_K for sensitive values and down projections: the usual choice.", kGguf}, "", "", ""},
    {{"gguf-q4_k_s", "Q4_K_S", "Q4_K; Q5_K for values and down projections of the first blocks.", kGguf}, "", "", ""},
    {{"gguf-iq4_xs", "IQ4_XS", "Uneven 4-bit levels in blocks of 256: a little smaller than Q4_K_S.", kGguf}, "", "", ""},
    {{"gguf-q4_0", "Q4_0", "Q4_0 everywhere, head Q6_K: the simplest and fastest.", kGguf}, "", "", ""},
    {{"gguf-q3_k_l", "Q3_K_L", "Q3_K; Q5_K for values, down projections and attention outputs.", kGguf}, "", "", ""},
    {{"gguf-q3_k_m", "Q3_K_M", "Q3_K; Q4_K and Q5_K for values, down projections and attention outputs.", kGguf}, "", "", ""},
    {{"gguf-q3_k_s", "Q3_K_S", "Q3_K everywhere, head Q6_K.", kGguf}, "", "", ""},
    {{"gguf-q2_k", "Q2_K", "Q2_K; more for values, down projections and attention outputs. Expect damage.", kGguf}, "", "", ""},
    {{"kv-int8", "INT8 KV cache", "Keys and values per token as INT8; the weights stay as the policy has them.", kCache}, "", "",
     "int8,token"},
    {{"kv-int4", "INT4 KV cache (KIVI)", "INT4, keys per channel over 32 tokens, the newest 128 tokens in full precision.", kCache},
     "", "", "int4,keys=channel,segment=32,recent=128"},
};

std::string_view mixtureOf(const Preset& preset)
{
    return preset.id.starts_with(kGgufPrefix) ? preset.id.substr(kGgufPrefix.size()) : std::string_view();
}

bool isOffered(const Preset& preset)
{
    const auto formats = ggufMixtureFormats(mixtureOf(preset));
    return std::all_of(formats.begin(), formats.end(), [](std::string_view name) { return formatFromName(name).has_value(); });
}

const Row* rowOf(std::string_view id)
{
    const auto row = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) { return r.preset.id == id; });
    return row == std::end(kRows) || !isOffered(row->preset) ? nullptr : row;
}

Error unknown(std::string_view id)
{
    std::string known;
    for (const Preset& preset : presets())
        known += (known.empty() ? "" : ", ") + std::string(preset.id);
    return {ErrorCode::InvalidArgument, "there is no preset \"" + std::string(id) + "\"; known are " + known, {}};
}

/// Default, rules and unlocked overrides.
void takeWeights(Policy& policy, const Policy& weights)
{
    policy.defaultScheme = weights.defaultScheme;
    policy.rules = weights.rules;
    std::erase_if(policy.tensors, [](const auto& entry) { return !entry.second.locked; });
}

Policy weightsOf(const Row& row, const Model& model)
{
    if (auto mixture = ggufMixture(mixtureOf(row.preset), model))
        return std::move(*mixture);
    Policy policy;
    policy.defaultScheme = Scheme::parse(row.weights).value();
    if (row.preset.id == "mixed")
        policy.rules = rulesForShare(model, {TensorRole::AttnV, TensorRole::AttnQkv, TensorRole::MlpDown, TensorRole::ExpertDown},
                                     MixtureShare::MoreBits, Scheme::parse("int8,group=128").value(), "sensitive layers");
    return policy;
}

/// The float format most of the model's linear weights are stored in.
Scheme modelFloat(const Model& model)
{
    std::map<DType, uint64_t> parameters;
    for (const TensorInfo& tensor : model.tensors())
        parameters[tensor.dtype] += isLinear(tensor.role) ? tensor.parameters() : 0;
    const auto most = std::max_element(parameters.begin(), parameters.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    const DType type = most == parameters.end() ? DType::F16 : most->first;
    return Scheme::defaultsFor(type == DType::F32 ? Format::F32 : type == DType::BF16 ? Format::BF16 : Format::F16);
}

} // namespace

std::span<const Preset> presets()
{
    static const std::vector<Preset> kOffered = [] {
        std::vector<Preset> offered;
        for (const Row& row : kRows) {
            if (isOffered(row.preset))
                offered.push_back(row.preset);
        }
        return offered;
    }();
    return kOffered;
}

Result<Policy> applyPreset(std::string_view id, const Model& model, const Policy& current)
{
    const Row* row = rowOf(id);
    if (!row)
        return unknown(id);
    Policy policy = current;
    policy.modelFingerprint = model.fingerprint();
    if (row->cache.empty()) {
        policy.name = row->preset.label;
        takeWeights(policy, weightsOf(*row, model));
    }
    if (!row->activations.empty()) {
        policy.activations = {};
        if (row->activations != "none") {
            QL_TRY(policy.activations.defaultScheme, ActivationScheme::parse(row->activations));
        }
    }
    if (!row->cache.empty()) {
        policy.kvCache = {};
        QL_TRY(policy.kvCache.defaultScheme, KvScheme::parse(row->cache));
    }
    return policy;
}

Result<Policy> presetPolicy(std::string_view id, const Model& model)
{
    Policy policy;
    policy.defaultScheme = modelFloat(model);
    const Row* row = rowOf(id);
    if (row && !row->cache.empty())
        policy.name = row->preset.label;
    return applyPreset(id, model, policy);
}

} // namespace ql
