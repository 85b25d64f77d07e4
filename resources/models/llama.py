# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Llama architecture in plain PyTorch, with the usual tensor names."""

import math

import torch
from torch import nn
from torch.nn import functional

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "head_dim": 32,
    "hidden_act": "silu",
    "hidden_size": 256,
    "initializer_range": 0.02,
    "intermediate_size": 768,
    "max_position_embeddings": 512,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 8,
    "num_hidden_layers": 4,
    "num_key_value_heads": 2,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-05,
    "rope_scaling": None,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "float16",
    "use_cache": True,
    "vocab_size": 1280,
}


class RmsNorm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        x = x.float()
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))


def rotate(x, cos, sin):
    """Rotary position embedding, halves rotated against each other."""
    half = x.shape[-1] // 2
    swapped = torch.cat((-x[..., half:], x[..., :half]), dim=-1)
    return x * cos + swapped * sin


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        size, self.head_dim = config["hidden_size"], config["head_dim"]
        self.heads, self.kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
        self.q_proj = nn.Linear(size, self.heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(size, self.kv_heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(size, self.kv_heads * self.head_dim, bias=False)
        self.o_proj = nn.Linear(self.heads * self.head_dim, size, bias=False)

    def forward(self, x, cos, sin, mask):
        batch, length, _ = x.shape
        group = self.heads // self.kv_heads
        q = rotate(self.q_proj(x).view(batch, length, self.heads, self.head_dim).transpose(1, 2), cos, sin)
        k = rotate(self.k_proj(x).view(batch, length, self.kv_heads, self.head_dim).transpose(1, 2), cos, sin)
        v = self.v_proj(x).view(batch, length, self.kv_heads, self.head_dim).transpose(1, 2)
        # query heads of one group share a key/value head: stack them along the positions
        q = q.reshape(batch, self.kv_heads, group * length, self.head_dim)
        scores = torch.matmul(q, k.transpose(2, 3)).view(batch, self.kv_heads, group, length, length)
        weights = torch.softmax(scores / math.sqrt(self.head_dim) + mask, dim=-1).to(v.dtype)
        mixed = torch.matmul(weights.view(batch, self.kv_heads, group * length, length), v)
        mixed = mixed.view(batch, self.heads, length, self.head_dim).transpose(1, 2)
        return self.o_proj(mixed.reshape(batch, length, self.heads * self.head_dim))


class Mlp(nn.Module):
    def __init__(self, config):
        super().__init__()
        size, inner = config["hidden_size"], config["intermediate_size"]
        self.gate_proj = nn.Linear(size, inner, bias=False)
        self.up_proj = nn.Linear(size, inner, bias=False)
        self.down_proj = nn.Linear(inner, size, bias=False)

    def forward(self, x):
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = Mlp(config)
        self.input_layernorm = RmsNorm(config["hidden_size"], config["rms_norm_eps"])
        self.post_attention_layernorm = RmsNorm(config["hidden_size"], config["rms_norm_eps"])

    def forward(self, x, cos, sin, mask):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Trunk(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embed_tokens = nn.Embedding(config["vocab_size"], config["hidden_size"])
        self.layers = nn.ModuleList(Layer(config) for _ in range(config["num_hidden_layers"]))
        self.norm = RmsNorm(config["hidden_size"], config["rms_norm_eps"])


class Llama(nn.Module):
    """Token ids in, logits out."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.model = Trunk(config)
        self.lm_head = nn.Linear(config["hidden_size"], config["vocab_size"], bias=False)
        length, dim = config["max_position_embeddings"], config["head_dim"]
        inverse = 1.0 / config["rope_theta"] ** (torch.arange(0, dim, 2).float() / dim)
        angles = torch.outer(torch.arange(length).float(), inverse)
        self.cos = torch.cat((angles, angles), dim=-1).cos()
        self.sin = torch.cat((angles, angles), dim=-1).sin()
        self.mask = torch.full((length, length), float("-inf")).triu(1)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                std = config["initializer_range"]
                if name.endswith(("o_proj.weight", "down_proj.weight")):
                    std /= math.sqrt(2 * config["num_hidden_layers"])
                nn.init.normal_(parameter, 0.0, std)

    def forward(self, ids):
        length = ids.shape[1]
        cos, sin, mask = self.cos[:length], self.sin[:length], self.mask[:length, :length]
        x = self.model.embed_tokens(ids)
        for layer in self.model.layers:
            x = layer(x, cos, sin, mask)
        return self.lm_head(self.model.norm(x))

    def loss(self, ids):
        """Mean next-token loss of the rows of `ids`, in nats."""
        logits = self(ids[:, :-1]).float()
        return functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1))

    @torch.no_grad()
    def generate(self, ids, count, temperature, generator):
        """Continue `ids` by sampling (temperature 0: the most likely token)."""
        ids = list(ids)
        for _ in range(count):
            window = ids[-self.config["max_position_embeddings"]:]
            logits = self(torch.tensor([window]))[0, -1].float()
            if temperature > 0:
                chances = torch.softmax(logits / temperature, dim=-1)
                token = int(torch.multinomial(chances, 1, generator=generator))
            else:
                token = int(logits.argmax())
            if token == self.config["eos_token_id"]:
                break
            ids.append(token)
        return ids
