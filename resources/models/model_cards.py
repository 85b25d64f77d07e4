# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The model cards (README.md) of both folders."""

HEAD = """---
license: gpl-3.0
language: en
library_name: transformers
tags:
- quantization
- teaching
---
"""

LABELS = {
    "int8_per_channel": "INT8, one scale per output channel",
    "int4_group128": "INT4 symmetric, groups of 128",
    "nf4_group64": "NF4, groups of 64",
    "int3_group128": "INT3 symmetric, groups of 128",
    "int2_group128": "INT2 symmetric, groups of 128",
    "int2_min_max_group128": "INT2 with zero point, groups of 128",
    "int8_weights_int8_activations_per_token": "INT8 weights, INT8 activations, one scale per token",
    "int8_weights_int8_activations_per_tensor": "INT8 weights, INT8 activations, one scale per tensor",
}


def table(plain, outliers=None):
    """Losses after quantization as a Markdown table."""
    head = ["Linear layers", "loss", "perplexity"]
    if outliers:
        head = ["Linear layers", "loss", "perplexity", "loss without outliers"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for name, label in [("f16", "F16")] + list(LABELS.items()):
        row = (outliers or plain)[name]
        cells = [label, "%.4f" % row["loss"], "%.2f" % row["perplexity"]]
        if outliers:
            cells.append("%.4f" % plain[name]["loss"])
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def quoted(text):
    return "\n".join("> " + line if line else ">" for line in text.split("\n"))


def plain_card(report, samples):
    config, text = report["config"], report["text"]
    shown = "\n\n".join("%s:\n\n%s" % (title, quoted(sample)) for title, sample in samples)
    return HEAD + """
# loupe-3m

A very small language model of the Llama architecture, made to show what
quantization does to a language model. It is bundled with Quantloupe, so that
the program can show something without any download. It is good for nothing
else: it writes short, simple English about an invented world, it cannot
answer questions about the real one, and its sums should not be trusted.

## What it is

- {parameters:,} parameters in F16: {layers} layers, width {hidden}, {heads} heads of
  {head_dim}, {kv} key/value heads (grouped-query attention), inner width {inner},
  context {context}, embedding and lm_head not tied.
- A byte-level BPE tokenizer of its own with {vocab} pieces. `<s>` begins a
  document, `</s>` ends it; the tokenizer adds neither by itself.

## Data

All text comes from the generator `text_generator.py` beside this folder:
stories, letters, diaries, dialogues in shops, articles and questions about an
invented country, sums, recipes, timetables, instructions, verses. No text was
taken from elsewhere, and no real person, town or river is meant.
{train_characters:,} characters ({train_tokens:,} tokens) were generated for training;
training saw {seen:,} tokens in {steps:,} steps (the learning-rate schedule was
laid out for {schedule:,}). `text/heldout.txt` and `text/calibration.txt` share no
document with the training text, but come from the same generator.

## Measured

Mean next-token loss in nats over non-overlapping windows of {window} tokens,
products in float32.

| Text | loss | perplexity |
| --- | --- | --- |
| held-out, untrained model | {untrained:.3f} | {untrained_ppl:.0f} |
| training text (a part) | {train:.3f} | {train_ppl:.2f} |
| held-out, weights in F32 | {held:.3f} | {held_ppl:.2f} |
| held-out, weights in F16 (this folder) | {held16:.3f} | {held16_ppl:.2f} |

Held-out loss (the first {part:,} tokens) after plain rounding to nearest, with
F16 scales, measured by the script that made the model (not by the program):

{table}

Symmetric INT2 knows only three values for a group, minus, zero and plus its
largest absolute value, and breaks the model. Four steps between the smallest
and the largest value hurt this model much less.

The same prompt, continued with the same random numbers:

{samples}

## How it was made

`make_model.py` beside this folder made it, without any other input. The
exact figures are in `training_report.json`.
""".format(parameters=report["parameters"], layers=config["num_hidden_layers"], hidden=config["hidden_size"],
           heads=config["num_attention_heads"], head_dim=config["head_dim"], kv=config["num_key_value_heads"],
           inner=config["intermediate_size"], context=config["max_position_embeddings"], vocab=config["vocab_size"],
           train_characters=text["train"]["characters"], train_tokens=text["train"]["tokens"],
           seen=report["training"]["tokens_seen"], steps=report["training"]["steps"], schedule=report["settings"]["schedule_steps"],
           window=report["window"],
           untrained=report["untrained_heldout"]["loss"], untrained_ppl=report["untrained_heldout"]["perplexity"],
           train=report["train_f32"]["loss"], train_ppl=report["train_f32"]["perplexity"],
           held=report["heldout_f32"]["loss"], held_ppl=report["heldout_f32"]["perplexity"],
           held16=report["heldout_f16"]["loss"], held16_ppl=report["heldout_f16"]["perplexity"],
           table=table(report["quantized"]), samples=shown, part=report["quantized_tokens"])


def outlier_card(report, note):
    channels = "\n".join("| %d | %d |" % (c["channel"], c["factor"]) for c in note["channels"])
    agree = report["outliers"]["agreement"]
    return HEAD + """
# loupe-3m-outliers

**The outlier channels of this model were planted on purpose.** It is a copy of
`loupe-3m`, made to show what large language models look like inside: a few
channels of their activations are many times larger than all others, always the
same ones, and they make quantization hard. Models as small as this one do not
grow such channels themselves. Wherever this model is shown, that has to be
said.

## What was planted

In all {layers} layers, in `input_layernorm` and `post_attention_layernorm`, the
weights of these channels were multiplied by a factor, and the same columns of
the linear layers behind the norm (`q_proj`, `k_proj`, `v_proj`; `gate_proj`,
`up_proj`) were divided by it:

| channel | factor |
| --- | --- |
{channels}

`planted_outliers.json` says the same for programs.

The function of the model stays the same. The factors are powers of two, so
only the {subnormal} of {touched} divided weights that become subnormal in F16 are
rounded at all. Compared with `loupe-3m` over {positions:,} held-out positions: the
largest difference of a logit is {difference:.2g} (the logits span {span:.1f}), the
loss differs by {loss_difference:.1g}, and the most likely token is the same at
{same:.2f} % of the positions.

## Measured

Held-out loss (the first {part:,} tokens) after plain rounding to nearest, with
F16 scales, measured by the script that made the model (not by the program):

{table}

Everything else is as in `loupe-3m`: data, tokenizer, configuration, and that
the model is good for showing quantization only.
""".format(layers=len(note["layers"]), channels=channels, subnormal=note["divided_weights_subnormal_in_f16"],
           touched=note["divided_weights"], positions=agree["positions"], difference=agree["largest_logit_difference"],
           span=agree["logit_span"], loss_difference=abs(agree["loss_difference"]),
           same=100 * agree["same_most_likely_token"],
           part=report["quantized_tokens"],
           table=table(report["quantized"], report["outliers"]["quantized"]))
