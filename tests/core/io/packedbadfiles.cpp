// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "packedfile.h"

namespace ql::test
{
namespace
{

using E = ErrorCode;
using F = PackedFile;

const std::string kM = "model.layers.0.self_attn.q_proj";
const std::string kW = kM + ".weight";
const std::string kX = "model.layers.0.mlp.experts.gate_up_proj";
const std::string kState = kW + ".quant_state.bitsandbytes__nf4";

std::function<void(F&)> without(const std::string& name)
{
    return [name](F& f) { f.tensors.erase(name); };
}
std::function<void(F&)> shaped(const std::string& name, Shape shape)
{
    return [=](F& f) { f.reshape(name, shape); };
}
/// The same bytes under another type of the same width.
std::function<void(F&)> typed(const std::string& name, const std::string& dtype)
{
    return [=](F& f) { f.at(name).dtype = dtype; };
}
std::function<void(F&)> configured(const std::string& from, const std::string& to)
{
    return [=](F& f) { f.configure(from, to); };
}
std::function<void(F&)> stated(const std::string& from, const std::string& to)
{
    return [=](F& f) {
        std::string text = f.at(kState).bytes;
        text.replace(text.find(from), from.size(), to);
        f.setText(kState, text);
    };
}

} // namespace

std::vector<BadPacked> badPackedWords()
{
    return {
        {"gptq/scales missing", "gptq-4bit-asym", E::NoSuchTensor, kM + ".scales", without(kM + ".scales")},
        {"gptq/zero points missing", "gptq-4bit-asym", E::NoSuchTensor, kM + ".qzeros", without(kM + ".qzeros")},
        {"gptq/groups in another order, which is missing", "gptq-4bit-asym", E::NoSuchTensor, kM + ".g_idx is missing",
         [](F& f) {
             f.tensors.erase(kM + ".g_idx");
             f.configure("\"desc_act\": false", "\"desc_act\": true");
         }},
        {"gptq/codes in 64-bit words", "gptq-4bit-asym", E::BadTensorType, "I64",
         [](F& f) {
             f.at(kM + ".qweight").dtype = "I64";
             f.at(kM + ".qweight").shape = {8, 16};
         }},
        {"gptq/scales are integers", "gptq-4bit-asym", E::BadTensorType, kM + ".scales", typed(kM + ".scales", "I16")},
        {"gptq/zero points are floats", "gptq-4bit-asym", E::BadTensorType, kM + ".qzeros",
         typed(kM + ".qzeros", "F32")},
        {"gptq/codes are a vector", "gptq-4bit-asym", E::SizeMismatch, "matrix", shaped(kM + ".qweight", {256})},
        {"gptq/no groups", "gptq-4bit-asym", E::SizeMismatch, kM + ".scales", shaped(kM + ".scales", {0, 32})},
        {"gptq/other number of outputs", "gptq-4bit-asym", E::SizeMismatch, "neither", shaped(kM + ".scales", {4, 24})},
        {"gptq/odd zero point words", "gptq-4bit-asym", E::SizeMismatch, "words per group",
         shaped(kM + ".qzeros", {4, 17})},
        {"gptq/5 bits", "gptq-4bit-asym", E::Unsupported, "5 bits", shaped(kM + ".qzeros", {4, 5})},
        {"gptq/zero points of other groups", "gptq-4bit-asym", E::SizeMismatch, "[3, 4]",
         shaped(kM + ".qzeros", {3, 4})},
        {"gptq/groups that do not divide", "gptq-4bit-asym", E::SizeMismatch, "7 groups",
         [](F& f) {
             f.reshape(kM + ".scales", {7, 32});
             f.reshape(kM + ".qzeros", {7, 4});
         }},
        {"gptq/3 bits in 5 words", "gptq-3bit", E::SizeMismatch, "whole codes", shaped(kM + ".qweight", {5, 32})},
        {"gptq/group index too short", "gptq-act-order", E::SizeMismatch, kM + ".g_idx", shaped(kM + ".g_idx", {63})},
        {"gptq/group index of floats", "gptq-act-order", E::BadTensorType, kM + ".g_idx", typed(kM + ".g_idx", "F32")},
        {"gptq/group index too large", "gptq-act-order", E::CannotDecode, "input 5 has group 4",
         [](F& f) { f.put(kM + ".g_idx", 5, int32_t(4)); }},
        {"gptq/group index negative", "gptq-act-order", E::CannotDecode, "input 63 has group -1",
         [](F& f) { f.put(kM + ".g_idx", 63, int32_t(-1)); }},
        {"gptq/plain beside packed", "gptq-4bit-asym", E::DuplicateTensor, kW,
         [](F& f) {
             f.tensors[kW] = {"F32", {1, 1}, std::string(4, '\0')};
         }},
        {"gptq/broken side file", "gptq-side-file", E::ConfigInvalid, "quantize_config.json",
         [](F& f) { f.sides["quantize_config.json"] = "{\"bits\": 4,"; }},
        {"gptq/side file is a list", "gptq-side-file", E::ConfigInvalid, "must be a JSON object",
         [](F& f) { f.sides["quantize_config.json"] = "[4]"; }},
        {"awq/version gemv", "awq", E::Unsupported, "gemv", configured("\"gemm\"", "\"gemv\"")},
        {"awq/3 bits", "awq", E::Unsupported, "3 bits", configured("\"bits\": 4", "\"bits\": 3")},
        {"awq/zero points missing", "awq", E::NoSuchTensor, kM + ".qzeros", without(kM + ".qzeros")},
        {"awq/zero points of other shape", "awq", E::SizeMismatch, "[2, 4]", shaped(kM + ".qzeros", {2, 5})},
        {"awq/groups that do not divide", "awq", E::SizeMismatch, "3 groups",
         [](F& f) {
             f.reshape(kM + ".scales", {3, 32});
             f.reshape(kM + ".qzeros", {3, 4});
         }},
    };
}

std::vector<BadPacked> badPackedScaled()
{
    return {
        {"compressed/scale missing", "ct-pack-4bit", E::NoSuchTensor, kM + ".weight_scale",
         without(kM + ".weight_scale")},
        {"compressed/shape missing", "ct-pack-4bit", E::NoSuchTensor, kM + ".weight_shape",
         without(kM + ".weight_shape")},
        {"compressed/shape says other rows", "ct-pack-4bit", E::SizeMismatch, "[33, 64]",
         [](F& f) { f.put(kM + ".weight_shape", 0, int64_t(33)); }},
        {"compressed/shape is negative", "ct-pack-4bit", E::SizeMismatch, "[32, -1]",
         [](F& f) { f.put(kM + ".weight_shape", 1, int64_t(-1)); }},
        {"compressed/shape is huge", "ct-pack-4bit", E::SizeMismatch, "cannot hold",
         [](F& f) { f.put(kM + ".weight_shape", 1, int64_t(INT64_MAX)); }},
        {"compressed/no such width", "ct-pack-4bit", E::Unsupported, "fit no number of bits",
         [](F& f) { f.put(kM + ".weight_shape", 1, int64_t(33)); }},
        {"compressed/codes of floats", "ct-pack-4bit", E::BadTensorType, kM + ".weight_packed",
         typed(kM + ".weight_packed", "F32")},
        {"compressed/scales of other rows", "ct-pack-4bit", E::SizeMismatch, "[31, 2]",
         shaped(kM + ".weight_scale", {31, 2})},
        {"compressed/groups that do not divide", "ct-pack-4bit", E::SizeMismatch, "3 groups",
         shaped(kM + ".weight_scale", {32, 3})},
        {"compressed/zero points of other shape", "ct-pack-4bit-asym", E::SizeMismatch, "[4, 4]",
         shaped(kM + ".weight_zero_point", {5, 4})},
        {"compressed/zero points missing", "ct-pack-4bit-asym", E::NoSuchTensor, kM + ".weight_zero_point is missing",
         without(kM + ".weight_zero_point")},
        {"compressed/zero points of floats", "ct-pack-4bit-asym", E::BadTensorType, kM + ".weight_zero_point",
         typed(kM + ".weight_zero_point", "F32")},
        {"compressed/group index out of range", "ct-act-order", E::CannotDecode, "input 0 has group 99",
         [](F& f) { f.put(kM + ".weight_g_idx", 0, int32_t(99)); }},
        {"nvfp4/factor missing", "ct-nvfp4", E::NoSuchTensor, kM + ".weight_global_scale",
         without(kM + ".weight_global_scale")},
        {"nvfp4/two factors", "ct-nvfp4", E::SizeMismatch, "2 factors", shaped(kM + ".weight_global_scale", {2})},
        {"nvfp4/scales of other groups", "ct-nvfp4", E::SizeMismatch, "[32, 4]", shaped(kM + ".weight_scale", {32, 2})},
        {"mxfp4/scales missing", "ct-mxfp4", E::NoSuchTensor, kM + ".weight_scale", without(kM + ".weight_scale")},
        {"int8/scales missing", "ct-int-channel", E::NoSuchTensor, kM + ".weight_scale", without(kM + ".weight_scale")},
        {"int8/zero points missing", "ct-int-asym-group", E::NoSuchTensor, kM + ".weight_zero_point is missing",
         without(kM + ".weight_zero_point")},
        {"int8/zero points of other shape", "ct-int-asym-group", E::SizeMismatch, kM + ".weight_zero_point",
         shaped(kM + ".weight_zero_point", {32, 1})},
        {"fp8/scales of other shape", "ct-float-channel", E::SizeMismatch, "[7, 1]",
         shaped(kM + ".weight_scale", {7, 1})},
        {"fp8/blocks of other shape", "hf-fp8-blocks", E::SizeMismatch, "[3, 2]",
         shaped(kM + ".weight_scale_inv", {3, 2})},
        {"fp8/scales missing", "hf-fp8-blocks", E::NoSuchTensor, kM + ".weight_scale_inv",
         without(kM + ".weight_scale_inv")},
        {"fp8/three dimensions", "ct-float-tensor", E::SizeMismatch, "matrix", shaped(kM + ".weight", {2, 16, 64})},
        {"modelopt/factor missing", "modelopt-nvfp4", E::Unsupported, "weight_scale_2",
         without(kM + ".weight_scale_2")},
        {"modelopt/block scales missing", "modelopt-nvfp4", E::NoSuchTensor, kM + ".weight_scale",
         without(kM + ".weight_scale")},
        {"modelopt/inputs rescaled", "modelopt-nvfp4", E::Unsupported, "pre_quant_scale",
         [](F& f) { f.tensors[kM + ".pre_quant_scale"] = f.at(kM + ".weight_scale_2"); }},
    };
}

std::vector<BadPacked> badPackedOthers()
{
    return {
        {"bitsandbytes/maxima missing", "bnb-nf4", E::NoSuchTensor, kW + ".absmax", without(kW + ".absmax")},
        {"bitsandbytes/table missing", "bnb-nf4", E::NoSuchTensor, kW + ".quant_map", without(kW + ".quant_map")},
        {"bitsandbytes/state missing", "bnb-nf4", E::NoSuchTensor, kState, without(kState)},
        {"bitsandbytes/outer maxima missing", "bnb-nf4-double", E::NoSuchTensor, kW + ".nested_absmax",
         without(kW + ".nested_absmax")},
        {"bitsandbytes/outer table missing", "bnb-nf4-double", E::NoSuchTensor, kW + ".nested_quant_map",
         without(kW + ".nested_quant_map")},
        {"bitsandbytes/state is no JSON", "bnb-nf4", E::InvalidMetadata, "no JSON object",
         [](F& f) { f.setText(kState, "{nf4"); }},
        {"bitsandbytes/state is empty", "bnb-nf4", E::InvalidMetadata, "0 bytes", [](F& f) { f.setText(kState, ""); }},
        {"bitsandbytes/other type", "bnb-nf4", E::InvalidMetadata, "quant_type", stated("nf4", "fp4")},
        {"bitsandbytes/block size 0", "bnb-nf4", E::InvalidMetadata, "blocksize", stated("64", "0")},
        {"bitsandbytes/shape is text", "bnb-nf4", E::InvalidMetadata, "shape", stated("[32, 64]", "\"32x64\"")},
        {"bitsandbytes/shape is negative", "bnb-nf4", E::InvalidMetadata, "shape", stated("[32", "[-32")},
        {"bitsandbytes/shape is huge", "bnb-nf4", E::InvalidMetadata, "larger than any file",
         stated("[32, 64]", "[4611686018427387904, 64]")},
        {"bitsandbytes/shape is another", "bnb-nf4", E::SizeMismatch, "1024 bytes", stated("[32", "[33")},
        {"bitsandbytes/offset missing", "bnb-nf4-double", E::InvalidMetadata, "nested_offset",
         stated("nested_offset", "offset")},
        {"bitsandbytes/too few maxima", "bnb-nf4", E::SizeMismatch, "31 values instead of 32",
         shaped(kW + ".absmax", {31})},
        {"bitsandbytes/short table", "bnb-nf4", E::SizeMismatch, "15 values instead of 16",
         shaped(kW + ".quant_map", {15})},
        {"bitsandbytes/row maxima missing", "bnb-int8", E::NoSuchTensor, kM + ".SCB", without(kM + ".SCB")},
        {"bitsandbytes/too few row maxima", "bnb-int8", E::SizeMismatch, "31 values", shaped(kM + ".SCB", {31})},
        {"bitsandbytes/tile order", "bnb-int8", E::Unsupported, "tile order 2",
         [](F& f) { f.put(kM + ".weight_format", 0, uint8_t(2)); }},
        {"mlx/scales missing", "mlx-4bit", E::NoSuchTensor, kM + ".scales", without(kM + ".scales")},
        {"mlx/biases missing", "mlx-4bit", E::NoSuchTensor, kM + ".biases", without(kM + ".biases")},
        {"mlx/7 bits", "mlx-4bit", E::Unsupported, "7 bits", [](F& f) { f.configure("\"bits\": 4", "\"bits\": 7"); }},
        {"mlx/group of another size", "mlx-4bit", E::SizeMismatch, "instead of",
         configured("\"group_size\": 32", "\"group_size\": 16")},
        {"mlx/group size 0", "mlx-4bit", E::ConfigInvalid, "group_size",
         configured("\"group_size\": 32", "\"group_size\": 0")},
        {"mlx/unknown mode", "mlx-mxfp4", E::Unsupported, "mode \"nf4\"",
         configured("\"mode\": \"mxfp4\"", "\"mode\": \"nf4\"")},
        {"mlx/biases of other shape", "mlx-4bit", E::SizeMismatch, kM + ".biases", shaped(kM + ".biases", {32, 1})},
        {"gpt-oss/scales missing", "gpt-oss", E::NoSuchTensor, kX + "_scales", without(kX + "_scales")},
        {"gpt-oss/blocks of 8 bytes", "gpt-oss", E::SizeMismatch, "16 bytes", shaped(kX + "_blocks", {2, 24, 4, 8})},
        {"gpt-oss/scales of other shape", "gpt-oss", E::SizeMismatch, "[2, 24, 3]", shaped(kX + "_scales", {2, 24, 3})},
    };
}

} // namespace ql::test
