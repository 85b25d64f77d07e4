#!/usr/bin/env python3
# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes tiny quantized checkpoints and the values that independent readers give them.

    pip install torch numpy safetensors transformers compressed-tensors bitsandbytes "mlx[cpu]"
    python3 make_packed.py

Every folder here becomes a model (model.safetensors and its configuration); expected.safetensors holds, as
"FOLDER/TENSOR", the f32 values of each quantized weight. Where a package dequantizes in f32 its own result is kept:
compressed-tensors, bitsandbytes, MLX (affine with f32 scales), transformers (gpt-oss). Folders ending in "-bf16" are
dequantized in bfloat16 by their package and agree after that rounding. GPTQ, AWQ, ModelOpt and
Hugging Face FP8 are dequantized here in numpy from their published layouts, without any code of this program.
"""
import json
import os
import shutil

import numpy as np
import torch
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS, COLS = 32, 64
MODULE = "model.layers.0.self_attn.q_proj"
SECOND = "model.layers.0.mlp.down_proj"
expected = {}


def weights(rows=ROWS, cols=COLS, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, cols, generator=generator) * 0.1


def write(case, tensors, values, config=None, side=None):
    folder = os.path.join(HERE, case)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    save_file({k: v.contiguous() for k, v in tensors.items()}, os.path.join(folder, "model.safetensors"), {"format": "pt"})
    base = {"model_type": "llama", "torch_dtype": "bfloat16"}
    if config is not None:
        base.update(config)
        json.dump(base, open(os.path.join(folder, "config.json"), "w"), indent=1)
    for name, content in (side or {}).items():
        json.dump(content, open(os.path.join(folder, name), "w"), indent=1)
    for name, value in values.items():
        expected[case + "/" + name] = torch.as_tensor(value).to(torch.float32).contiguous().clone()


def stream(codes, bits):
    """Lines of codes as dense little-endian bit streams in 32-bit words."""
    lines, count = codes.shape
    words = np.zeros((lines, (count * bits + 31) // 32), dtype=np.uint64)
    for i in range(count):
        for b in range(bits):
            at = i * bits + b
            words[:, at // 32] |= ((codes[:, i].astype(np.uint64) >> b) & 1) << (at % 32)
    return torch.from_numpy(words.astype(np.uint32).view(np.int32))


def words_of(codes, bits):
    """Lines of codes with floor(32 / bits) per word."""
    per = 32 // bits
    lines, count = codes.shape
    words = np.zeros((lines, (count + per - 1) // per), dtype=np.uint64)
    for i in range(count):
        words[:, i // per] |= codes[:, i].astype(np.uint64) << (i % per * bits)
    return torch.from_numpy(words.astype(np.uint32).view(np.int32))


# GPTQ: W[n, k] = scales[g, n] * (q[k, n] - z[g, n])
def gptq(case, bits, group, version=1, index=None, settings=None, zeros=None, sym=False, side=None, keep_index=True):
    rng = np.random.default_rng(bits * 1000 + group)
    groups = COLS // group
    q = rng.integers(0, 1 << bits, (COLS, ROWS))
    z = np.full((groups, ROWS), 1 << (bits - 1)) if sym else rng.integers(1, 1 << bits, (groups, ROWS))
    if zeros is not None:
        z = zeros(z)
    scales = torch.from_numpy(rng.uniform(0.001, 0.02, (groups, ROWS)).astype(np.float16))
    g = np.arange(COLS) // group if index is None else index(COLS, group)
    stored = (z - 1) % (1 << bits) if version == 1 else z
    tensors = {MODULE + ".qweight": stream(q.T, bits).T, MODULE + ".qzeros": stream(stored, bits), MODULE + ".scales": scales}
    if keep_index:
        tensors[MODULE + ".g_idx"] = torch.from_numpy(g.astype(np.int32))
    value = scales.float().numpy()[g].T * (q.T - z[g].T).astype(np.float32)
    config = {"bits": bits, "group_size": group, "sym": sym, "desc_act": index is not None, "quant_method": "gptq"}
    if version == 2:
        config["checkpoint_format"] = "gptq_v2"
    config.update(settings or {})
    whole = None if side else {"quantization_config": config}
    write(case, tensors, {MODULE + ".weight": value}, whole, {side: config} if side else None)


def shuffled(cols, group):
    return np.random.default_rng(5).permutation(np.arange(cols) // group)


def zero_points(z):
    z = z.copy()
    z[:, ::3] = 0
    return z


gptq("gptq-4bit-sym", 4, 32, sym=True)
gptq("gptq-4bit-asym", 4, 16)
gptq("gptq-3bit", 3, 32)
gptq("gptq-2bit", 2, 16)
gptq("gptq-8bit", 8, 32)
gptq("gptq-channel", 4, COLS, settings={"group_size": -1})
gptq("gptq-act-order", 4, 16, index=shuffled)
gptq("gptq-no-index", 4, 32, keep_index=False)
gptq("gptq-v2-zero", 4, 32, version=2, zeros=zero_points)
gptq("gptq-v1-zero", 4, 32, zeros=zero_points)
gptq("gptq-side-file", 4, 32, sym=True, side="quantize_config.json")


# AWQ GEMM
def awq(case, config, side=None):
    rng = np.random.default_rng(7)
    group = 32
    q, z = rng.integers(0, 16, (COLS, ROWS)), rng.integers(0, 16, (COLS // group, ROWS))
    order = [0, 2, 4, 6, 1, 3, 5, 7]  # nibble i of a word holds column order[i]

    def pack(values):
        columns = values.reshape(values.shape[0], -1, 8)[:, :, order]
        return stream(columns.reshape(values.shape[0], -1), 4)

    scales = torch.from_numpy(rng.uniform(0.001, 0.02, (COLS // group, ROWS)).astype(np.float16))
    g = np.arange(COLS) // group
    value = scales.float().numpy()[g].T * (q.T - z[g].T).astype(np.float32)
    write(case, {MODULE + ".qweight": pack(q), MODULE + ".qzeros": pack(z), MODULE + ".scales": scales},
          {MODULE + ".weight": value}, config, side)


awq("awq", {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm", "zero_point": True}})
awq("awq-side-file", None, {"quant_config.json": {"w_bit": 4, "q_group_size": 32, "version": "GEMM", "zero_point": True}})


# compressed-tensors
from compressed_tensors.compressors import BaseCompressor  # noqa: E402
from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32  # noqa: E402
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme  # noqa: E402
from compressed_tensors.quantization.lifecycle.forward import dequantize, quantize  # noqa: E402
from compressed_tensors.quantization.utils import calculate_qparams  # noqa: E402


def grid(args, weight):
    """Scales and zero points over the smallest and largest values of each group, in f32."""
    rows, cols = weight.shape
    size = {"tensor": None, "channel": cols}.get(str(getattr(args.strategy, "value", args.strategy)), args.group_size)
    if "block" in str(args.strategy):
        r, c = args.block_structure
        cut = weight.reshape(rows // r, r, cols // c, c)
        low, high = cut.amin(dim=(1, 3)), cut.amax(dim=(1, 3))
    elif size is None:
        low, high = weight.min().reshape(1), weight.max().reshape(1)
    else:
        cut = weight.reshape(rows, cols // size, size)
        low, high = cut.amin(-1), cut.amax(-1)
    return calculate_qparams(low, high, args)


def compressed(args, weight, form, dtype=torch.float32):
    scheme = QuantizationScheme(targets=["Linear"], weights=args)
    scale, zero = grid(args, weight)
    state = {"weight": weight, "weight_scale": scale.to(dtype), "weight_zero_point": zero}
    compressor = BaseCompressor.get_value_from_registry(form)
    packed = compressor.compress(state, scheme)
    return packed, compressor.decompress(packed, scheme)["weight"]


def config_of(form, **groups):
    return {"quantization_config": {"quant_method": "compressed-tensors", "format": form, "quantization_status": "compressed",
                                    "config_groups": {k: {"targets": ["Linear"], "weights": json.loads(v.model_dump_json())}
                                                      for k, v in groups.items()}}}


def ct(case, form, args, rows=ROWS, cols=COLS, dtype=torch.float32):
    packed, value = compressed(args, weights(rows, cols).to(dtype), form, dtype)
    assert value.dtype == dtype, (case, value.dtype)
    write(case, {MODULE + "." + k: v for k, v in packed.items()}, {MODULE + ".weight": value}, config_of(form, group_0=args))


Args = QuantizationArgs
ct("ct-pack-4bit", "pack-quantized", Args(num_bits=4, strategy="group", group_size=32))
ct("ct-pack-4bit-asym", "pack-quantized", Args(num_bits=4, strategy="group", group_size=16, symmetric=False))
ct("ct-pack-3bit-asym", "pack-quantized", Args(num_bits=3, strategy="group", group_size=32, symmetric=False))
ct("ct-pack-4bit-bf16", "pack-quantized", Args(num_bits=4, strategy="group", group_size=32), dtype=torch.bfloat16)
ct("ct-int-channel-bf16", "int-quantized", Args(num_bits=8, strategy="channel"), dtype=torch.bfloat16)
ct("ct-pack-5bit", "pack-quantized", Args(num_bits=5, strategy="channel"), cols=48)
ct("ct-pack-8bit-channel", "pack-quantized", Args(num_bits=8, strategy="channel"))
ct("ct-int-channel", "int-quantized", Args(num_bits=8, strategy="channel"))
ct("ct-int-asym-group", "int-quantized", Args(num_bits=8, strategy="group", group_size=32, symmetric=False))
ct("ct-int-asym-block", "int-quantized", Args(num_bits=8, strategy="block", block_structure=[16, 32], symmetric=False))
ct("ct-int-asym-tensor", "int-quantized", Args(num_bits=8, strategy="tensor", symmetric=False))
ct("ct-int-tensor", "int-quantized", Args(num_bits=8, strategy="tensor"))
ct("ct-float-tensor", "float-quantized", Args(num_bits=8, type="float", strategy="tensor"))
ct("ct-float-channel", "float-quantized", Args(num_bits=8, type="float", strategy="channel"))
ct("ct-float-block", "float-quantized", Args(num_bits=8, type="float", strategy="block", block_structure=[16, 32]))
ct("ct-naive", "naive-quantized", Args(num_bits=8, type="float", strategy="group", group_size=32))


def ct_act_order(case, index):
    """Groups by weight_g_idx, which the package wrote until 2026; -1 everywhere means no such groups."""
    codes = torch.randint(-8, 8, (ROWS, COLS), generator=torch.Generator().manual_seed(4)).to(torch.int8)
    scale = torch.rand(ROWS, COLS // 16, generator=torch.Generator().manual_seed(5)) * 0.02 + 0.001
    used = torch.arange(COLS) // 16 if (index < 0).all() else index.long()
    args = Args(num_bits=4, strategy="group", group_size=16)
    config = config_of("pack-quantized", group_0=args)
    config["quantization_config"]["config_groups"]["group_0"]["weights"]["actorder"] = "group"
    tensors = {"weight_packed": pack_to_int32(codes, 4), "weight_shape": torch.tensor([ROWS, COLS]), "weight_scale": scale,
               "weight_g_idx": index}
    write(case, {MODULE + "." + k: v for k, v in tensors.items()}, {MODULE + ".weight": codes.float() * scale[:, used]}, config)


ct_act_order("ct-act-order", torch.from_numpy(shuffled(COLS, 16).astype(np.int32)))
ct_act_order("ct-act-order-unset", torch.full((COLS,), -1, dtype=torch.int32))


def ct_old(case, bits, symmetric, cols):
    """Before the dense stream: floor(32 / bits) codes per word."""
    args = Args(num_bits=bits, strategy="group", group_size=16, symmetric=symmetric)
    weight = weights(40, cols, seed=bits)
    scale, zero = grid(args, weight)
    codes = quantize(x=weight, scale=scale.float(), zero_point=zero, args=args, dtype=torch.int8)
    value = dequantize(x_q=codes, scale=scale.float(), zero_point=zero, args=args)
    offset = 1 << (bits - 1)
    tensors = {"weight_packed": words_of(codes.numpy().astype(int) + offset, bits), "weight_scale": scale.float(),
               "weight_shape": torch.tensor(weight.shape)}
    if not symmetric:
        tensors["weight_zero_point"] = words_of(zero.numpy().astype(int).T + offset, bits).T
    write(case, {MODULE + "." + k: v for k, v in tensors.items()}, {MODULE + ".weight": value},
          config_of("pack-quantized", group_0=args))


ct_old("ct-words-3bit-asym", 3, False, 64)
ct_old("ct-words-6bit", 6, True, 48)

four, eight = Args(num_bits=4, strategy="group", group_size=32), Args(num_bits=8, strategy="channel")
first, first_value = compressed(four, weights(), "pack-quantized")
second, second_value = compressed(eight, weights(seed=3), "int-quantized")
write("ct-mixed", {**{MODULE + "." + k: v for k, v in first.items()}, **{SECOND + "." + k: v for k, v in second.items()}},
      {MODULE + ".weight": first_value, SECOND + ".weight": second_value}, config_of("mixed-precision", group_0=four, group_1=eight))

from compressed_tensors.compressors.nvfp4.helpers import pack_fp4_to_uint8, unpack_fp4_from_uint8  # noqa: E402

E2M1 = torch.tensor([0, .5, 1, 1.5, 2, 3, 4, 6])


def nearest_fp4(x):
    codes = (x.abs()[..., None] - E2M1).abs().argmin(-1)
    return E2M1[codes] * torch.sign(x)


def ct_fp4(case, size):
    weight = weights(seed=size)
    amax = weight.reshape(ROWS, -1, size).abs().amax(-1)
    if size == 16:
        factor = 448 * 6 / weight.abs().max().reshape(1)
        stored = (factor * amax / 6).to(torch.float8_e4m3fn)
        used = stored.float() / factor
        args = Args(num_bits=4, type="float", strategy="tensor_group", group_size=16)
    else:
        exponent = torch.floor(torch.log2(amax)) - 2
        stored = (exponent + 127).to(torch.uint8)
        used = torch.exp2(exponent)
        factor, args = None, Args(num_bits=4, type="float", strategy="group", group_size=32)
    values = nearest_fp4(weight / used.repeat_interleave(size, 1))
    packed = pack_fp4_to_uint8(values)
    tensors = {MODULE + ".weight_packed": packed, MODULE + ".weight_scale": stored}
    if factor is not None:
        tensors[MODULE + ".weight_global_scale"] = factor.float()
        tensors[MODULE + ".input_global_scale"] = torch.tensor([12.5])
    scale = stored.float() if size == 16 else used
    value = dequantize(x_q=unpack_fp4_from_uint8(packed, ROWS, COLS, dtype=torch.float32), scale=scale, args=args,
                       global_scale=factor, dtype=torch.float32)
    form = "nvfp4-pack-quantized" if size == 16 else "mxfp4-pack-quantized"
    write(case, tensors, {MODULE + ".weight": value}, config_of(form, group_0=args))


ct_fp4("ct-nvfp4", 16)
ct_fp4("ct-mxfp4", 32)
codes8 = (weights(seed=8) * 300).to(torch.float8_e4m3fn)
scales8 = torch.randint(118, 128, (ROWS, COLS // 32), generator=torch.Generator().manual_seed(8)).to(torch.uint8)
write("ct-mxfp8", {MODULE + ".weight": codes8, MODULE + ".weight_scale": scales8},
      {MODULE + ".weight": codes8.float() * torch.exp2(scales8.float() - 127).repeat_interleave(32, 1)},
      {"quantization_config": {"quant_method": "compressed-tensors", "format": "mxfp8-quantized"}})


# bitsandbytes
import bitsandbytes.functional as bnb  # noqa: E402


def bnb4(case, kind, block, nested, rows=ROWS, cols=COLS, config=True, dtype=torch.float32):
    weight = weights(rows, cols, seed=block).to(dtype)
    packed, state = bnb.quantize_4bit(weight, blocksize=block, compress_statistics=nested, quant_type=kind)
    name = MODULE + ".weight"
    tensors = {name: packed}
    tensors.update({name + "." + k: v for k, v in state.as_dict(packed=True).items()})
    settings = {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": kind,
                                        "bnb_4bit_use_double_quant": nested}}
    write(case, tensors, {name: bnb.dequantize_4bit(packed, state)}, settings if config else None)


bnb4("bnb-nf4", "nf4", 64, False)
bnb4("bnb-nf4-double", "nf4", 64, True, rows=96, cols=192)
bnb4("bnb-fp4", "fp4", 64, False)
# Rows of 64 with blocks of 128 are left out: the package's own CPU reader misplaces the scales of rows shorter than a block.
bnb4("bnb-fp4-double", "fp4", 128, True, rows=16, cols=256)
bnb4("bnb-nf4-double-bf16", "nf4", 64, True, dtype=torch.bfloat16)
bnb4("bnb-across-rows", "nf4", 64, False, rows=31, cols=45)
bnb4("bnb-no-config", "nf4", 64, True, config=False)

rows8 = weights(seed=9)
codes, maxima, _ = bnb.int8_vectorwise_quant(rows8.half())
write("bnb-int8", {MODULE + ".weight": codes, MODULE + ".SCB": maxima, MODULE + ".weight_format": torch.tensor(0, dtype=torch.uint8)},
      {MODULE + ".weight": bnb.int8_vectorwise_dequant(codes, maxima)},
      {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}})

# MLX
import mlx.core as mx  # noqa: E402


def mlx_part(module, bits, group, mode, dtype, seed):
    weight = mx.array(weights(seed=seed).numpy()).astype(dtype)
    parts = mx.quantize(weight, group_size=group, bits=bits, mode=mode)
    value = mx.dequantize(*parts, group_size=group, bits=bits, mode=mode).astype(mx.float32)
    names = ["weight", "scales", "biases"]
    return {module + "." + n: p for n, p in zip(names, parts)}, np.array(value)


def mlx(case, settings, parts):
    tensors, values = {}, {}
    for module, (bits, group, mode, dtype) in parts.items():
        own, value = mlx_part(module, bits, group, mode, dtype, bits)
        tensors.update(own)
        values[module + ".weight"] = value
    folder = os.path.join(HERE, case)
    write(case, {"unused": torch.zeros(1)}, values, {"quantization": settings, "quantization_config": settings})
    mx.save_safetensors(os.path.join(folder, "model.safetensors"), tensors, {"format": "mlx"})


for bits in (2, 3, 4, 5, 6, 8):
    mlx(f"mlx-{bits}bit", {"group_size": 32, "bits": bits}, {MODULE: (bits, 32, "affine", mx.float32)})
mlx("mlx-mxfp4", {"group_size": 32, "bits": 4, "mode": "mxfp4"}, {MODULE: (4, 32, "mxfp4", mx.bfloat16)})
mlx("mlx-mxfp8", {"group_size": 32, "bits": 8, "mode": "mxfp8"}, {MODULE: (8, 32, "mxfp8", mx.bfloat16)})
mlx("mlx-nvfp4", {"group_size": 16, "bits": 4, "mode": "nvfp4"}, {MODULE: (4, 16, "nvfp4", mx.float32)})
mlx("mlx-mixed", {"group_size": 64, "bits": 4, "mode": "affine", SECOND: {"group_size": 32, "bits": 6}},
    {MODULE: (4, 64, "affine", mx.float32), SECOND: (6, 32, "affine", mx.float32)})

# ModelOpt, and FP8 as Hugging Face checkpoints of DeepSeek store it
source = weights(seed=11)
factor = source.abs().max() / (6 * 448)
stored = (source.reshape(ROWS, -1, 16).abs().amax(-1) / 6 / factor).to(torch.float8_e4m3fn)
used = (stored.float() * factor).repeat_interleave(16, 1)
fp4 = nearest_fp4(source / used)
write("modelopt-nvfp4", {MODULE + ".weight": pack_fp4_to_uint8(fp4), MODULE + ".weight_scale": stored,
                         MODULE + ".weight_scale_2": factor, MODULE + ".input_scale": torch.tensor(0.01)},
      {MODULE + ".weight": fp4 * used}, {},
      {"hf_quant_config.json": {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "NVFP4", "group_size": 16}}})
fp8, scale = (source / 0.002).to(torch.float8_e4m3fn), torch.tensor(0.002)
write("modelopt-fp8", {MODULE + ".weight": fp8, MODULE + ".weight_scale": scale, MODULE + ".input_scale": torch.tensor(0.01)},
      {MODULE + ".weight": fp8.float() * scale}, {"quantization_config": {"quant_method": "modelopt", "quant_algo": "FP8"}})
wide = weights(40, 80, seed=12)
blocks = torch.rand(3, 3, generator=torch.Generator().manual_seed(1)) * 0.01 + 0.001
spread = blocks.repeat_interleave(16, 0)[:40].repeat_interleave(32, 1)[:, :80]
fp8 = (wide / spread).to(torch.float8_e4m3fn)
write("hf-fp8-blocks", {MODULE + ".weight": fp8, MODULE + ".weight_scale_inv": blocks}, {MODULE + ".weight": fp8.float() * spread},
      {"quantization_config": {"quant_method": "fp8", "weight_block_size": [16, 32]}})

# gpt-oss: experts in MXFP4 blocks; the package presents them [experts, in, out]
from transformers.integrations.mxfp4 import convert_moe_packed_tensors  # noqa: E402

generator = torch.Generator().manual_seed(13)
blocks = torch.randint(0, 256, (2, 24, 2, 16), generator=generator).to(torch.uint8)
scales = torch.randint(115, 127, (2, 24, 2), generator=generator).to(torch.uint8)
value = convert_moe_packed_tensors(blocks.clone(), scales.clone(), dtype=torch.float32)
name = "model.layers.0.mlp.experts.gate_up_proj"
write("gpt-oss", {name + "_blocks": blocks, name + "_scales": scales}, {name: value.transpose(1, 2)},
      {"model_type": "gpt_oss", "quantization_config": {"quant_method": "mxfp4"}})

save_file(expected, os.path.join(HERE, "expected.safetensors"))
print(len(expected), "weights")
