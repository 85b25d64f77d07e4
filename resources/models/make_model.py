# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the language model that Quantloupe bundles.

    python3 make_model.py            # everything, some ten to thirty minutes
    python3 make_model.py --quick    # smoke run of a minute, to another folder

The text comes from the generator beside this script, so nothing has to be
loaded from anywhere.  The steps:

 1. generate text: training, calibration and held-out part, without common
    documents;
 2. train a byte-level BPE tokenizer on the training text;
 3. train a Llama model with grouped-query attention from scratch;
 4. round it to F16 and write `loupe-3m/` in the usual folder layout;
 5. plant outlier channels, function-preservingly, and write
    `loupe-3m-outliers/`;
 6. measure losses, also after round-to-nearest quantization, and write
    `training_report.json` and the model cards.

Needs Python 3.9, NumPy and PyTorch 1.13 or newer.  An optimized BLAS (for
instance OpenBLAS) makes the float32 measurements a lot faster.  All random
numbers are seeded, so the text and the tokenizer always come out the same; the
weights may differ in their last digits with other versions, machines or
numbers of threads, and the measured figures then differ a little too.
"""

import argparse
import math
import os
import sys

import numpy as np
import torch

import byte_bpe
import export
import llama
import model_cards
import quantize_check
import text_generator
import training

SPECIALS = ["<s>", "</s>"]
WINDOW = 256    # tokens in a window of the measurements
PART = 12_288   # tokens of the held-out text for the tables of quantized models
PROMPT = "Tilla was a baker in Quill. One rainy morning"

SETTINGS = {"seed": 20, "train_characters": 24_000_000, "heldout_characters": 90_000,
            "calibration_characters": 150_000, "vocab_size": 1280, "tokenizer_characters": 4_000_000,
            "steps": 2740, "schedule_steps": 3000, "batch": 12, "sequence": 256, "learning_rate": 2e-3, "warmup": 100,
            "weight_decay": 0.1, "report_every": 100, "bfloat16": True}

QUICK = {"train_characters": 400_000, "heldout_characters": 20_000, "calibration_characters": 20_000,
         "tokenizer_characters": 400_000, "steps": 40, "schedule_steps": 40, "report_every": 10}


def log(text):
    print(text, flush=True)


def make_text(settings):
    """Documents of the three parts and the tokenizer trained on the first."""
    parts = text_generator.corpus(settings["seed"], settings["train_characters"],
                                  settings["heldout_characters"], settings["calibration_characters"])
    sample = text_generator.joined(parts["train"])[:settings["tokenizer_characters"]]
    tokenizer = byte_bpe.ByteBpe.train(sample, settings["vocab_size"], SPECIALS)
    log("%d training documents, %d pieces in the vocabulary" % (len(parts["train"]), len(tokenizer.vocab)))
    return parts, tokenizer


def corpus_report(parts, texts, ids, stream):
    """Sizes of the three parts."""
    report = {"train": {"documents": len(parts["train"]), "characters": sum(map(len, parts["train"])),
                        "tokens": len(stream)}}
    for name, text in texts.items():
        report[name] = {"file": "text/%s.txt" % name, "documents": len(parts[name]), "characters": len(text),
                        "tokens": len(ids[name]), "bytes_per_token": round(len(text.encode()) / len(ids[name]), 3)}
    return report


def measure(model, ids):
    """Losses with quantized linear layers, for every method of the check."""
    result = {"f16": export.perplexity(training.mean_loss(model, ids, WINDOW))}
    for method in quantize_check.METHODS:
        result[method] = export.perplexity(training.mean_loss(quantize_check.quantized(model, method), ids, WINDOW))
        log("  %-45s %.4f" % (method, result[method]["loss"]))
    for name, per_token in [("token", True), ("tensor", False)]:
        key = "int8_weights_int8_activations_per_" + name
        copy = quantize_check.with_int8_activations(model, per_token)
        result[key] = export.perplexity(training.mean_loss(copy, ids, WINDOW))
        log("  %-45s %.4f" % (key, result[key]["loss"]))
    return result


@torch.no_grad()
def agreement(model, other, ids):
    """How far the logits of two models differ."""
    difference, span, same, positions, losses = 0.0, 0.0, 0, 0, [0.0, 0.0]
    for row in training.windows(ids, WINDOW).split(16):
        x, y = model(row), other(row)
        difference = max(difference, (x - y).abs().max().item())
        span = max(span, (x.max() - x.min()).item())
        same += int((x.argmax(-1) == y.argmax(-1)).sum())
        positions += row.numel()
    for i, m in enumerate((model, other)):
        losses[i] = training.mean_loss(m, ids, WINDOW)
    return {"positions": positions, "largest_logit_difference": difference, "logit_span": span,
            "same_most_likely_token": same / positions, "loss_difference": losses[1] - losses[0]}


def sample(model, tokenizer, prompt, count, temperature):
    """Text that continues a prompt; always the same random numbers."""
    generator = torch.Generator().manual_seed(SETTINGS["seed"])
    bos = tokenizer.vocab["<s>"]
    return tokenizer.decode(model.generate([bos] + tokenizer.encode(prompt), count, temperature, generator))


def check(report):
    """The promises of the model; a broken one ends the script with an error."""
    loss = {name: row["loss"] for name, row in report["quantized"].items()}
    untrained = report["untrained_heldout"]["loss"]
    agree = report["outliers"]["agreement"]
    promises = {
        "trained far below untrained": report["heldout_f16"]["loss"] < 0.5 * untrained,
        "F16 changes nothing visible": abs(report["heldout_f16"]["loss"] - report["heldout_f32"]["loss"]) < 0.005,
        "INT8 < INT4 < INT3 < INT2": loss["int8_per_channel"] < loss["int4_group128"]
                                     < loss["int3_group128"] < loss["int2_group128"],
        "INT2 breaks the model": loss["int2_group128"] > 2 * loss["f16"],
        "outliers keep the function": agree["largest_logit_difference"] < 0.05 and abs(agree["loss_difference"]) < 0.001,
        "outliers break INT8 activations per tensor":
            report["outliers"]["quantized"]["int8_weights_int8_activations_per_tensor"]["loss"]
            > 1.5 * loss["int8_weights_int8_activations_per_tensor"],
    }
    for name, kept in promises.items():
        log("%-45s %s" % (name, "yes" if kept else "NO"))
    return all(promises.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--out", help="folder to write to (default: beside this script; with --quick: ./quick-model)")
    parser.add_argument("--quick", action="store_true", help="tiny run that only shows that everything works")
    parser.add_argument("--float32", action="store_true", help="train without bfloat16 products")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--checkpoint", help="file with the trained weights: written after training, "
                        "and if it exists, training is left out")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    settings = dict(SETTINGS, **(QUICK if args.quick else {}))
    settings["bfloat16"] = not args.float32
    out = args.out or (os.path.abspath("quick-model") if args.quick else here)

    parts, tokenizer = make_text(settings)
    stream = training.token_stream(tokenizer, parts["train"], settings["seed"])
    texts = {name: text_generator.joined(parts[name]) for name in ("heldout", "calibration")}
    ids = {name: np.array(tokenizer.encode(text), dtype=np.int64) for name, text in texts.items()}
    log("%d training tokens, %d held-out, %d calibration" % (len(stream), len(ids["heldout"]), len(ids["calibration"])))

    config = dict(llama.CONFIG, vocab_size=len(tokenizer.vocab))
    if args.checkpoint and os.path.exists(args.checkpoint):
        saved = torch.load(args.checkpoint)
        model = llama.Llama(config)
        model.load_state_dict(saved["state"])
        trained = saved["trained"]
    else:
        model, trained = training.train(stream, ids["heldout"], config, settings, log)
        if args.checkpoint:
            torch.save({"state": model.state_dict(), "trained": trained}, args.checkpoint)

    model.eval()

    def heldout_loss(m):
        return export.perplexity(training.mean_loss(m, ids["heldout"], WINDOW))

    untrained = export.perplexity(trained["untrained_loss"])
    report = {
        "model": "loupe-3m", "made_by": "make_model.py", "parameters": sum(p.numel() for p in model.parameters()),
        "config": config, "settings": settings, "text": corpus_report(parts, texts, ids, stream), "window": WINDOW,
        "protocol": "Mean next-token loss in nats of the whole text file, encoded without begin token, cut into "
                    "non-overlapping windows of %d tokens, the rest left out; the first token of a window is not "
                    "predicted. Arithmetic in float32." % WINDOW,
        "ln_vocabulary": round(math.log(config["vocab_size"]), 4),
        "untrained_heldout": untrained, "training": {k: v for k, v in trained.items() if k != "untrained_loss"},
        "train_f32": export.perplexity(training.mean_loss(model, stream[:15_360], WINDOW)),
        "heldout_f32": heldout_loss(model),
    }
    tensors = export.f16_tensors(model)
    export.load_tensors(model, tensors)
    report["heldout_f16"] = heldout_loss(model)
    log("held-out loss %.4f, in F16 %.4f" % (report["heldout_f32"]["loss"], report["heldout_f16"]["loss"]))
    report["quantization"] = ("Round to nearest of the q, k, v, o, gate, up and down weights; F16 scales. "
                              "INT8: symmetric, one scale per output channel. INT4, INT3, INT2: symmetric, the "
                              "absolute maximum of a group is the largest level. INT2 min_max: four steps from the "
                              "smallest to the largest value. NF4: absolute maximum of a group. The first %d tokens of the "
                              "held-out text." % len(ids["heldout"][:PART]))
    report["quantized_tokens"] = len(ids["heldout"][:PART])
    report["quantized"] = measure(model, ids["heldout"][:PART])

    planted, note = export.plant_outliers(tensors, config["num_hidden_layers"])
    other = export.load_tensors(llama.Llama(config), planted).eval()
    log("with planted outliers:")
    report["outliers"] = {"model": "loupe-3m-outliers", "planted": note,
                          "agreement": agreement(model, other, ids["heldout"][:PART]),
                          "quantized": measure(other, ids["heldout"][:PART])}

    samples = [("F16", model)] + [(model_cards.LABELS[m], quantize_check.quantized(model, m))
                                  for m in ("int4_group128", "int3_group128", "int2_group128")]
    samples = [(title, sample(m, tokenizer, PROMPT, 80, 0.6)) for title, m in samples]
    for title, text in samples:
        log("--- %s\n%s" % (title, text))

    os.makedirs(os.path.join(out, "text"), exist_ok=True)
    for name, text in texts.items():
        export.write_text(os.path.join(out, "text", name + ".txt"), text)
    plain = os.path.join(out, "loupe-3m")
    changed = os.path.join(out, "loupe-3m-outliers")
    report["model_bytes"] = export.write_folder(plain, tensors, config, tokenizer,
                                                model_cards.plain_card(report, samples))
    export.write_folder(changed, planted, config, tokenizer, model_cards.outlier_card(report, note))
    export.write_json(os.path.join(changed, "planted_outliers.json"), note)
    export.write_json(os.path.join(out, "training_report.json"), report)
    if args.quick:
        return 0
    return 0 if check(report) else 1


if __name__ == "__main__":
    sys.exit(main())
