# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the golden recipes and gives each to its engine's own parser and matcher: what every layer of the bundled
model gets there must be what the policy says, as `policy convert` and `plan` print it.

Usage: check_with_engines.py QUANTLOUPE_CLI [MODEL]
Needs: transformers, compressed-tensors, llmcompressor, torchao, PyYAML. GPTQModel, AutoRound, MLX, HQQ and ModelOpt are
checked against the matching rules of their sources, which are a few lines each.
"""
import json
import os
import re
import subprocess
import sys

import torch
import transformers

HERE = os.path.dirname(os.path.abspath(__file__))
CLI = sys.argv[1]
MODEL = sys.argv[2] if len(sys.argv) > 2 else os.path.join(HERE, "../../../resources/models/loupe-3m")
POLICIES = {"bitsandbytes": "nf4", "llama.cpp": "gguf", "llama.cpp-args": "gguf"}


def run(*arguments):
    return subprocess.run([CLI, *arguments], check=True, capture_output=True, text=True).stdout


def planned(policy):
    """Scheme of every linear module, without its options of rounding: (format, group or "channel")."""
    rows = json.loads(run("plan", MODEL, "--policy", policy, "--as", "codes", "--json"))["tensors"]
    return {row["name"].removesuffix(".weight"): row["scheme"] for row in rows}


def settings(scheme):
    """(bits, group size), -1 for one group per row; None for what is kept."""
    if scheme in ("as stored", "f16"):
        return None
    name, *options = scheme.split(",")
    group = 64 if name in ("nf4", "fp4") else 128
    for option in options:
        group = -1 if option == "channel" else int(option[6:]) if option.startswith("group=") else group
    return (int(name[3:]) if name.startswith("int") else name, group)


def linear_modules():
    config = transformers.AutoConfig.from_pretrained(MODEL)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    return model, [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]


def tag(name):
    return ".".join(n for n in name.split(".") if n not in ("model", "layers") and not n.isnumeric())


def compressed_tensors(config):
    from compressed_tensors.quantization import QuantizationConfig, apply_quantization_config
    model, names = linear_modules()
    apply_quantization_config(model, QuantizationConfig.model_validate(config))
    modules = dict(model.named_modules())
    result = {}
    for name in names:
        scheme = getattr(modules[name], "quantization_scheme", None)
        weights = scheme.weights if scheme else None
        result[name] = weights and (weights.num_bits, weights.group_size if weights.strategy == "group" else -1)
    return result


def llm_compressor(text):
    from llmcompressor.recipe import Recipe
    recipe = Recipe.create_instance(text)
    (modifier,) = recipe.modifiers
    return compressed_tensors(modifier.resolve_quantization_config().model_dump())


def gptq(config):
    transformers.GPTQConfig(bits=config["bits"], group_size=config["group_size"], sym=config["sym"], format="gptq")
    result = {}
    for name in linear_modules()[1]:
        result[name] = (config["bits"], config["group_size"])
        if name == "lm_head" and not config["lm_head"]:
            result[name] = None
            continue
        for pattern, change in config.get("dynamic", {}).items():
            if re.match(pattern[2:], name):
                merged = {**config, **change}
                result[name] = None if pattern.startswith("-:") else (merged["bits"], merged["group_size"])
                break
    return result


def auto_round(config):
    from transformers.utils.quantization_config import AutoRoundConfig
    AutoRoundConfig(**{k: v for k, v in config.items() if k != "quant_method"})
    layers = config.get("layer_config", {})
    result = {}
    for name in linear_modules()[1]:
        entry = layers.get(name, config if name != "lm_head" else {"bits": 16})
        result[name] = (entry["bits"], entry["group_size"]) if entry["bits"] < 16 else None
    return result


def bits_and_bytes(config):
    from transformers.quantizers.quantizers_utils import should_convert_module
    parsed = transformers.BitsAndBytesConfig.from_dict(dict(config))
    kind = parsed.quantization_method()
    return {name: (kind, 64) if should_convert_module(name, parsed.llm_int8_skip_modules) else None
            for name in linear_modules()[1]}


def hqq(config):
    entries, skipped = config["quant_config"], config["skip_modules"]
    result = {}
    for name in linear_modules()[1]:
        entry = entries if "weight_quant_params" in entries else entries.get(tag(name))
        params = entry["weight_quant_params"] if entry and tag(name) not in skipped else None
        result[name] = params and (params["nbits"], params["group_size"] or -1)
    return result


def torch_ao(config):
    from torchao.core.config import config_from_dict
    parsed = config_from_dict(config["quant_type"]["default"])
    result = {}
    for name in linear_modules()[1]:
        found = parsed.fqn_to_config.get(name)
        for pattern, entry in parsed.fqn_to_config.items():
            if found is None and pattern.startswith("re:") and re.fullmatch(pattern[3:], name):
                found = entry
        if found is None:
            result[name] = None
            continue
        dtype = getattr(found, "weight_dtype", torch.int4 if type(found).__name__.startswith("Int4") else torch.int8)
        granularity = getattr(found, "granularity", None) or getattr(found, "weight_granularity", None)
        group = getattr(found, "group_size", None) or getattr(granularity, "group_size", -1)
        result[name] = (int(str(dtype).removeprefix("torch.int")), group)
    return result


def model_opt(config):
    bits = {"W4A16_AWQ": 4, "W4A8_AWQ": 4, "W8A16": 8, "W8A8_SQ_PER_CHANNEL": 8}
    layers = config["quantization"]["quantized_layers"]
    return {name: (bits[layers[name]["quant_algo"]], layers[name].get("group_size", -1)) if name in layers else None
            for name in linear_modules()[1]}


def mlx(config):
    base = config["quantization"]
    result = {}
    for name in linear_modules()[1]:
        entry = base.get(name, base)
        result[name] = (entry["bits"], entry["group_size"]) if entry else None
    return result


def llama_cpp(text):
    import gguf
    model, names = linear_modules()
    mapping = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, model.config.num_hidden_layers)
    words = [word.strip("'") for word in text.replace("\\\n", " ").split() if "=" in word]
    rules = [word.split("=", 1) for word in words]
    result = {}
    for name in names:
        tensor = mapping.get_name(name) + ".weight"
        kind = next(kind for pattern, kind in rules if re.search(pattern, tensor))
        assert kind.upper() in gguf.GGMLQuantizationType.__members__, kind
        result[name] = None if kind == "f16" else (kind, 128)
    return result


def inner(text):
    return json.loads(text).get("quantization_config", json.loads(text))


CHECKS = {
    "compressed-tensors": lambda text: compressed_tensors(inner(text)),
    "llm-compressor": llm_compressor,
    "gptqmodel": lambda text: gptq(inner(text)),
    "auto-round": lambda text: auto_round(inner(text)),
    "bitsandbytes": lambda text: bits_and_bytes(inner(text)),
    "hqq": lambda text: hqq(inner(text)),
    "torchao": lambda text: torch_ao(inner(text)),
    "modelopt": lambda text: model_opt(inner(text)),
    "mlx": lambda text: mlx(inner(text)),
    "llama.cpp": llama_cpp,
    "llama.cpp-args": llama_cpp,
}

failed = False
for dialect, check in CHECKS.items():
    policy = os.path.join(HERE, POLICIES.get(dialect, "mixed") + ".json")
    golden = os.path.join(HERE, dialect + ".golden")
    run("policy", "convert", policy, "--to", dialect, "--model", MODEL, "--out", golden)
    with open(golden) as file:
        text = file.read()
    back = os.path.join("/tmp", "quantloupe-%d.json" % os.getpid())
    run("policy", "convert", golden, "--to", "quantloupe", "--model", MODEL, "--out", back)
    expected = planned(back)
    os.remove(back)
    got = check(text)
    wrong = {name: (value, settings(expected[name])) for name, value in got.items() if value != settings(expected[name])}
    failed |= bool(wrong)
    print(dialect, "differs:" if wrong else "agrees on %d layers" % len(got), wrong or "")
sys.exit(failed)
