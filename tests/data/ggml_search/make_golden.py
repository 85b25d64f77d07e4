#!/usr/bin/env python3
# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Golden blocks of ggml's searching quantizers, with and without an importance matrix.

usage: make_golden.py GGML_FOLDER [OUTPUT_FOLDER]

GGML_FOLDER is the folder "ggml" of a llama.cpp source tree (include/, src/); the files here were made from the sources
in PyPI's llama-cpp-python 0.3.36. Needs numpy and a C compiler. Compiles without contraction of multiplications and
additions, as the formats are defined.
"""
import ctypes
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

ROWS, COLS = 14, 512
SEARCHED = ["q4_0", "q4_1", "q5_0", "q5_1", "iq4_nl", "q2_K", "q3_K", "q4_K", "q5_K", "q6_K", "iq4_xs"]
UNWEIGHTED = ["q8_0", "mxfp4"]
STUBS = """
void ggml_critical_section_start(void) {}
void ggml_critical_section_end(void) {}
"""


def library(ggml, folder):
    stubs = folder / "stubs.c"
    stubs.write_text(STUBS)
    (folder / "ggml-version.h").write_text('#define GGML_VERSION "0"\n#define GGML_COMMIT "0"\n')  # made by its build
    target = folder / "libggml_quants.so"
    subprocess.run(
        ["cc", "-O2", "-ffp-contract=off", "-fPIC", "-shared", "-w", f"-I{folder}", f"-I{ggml}/include", f"-I{ggml}/src", f"{ggml}/src/ggml-quants.c", f"{ggml}/src/ggml.c", str(stubs), "-lm",
         "-o", str(target)], check=True)
    return ctypes.CDLL(str(target), mode=os.RTLD_LAZY)


def inputs():
    random = np.random.default_rng(20240)
    x = random.normal(0, 0.02, (ROWS, COLS))
    x[1] = random.laplace(0, 0.01, COLS)
    x[2] = random.uniform(-1, 1, COLS)
    x[3, ::37] *= 25  # outliers
    x[4] = np.abs(x[4])  # no negative value
    x[5] = -np.abs(x[5])
    x[6, :256] = 0
    x[6, 256:288] = 0.5  # a constant sub-block
    x[6, 288:320] = 0
    x[7] *= 1e-20
    x[8] *= 5e4
    x[9, random.random(COLS) < 0.9] = 0
    x[10] = np.round(x[10] * 200) / 8  # ties
    x[11] = random.standard_t(2, COLS) * 0.01
    x[12] = np.linspace(-1, 1, COLS)
    x[13, 1::2] = x[13, ::2]
    importance = random.gamma(0.7, 2, COLS)
    importance[100:140] = 0
    importance[300] = 1e4
    return x.astype("<f4"), importance.astype("<f4")


def main():
    ggml = pathlib.Path(sys.argv[1])
    out = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else os.path.dirname(os.path.abspath(__file__)))
    x, importance = inputs()
    x.tofile(out / "input.f32")
    importance.tofile(out / "importance.f32")
    pointer = ctypes.POINTER(ctypes.c_float)
    with tempfile.TemporaryDirectory() as folder:
        ggml_quants = library(ggml, pathlib.Path(folder))
        for name in SEARCHED + UNWEIGHTED:
            quantize = getattr(ggml_quants, "quantize_" + name)
            quantize.restype = ctypes.c_size_t
            quantize.argtypes = [pointer, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, pointer]
            for weighted in [False, True]:
                if weighted and name in UNWEIGHTED:
                    continue
                buffer = ctypes.create_string_buffer(x.size * 2)
                weights = importance.ctypes.data_as(pointer) if weighted else pointer()
                size = quantize(x.ctypes.data_as(pointer), buffer, ROWS, COLS, weights)
                suffix = ".imatrix.bin" if weighted else ".bin"
                (out / (name.lower() + suffix)).write_bytes(buffer.raw[:size])


if __name__ == "__main__":
    main()
