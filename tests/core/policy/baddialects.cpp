// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "baddialects.h"

namespace ql::test {
namespace {

using enum ErrorCode;

// Lines are counted from 1; each text begins on line 1.
constexpr BadRecipe kBad[] = {
    // llama.cpp
    {"empty", "llama.cpp", " \n\t", PolicySyntax, 1},
    {"item without a type", "llama.cpp", "blk.0.attn_q=q4_0\nattn_v\n", PolicySyntax, 2},
    {"item without a name", "llama.cpp", "=q4_0", PolicySyntax, 1},
    {"unknown type", "llama.cpp", "a=q4_0\nb=q9_9", SchemeUnknownFormat, 2},
    {"empty type", "llama.cpp", "a=", SchemeUnknownFormat, 1},
    {"type that only llama.cpp has", "llama.cpp", "a=iq2_xxs", SchemeUnknownFormat, 1},
    {"mixture instead of a type", "llama.cpp", "a=q4_0 b=q4_k_m", SchemeUnknownFormat, 1},
    {"broken pattern", "llama.cpp", "a=q4_0\n\nblk.(0=q8_0", PolicyBadRule, 3},
    {"same pattern, two types", "llama.cpp", "attn_v=q4_0\nffn=q4_0\nattn_v=q8_0", PolicyBadRule, 3},
    {"not text", "llama.cpp", "a=q4_0 \xff\xfe=q4_0", InvalidUtf8, 0},
    {"scheme of this program", "llama.cpp", "a=int4", SchemeUnknownFormat, 1},
    {"no arguments", "llama.cpp-args", "\n\n", PolicySyntax, 1},
    {"argument without a value", "llama.cpp-args", "--tensor-type a=q4_0\n--tensor-type", PolicySyntax, 2},
    {"type of the embedding", "llama.cpp-args", "--token-embedding-type \\\n  bad", SchemeUnknownFormat, 2},
    {"two base types", "llama.cpp-args", "--pure q4_0\nq8_0", PolicySyntax, 2},
    {"mixture without a model", "llama.cpp-args", "llama-quantize in.gguf Q4_K_M", SchemeUnknownFormat, 1},

    // GPTQModel
    {"not JSON", "gptqmodel", "{\"bits\": 4,\n}", JsonSyntax, 2},
    {"key twice", "gptqmodel", "{\"bits\": 4,\n\"bits\": 3}", JsonDuplicateKey, 2},
    {"pattern twice", "gptqmodel", "{\"bits\": 4, \"dynamic\": {\"-:a\": {},\n\"-:a\": {}}}", JsonDuplicateKey, 2},
    {"no bits", "gptqmodel", "{\"group_size\": 128}", PolicySyntax, 1},
    {"nine bits", "gptqmodel", "{\n\"bits\": 9}", SchemeUnknownFormat, 2},
    {"bits as text", "gptqmodel", "{\n\"bits\": \"four\"}", PolicySyntax, 2},
    {"half a bit", "gptqmodel", "{\"bits\":\n 4.5}", PolicySyntax, 2},
    {"group size 0", "gptqmodel", "{\"bits\": 4,\n\"group_size\": 0}", SchemeBadOption, 2},
    {"group size -7", "gptqmodel", "{\"bits\": 4,\n\n\"group_size\": -7}", SchemeBadOption, 3},
    {"group size of a pattern", "gptqmodel", "{\"bits\": 4, \"dynamic\": {\n\"+:a\": {\"group_size\": 5}}}", SchemeBadOption, 2},
    {"broken pattern", "gptqmodel", "{\"bits\": 4, \"dynamic\": {\n\"+:a(\": {\"bits\": 8}}}", PolicyBadRule, 2},
    {"skipped and quantized", "gptqmodel", "{\"bits\": 4, \"dynamic\": {\"-:a\": {},\n\"+:a\": {\"bits\": 8}}}", PolicyBadRule, 2},
    {"pattern that is a number", "gptqmodel", "{\"bits\": 4, \"dynamic\": {\n\"+:a\": 8}}", PolicySyntax, 2},
    {"empty pattern", "gptqmodel", "{\"bits\": 4, \"dynamic\": {\"+:\": {}}}", PolicyBadRule, 1},
    {"another method", "gptqmodel", "{\"bits\": 4,\n\"quant_method\": \"awq\"}", PolicyBadRule, 2},
    {"dynamic as a list", "gptqmodel", "{\"bits\": 4,\n\"dynamic\": [1]}", PolicySyntax, 2},

    // llm-compressor
    {"no YAML", "llm-compressor", "a_stage:\n  b: [1, 2\n", PolicySyntax, 3},
    {"empty", "llm-compressor", "", PolicySyntax, 1},
    {"key twice", "llm-compressor", "a_stage:\n  b_modifiers: {}\n  b_modifiers: {}\n", DuplicateKey, 3},
    {"anchor", "llm-compressor", "a_stage: &x\n  b_modifiers: *x\n", PolicySyntax, 1},
    {"alias bomb", "llm-compressor", "a: &a [1,1]\nb: &b [*a,*a]\nc: [*b,*b]\n", PolicySyntax, 1},
    {"tag", "llm-compressor", "a_stage: !!python/object:os.system {}\n", PolicySyntax, 1},
    {"second document", "llm-compressor", "a_stage: {}\n---\nb_stage: {}\n", PolicySyntax, 3},
    {"no modifier", "llm-compressor", "a_stage:\n  b_modifiers:\n    SmoothQuantModifier: {}\n", PolicySyntax, 1},
    {"list for a stage", "llm-compressor", "a_stage:\n  - 1\n", PolicySyntax, 2},
    {"two quantizing modifiers", "llm-compressor",
     "a_stage:\n  b_modifiers:\n    GPTQModifier: {scheme: W4A16}\n    QuantizationModifier: {scheme: W8A16}\n", PolicyBadRule, 4},
    {"scheme and groups", "llm-compressor",
     "a_stage:\n  b_modifiers:\n    GPTQModifier:\n      scheme: W4A16\n      config_groups: {}\n", PolicyBadRule, 4},
    {"neither scheme nor groups", "llm-compressor", "a_stage:\n  b_modifiers:\n    GPTQModifier: {ignore: [lm_head]}\n",
     PolicyBadRule, 3},
    {"unknown scheme", "llm-compressor", "a_stage:\n  b_modifiers:\n    GPTQModifier:\n      scheme: W1A1\n",
     SchemeUnknownFormat, 4},
    {"ignore as text", "llm-compressor", "a_stage:\n  b_modifiers:\n    GPTQModifier:\n      scheme: W4A16\n      ignore: lm_head\n",
     PolicySyntax, 5},
    {"broken pattern", "llm-compressor",
     "a_stage:\n  b_modifiers:\n    GPTQModifier:\n      scheme: W4A16\n      ignore:\n        - lm_head\n        - 're:a['\n",
     PolicyBadRule, 7},

    // compressed-tensors
    {"not JSON", "compressed-tensors", "{'config_groups': {}}", JsonSyntax, 1},
    {"no groups", "compressed-tensors", "{\"quant_method\": \"compressed-tensors\"}", PolicyBadRule, 1},
    {"no targets", "compressed-tensors", "{\"config_groups\": {\n\"g\": {\"weights\": {\"num_bits\": 4}}}}", PolicySyntax, 2},
    {"group without a group size", "compressed-tensors",
     "{\"config_groups\": {\"g\": {\"targets\": [\"Linear\"],\n\"weights\": {\"num_bits\": 4,\n\"strategy\": \"group\"}}}}",
     PolicyBadRule, 3},
    {"group size by channel", "compressed-tensors",
     "{\"config_groups\": {\"g\": {\"targets\": [\"Linear\"],\n\"weights\": {\"strategy\": \"channel\",\n\"group_size\": 32}}}}",
     PolicyBadRule, 3},
    {"unknown strategy", "compressed-tensors",
     "{\"config_groups\": {\"g\": {\"targets\": [\"Linear\"],\n\"weights\": {\"strategy\": \"galaxy\"}}}}", SchemeBadOption, 2},
    {"blocks", "compressed-tensors",
     "{\"config_groups\": {\"g\": {\"targets\": [\"Linear\"],\n\"weights\": {\"type\": \"float\", \"strategy\": \"block\"}}}}",
     SchemeUnknownFormat, 2},
    {"group size that cannot be", "compressed-tensors",
     "{\"config_groups\": {\"g\": {\"targets\": [\"Linear\"],\n\"weights\": {\"num_bits\": 4,\n\"group_size\": 3}}}}",
     SchemeBadOption, 3},
    {"eleven bits", "compressed-tensors",
     "{\"config_groups\": {\"g\": {\"targets\": [\"Linear\"],\n\"weights\": {\"num_bits\": 11}}}}", SchemeUnknownFormat, 2},
    {"six-bit floats", "compressed-tensors",
     "{\"config_groups\": {\"g\": {\"targets\": [\"Linear\"],\n\"weights\": {\"num_bits\": 6, \"type\": \"float\"}}}}",
     SchemeUnknownFormat, 2},
    {"unknown type", "compressed-tensors",
     "{\"config_groups\": {\"g\": {\"targets\": [\"Linear\"],\n\"weights\": {\"type\": \"complex\"}}}}", SchemeUnknownFormat, 2},
    {"dynamic weights", "compressed-tensors",
     "{\"config_groups\": {\"g\": {\"targets\": [\"Linear\"],\n\"weights\": {\"num_bits\": 8, \"dynamic\": true}}}}", PolicyBadRule, 2},
    {"static tokens", "compressed-tensors",
     "{\"config_groups\": {\"g\": {\"targets\": [\"Linear\"], \"weights\": {},\n\"input_activations\": {\"strategy\": \"token\"}}}}",
     PolicyBadRule, 2},
    {"Linear twice", "compressed-tensors",
     "{\"config_groups\": {\"g\": {\"targets\": [\"Linear\"], \"weights\": {}},\n\"h\": {\"targets\": [\"Linear\"], \"weights\": "
     "{\"num_bits\": 4}}}}",
     PolicyBadRule, 2},
    {"a name in two groups", "compressed-tensors",
     "{\"config_groups\": {\"g\": {\"targets\": [\"a.b\"], \"weights\": {}},\n\"h\": {\"targets\": [\"a.b\"], \"weights\": "
     "{\"num_bits\": 4}}}}",
     PolicyBadRule, 2},
    {"everything ignored", "compressed-tensors", "{\"config_groups\": {},\n\"ignore\": [\"Linear\"]}", PolicyBadRule, 2},
    {"cache of two bits by half", "compressed-tensors", "{\"config_groups\": {},\n\"kv_cache_scheme\": {\"num_bits\": 1}}",
     SchemeUnknownFormat, 2},

    // AutoRound
    {"not a map", "auto-round", "[1]", PolicySyntax, 1},
    {"one bit", "auto-round", "{\"layer_config\": {\n\"a.0\": {\"bits\": 1}}}", SchemeUnknownFormat, 2},
    {"forty bits", "auto-round", "{\n\"bits\": 40}", SchemeUnknownFormat, 2},
    {"unknown preset", "auto-round", "{\"layer_config\": {\n\"a.0\": \"W9A9\"}}", SchemeUnknownFormat, 2},
    {"unknown scheme", "auto-round", "{\n\"scheme\": \"gguf:q2_k_s\"}", SchemeUnknownFormat, 2},
    {"unknown type", "auto-round", "{\"bits\":\n 4, \"data_type\": \"posit\"}", SchemeUnknownFormat, 2},
    {"group size 7", "auto-round", "{\"bits\": 4,\n\"group_size\": 7}", SchemeBadOption, 2},
    {"group size of inputs", "auto-round", "{\"bits\": 4, \"act_bits\": 8,\n\"act_group_size\": 7}", SchemeBadOption, 2},
    {"MXFP8 by its type", "auto-round", "{\"group_size\": 32, \"bits\":\n4, \"data_type\": \"mx_fp8\"}", SchemeUnknownFormat, 2},
    {"MXFP4 in groups of 64", "auto-round", "{\"bits\": 4, \"data_type\": \"mx_fp\",\n\"group_size\": 64}", SchemeBadOption, 2},
    {"sym as text", "auto-round", "{\"bits\": 4,\n\"sym\": \"yes\"}", PolicySyntax, 2},
    {"broken pattern", "auto-round", "{\"layer_config\": {\n\"a[.0\": {\"bits\": 8}}}", PolicyBadRule, 2},
    {"layer that is a number", "auto-round", "{\"layer_config\": {\n\"a.0\": 8}}", PolicySyntax, 2},

    // MLX
    {"not JSON", "mlx", "quantization: {bits: 4}", JsonSyntax, 1},
    {"seven bits", "mlx", "{\"quantization\": {\"group_size\": 64,\n\"bits\": 7}}", SchemeUnknownFormat, 2},
    {"group size 16", "mlx", "{\"quantization\": {\"bits\": 4,\n\"group_size\": 16}}", SchemeBadOption, 2},
    {"unknown mode", "mlx", "{\"quantization\": {\"bits\": 4,\n\"mode\": \"linear\"}}", SchemeUnknownFormat, 2},
    {"MXFP8", "mlx", "{\"quantization\":\n{\"mode\": \"mxfp8\"}}", SchemeUnknownFormat, 2},
    {"MXFP4 with eight bits", "mlx", "{\"quantization\": {\"mode\": \"mxfp4\",\n\"group_size\": 32, \"bits\": 8}}", SchemeBadOption, 2},
    {"bits of a layer", "mlx", "{\"quantization\": {\"bits\": 4, \"group_size\": 64,\n\"a.b\": {\"bits\": 1}}}", SchemeUnknownFormat, 2},
    {"group size of a layer", "mlx", "{\"quantization\": {\"bits\": 4, \"group_size\": 64,\n\"a.b\": {\"group_size\": 48}}}",
     SchemeBadOption, 2},
    {"bits as text", "mlx", "{\"quantization\": {\n\"bits\": \"4\"}}", PolicySyntax, 2},
    {"mode as number", "mlx", "{\"quantization\": {\n\"mode\": 4}}", PolicySyntax, 2},
    {"layer twice", "mlx", "{\"quantization\": {\"bits\": 4, \"a\": false,\n\"a\": true}}", JsonDuplicateKey, 2},

    // HQQ
    {"no configuration", "hqq", "{\"quant_method\": \"hqq\"}", PolicySyntax, 1},
    {"configuration as text", "hqq", "{\n\"quant_config\": \"int4\"}", PolicySyntax, 2},
    {"seven bits", "hqq", "{\"quant_config\": {\"weight_quant_params\": {\n\"nbits\": 7}}}", SchemeUnknownFormat, 2},
    {"1.58 bits", "hqq", "{\"quant_config\": {\"weight_quant_params\": {\n\"nbits\": 1.58}}}", PolicySyntax, 2},
    {"one bit", "hqq", "{\"quant_config\": {\"weight_quant_params\": {\n\"nbits\": 1}}}", SchemeUnknownFormat, 2},
    {"group size 12", "hqq", "{\"quant_config\": {\"weight_quant_params\": {\"nbits\": 4,\n\"group_size\": 12}}}", SchemeBadOption, 2},
    {"group size 8", "hqq", "{\"quant_config\": {\"weight_quant_params\": {\"nbits\": 4,\n\"group_size\": 8}}}", SchemeBadOption, 2},
    {"groups across rows", "hqq", "{\"quant_config\": {\"weight_quant_params\": {\"nbits\": 4,\n\"axis\": 0}}}", SchemeBadOption, 2},
    {"tag that is a number", "hqq", "{\"quant_config\": {\n\"self_attn.q_proj\": 4}}", PolicySyntax, 2},
    {"bits of a tag", "hqq", "{\"quant_config\": {\n\"mlp.up_proj\": {\"weight_quant_params\": {\"nbits\": 9}}}}", SchemeUnknownFormat, 2},
    {"skipped and quantized", "hqq",
     "{\"skip_modules\": [\"mlp.up_proj\"], \"quant_config\": {\n\"mlp.up_proj\": {\"weight_quant_params\": {\"nbits\": 4}}}}",
     PolicyBadRule, 2},
    {"skip list of numbers", "hqq", "{\"quant_config\": {\"weight_quant_params\": {}},\n\"skip_modules\": [1]}", PolicySyntax, 2},

    // torchao
    {"not a map", "torchao", "{\"quant_method\": \"torchao\",\n\"quant_type\": 4}", PolicySyntax, 2},
    {"unknown name", "torchao", "{\"quant_method\": \"torchao\",\n\"quant_type\": \"autoquant\"}", SchemeUnknownFormat, 2},
    {"group size of a name", "torchao",
     "{\"quant_type\": \"int4_weight_only\", \"quant_type_kwargs\":\n{\"group_size\": 7}}", SchemeBadOption, 2},
    {"no entries", "torchao", "{\"_type\": \"FqnToConfig\",\n\"_data\": {}}", PolicySyntax, 2},
    {"entry without a type", "torchao", "{\"_type\": \"FqnToConfig\", \"_data\": {\"fqn_to_config\": {\n\"a\": {\"_data\": {}}}}}",
     PolicySyntax, 2},
    {"unknown type", "torchao",
     "{\"_type\": \"FqnToConfig\", \"_data\": {\"fqn_to_config\": {\n\"a\": {\"_type\": \"UIntXConfig\", \"_data\": {}}}}}",
     SchemeUnknownFormat, 2},
    {"unknown dtype", "torchao",
     "{\"_type\": \"IntxWeightOnlyConfig\", \"_data\": {\n\"weight_dtype\": {\"_type\": \"torch.dtype\", \"_data\": \"int1\"}}}",
     SchemeUnknownFormat, 2},
    {"dtype as text", "torchao", "{\"_type\": \"IntxWeightOnlyConfig\", \"_data\": {\n\"weight_dtype\": \"int4\"}}", PolicySyntax, 2},
    {"group size 8", "torchao", "{\"_type\": \"Int4WeightOnlyConfig\", \"_data\":\n{\"group_size\": 8}}", SchemeBadOption, 2},
    {"granularity", "torchao",
     "{\"_type\": \"Int8WeightOnlyConfig\", \"_data\": {\n\"granularity\": {\"_type\": \"PerBlock\", \"_data\": {}}}}", SchemeBadOption, 2},
    {"group of 0", "torchao",
     "{\"_type\": \"Int8WeightOnlyConfig\", \"_data\": {\n\"granularity\": {\"_type\": \"PerGroup\", \"_data\": {\"group_size\": "
     "0}}}}",
     SchemeBadOption, 2},
    {"E5M2", "torchao",
     "{\"_type\": \"Float8WeightOnlyConfig\", \"_data\": {\n\"weight_dtype\": {\"_type\": \"torch.dtype\", \"_data\": "
     "\"float8_e5m2\"}}}",
     SchemeUnknownFormat, 2},
    {"mapping", "torchao",
     "{\"_type\": \"IntxWeightOnlyConfig\", \"_data\": {\n\"mapping_type\": {\"_type\": \"MappingType\", \"_data\": \"ODD\"}}}",
     SchemeBadOption, 2},
    {"broken pattern", "torchao",
     "{\"_type\": \"FqnToConfig\", \"_data\": {\"fqn_to_config\": {\n\"re:a(\": {\"_type\": \"Int8WeightOnlyConfig\", \"_data\": "
     "{}}}}}",
     PolicyBadRule, 2},

    // bitsandbytes
    {"neither width", "bitsandbytes", "{\"quant_method\": \"bitsandbytes\"}", PolicySyntax, 1},
    {"both widths", "bitsandbytes", "{\"load_in_4bit\": true,\n\"load_in_8bit\": true}", PolicyBadRule, 2},
    {"width as number", "bitsandbytes", "{\n\"load_in_4bit\": 1}", PolicySyntax, 2},
    {"unknown type", "bitsandbytes", "{\"load_in_4bit\": true,\n\"bnb_4bit_quant_type\": \"int4\"}", SchemeUnknownFormat, 2},
    {"type as number", "bitsandbytes", "{\"load_in_4bit\": true,\n\"bnb_4bit_quant_type\": 4}", PolicySyntax, 2},
    {"double as text", "bitsandbytes", "{\"load_in_4bit\": true,\n\"bnb_4bit_use_double_quant\": \"yes\"}", PolicySyntax, 2},
    {"threshold as text", "bitsandbytes", "{\"load_in_8bit\": true,\n\"llm_int8_threshold\": \"6\"}", PolicySyntax, 2},
    {"skip list as text", "bitsandbytes", "{\"load_in_4bit\": true,\n\"llm_int8_skip_modules\": \"lm_head\"}", PolicySyntax, 2},
    {"empty skip", "bitsandbytes", "{\"load_in_4bit\": true, \"llm_int8_skip_modules\": [\n\"\"]}", PolicySyntax, 2},
    {"broken skip", "bitsandbytes", "{\"load_in_4bit\": true, \"llm_int8_skip_modules\": [\n\"a(\"]}", PolicyBadRule, 2},
    {"key twice", "bitsandbytes", "{\"load_in_4bit\": true,\n\"load_in_4bit\": false}", JsonDuplicateKey, 2},

    // ModelOpt
    {"no algorithm", "modelopt", "{\"quantization\": {}}", PolicySyntax, 1},
    {"unknown algorithm", "modelopt", "{\"quantization\": {\n\"quant_algo\": \"FP2\"}}", SchemeUnknownFormat, 2},
    {"mixed without layers", "modelopt", "{\"quantization\":\n{\"quant_algo\": \"MIXED_PRECISION\"}}", SchemeUnknownFormat, 2},
    {"layer without an algorithm", "modelopt", "{\"quantization\": {\"quantized_layers\": {\n\"a\": {}}}}", PolicySyntax, 2},
    {"layer as text", "modelopt", "{\"quantization\": {\"quantized_layers\": {\n\"a\": \"FP8\"}}}", PolicySyntax, 2},
    {"NVFP4 in groups of 32", "modelopt", "{\"quantization\": {\"quant_algo\": \"NVFP4\",\n\"group_size\": 32}}", SchemeBadOption, 2},
    {"AWQ in groups of 5", "modelopt", "{\"quantization\": {\"quant_algo\": \"W4A16_AWQ\",\n\"group_size\": 5}}", SchemeBadOption, 2},
    {"group size as text", "modelopt", "{\"quantization\": {\"quant_algo\": \"NVFP4\",\n\"group_size\": \"16\"}}", PolicySyntax, 2},
    {"cache", "modelopt", "{\"quantization\": {\"quant_algo\": \"FP8\",\n\"kv_cache_quant_algo\": \"FP2\"}}", SchemeUnknownFormat, 2},
    {"excluded numbers", "modelopt", "{\"quantization\": {\"quant_algo\": \"FP8\",\n\"exclude_modules\": [3]}}", PolicySyntax, 2},
    {"layer twice", "modelopt",
     "{\"quantization\": {\"quantized_layers\": {\"a\": {\"quant_algo\": \"FP8\"},\n\"a\": {\"quant_algo\": \"W8A16\"}}}}",
     JsonDuplicateKey, 2},

    // The program's own
    {"not JSON", "quantloupe", "{\"quantloupe_policy\": 1,", JsonSyntax, 1},
    {"newer version", "quantloupe", "{\n\"quantloupe_policy\": 7}", PolicyVersion, 2},
    {"bad scheme", "quantloupe", "{\"quantloupe_policy\": 1,\n\"default\": \"int9\"}", SchemeUnknownFormat, 2},
};

} // namespace

std::span<const BadRecipe> badRecipes()
{
    return kBad;
}

} // namespace ql::test
