# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Byte-level byte-pair encoding: training, encoding and `tokenizer.json`.

The split into words follows the well-known pattern of byte-level BPE
(contractions, words with one leading space, numbers, punctuation, space).
"""

import collections
import json
import re

# \p{L} and \p{N} of the original pattern, written for the `re` module
PATTERN = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")


def byte_alphabet():
    """One printable character for every byte, as byte-level BPE writes them."""
    printable = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table, extra = {}, 0
    for byte in range(256):
        if byte in printable:
            table[byte] = chr(byte)
        else:
            table[byte] = chr(256 + extra)
            extra += 1
    return table


class ByteBpe:
    """A trained tokenizer: special tokens first, then bytes, then merges."""

    def __init__(self, specials, merges):
        self.specials = list(specials)
        self.merges = [tuple(m) for m in merges]
        self.alphabet = byte_alphabet()
        pieces = self.specials + sorted(self.alphabet.values()) + [x + y for x, y in self.merges]
        self.vocab = {piece: i for i, piece in enumerate(pieces)}
        if len(self.vocab) != len(pieces):
            raise ValueError("two merges make the same piece")
        self.ranks = {pair: i for i, pair in enumerate(self.merges)}
        self.cache = {}
        self.bytes_of = {char: byte for byte, char in self.alphabet.items()}

    @classmethod
    def train(cls, text, vocab_size, specials):
        """Merge the most frequent pair until the vocabulary is full."""
        alphabet = byte_alphabet()
        counts = collections.Counter(PATTERN.findall(text))
        words = [[alphabet[b] for b in word.encode("utf-8")] for word in counts]
        weight = list(counts.values())
        pairs = collections.Counter()
        where = collections.defaultdict(set)
        for i, word in enumerate(words):
            for pair in zip(word, word[1:]):
                pairs[pair] += weight[i]
                where[pair].add(i)
        known = set(alphabet.values())
        merges = []
        while len(specials) + 256 + len(merges) < vocab_size and pairs:
            best = max(pairs, key=lambda p: (pairs[p], p))
            if pairs[best] < 2:
                break
            joined = best[0] + best[1]
            if joined in known:
                # already made by another pair: a second merge would not be a new piece
                del pairs[best]
                where.pop(best)
                continue
            known.add(joined)
            merges.append(best)
            for i in where.pop(best):
                old = words[i]
                new = _merge(old, best)
                for pair in zip(old, old[1:]):
                    if pair in pairs:
                        pairs[pair] -= weight[i]
                for pair in zip(new, new[1:]):
                    pairs[pair] += weight[i]
                    where[pair].add(i)
                words[i] = new
            pairs.pop(best, None)
        return cls(specials, merges)

    def encode(self, text):
        """Token ids of plain text (special tokens are not looked for)."""
        ids = []
        for word in PATTERN.findall(text):
            piece_ids = self.cache.get(word)
            if piece_ids is None:
                piece_ids = self.cache[word] = self._encode_word(word)
            ids.extend(piece_ids)
        return ids

    def _encode_word(self, word):
        pieces = [self.alphabet[b] for b in word.encode("utf-8")]
        while len(pieces) > 1:
            rank, pair = min((self.ranks.get(p, len(self.ranks)), p) for p in zip(pieces, pieces[1:]))
            if rank == len(self.ranks):
                break
            pieces = _merge(pieces, pair)
        return [self.vocab[p] for p in pieces]

    def decode(self, ids):
        """Text of token ids; special tokens are left out."""
        pieces = list(self.vocab)
        raw = bytearray()
        for i in ids:
            if i >= len(self.specials):
                raw += bytes(self.bytes_of[c] for c in pieces[i])
        return raw.decode("utf-8", "replace")

    def tokenizer_json(self):
        """The content of `tokenizer.json`."""
        added = [{"id": i, "content": s, "single_word": False, "lstrip": False, "rstrip": False,
                  "normalized": False, "special": True} for i, s in enumerate(self.specials)]
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": added,
            "normalizer": None,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            "post_processor": None,
            "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                      "vocab": self.vocab, "merges": ["%s %s" % m for m in self.merges]},
        }

    def save(self, path):
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.tokenizer_json(), file, ensure_ascii=False, indent=1)
            file.write("\n")


def _merge(pieces, pair):
    out, i = [], 0
    while i < len(pieces):
        if i + 1 < len(pieces) and pieces[i] == pair[0] and pieces[i + 1] == pair[1]:
            out.append(pieces[i] + pieces[i + 1])
            i += 2
        else:
            out.append(pieces[i])
            i += 1
    return out
