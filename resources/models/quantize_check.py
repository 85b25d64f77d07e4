# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Round-to-nearest quantization of the linear layers, to see that the bundled
model reacts to it as language models do.

This is a check of the model, made without the program, and no reference for
its methods.  Embedding, norms and lm_head stay as they are.
"""

import copy

import torch

# the sixteen levels of NormalFloat 4, from QLoRA (arXiv:2305.14314)
NF4 = torch.tensor([-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453,
                    -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0,
                    0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
                    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0])


def f16(x):
    return x.half().float()


def int_symmetric(groups, bits):
    """Absolute maximum of the group at the largest level, F16 scale."""
    top = 2 ** (bits - 1) - 1
    scale = f16(groups.abs().amax(1, keepdim=True) / top).clamp(min=1e-8)
    return (groups / scale).round().clamp(-top - 1, top) * scale


def int_min_max(groups, bits):
    """2^bits equal steps from the smallest to the largest value, F16 scale,
    integer zero point; the range always contains zero."""
    low = groups.amin(1, keepdim=True).clamp(max=0)
    high = groups.amax(1, keepdim=True).clamp(min=0)
    top = 2 ** bits - 1
    scale = f16((high - low) / top).clamp(min=1e-8)
    zero = (-low / scale).round().clamp(0, top)
    return ((groups / scale).round() + zero).clamp(0, top).sub(zero) * scale


def nf4(groups, _bits):
    """Nearest NF4 level, F16 absolute maximum as scale."""
    scale = f16(groups.abs().amax(1, keepdim=True)).clamp(min=1e-8)
    middle = (NF4[1:] + NF4[:-1]) / 2
    return NF4[torch.bucketize((groups / scale).contiguous(), middle)] * scale


# name -> (function, bits, group of input columns; 0: the whole row)
METHODS = {
    "int8_per_channel": (int_symmetric, 8, 0),
    "int4_group128": (int_symmetric, 4, 128),
    "nf4_group64": (nf4, 4, 64),
    "int3_group128": (int_symmetric, 3, 128),
    "int2_group128": (int_symmetric, 2, 128),
    "int2_min_max_group128": (int_min_max, 2, 128),
}


def linear_layers(model):
    """The linear layers of the blocks, with their names."""
    return [(name, module) for name, module in model.named_modules()
            if isinstance(module, torch.nn.Linear) and name != "lm_head"]


def quantized(model, method):
    """A copy of the model with its linear layers quantized and decoded."""
    function, bits, group = METHODS[method]
    result = copy.deepcopy(model)
    for _, layer in linear_layers(result):
        weight = layer.weight.data
        groups = weight.reshape(-1, group or weight.shape[1])
        layer.weight.data = function(groups, bits).reshape(weight.shape)
    return result


def with_int8_activations(model, per_token):
    """A copy with INT8 weights per channel whose linear layers also round their
    input to INT8, with one scale per token or one per tensor."""
    result = quantized(model, "int8_per_channel")

    def round_input(_module, inputs):
        x = inputs[0]
        top = x.abs().amax(-1, keepdim=True) if per_token else x.abs().max()
        scale = (top / 127).clamp(min=1e-8)
        return ((x / scale).round() * scale,)

    for _, layer in linear_layers(result):
        layer.register_forward_pre_hook(round_input)
    return result
