#!/usr/bin/env python3
# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes importance matrices as llama.cpp does: small.gguf with the gguf package 0.19 and small.dat by hand. Run here.

Two blocks; the mean square of column c is (c + 1) * (block + 1) / 4, over 96 rows in 3 chunks of 32. In block 1 there is
also a stack of 3 experts with 8 columns, where expert e has seen 10 * e rows with the mean square e * (c + 1)."""
import struct

import gguf
import numpy as np

CHUNKS, SIZE, ROWS = 3, 32, 96
WIDTHS = {"attn_q": 32, "attn_v": 32, "ffn_down": 48}
entries = {}
for block in range(2):
    for part, width in WIDTHS.items():
        square = np.arange(1, width + 1) * (block + 1) / 4
        entries[f"blk.{block}.{part}.weight"] = (square[None, :], np.array([ROWS]))
experts = np.arange(3)
entries["blk.1.ffn_up_exps.weight"] = (experts[:, None] * np.arange(1, 9)[None, :], 10 * experts)

writer = gguf.GGUFWriter("small.gguf", "imatrix")
writer.add_type("imatrix")
writer.add_array("imatrix.datasets", ["some/calibration.txt", "more.txt"])
writer.add_uint32("imatrix.chunk_count", CHUNKS)
writer.add_uint32("imatrix.chunk_size", SIZE)
for name, (square, counts) in sorted(entries.items()):
    sums = (square * counts[:, None]).astype("f4")
    # ggml leaves out trailing dimensions of one
    writer.add_tensor(name + ".in_sum2", sums if len(counts) > 1 else sums[0])
    writer.add_tensor(name + ".counts", counts.astype("f4")[:, None] if len(counts) > 1 else counts.astype("f4"))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

with open("small.dat", "wb") as out:
    out.write(struct.pack("<i", len(entries)))
    for name, (square, _) in entries.items():
        values = (square * CHUNKS).astype("<f4").ravel()
        out.write(struct.pack("<i", len(name)) + name.encode() + struct.pack("<ii", CHUNKS, len(values)))
        out.write(values.tobytes())
    path = b"some/calibration.txt"
    out.write(struct.pack("<ii", CHUNKS, len(path)) + path)
