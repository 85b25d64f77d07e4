#!/usr/bin/env python3
# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the NPY and NPZ files beside it with numpy 2.4. Run in this folder.

Every numeric array holds 0, 1, 2, ... in row-major order of its shape, as far as its type goes."""
import numpy as np

ramp = np.arange(12).reshape(3, 4)
arrays = {kind: ramp.astype(kind) for kind in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")}
arrays["bool"] = ramp % 2 == 1
np.savez("stored.npz", **arrays)
np.savez_compressed("deflated.npz", **arrays, **{"folder/zeros": np.zeros((64, 64), "f4")})
np.save("columns.npy", np.asfortranarray(ramp.astype("f4")))
np.save("scalar.npy", np.float32(7))
np.save("empty.npy", np.zeros((0, 4), "f4"))
with open("version2.npy", "wb") as out:
    np.lib.format.write_array(out, ramp.astype("f4"), version=(2, 0))
with open("version3.npy", "wb") as out:
    np.lib.format.write_array(out, ramp.astype("f4"), version=(3, 0))
np.save("big_endian.npy", ramp.astype(">f4"))
np.save("objects.npy", np.array([None, 1], dtype=object), allow_pickle=True)
np.save("records.npy", np.zeros(2, dtype=[("a", "<f4"), ("b", "<i4")]))
np.save("complex.npy", np.zeros(2, dtype="c8"))
np.save("text.npy", np.array(["a", "bc"]))
