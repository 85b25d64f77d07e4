# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports the bundled model to every format that an engine can read without a GPU, lets the engine's own code unpack
each layer, and compares the values with those that this program reads from the folder.

Usage: check_with_engines.py QUANTLOUPE_CLI [MODEL]
Needs numpy and safetensors, and whichever engines are to be asked: gptqmodel (GPTQ, AWQ), compressed-tensors, mlx.
Engines that are not installed are named and left out.
"""
import json
import os
import subprocess
import sys
import tempfile

import numpy
from safetensors.numpy import load_file

HERE = os.path.dirname(os.path.abspath(__file__))
CLI = sys.argv[1]
MODEL = sys.argv[2] if len(sys.argv) > 2 else os.path.join(HERE, "../../../resources/models/loupe-3m")
CASES = [
    ("gptq", "int4,group=32", []),
    ("gptq", "int3,channel", []),
    ("gptq", "int8,group=64", []),
    ("gptq", "int4,asym,group=128", ["--gptq-v2"]),
    ("awq", "int4,asym,group=64", []),
    ("compressed-tensors", "int4,group=32", []),
    ("compressed-tensors", "int4,asym,group=128", []),
    ("mlx", "int4,group=64", []),
    ("mlx", "int4,asym,group=64", []),
    ("mlx", "int6,asym,group=32", []),
]


def run(*arguments):
    subprocess.run([CLI, *arguments, "--device", "cpu"], check=True, capture_output=True)


def by_module(tensors, suffix):
    """Modules that have a tensor of this name, with all tensors of theirs."""
    for name in tensors:
        if name.endswith(suffix):
            module = name[: -len(suffix)]
            yield module, {key[len(module):]: value for key, value in tensors.items() if key.startswith(module)}


def gptq(tensors, config):
    import torch
    from gptqmodel.nn_modules.qlinear.torch import TorchLinear

    for module, parts in by_module(tensors, "qweight"):
        bits, group, symmetric = config["bits"], config["group_size"], config["sym"]
        inputs, outputs = parts["g_idx"].shape[0], parts["qweight"].shape[1]
        layer = TorchLinear(bits=bits, group_size=group, sym=symmetric, desc_act=False, in_features=inputs,
                            out_features=outputs, bias=False, pack_dtype=torch.int32, register_buffers=True)
        for key, value in parts.items():
            getattr(layer, key).data = torch.from_numpy(value)
        if config["checkpoint_format"] == "gptq":  # version 1 stores one less
            from gptqmodel.utils.model import convert_gptq_v1_to_v2_format_module
            convert_gptq_v1_to_v2_format_module(layer, bits, torch.int32)
        layer.post_init()
        layer.scales = layer.scales.float()
        yield module, layer.dequantize_weight().T.float().numpy()


def awq(tensors, config):
    import torch
    from gptqmodel.quantization.awq.utils.packing_utils import dequantize_gemm

    for module, parts in by_module(tensors, "qweight"):
        words = [torch.from_numpy(parts[key]) for key in ("qweight", "qzeros", "scales")]
        values = dequantize_gemm(words[0], words[1], words[2].float(), config["bits"], config["group_size"])
        yield module, values.T.numpy()


def compressed_tensors(tensors, config):
    import torch
    from compressed_tensors.compressors.pack_quantized.base import PackedQuantizationCompressor
    from compressed_tensors.quantization import QuantizationScheme

    scheme = QuantizationScheme(targets=["Linear"], weights=config["config_groups"]["group_0"]["weights"])
    for module, parts in by_module(tensors, "weight_packed"):
        state = {key: torch.from_numpy(value) for key, value in parts.items()}
        state["weight_scale"] = state["weight_scale"].float()
        yield module, PackedQuantizationCompressor.decompress(state, scheme)["weight"].float().numpy()


def mlx(tensors, config):
    import mlx.core as mx

    for module, parts in by_module(tensors, "scales"):
        words = [mx.array(parts[key]) for key in ("weight", "scales", "biases")]
        values = mx.dequantize(words[0], words[1].astype(mx.float32), words[2].astype(mx.float32),
                               group_size=config["group_size"], bits=config["bits"])
        yield module, numpy.array(values)


ENGINES = {"gptq": gptq, "awq": awq, "compressed-tensors": compressed_tensors, "mlx": mlx}


def check(folder, form, scheme, options):
    target = os.path.join(folder, "out")
    decoded = os.path.join(folder, "values.safetensors")
    run("quantize", MODEL, "--scheme", scheme, "--as", form, "--out", target, "--replace", *options)
    run("quantize", target, "--scheme", "f32", "--as", "codes", "--out", decoded)
    ours = load_file(decoded)
    with open(os.path.join(target, "config.json")) as file:
        config = json.load(file)["quantization_config"]
    compared = 0
    for module, values in ENGINES[form](load_file(os.path.join(target, "model.safetensors")), config):
        difference = numpy.abs(values - ours[module + "weight"].astype(numpy.float32)).max()
        if difference != 0:
            raise SystemExit(f"{form} {scheme}: {module} differs by {difference}")
        compared += 1
    if compared == 0:
        raise SystemExit(f"{form} {scheme}: nothing was packed")
    return compared


with tempfile.TemporaryDirectory() as folder:
    for form, scheme, options in CASES:
        try:
            print(f"{form} {scheme}: {check(folder, form, scheme, options)} layers are equal")
        except ImportError as error:
            print(f"{form} {scheme}: left out, {error}")
