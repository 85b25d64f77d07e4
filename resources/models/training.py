# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Token streams and the training loop."""

import math
import random
import time

import numpy as np
import torch

import llama
from text_generator import DOCUMENT_END


def token_stream(tokenizer, docs, seed):
    """Training documents as one stream of ids.

    Half of the joints are an empty line, as in the text files, and half are
    the end and begin tokens, so the model knows both.
    """
    rng = random.Random(seed)
    bos, eos = tokenizer.vocab["<s>"], tokenizer.vocab["</s>"]
    newline = tokenizer.encode(DOCUMENT_END)
    ids = [bos]
    for doc in docs:
        ids.extend(tokenizer.encode(doc))
        ids.extend(newline if rng.random() < 0.5 else [eos, bos])
    return np.array(ids, dtype=np.int64)


def windows(ids, length):
    """All whole non-overlapping windows of `length` tokens."""
    count = len(ids) // length
    return torch.from_numpy(np.asarray(ids[:count * length], dtype=np.int64).reshape(count, length))


@torch.no_grad()
def mean_loss(model, ids, length=256, batch=16):
    """Mean next-token loss in nats over non-overlapping windows, in float32.

    The first token of a window is only context, so a window of 256 tokens
    gives 255 predictions.
    """
    rows = windows(ids, length)
    total = 0.0
    for i in range(0, len(rows), batch):
        part = rows[i:i + batch]
        total += model.loss(part).item() * len(part)
    return total / len(rows)


def learning_rate(step, steps, peak, warmup):
    """Linear warm-up, then a cosine down to a twentieth of the peak at `steps`."""
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return peak * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress)))


def train(stream, check_ids, config, settings, log):
    """Train a new model; gives the model and its history."""
    torch.manual_seed(settings["seed"])
    model = llama.Llama(config)
    history = []
    decay = [p for p in model.parameters() if p.dim() == 2]
    plain = [p for p in model.parameters() if p.dim() != 2]
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": settings["weight_decay"]},
                                   {"params": plain, "weight_decay": 0.0}], lr=0.0, betas=(0.9, 0.95))
    rng = np.random.default_rng(settings["seed"])
    data = torch.from_numpy(stream)
    started = time.time()
    steps, tokens = settings["steps"], 0
    untrained = mean_loss(model, check_ids)
    log("untrained loss %.4f (ln of the vocabulary: %.4f)" % (untrained, math.log(config["vocab_size"])))
    for step in range(steps):
        rate = learning_rate(step, settings["schedule_steps"], settings["learning_rate"], settings["warmup"])
        for group in optimizer.param_groups:
            group["lr"] = rate
        # every sixth step has windows of twice the length, so that the model
        # has seen all positions of its context
        length, batch = settings["sequence"], settings["batch"]
        if step % 6 == 5:
            length, batch = length * 2, batch // 2
        starts = rng.integers(0, len(stream) - length, batch)
        ids = torch.stack([data[s:s + length] for s in starts])
        tokens += ids.numel()
        if settings["bfloat16"]:
            with torch.autocast("cpu", torch.bfloat16):
                loss = model.loss(ids)
        else:
            loss = model.loss(ids)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step % settings["report_every"] == 0:
            history.append({"step": step, "loss": round(loss.item(), 4)})
            log("step %5d  loss %.4f  rate %.5f  %.0f s" % (step, loss.item(), rate, time.time() - started))
    return model, {"untrained_loss": untrained, "steps": steps, "tokens_seen": tokens, "history": history}
