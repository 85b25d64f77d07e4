// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/nametables.h"

#include <array>

namespace ql {
namespace {

using R = TensorRole;

constexpr NameRow kLlamaRows[] = {
    {"~embed_tokens", "token_embd", R::Embedding},
    {"~norm", "output_norm", R::Norm},
    {"lm_head", "output", R::LmHead},
    {"~layers.{}.input_layernorm", "blk.{}.attn_norm", R::Norm},
    {"~layers.{}.self_attn.q_proj", "blk.{}.attn_q", R::AttnQ},
    {"~layers.{}.self_attn.k_proj", "blk.{}.attn_k", R::AttnK},
    {"~layers.{}.self_attn.v_proj", "blk.{}.attn_v", R::AttnV},
    {"~layers.{}.self_attn.o_proj", "blk.{}.attn_output", R::AttnOut},
    {"~layers.{}.self_attn.q_norm", "blk.{}.attn_q_norm", R::Norm},
    {"~layers.{}.self_attn.k_norm", "blk.{}.attn_k_norm", R::Norm},
    {"~layers.{}.post_attention_layernorm", "blk.{}.ffn_norm", R::Norm},
    {"~layers.{}.mlp.gate_proj", "blk.{}.ffn_gate", R::MlpGate},
    {"~layers.{}.mlp.up_proj", "blk.{}.ffn_up", R::MlpUp},
    {"~layers.{}.mlp.down_proj", "blk.{}.ffn_down", R::MlpDown},
    {"~layers.{}.block_sparse_moe.gate", "blk.{}.ffn_gate_inp", R::Router},
    {"~layers.{}.block_sparse_moe.experts.{}.w1", "blk.{}.ffn_gate_exps", R::ExpertGate},
    {"~layers.{}.block_sparse_moe.experts.{}.w3", "blk.{}.ffn_up_exps", R::ExpertUp},
    {"~layers.{}.block_sparse_moe.experts.{}.w2", "blk.{}.ffn_down_exps", R::ExpertDown},
    {"~layers.{}.self_attn.rotary_emb.inv_freq", "", R::RopeFreqs},
    {"", "rope_freqs", R::RopeFreqs},
};

constexpr NameRow kQwenMoeRows[] = {
    {"~layers.{}.mlp.gate", "blk.{}.ffn_gate_inp", R::Router},
    {"~layers.{}.mlp.experts.{}.gate_proj", "blk.{}.ffn_gate_exps", R::ExpertGate},
    {"~layers.{}.mlp.experts.{}.up_proj", "blk.{}.ffn_up_exps", R::ExpertUp},
    {"~layers.{}.mlp.experts.{}.down_proj", "blk.{}.ffn_down_exps", R::ExpertDown},
    {"~layers.{}.mlp.experts.gate_up_proj", "blk.{}.ffn_gate_up_exps", R::ExpertGateUp},
    {"~layers.{}.mlp.experts.down_proj", "blk.{}.ffn_down_exps", R::ExpertDown},
    {"~layers.{}.mlp.shared_expert_gate", "blk.{}.ffn_gate_inp_shexp", R::Router},
    {"~layers.{}.mlp.shared_expert.gate_proj", "blk.{}.ffn_gate_shexp", R::MlpGate},
    {"~layers.{}.mlp.shared_expert.up_proj", "blk.{}.ffn_up_shexp", R::MlpUp},
    {"~layers.{}.mlp.shared_expert.down_proj", "blk.{}.ffn_down_shexp", R::MlpDown},
};

constexpr NameRow kGemma2Rows[] = {
    {"~layers.{}.post_attention_layernorm", "blk.{}.post_attention_norm", R::Norm},
    {"~layers.{}.pre_feedforward_layernorm", "blk.{}.ffn_norm", R::Norm},
    {"~layers.{}.post_feedforward_layernorm", "blk.{}.post_ffw_norm", R::Norm},
};

constexpr NameRow kPhi3Rows[] = {
    {"~layers.{}.self_attn.qkv_proj", "blk.{}.attn_qkv", R::AttnQkv},
    {"~layers.{}.mlp.gate_up_proj", "blk.{}.ffn_up", R::MlpGateUp},
};

constexpr NameRow kGpt2Rows[] = {
    {"~wte", "token_embd", R::Embedding},
    {"~wpe", "position_embd", R::PositionEmbedding},
    {"~ln_f", "output_norm", R::Norm},
    {"lm_head", "output", R::LmHead},
    {"~h.{}.ln_1", "blk.{}.attn_norm", R::Norm},
    {"~h.{}.attn.c_attn", "blk.{}.attn_qkv", R::AttnQkv, true},
    {"~h.{}.attn.c_proj", "blk.{}.attn_output", R::AttnOut, true},
    {"~h.{}.ln_2", "blk.{}.ffn_norm", R::Norm},
    {"~h.{}.mlp.c_fc", "blk.{}.ffn_up", R::MlpUp, true},
    {"~h.{}.mlp.c_proj", "blk.{}.ffn_down", R::MlpDown, true},
};

constexpr NameRow kGptNeoxRows[] = {
    {"~embed_in", "token_embd", R::Embedding},
    {"~final_layer_norm", "output_norm", R::Norm},
    {"embed_out", "output", R::LmHead},
    {"~layers.{}.input_layernorm", "blk.{}.attn_norm", R::Norm},
    {"~layers.{}.attention.query_key_value", "blk.{}.attn_qkv", R::AttnQkv},
    {"~layers.{}.attention.dense", "blk.{}.attn_output", R::AttnOut},
    {"~layers.{}.post_attention_layernorm", "blk.{}.ffn_norm", R::Norm},
    {"~layers.{}.mlp.dense_h_to_4h", "blk.{}.ffn_up", R::MlpUp},
    {"~layers.{}.mlp.dense_4h_to_h", "blk.{}.ffn_down", R::MlpDown},
    {"~layers.{}.attention.rotary_emb.inv_freq", "", R::RopeFreqs},
};

/// llama.cpp has no OPT; these GGUF-like names serve the forward pass.
constexpr NameRow kOptRows[] = {
    {"~decoder.embed_tokens", "token_embd", R::Embedding},
    {"~decoder.embed_positions", "position_embd", R::PositionEmbedding},
    {"~decoder.final_layer_norm", "output_norm", R::Norm},
    {"~decoder.project_in", "project_in", R::Other},
    {"~decoder.project_out", "project_out", R::Other},
    {"lm_head", "output", R::LmHead},
    {"~decoder.layers.{}.self_attn_layer_norm", "blk.{}.attn_norm", R::Norm},
    {"~decoder.layers.{}.self_attn.q_proj", "blk.{}.attn_q", R::AttnQ},
    {"~decoder.layers.{}.self_attn.k_proj", "blk.{}.attn_k", R::AttnK},
    {"~decoder.layers.{}.self_attn.v_proj", "blk.{}.attn_v", R::AttnV},
    {"~decoder.layers.{}.self_attn.out_proj", "blk.{}.attn_output", R::AttnOut},
    {"~decoder.layers.{}.final_layer_norm", "blk.{}.ffn_norm", R::Norm},
    {"~decoder.layers.{}.fc1", "blk.{}.ffn_up", R::MlpUp},
    {"~decoder.layers.{}.fc2", "blk.{}.ffn_down", R::MlpDown},
};

constexpr NameRow kBertRows[] = {
    {"~embeddings.word_embeddings", "token_embd", R::Embedding},
    {"~embeddings.position_embeddings", "position_embd", R::PositionEmbedding},
    {"~embeddings.token_type_embeddings", "token_types", R::TokenTypeEmbedding},
    {"~embeddings.LayerNorm", "token_embd_norm", R::Norm},
    {"~encoder.layer.{}.attention.self.query", "blk.{}.attn_q", R::AttnQ},
    {"~encoder.layer.{}.attention.self.key", "blk.{}.attn_k", R::AttnK},
    {"~encoder.layer.{}.attention.self.value", "blk.{}.attn_v", R::AttnV},
    {"~encoder.layer.{}.attention.output.dense", "blk.{}.attn_output", R::AttnOut},
    {"~encoder.layer.{}.attention.output.LayerNorm", "blk.{}.attn_output_norm", R::Norm},
    {"~encoder.layer.{}.intermediate.dense", "blk.{}.ffn_up", R::MlpUp},
    {"~encoder.layer.{}.output.dense", "blk.{}.ffn_down", R::MlpDown},
    {"~encoder.layer.{}.output.LayerNorm", "blk.{}.layer_output_norm", R::Norm},
    {"~pooler.dense", "", R::Pooler},
    {"cls.predictions.transform.dense", "", R::Other},
    {"cls.predictions.transform.LayerNorm", "", R::Norm},
    {"cls.predictions.decoder", "", R::LmHead},
};

constexpr NameRow kGgufRows[] = {
    {"", "token_embd", R::Embedding},
    {"", "position_embd", R::PositionEmbedding},
    {"", "token_types", R::TokenTypeEmbedding},
    {"", "token_embd_norm", R::Norm},
    {"", "output_norm", R::Norm},
    {"", "output", R::LmHead},
    {"", "rope_freqs", R::RopeFreqs},
    {"", "rope_factors_long", R::RopeFreqs},
    {"", "rope_factors_short", R::RopeFreqs},
    {"", "blk.{}.rope_freqs", R::RopeFreqs},
    {"", "blk.{}.attn_norm", R::Norm},
    {"", "blk.{}.attn_q", R::AttnQ},
    {"", "blk.{}.attn_k", R::AttnK},
    {"", "blk.{}.attn_v", R::AttnV},
    {"", "blk.{}.attn_qkv", R::AttnQkv},
    {"", "blk.{}.attn_output", R::AttnOut},
    {"", "blk.{}.attn_q_norm", R::Norm},
    {"", "blk.{}.attn_k_norm", R::Norm},
    {"", "blk.{}.attn_output_norm", R::Norm},
    {"", "blk.{}.layer_output_norm", R::Norm},
    {"", "blk.{}.post_attention_norm", R::Norm},
    {"", "blk.{}.post_ffw_norm", R::Norm},
    {"", "blk.{}.ffn_norm", R::Norm},
    {"", "blk.{}.ffn_gate", R::MlpGate},
    {"", "blk.{}.ffn_up", R::MlpUp},
    {"", "blk.{}.ffn_down", R::MlpDown},
    {"", "blk.{}.ffn_gate_inp", R::Router},
    {"", "blk.{}.ffn_gate_inp_shexp", R::Router},
    {"", "blk.{}.ffn_gate_exps", R::ExpertGate},
    {"", "blk.{}.ffn_up_exps", R::ExpertUp},
    {"", "blk.{}.ffn_gate_up_exps", R::ExpertGateUp},
    {"", "blk.{}.ffn_down_exps", R::ExpertDown},
    {"", "blk.{}.ffn_gate.{}", R::ExpertGate},
    {"", "blk.{}.ffn_up.{}", R::ExpertUp},
    {"", "blk.{}.ffn_down.{}", R::ExpertDown},
    {"", "blk.{}.ffn_gate_shexp", R::MlpGate},
    {"", "blk.{}.ffn_up_shexp", R::MlpUp},
    {"", "blk.{}.ffn_down_shexp", R::MlpDown},
};

constexpr NameFamily kFamilies[] = {
    {"llama", "llama", "model.", {}, kLlamaRows},
    {"mistral", "llama", "model.", {}, kLlamaRows},
    {"mixtral", "llama", "model.", {}, kLlamaRows},
    {"qwen2", "qwen2", "model.", {}, kLlamaRows},
    {"qwen2moe", "qwen2moe", "model.", kQwenMoeRows, kLlamaRows},
    {"qwen3", "qwen3", "model.", {}, kLlamaRows},
    {"qwen3moe", "qwen3moe", "model.", kQwenMoeRows, kLlamaRows},
    {"gemma", "gemma", "model.", {}, kLlamaRows},
    {"gemma2", "gemma2", "model.", kGemma2Rows, kLlamaRows},
    {"phi3", "phi3", "model.", kPhi3Rows, kLlamaRows},
    {"gpt2", "gpt2", "transformer.", {}, kGpt2Rows},
    {"gptneox", "gptneox", "gpt_neox.", {}, kGptNeoxRows},
    {"opt", "", "model.", {}, kOptRows},
    {"bert", "bert", "bert.", {}, kBertRows},
};

/// GPTQ, AutoAWQ, bitsandbytes, compressed-tensors, ModelOpt, DeepSeek-style FP8, GGUF NVFP4 and this program's own.
constexpr std::string_view kCompanions[] = {
    ".scales", ".qzeros", ".g_idx", ".zeros", ".biases", ".SCB", ".weight_format", ".absmax", ".quant_map",
    ".nested_absmax", ".nested_quant_map", ".quant_state.bitsandbytes__nf4", ".quant_state.bitsandbytes__fp4",
    ".weight_scale", ".weight_scale_2", ".weight_scale_inv", ".weight_zero_point", ".weight_g_idx", ".weight_shape",
    ".weight_global_scale", ".input_scale", ".input_zero_point", ".input_global_scale", ".output_scale", ".k_scale",
    ".v_scale", ".scale", "_scales",
};

constexpr ArchitectureMarker kMarkers[] = {
    {"~h.{}.attn.c_attn", "gpt2"},
    {"~layers.{}.attention.query_key_value", "gptneox"},
    {"~decoder.embed_positions", "opt"},
    {"~encoder.layer.{}.attention.self.query", "bert"},
    {"~layers.{}.self_attn.qkv_proj", "phi3"},
    {"~layers.{}.pre_feedforward_layernorm", "gemma2"},
    {"~layers.{}.block_sparse_moe.gate", "mixtral"},
    {"~layers.{}.mlp.shared_expert_gate", "qwen2moe"},
    {"~layers.{}.mlp.experts.{}.gate_proj", "qwen3moe"},
    {"~layers.{}.self_attn.q_norm", "qwen3"},
    {"~layers.{}.self_attn.q_proj.bias", "qwen2"},
    {"~layers.{}.self_attn.q_proj", "llama"},
};

constexpr ArchitectureAlias kModelTypes[] = {
    {"gpt_neox", "gptneox"},
    {"qwen2_moe", "qwen2moe"},
    {"qwen3_moe", "qwen3moe"},
    {"phi-3", "phi3"},
};

constexpr ArchitectureAlias kClasses[] = {
    {"Llama", "llama"},       {"Mistral", "mistral"}, {"Mixtral", "mixtral"}, {"Qwen2Moe", "qwen2moe"},
    {"Qwen2For", "qwen2"},    {"Qwen2Model", "qwen2"}, {"Qwen3Moe", "qwen3moe"}, {"Qwen3For", "qwen3"},
    {"Qwen3Model", "qwen3"},  {"Gemma2", "gemma2"},   {"GemmaFor", "gemma"},  {"GemmaModel", "gemma"},
    {"Phi3", "phi3"},         {"GPT2", "gpt2"},       {"GPTNeoXFor", "gptneox"}, {"GPTNeoXModel", "gptneox"},
    {"OPT", "opt"},           {"Bert", "bert"},
};

} // namespace

std::span<const NameFamily> nameFamilies()
{
    return kFamilies;
}

const NameFamily* findFamily(std::string_view architecture)
{
    for (const NameFamily& family : kFamilies) {
        if (family.architecture == architecture)
            return &family;
    }
    return nullptr;
}

std::span<const NameRow> ggufRows()
{
    return kGgufRows;
}

std::span<const std::string_view> companionSuffixes()
{
    return kCompanions;
}

std::span<const ArchitectureMarker> architectureMarkers()
{
    return kMarkers;
}

std::span<const ArchitectureAlias> modelTypeAliases()
{
    return kModelTypes;
}

std::span<const ArchitectureAlias> classPrefixes()
{
    return kClasses;
}

} // namespace ql
