#!/usr/bin/env python3
# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the golden files of tst_ggmlencode with the quantizers of the PyPI package "gguf" (needs numpy and gguf).

input.f32: 256 blocks of 32 little-endian floats: normal values, weights of a small scale, heavy tails, constants, zeros,
one outlier, one-sided blocks and ties of the largest magnitude. TYPE.bin: the blocks as that type stores them.
"""
import numpy as np
from gguf import GGMLQuantizationType as T, quants
import os

HERE = os.path.dirname(os.path.abspath(__file__))
TYPES = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")


def values():
    rng = np.random.default_rng(2024)
    blocks = [rng.standard_normal((96, 32)), 0.02 * rng.standard_normal((64, 32)),
              rng.standard_t(3, (64, 32)), np.abs(rng.standard_normal((16, 32))), -np.abs(rng.standard_normal((8, 32)))]
    special = np.zeros((8, 32))
    special[1] = 0.37
    special[2] = -1.25
    special[3] = 0.01 * rng.standard_normal(32)
    special[3, 13] = 31.5
    special[4] = np.tile([2.0, -2.0], 16)
    special[5] = np.tile([-2.0, 2.0], 16)
    special[6] = np.arange(32) / 31
    special[7] = 1e-3 * np.arange(-16, 16)
    return np.concatenate(blocks + [special]).astype(np.float32)


def main():
    x = values()
    x.tofile(os.path.join(HERE, "input.f32"))
    for name in TYPES:
        quants.quantize(x, T[name]).tofile(os.path.join(HERE, name.lower() + ".bin"))


if __name__ == "__main__":
    main()
