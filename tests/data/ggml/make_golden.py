#!/usr/bin/env python3
# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes TYPE.bin: random GGML blocks and the f32 values that the PyPI package `gguf` (0.19.0) reads from them.

Layout, little-endian: u32 bytes of the blocks, the blocks, then the f32 values. Run in this folder."""
import struct

import gguf
import numpy as np

SEED = 20240607
# Where the f16 scales of a block lie; random bytes there would be NaN or Inf now and then.
TYPES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": [], "NVFP4": [],
}

rng = np.random.default_rng(SEED)
for name, halves in TYPES.items():
    kind = gguf.GGMLQuantizationType[name]
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (1024 // elements, size), dtype=np.uint8)
    for at in halves:
        scale = rng.normal(0, 1, len(blocks)).astype("<f2")
        scale[0] = 6e-8 if at in (0, 80, 108, 208) else -0.0  # a subnormal, and a signed zero
        blocks[:, at:at + 2] = scale.view(np.uint8).reshape(-1, 2)
    if name == "MXFP4":
        blocks[:6, 0] = [0, 1, 2, 126, 254, 255]
    if name == "NVFP4":
        blocks[:2, :4] = [[0, 1, 7, 8], [0x7E, 0x7F, 0x80, 0xFF]]
    with np.errstate(over="ignore"):
        values = gguf.quants.dequantize(blocks, kind).astype("<f4")
    with open(f"{name.lower()}.bin", "wb") as out:
        out.write(struct.pack("<I", blocks.nbytes) + blocks.tobytes() + values.tobytes())
