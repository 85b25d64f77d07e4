# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of the bundled model: a seeded mix of short documents.

`python3 text_generator.py --characters 20000 --seed 5` prints a sample.
"""

import argparse
import random

import facts
import stories

DOCUMENT_END = "\n\n"


def kinds():
    """All document kinds with their weights."""
    return stories.STORIES + facts.FACTS


def documents(seed, characters, exclude=()):
    """Different documents until they hold `characters` characters.

    No document of `exclude` comes out, so a held-out part stays unseen.
    """
    rng = random.Random(seed)
    makers, weights = zip(*kinds())
    seen = set(exclude)
    out, size = [], 0
    while size < characters:
        text = rng.choices(makers, weights)[0](rng)
        if text in seen:
            continue
        # exact repeats are left out; kinds with few different documents
        # (verses, months) run dry and leave their place to the others
        seen.add(text)
        out.append(text)
        size += len(text) + len(DOCUMENT_END)
    return out


def corpus(seed, train_characters, heldout_characters, calibration_characters):
    """The three parts: held-out, calibration and training documents.

    Calibration text is its own part too: neither of the small parts shares a
    document with the training text or with the other.
    """
    heldout = documents(seed * 3 + 1, heldout_characters)
    calibration = documents(seed * 3 + 2, calibration_characters, heldout)
    train = documents(seed * 3, train_characters, heldout + calibration)
    return {"heldout": heldout, "calibration": calibration, "train": train}


def joined(docs):
    """Documents as one text file: an empty line between two of them."""
    return DOCUMENT_END.join(docs) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--characters", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    print(joined(documents(args.seed, args.characters)), end="")


if __name__ == "__main__":
    main()
