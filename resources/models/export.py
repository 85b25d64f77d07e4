# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders in the usual layout, and outlier channels."""

import json
import math
import os
import struct

import numpy as np
import torch

# Channel -> factor.  The same channels in all layers, as it is seen in large
# models.  Powers of two: dividing a weight by them is exact in F16, but for
# the smallest (subnormal) results.
OUTLIERS = {23: 128, 71: 64, 110: 64, 146: 32, 187: 32, 233: 16}

FOLLOWERS = {
    "input_layernorm": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    "post_attention_layernorm": ["mlp.gate_proj", "mlp.up_proj"],
}


def f16_tensors(model):
    """All tensors of a model, rounded to F16, as NumPy arrays."""
    tensors = {name: t.detach().to(torch.float16).numpy() for name, t in model.state_dict().items()}
    for name, array in tensors.items():
        if not np.isfinite(array).all():
            raise ValueError(name + " does not fit F16")
    return tensors


def load_tensors(model, tensors):
    """Put arrays into a model (the arithmetic stays float32)."""
    model.load_state_dict({name: torch.from_numpy(a.astype(np.float32)) for name, a in tensors.items()})
    return model


def write_safetensors(path, tensors):
    """Write F16 tensors: sorted by name, without gaps, header padded to 8."""
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    names = sorted(tensors)
    for name in names:
        array = tensors[name]
        if array.dtype != np.float16:
            raise ValueError(name + " is not F16")
        header[name] = {"dtype": "F16", "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for name in names:
            file.write(np.ascontiguousarray(tensors[name]).astype("<f2").tobytes())


def read_safetensors(path):
    """Read an F16 file back."""
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        data = file.read()
    header.pop("__metadata__", None)
    return {name: np.frombuffer(data[e["data_offsets"][0]:e["data_offsets"][1]], "<f2").reshape(e["shape"])
            for name, e in header.items()}


def plant_outliers(tensors, layers):
    """Copy of F16 tensors with outlier channels.

    Weight c of each norm before linear layers is multiplied by a factor, and
    column c of these layers is divided by it: the products stay the same, but
    the activations between them get large channels.
    """
    result = {name: array.copy() for name, array in tensors.items()}
    subnormal, touched = 0, 0
    for layer in range(layers):
        prefix = "model.layers.%d." % layer
        for norm, followers in FOLLOWERS.items():
            for channel, factor in OUTLIERS.items():
                result[prefix + norm + ".weight"][channel] *= np.float16(factor)
                for follower in followers:
                    column = result[prefix + follower + ".weight"][:, channel]
                    column /= np.float16(factor)
                    touched += column.size
                    subnormal += int((np.abs(column) < np.finfo(np.float16).tiny).sum())
    for name, array in result.items():
        if not np.isfinite(array).all():
            raise ValueError(name + " overflows")
    note = {
        "description": "Outlier channels planted into a copy of loupe-3m without changing its function: "
                       "norm weights multiplied, the columns of the following weights divided by the same factor.",
        "made_from": "loupe-3m",
        "layers": list(range(layers)),
        "norms": {norm: followers for norm, followers in FOLLOWERS.items()},
        "channels": [{"channel": c, "factor": f} for c, f in sorted(OUTLIERS.items())],
        "divided_weights": touched,
        "divided_weights_subnormal_in_f16": subnormal,
    }
    return result, note


def write_json(path, content):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")


def write_text(path, text):
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)


def write_folder(folder, tensors, config, tokenizer, card):
    """A model folder: weights, configuration, tokenizer, card."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "model.safetensors")
    write_safetensors(path, tensors)
    back = read_safetensors(path)
    if sorted(back) != sorted(tensors) or any((back[n] != tensors[n]).any() for n in tensors):
        raise ValueError("the written weights are not those in memory")
    write_json(os.path.join(folder, "config.json"), config)
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    bos, eos = tokenizer.specials
    write_json(os.path.join(folder, "tokenizer_config.json"), {
        "add_bos_token": False, "add_eos_token": False,
        "added_tokens_decoder": {str(i): {"content": s, "lstrip": False, "normalized": False, "rstrip": False,
                                          "single_word": False, "special": True}
                                 for i, s in enumerate(tokenizer.specials)},
        "bos_token": bos, "eos_token": eos, "clean_up_tokenization_spaces": False,
        "model_max_length": config["max_position_embeddings"], "tokenizer_class": "PreTrainedTokenizerFast"})
    write_json(os.path.join(folder, "generation_config.json"), {
        "bos_token_id": config["bos_token_id"], "do_sample": True, "eos_token_id": config["eos_token_id"],
        "max_new_tokens": 120, "temperature": 0.7})
    write_text(os.path.join(folder, "README.md"), card)
    return os.path.getsize(path)


def perplexity(loss):
    return {"loss": round(loss, 4), "perplexity": round(math.exp(min(loss, 60.0)), 3)}
