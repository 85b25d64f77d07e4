#!/usr/bin/env python3
# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes golden.safetensors: weights, and the tensors that other programs make of them (needs numpy, torch, safetensors,
and the PyPI packages "compressed-tensors" and "bitsandbytes").

"CASE/weight" is the input, "CASE/=SUFFIX" what a checkpoint must hold as "<module>SUFFIX". Weights lie on a grid whose
scale and codes leave a quantizer no choice, so that the packed bytes follow. compressed-tensors and bitsandbytes pack
with their own code; GPTQ, AWQ and MLX are packed here bit by bit, as their layouts are published.
"""
import os
import numpy as np
import torch
import bitsandbytes.functional as bnb
from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32
from compressed_tensors.compressors.nvfp4.helpers import pack_fp4_to_uint8
from safetensors.numpy import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(2026)
golden = {}


def put(case, suffix, array):
    golden[f"{case}/{suffix}"] = np.ascontiguousarray(array)


def grid(rows, cols, bits, group, asymmetric=False):
    """Codes, scales and zero points, and the weights they stand for: every group reaches the ends of its range."""
    top = 2 ** (bits - 1) - 1
    groups = cols // group
    scale = (rng.integers(16, 32, (rows, groups)) * 2.0 ** rng.integers(-9, -5, (rows, groups))).astype(np.float32)
    if asymmetric:
        zero = rng.integers(1, 2 ** bits - 1, (rows, groups))
        code = rng.integers(0, 2 ** bits, (rows, groups, group))
        code[:, :, 0], code[:, :, 1] = 0, 2 ** bits - 1
    else:
        zero = np.zeros((rows, groups), int)
        code = rng.integers(-top, top + 1, (rows, groups, group))
        code[:, :, 0] = np.where(rng.random((rows, groups)) < 0.5, -top, top)
    weight = (code - zero[:, :, None]) * scale[:, :, None]
    return code.reshape(rows, cols), scale, zero, weight.reshape(rows, cols).astype(np.float32)


def words(values, bits):
    """Values as a stream of bits, lowest first, cut into 32-bit words (a whole number of them)."""
    stream = 0
    for i, value in enumerate(values):
        stream |= int(value) << (bits * i)
    count = -(-len(values) * bits // 32)
    return np.array([(stream >> (32 * i)) & 0xFFFFFFFF for i in range(count)], np.uint32)


def gptq(case, bits, group, asymmetric, version2):
    code, scale, zero, weight = grid(32, 64, bits, group, asymmetric)
    offset = 0 if asymmetric else 2 ** (bits - 1)
    q, z = code + offset, zero + offset
    stored = z if version2 else z - 1
    put(case, "weight", weight)
    put(case, "=.qweight", np.stack([words(q[n], bits) for n in range(32)], 1).view(np.int32))
    put(case, "=.qzeros", np.stack([words(stored[:, g], bits) for g in range(64 // group)]).view(np.int32))
    put(case, "=.scales", scale.T.astype(np.float16))
    put(case, "=.g_idx", (np.arange(64) // group).astype(np.int32))


def awq_words(values):
    """Eight neighbours to a word; nibble i holds neighbour ORDER[i]."""
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    out = np.zeros(len(values) // 8, np.uint32)
    for word in range(len(out)):
        for nibble in range(8):
            out[word] |= np.uint32(int(values[8 * word + order[nibble]]) << (4 * nibble))
    return out


def awq(case, asymmetric):
    code, scale, zero, weight = grid(40, 64, 4, 32, asymmetric)
    offset = 0 if asymmetric else 8
    put(case, "weight", weight)
    put(case, "=.qweight", np.stack([awq_words(row) for row in (code + offset).T]).view(np.int32))
    put(case, "=.qzeros", np.stack([awq_words(row) for row in (zero + offset).T]).view(np.int32))
    put(case, "=.scales", scale.T.astype(np.float16))


def mlx(case, bits, group):
    code, scale, _, weight = grid(24, 128, bits, group)
    put(case, "weight", weight)
    put(case, "=.weight", np.stack([words(row, bits) for row in code + 2 ** (bits - 1)]))
    put(case, "=.scales", scale.astype(np.float16))
    put(case, "=.biases", (-(2.0 ** (bits - 1)) * scale).astype(np.float16))


def micro(rows, cols, group, scale):
    """E2M1 codes whose groups all reach 6, and the weights under these scales."""
    code = rng.integers(0, 16, (rows, cols // group, group))
    code[code == 8] = 0  # the quantizer stores one zero
    code[:, :, 0] = 7
    levels = np.array([0, .5, 1, 1.5, 2, 3, 4, 6, 0, -.5, -1, -1.5, -2, -3, -4, -6], np.float32)
    value = levels[code]
    return value.reshape(rows, cols), (value * scale[:, :, None]).reshape(rows, cols).astype(np.float32)


def mlx_mxfp4(case):
    exponent = rng.integers(-9, 3, (24, 4))
    value, weight = micro(24, 128, 32, 2.0 ** exponent)
    put(case, "weight", weight)
    put(case, "=.weight", pack_fp4_to_uint8(torch.from_numpy(value)).numpy().view(np.uint32))
    put(case, "=.scales", (exponent + 127).astype(np.uint8))


def compressed(case, bits, group, asymmetric=False):
    code, scale, zero, weight = grid(40, 96, bits, group, asymmetric)
    half = 2 ** (bits - 1) if asymmetric else 0
    put(case, "weight", weight)
    put(case, "=.weight_packed", pack_to_int32(torch.from_numpy((code - half).astype(np.int8)), bits).numpy())
    put(case, "=.weight_scale", scale.astype(np.float16))
    put(case, "=.weight_shape", np.array([40, 96], np.int64))
    if asymmetric:
        packed = pack_to_int32(torch.from_numpy((zero - half).astype(np.int8)), bits, packed_dim=0)
        put(case, "=.weight_zero_point", packed.contiguous().numpy())


def compressed_bytes(case, asymmetric):
    code, scale, zero, weight = grid(40, 96, 8, 96, asymmetric)
    half = 128 if asymmetric else 0
    put(case, "weight", weight)
    put(case, "=.weight", (code - half).astype(np.int8))
    put(case, "=.weight_scale", scale.astype(np.float16))
    if asymmetric:
        put(case, "=.weight_zero_point", (zero - half).astype(np.int8))


def compressed_fp8(case):
    code = rng.integers(0, 256, (40, 96)).astype(np.uint8)
    code[(code & 0x7F) == 0x7F] = 0x38
    code[code == 0x80] = 0
    code[:, 0] = 0x7E
    scale = (rng.integers(16, 32, (40, 1)) * 2.0 ** rng.integers(-14, -9, (40, 1))).astype(np.float32)
    value = torch.from_numpy(code).view(torch.float8_e4m3fn).float().numpy()
    put(case, "weight", value * scale)
    put(case, "=.weight", code)
    put(case, "=.weight_scale", scale.astype(np.float16))


def compressed_mxfp4(case):
    exponent = rng.integers(-9, 3, (40, 3))
    value, weight = micro(40, 96, 32, 2.0 ** exponent)
    put(case, "weight", weight)
    put(case, "=.weight_packed", pack_fp4_to_uint8(torch.from_numpy(value)).numpy())
    put(case, "=.weight_scale", (exponent + 127).astype(np.uint8))


def compressed_nvfp4(case):
    factor = 2.0 ** -10
    code = rng.integers(0x10, 0x7E, (40, 6)).astype(np.uint8)
    code[3, 2] = 0x7E  # the largest, which settles the tensor's factor
    scale = torch.from_numpy(code).view(torch.float8_e4m3fn).float().numpy() * factor
    value, weight = micro(40, 96, 16, scale)
    put(case, "weight", weight)
    put(case, "=.weight_packed", pack_fp4_to_uint8(torch.from_numpy(value)).numpy())
    put(case, "=.weight_scale", code)
    put(case, "=.weight_global_scale", np.array([1 / factor], np.float32))


def bitsandbytes(case, kind, block, double, rows=32, cols=128):
    weight = rng.standard_normal((rows * cols // block, block)).astype(np.float32)
    weight = np.clip(weight, -2, 2)
    weight[:, 0] = rng.integers(129, 256, len(weight)) / 64  # so that the mean of all maxima is exact
    weight = weight.reshape(rows, cols)
    packed, state = bnb.quantize_4bit(torch.from_numpy(weight), blocksize=block, quant_type=kind,
                                      compress_statistics=double)
    state.dtype = torch.float16
    packed = packed.numpy()
    if kind == "fp4":  # the quantizer stores one zero
        high, low = packed >> 4, packed & 15
        packed = np.where(high == 8, 0, high) << 4 | np.where(low == 8, 0, low)
    if double:  # the quantizer chooses codes for the scales as they are read back
        scale = bnb.dequantize_blockwise(state.absmax, state.state2) + state.offset
        ratio = weight.reshape(-1, block) * (np.float32(1) / scale.numpy()[:, None])
        limits = (state.code[:-1].double() + state.code[1:].double()).numpy() / 2
        codes = np.searchsorted(limits, ratio.reshape(-1)).astype(np.uint8)
        packed = (codes[0::2] << 4 | codes[1::2])[:, None]
    put(case, "weight", weight)
    put(case, "=.weight", packed.astype(np.uint8))
    for name, tensor in state.as_dict(packed=True).items():
        put(case, "=.weight." + name, tensor.numpy())


gptq("gptq 4 bit", 4, 32, False, False)
gptq("gptq 3 bit", 3, 64, False, False)
gptq("gptq 2 bit asymmetric v2", 2, 16, True, True)
gptq("gptq 4 bit asymmetric v2", 4, 32, True, True)
gptq("gptq 8 bit", 8, 64, False, False)
awq("awq", False)
awq("awq asymmetric", True)
for n in (2, 3, 4, 5, 6, 8):
    mlx(f"mlx {n} bit", n, 32 if n != 4 else 64)
mlx_mxfp4("mlx mxfp4")
for n in (2, 3, 4, 5, 6, 7, 8):
    compressed(f"compressed {n} bit", n, 32)
compressed("compressed 4 bit asymmetric", 4, 16, True)
compressed("compressed 3 bit asymmetric channel", 3, 96, True)
compressed_bytes("compressed int8", False)
compressed_bytes("compressed int8 asymmetric", True)
compressed_fp8("compressed fp8")
compressed_mxfp4("compressed mxfp4")
compressed_nvfp4("compressed nvfp4")
bitsandbytes("bnb nf4", "nf4", 64, False)
bitsandbytes("bnb fp4", "fp4", 64, False)
bitsandbytes("bnb nf4 double", "nf4", 64, True, 272, 64)
bitsandbytes("bnb nf4 across rows", "nf4", 64, False, 32, 96)
save_file(golden, os.path.join(HERE, "golden.safetensors"))
