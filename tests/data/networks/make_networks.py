# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tiny random networks of every family and what they compute, by PyTorch and Hugging Face transformers.

    python make_networks.py [FOLDER...]        (made with torch 2.15, transformers 5.23, gguf 0.19)

Per family a folder: model.safetensors (F16), config.json, further config.VARIANT.json for the same weights, and
expected.safetensors with `ids` and, per variant, the f32 logits (last hidden states for BERT); the variant of
config.json is called "plain". A few families also as model.gguf. Values are rounded to F16 before they are used, so
both sides compute with the same weights.
"""

import json
import math
import pathlib
import sys

import gguf
import numpy
import torch
import transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
TOKENS = 40
VOCABULARY = 61
SMALL = dict(vocab_size=VOCABULARY, bos_token_id=0, eos_token_id=1, pad_token_id=None)
LLAMA = dict(SMALL, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, head_dim=12, max_position_embeddings=64, rms_norm_eps=1e-5,
             tie_word_embeddings=False)

MIXTURE = dict({k: v for k, v in LLAMA.items() if k != "head_dim"}, hidden_size=16, num_attention_heads=2,
               num_key_value_heads=1, num_experts_per_tok=2)


def rope(kind="default", theta=1000.0, **rest):
    return dict(rope_type=kind, rope_theta=theta, **rest)


LLAMA3 = rope("llama3", factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
YARN = rope("yarn", factor=4.0, original_max_position_embeddings=32, beta_fast=4.0, beta_slow=0.5)
SHORT = [1.0, 1.1, 1.2, 1.4, 1.7, 2.1]
LONG = [1.0, 1.5, 2.0, 3.0, 5.0, 8.0]

# folder: (configuration class, model class, its options, variants of them)
CASES = {
    "llama": ("Llama", "LlamaForCausalLM", dict(LLAMA, rope_parameters=rope()), {
        "linear": dict(rope_parameters=rope("linear", factor=3.0)),
        "dynamic": dict(rope_parameters=rope("dynamic", factor=2.0), max_position_embeddings=16),
        "llama3": dict(rope_parameters=LLAMA3),
        "yarn": dict(rope_parameters=YARN, max_position_embeddings=128),
        "yarn-slopes": dict(rope_parameters=dict(YARN, truncate=False, mscale=0.8, mscale_all_dim=0.3)),
        "longrope": dict(rope_parameters=rope("longrope", short_factor=SHORT, long_factor=LONG, factor=4.0,
                                              original_max_position_embeddings=16)),
    }),
    "llama-biased": ("Llama", "LlamaForCausalLM",
                     dict(LLAMA, attention_bias=True, mlp_bias=True, head_dim=8, tie_word_embeddings=True,
                          rope_parameters=rope()), {}),
    "mistral": ("Mistral", "MistralForCausalLM", dict(LLAMA, rope_parameters=rope(), sliding_window=None),
                {"window": dict(sliding_window=7)}),
    "qwen2": ("Qwen2", "Qwen2ForCausalLM",
              dict({k: v for k, v in LLAMA.items() if k != "head_dim"}, rope_parameters=rope(theta=1e6)),
              {"window": dict(use_sliding_window=True, sliding_window=5, max_window_layers=1)}),
    "qwen3": ("Qwen3", "Qwen3ForCausalLM", dict(LLAMA, rope_parameters=rope(theta=1e6)),
              {"window": dict(use_sliding_window=True, sliding_window=5, max_window_layers=28,
                              layer_types=["sliding_attention", "full_attention"])}),
    "mixtral": ("Mixtral", "MixtralForCausalLM",
                dict(MIXTURE, intermediate_size=24, num_local_experts=4, rope_parameters=rope(),
                     sliding_window=None),
                {"window": dict(sliding_window=7), "three": dict(num_experts_per_tok=3)}),
    "qwen2moe": ("Qwen2Moe", "Qwen2MoeForCausalLM",
                 dict(MIXTURE, intermediate_size=40, moe_intermediate_size=16, shared_expert_intermediate_size=32,
                      num_experts=4, norm_topk_prob=False, rope_parameters=rope(theta=1e6)),
                 {"normalised": dict(norm_topk_prob=True)}),
    "qwen3moe": ("Qwen3Moe", "Qwen3MoeForCausalLM",
                 dict(MIXTURE, head_dim=12, intermediate_size=40, moe_intermediate_size=24, num_experts=4,
                      norm_topk_prob=True, rope_parameters=rope(theta=1e6)),
                 {"window": dict(use_sliding_window=True, sliding_window=5, norm_topk_prob=False)}),
    "qwen3moe-mixed": ("Qwen3Moe", "Qwen3MoeForCausalLM",
                       dict(MIXTURE, num_hidden_layers=4, head_dim=8, intermediate_size=40, moe_intermediate_size=16,
                            num_experts=4, norm_topk_prob=True, decoder_sparse_step=2, mlp_only_layers=[1],
                            rope_parameters=rope(theta=1e6)), {}),
    "gemma": ("Gemma", "GemmaForCausalLM",
              dict(LLAMA, hidden_size=36, num_key_value_heads=1, tie_word_embeddings=True, rope_parameters=rope()), {}),
    "gemma2": ("Gemma2", "Gemma2ForCausalLM",
               dict(LLAMA, hidden_size=36, num_hidden_layers=3, tie_word_embeddings=True, sliding_window=6,
                    query_pre_attn_scalar=7, attn_logit_softcapping=2.0, final_logit_softcapping=5.0,
                    rope_parameters=rope()),
               {"uncapped": dict(attn_logit_softcapping=None, final_logit_softcapping=None)}),
    "phi3": ("Phi3", "Phi3ForCausalLM",
             dict({k: v for k, v in LLAMA.items() if k != "head_dim"}, hidden_size=48,
                  original_max_position_embeddings=16, max_position_embeddings=64,
                  rope_parameters=rope("longrope", short_factor=SHORT, long_factor=LONG,
                                       original_max_position_embeddings=16)),
             {"short": dict(original_max_position_embeddings=48,
                            rope_parameters=rope("longrope", short_factor=SHORT, long_factor=LONG,
                                                 original_max_position_embeddings=48)),
              "partial": dict(rope_parameters=rope(partial_rotary_factor=0.5), sliding_window=9)}),
    "gpt2": ("GPT2", "GPT2LMHeadModel",
             dict(SMALL, n_embd=32, n_layer=2, n_head=4, n_positions=48, activation_function="gelu_new"),
             {"scaled": dict(scale_attn_by_inverse_layer_idx=True)}),
    "gptneox": ("GPTNeoX", "GPTNeoXForCausalLM",
                dict(SMALL, hidden_size=32, intermediate_size=80, num_hidden_layers=2, num_attention_heads=2,
                     max_position_embeddings=64, tie_word_embeddings=False,
                     rope_parameters=rope(partial_rotary_factor=0.25)),
                {"sequential": dict(use_parallel_residual=False)}),
    "opt": ("OPT", "OPTForCausalLM",
            dict(SMALL, hidden_size=32, ffn_dim=64, num_hidden_layers=2, num_attention_heads=4, word_embed_proj_dim=32,
                 max_position_embeddings=48), {}),
    "opt-350m": ("OPT", "OPTForCausalLM",
                 dict(SMALL, hidden_size=32, ffn_dim=64, num_hidden_layers=2, num_attention_heads=4,
                      word_embed_proj_dim=20, do_layer_norm_before=False, max_position_embeddings=48), {}),
    "bert": ("Bert", "BertModel",
             dict(SMALL, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
                  max_position_embeddings=48), {}),
}


def randomise(model, seed):
    """Weights that keep the signal alive, norms and biases that are not trivial; all of them F16 values."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            noise = torch.randn(value.shape, generator=generator)
            if value.dim() == 1:
                noise = noise * 0.2 + (1.0 if name.endswith("weight") else 0.0)
            elif "embed" in name or name.endswith(("wte.weight", "wpe.weight")):
                noise = noise * 0.7
            else:
                noise = noise * 1.5 / math.sqrt(value.shape[0] if "c_" in name else value.shape[-1])
            value.copy_(noise.half().float())


def compute(case, options, state=None):
    config_class, model_class, *_ = CASES[case]
    config = getattr(transformers, config_class + "Config")(**options, attn_implementation="eager")
    model = getattr(transformers, model_class)(config).eval().float()
    if state is None:
        randomise(model, sum(map(ord, case)))
        state = {k: v.clone() for k, v in model.state_dict().items()}
    else:
        model.load_state_dict(state)
    with torch.no_grad():
        output = model(IDS[None])
    return config, state, (output.logits if hasattr(output, "logits") else output.last_hidden_state)[0].contiguous()


def stored(case, state):
    """The tensors as a file holds them: no tied copies, GPT-2 without its prefix, BERT with the names of old files."""
    tensors = {}
    tied = CASES[case][2].get("tie_word_embeddings", case in ("gpt2", "opt", "opt-350m"))
    for name, value in state.items():
        if (name == "lm_head.weight" and tied) or name.endswith((".inv_freq", "position_ids", "embed_scale")):
            continue
        if case == "gpt2":
            name = name.removeprefix("transformer.")
        if case == "gptneox":
            name = name.replace("lm_head", "embed_out")
        if case == "bert":
            name = "bert." + name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias",
                                                                                           "LayerNorm.beta")
        tensors[name] = value.half().contiguous()
    tensors = apart(tensors)
    return {mixtral_name(name): value for name, value in tensors.items()} if case == "mixtral" else tensors


def apart(tensors):
    """Experts as published checkpoints name them, where transformers 5 keeps one stack of a layer in memory."""
    separate = {}
    for name, value in tensors.items():
        module, _, last = name.partition(".experts.")
        if not last:
            separate[name] = value
            continue
        for number, matrix in enumerate(value):
            parts = {"down": matrix}
            if last == "gate_up_proj":
                parts = dict(zip(("gate", "up"), matrix.chunk(2)))
            for part, rows in parts.items():
                separate[f"{module}.experts.{number}.{part}_proj.weight"] = rows.contiguous()
    return separate


def mixtral_name(name):
    """What Mixtral's checkpoints call it."""
    name = name.replace(".mlp.", ".block_sparse_moe.")
    for part, own in dict(gate_proj="w1", up_proj="w3", down_proj="w2").items():
        name = name.replace(part, own)
    return name


def older(config):
    """The same configuration as transformers 4 wrote it."""
    config = dict(config)
    parameters = dict(config.pop("rope_parameters"))
    config["rope_theta"] = parameters.pop("rope_theta")
    share = parameters.pop("partial_rotary_factor", None)
    if config["model_type"] == "gpt_neox":
        config["rotary_emb_base"], config["rotary_pct"] = config.pop("rope_theta"), share
    elif share is not None:
        config["partial_rotary_factor"] = share
    kind = parameters.pop("rope_type")
    config["rope_scaling"] = None if kind == "default" else dict(type=kind, **parameters)
    return config


def write_config(folder, variant, config):
    drop = ("_name_or_path", "transformers_version", "attn_implementation", "id2label", "label2id")
    if "moe_intermediate_size" in config and "num_local_experts" in config:  # as published
        config = dict(config, num_experts=config["num_local_experts"])
        del config["num_local_experts"]
    text = json.dumps({k: v for k, v in config.items() if k not in drop}, indent=1, sort_keys=True)
    (folder / ("config.json" if variant == "plain" else f"config.{variant}.json")).write_text(text + "\n")


def paired(value, heads):
    """Rows of q and k as llama.cpp wants them: the halves of each head interleaved."""
    shape = value.shape
    return value.reshape(heads, 2, shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(shape)


def gguf_names(architecture, layers):
    return gguf.get_tensor_name_map(getattr(gguf.MODEL_ARCH, architecture), layers)


def stacks(tensors):
    """All experts' matrices of a layer in one, under the name that gguf's table knows."""
    stacked, experts = {}, {}
    for name, value in tensors.items():
        module, _, rest = name.partition(".experts.")
        if rest:
            experts.setdefault(f"{module}.experts.{rest.partition('.')[2]}", []).append(value)
        else:
            stacked[name] = value[0] if name.endswith("shared_expert_gate.weight") else value
    for name, values in experts.items():
        if "block_sparse_moe" in name:
            name = name.removeprefix("model.").replace("block_sparse_moe", "feed_forward")
        stacked[name] = torch.stack(values)
    return stacked


def write_gguf(case, architecture, config, tensors, path, quantized=False):
    c = {"n_embd": None, **config}
    layers = c.get("num_hidden_layers") or c["n_layer"]
    heads = c.get("num_attention_heads") or c["n_head"]
    hidden = c.get("hidden_size") or c["n_embd"]
    kv = c.get("num_key_value_heads") or heads
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[getattr(gguf.MODEL_ARCH, architecture)])
    writer.add_block_count(layers)
    writer.add_context_length(c.get("max_position_embeddings") or c["n_positions"])
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(c.get("intermediate_size") or 4 * hidden)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv)
    if "rms_norm_eps" in c:
        writer.add_layer_norm_rms_eps(c["rms_norm_eps"])
    else:
        writer.add_layer_norm_eps(c.get("layer_norm_eps") or c["layer_norm_epsilon"])
    head_dim = c.get("head_dim") or hidden // heads
    if c.get("head_dim"):
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    parameters = c.get("rope_parameters")
    if parameters:
        writer.add_rope_freq_base(parameters["rope_theta"])
        writer.add_rope_dimension_count(int(head_dim * parameters.get("partial_rotary_factor", 1.0)))
        if parameters["rope_type"] == "yarn":
            writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
            writer.add_rope_scaling_factor(parameters["factor"])
            writer.add_rope_scaling_orig_ctx_len(parameters["original_max_position_embeddings"])
            writer.add_float32("llama.rope.scaling.yarn_beta_fast", parameters["beta_fast"])
            writer.add_float32("llama.rope.scaling.yarn_beta_slow", parameters["beta_slow"])
        if parameters["rope_type"] == "longrope":
            original = parameters["original_max_position_embeddings"]
            stretch = c["max_position_embeddings"] / original
            writer.add_rope_scaling_orig_ctx_len(original)
            writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(stretch) / math.log(original)))
            for name in ("long", "short"):
                writer.add_tensor(f"rope_factors_{name}.weight",
                                  numpy.array(parameters[f"{name}_factor"], dtype=numpy.float32))
        if parameters["rope_type"] == "llama3":
            writer.add_tensor("rope_freqs.weight", llama3_divisors(parameters, head_dim))
    if case == "gptneox":
        writer.add_parallel_residual(c["use_parallel_residual"])
    if case == "gemma2":
        writer.add_attn_logit_softcapping(c["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(c["final_logit_softcapping"])
        writer.add_sliding_window(c["sliding_window"])
        writer.add_float32("gemma2.attention.scale", c["query_pre_attn_scalar"] ** -0.5)
    if case == "bert":
        writer.add_causal_attention(False)
    experts = c.get("num_local_experts") or c.get("num_experts")
    if experts:
        writer.add_expert_count(experts)
        writer.add_expert_used_count(c["num_experts_per_tok"])
    if c.get("moe_intermediate_size"):
        writer.add_expert_feed_forward_length(c["moe_intermediate_size"])
    if c.get("shared_expert_intermediate_size"):
        writer.add_expert_shared_feed_forward_length(c["shared_expert_intermediate_size"])
    names = gguf_names(architecture, layers)
    for name, tensor in stacks(tensors).items():
        value = tensor.float().numpy()
        stem, suffix = name.rsplit(".", 1)
        stem = stem.removeprefix("bert.")
        if case == "bert" and "pooler" in stem:
            continue
        suffix = {"gamma": "weight", "beta": "bias"}.get(suffix, suffix)
        target = names.get_name(stem) + "." + suffix
        if architecture == "LLAMA" and ".q_proj." in name:
            value = paired(value, heads)
        if architecture == "LLAMA" and ".k_proj." in name:
            value = paired(value, kv)
        if case in ("gemma", "gemma2") and stem.endswith("norm"):
            value = value + 1
        if case == "gpt2" and ".c_" in name and suffix == "weight":
            value = value.T
        if case == "gptneox" and "query_key_value" in name:
            value = value.reshape(heads, 3, head_dim, -1).swapaxes(0, 1).reshape(value.shape)
        value = numpy.ascontiguousarray(value)
        if value.ndim == 1 or "ffn_gate_inp" in target:
            writer.add_tensor(target, value.astype(numpy.float32))
        elif quantized and value.shape[-1] % 32 == 0:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(target, gguf.quants.quantize(value, kind), raw_dtype=kind)
        else:
            writer.add_tensor(target, value.astype(numpy.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def llama3_divisors(p, dim):
    divisors = []
    for j in range(dim // 2):
        wavelength = 2 * math.pi * p["rope_theta"] ** (2 * j / dim)
        low, high = (p["original_max_position_embeddings"] / p[f"{end}_freq_factor"] for end in ("low", "high"))
        if wavelength < high:
            divisors.append(1.0)
        elif wavelength > low:
            divisors.append(p["factor"])
        else:
            smooth = (p["original_max_position_embeddings"] / wavelength - p["low_freq_factor"]) / (
                p["high_freq_factor"] - p["low_freq_factor"])
            divisors.append(1 / ((1 - smooth) / p["factor"] + smooth))
    return numpy.array(divisors, dtype=numpy.float32)


def eight_bit(state):
    """Matrices whose rows are whole blocks as Q8_0 leaves them."""
    kind = gguf.GGMLQuantizationType.Q8_0

    def quantized(value):
        if value.dim() < 2 or value.shape[-1] % 32 != 0:
            return value
        return torch.from_numpy(gguf.quants.dequantize(gguf.quants.quantize(value.numpy(), kind), kind).copy())

    return {name: quantized(value) for name, value in state.items()}


IDS = torch.randint(2, VOCABULARY, (TOKENS,), generator=torch.Generator().manual_seed(5))
GGUF = {"llama": "LLAMA", "gemma": "GEMMA", "gemma2": "GEMMA2", "phi3": "PHI3", "gpt2": "GPT2", "gptneox": "GPTNEOX",
        "bert": "BERT", "qwen3": "QWEN3", "mixtral": "LLAMA", "qwen2moe": "QWEN2MOE", "qwen3moe": "QWEN3MOE"}


def make_case(case):
    folder = HERE / case
    folder.mkdir(exist_ok=True)
    options, variants = CASES[case][2:]
    config, state, plain = compute(case, options)
    expected = {"ids": IDS.clone(), "plain": plain}
    write_config(folder, "plain", config.to_dict())
    tensors = stored(case, state)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    if "rope_parameters" in options and "num_experts_per_tok" not in options:
        write_config(folder, "v4", older(config.to_dict()))
        expected["v4"] = plain.clone()
    configs = {"plain": config.to_dict()}
    for variant, changes in variants.items():
        changed, _, logits = compute(case, {**options, **changes}, state)
        configs[variant] = changed.to_dict()
        write_config(folder, variant, changed.to_dict())
        expected[variant] = logits
    if case in GGUF:
        write_gguf(case, GGUF[case], configs["plain"], tensors, folder / "model.gguf")
        expected["gguf"] = plain.clone()
    if case == "llama":
        for variant in ("llama3", "yarn"):
            write_gguf(case, "LLAMA", configs[variant], tensors, folder / f"{variant}.gguf")
        write_gguf(case, "LLAMA", configs["plain"], tensors, folder / "q8_0.gguf", quantized=True)
        expected["q8_0"] = compute(case, options, eight_bit(state))[2]
    save_file(expected, folder / "expected.safetensors")
    print(f"{case}: largest {plain.abs().max():.3g}, spread {plain.std():.3g}, "
          f"{sum(f.stat().st_size for f in folder.iterdir()) // 1024} KiB")


def make_bundled():
    """Logits and loss of the bundled model on the beginning of its held-out text."""
    root = HERE.parents[2] / "resources" / "models"
    model = transformers.LlamaForCausalLM.from_pretrained(root / "loupe-3m", dtype=torch.float32)
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(root / "loupe-3m" / "tokenizer.json"))
    ids = tokenizer((root / "text" / "heldout.txt").read_text()[:4000])["input_ids"][:256]
    with torch.no_grad():
        output = model(torch.tensor([ids]), labels=torch.tensor([ids]))
    folder = HERE / "loupe-3m"
    folder.mkdir(exist_ok=True)
    save_file({"ids": torch.tensor(ids), "loss": output.loss[None], "last": output.logits[0, -4:].contiguous()},
              folder / "expected.safetensors")
    print(f"loupe-3m: loss {output.loss:.6f}")


def make_rope():
    """Frequencies of the rotary embedding for the parameters of well-known models."""
    pairs = [1.0 + 0.05 * i for i in range(48)]
    phi = dict(hidden_size=3072, num_attention_heads=32, max_position_embeddings=131072,
               original_max_position_embeddings=4096,
               rope_parameters=rope("longrope", 10000.0, short_factor=pairs, long_factor=[p * p for p in pairs],
                                    original_max_position_embeddings=4096))
    llama = dict(hidden_size=4096, num_attention_heads=32, max_position_embeddings=4096)
    rows = [
        ("plain", llama | dict(rope_parameters=rope(theta=10000.0)), 100),
        ("wide base", llama | dict(rope_parameters=rope(theta=1e6)), 100),
        ("linear", llama | dict(rope_parameters=rope("linear", 10000.0, factor=4.0)), 100),
        ("dynamic, short text", llama | dict(rope_parameters=rope("dynamic", 10000.0, factor=2.0)), 100),
        ("dynamic, long text", llama | dict(rope_parameters=rope("dynamic", 10000.0, factor=2.0)), 9000),
        ("Llama 3.1", llama | dict(max_position_embeddings=131072, rope_parameters=rope(
            "llama3", 500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
            original_max_position_embeddings=8192)), 100),
        ("YaRN", llama | dict(max_position_embeddings=131072, rope_parameters=rope(
            "yarn", 1e6, factor=4.0, original_max_position_embeddings=32768)), 100),
        ("YaRN, not truncated", llama | dict(max_position_embeddings=131072, rope_parameters=rope(
            "yarn", 150000.0, factor=32.0, original_max_position_embeddings=4096, truncate=False)), 100),
        ("YaRN, own attention factor", llama | dict(max_position_embeddings=131072, rope_parameters=rope(
            "yarn", 1e6, factor=4.0, original_max_position_embeddings=32768, attention_factor=1.25)), 100),
        ("LongRoPE, short text", phi, 4096),
        ("LongRoPE, long text", phi, 4097),
    ]
    entries = []
    for name, options, length in rows:
        family = transformers.Phi3Config if "LongRoPE" in name else transformers.LlamaConfig
        config = family(vocab_size=10, **options)
        kind = config.rope_parameters["rope_type"]
        if kind == "default":
            dim = options["hidden_size"] // options["num_attention_heads"]
            values = 1.0 / config.rope_parameters["rope_theta"] ** (torch.arange(0, dim, 2).float() / dim)
            attention = 1.0
        else:
            compute_values = transformers.modeling_rope_utils.ROPE_INIT_FUNCTIONS[kind]
            values, attention = compute_values(config, "cpu", seq_len=length)
        entries.append(dict(name=name, family=config.model_type, config=options, length=length,
                            attention=attention, frequencies=[float(f"{v:.8g}") for v in values.tolist()]))
    (HERE / "rope.json").write_text(json.dumps(entries) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in sys.argv[1:] or CASES:
        make_case(name)
    if len(sys.argv) == 1:
        make_rope()
        make_bundled()
