#!/usr/bin/env python3
# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains a small tokenizer of every kind and writes what it makes of the strings of difficult.py.

strings.json             the strings, once for all
KIND.tokenizer.json      a tokenizer as the PyPI package `tokenizers` (0.23.3) saves it
KIND.golden.json         "ids" with special tokens, "plain" without, "text" decoded from the plain ids, special tokens
                         kept (null: the string itself), "skipped" decoded from the ids without them (null: as "text")
spm.vocab.json           pieces, scores and types of a model trained by `sentencepiece` (0.2.3), as GGUF files hold them
spm.golden.json          the same for it

Some trainers break ties at random: run this in its folder and all files change together."""
import io
import json

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from difficult import strings

STRINGS = strings()
CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + TAIL
QWEN2 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + TAIL
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
O200K = "|".join([r"[^\r\n\p{L}\p{N}]?" + UPPER + "*" + LOWER + "+" + CONTRACTIONS + "?",
                  r"[^\r\n\p{L}\p{N}]?" + UPPER + "+" + LOWER + "*" + CONTRACTIONS + "?",
                  r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])
KANA = "[一-龥\u3040-ゟ゠-ヿ]+"
DEEPSEEK = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
            r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
HAN_AND_WORDS = r"[\p{Han}]+|[^\s\p{Han}\d\w]+|\w+|[^(\s|[.,!?…。，、।۔،])]+"


def corpus():
    with open("../../../resources/models/text/calibration.txt", encoding="utf-8") as file:
        english = file.read()[:40000].splitlines()
    return english + STRINGS * 3


def special(*names, **options):
    return [AddedToken(name, special=True, normalized=False, **options) for name in names]


def train(tokenizer, size, specials=(), alphabet=True, **options):
    kind = trainers.WordPieceTrainer if isinstance(tokenizer.model, models.WordPiece) else trainers.BpeTrainer
    initial = pre_tokenizers.ByteLevel.alphabet() if alphabet else []
    trainer = kind(vocab_size=size, special_tokens=list(specials), initial_alphabet=initial, show_progress=False, **options)
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer


def template(tokenizer, single, *names):
    tokens = [(name, tokenizer.token_to_id(name)) for name in names]
    return processors.TemplateProcessing(single=single, special_tokens=tokens)


def byte_level(splits, size=800, normalizer=None, specials=(), **model):
    tokenizer = Tokenizer(models.BPE(**model))
    if normalizer:
        tokenizer.normalizer = normalizer
    steps = [pre_tokenizers.Split(Regex(s), "isolated") if isinstance(s, str) else s for s in splits]
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    return train(tokenizer, size, specials)


def gpt2():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return train(tokenizer, 900, special("<|endoftext|>"))


def llama3():
    tokenizer = byte_level([LLAMA3], 900, ignore_merges=True)
    tokenizer.add_special_tokens(special("<|begin_of_text|>", "<|end_of_text|>", "<|im_start|>", "<|im_end|>"))
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False),
                                                    template(tokenizer, "<|begin_of_text|> $A", "<|begin_of_text|>")])
    return tokenizer


def qwen2():
    tokenizer = byte_level([QWEN2], 900, normalizers.NFC())
    tokenizer.add_special_tokens(special("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
    tokenizer.add_tokens([AddedToken("<tool_call>", normalized=False), AddedToken("</tool_call>", normalized=False),
                          AddedToken("<é>", normalized=True)])
    return tokenizer


def o200k():
    return byte_level([O200K], 600)


def deepseek():
    return byte_level([r"\p{N}{1,3}", KANA, DEEPSEEK], 600)


def han():
    """Classes that PCRE2 and Oniguruma read differently."""
    return byte_level([r"\p{Nd}{1,3}+", HAN_AND_WORDS, pre_tokenizers.Digits(individual_digits=False)], 500)


FALLBACK = [f"<0x{byte:02X}>" for byte in range(256)]


def sentencepiece_like(size=700, **model):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, **model))
    return tokenizer, ["<unk>", "<s>", "</s>", *FALLBACK], size


def finish_fallback(tokenizer, names, size):
    """Only common characters get a token, so that the others fall back to bytes."""
    train(tokenizer, size, names, alphabet=False, limit_alphabet=120)
    saved = json.loads(tokenizer.to_str())
    saved["added_tokens"] = [t for t in saved["added_tokens"] if t["content"] in ("<unk>", "<s>", "</s>")]
    return Tokenizer.from_str(json.dumps(saved))


def metaspace_decoder(strip):
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    return decoders.Sequence(steps + ([decoders.Strip(" ", 1, 0)] if strip else []))


def llama2():
    tokenizer, names, size = sentencepiece_like(fuse_unk=True)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=True)  # for training only
    tokenizer.decoder = metaspace_decoder(True)
    tokenizer = finish_fallback(tokenizer, names, size)
    saved = json.loads(tokenizer.to_str())
    saved["pre_tokenizer"] = None
    tokenizer = Tokenizer.from_str(json.dumps(saved))
    tokenizer.post_processor = template(tokenizer, "<s> $A", "<s>")
    return tokenizer


def mistral():
    tokenizer, names, size = sentencepiece_like(fuse_unk=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = metaspace_decoder(True)
    tokenizer.normalizer = None
    tokenizer = finish_fallback(tokenizer, names, size)
    tokenizer.post_processor = template(tokenizer, "<s> $A </s>", "<s>", "</s>")
    return tokenizer


def gemma():
    tokenizer, names, size = sentencepiece_like()
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = metaspace_decoder(False)
    tokenizer = finish_fallback(tokenizer, names, size)
    tokenizer.add_special_tokens(special("<bos>", "<eos>", "<pad>"))
    tokenizer.add_tokens([AddedToken(run, normalized=False) for run in ("\n\n", "\n\n\n", "\n\n\n\n", "▁▁▁")])
    tokenizer.post_processor = template(tokenizer, "<bos> $A", "<bos>")
    return tokenizer


def metaspace():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return train(tokenizer, 500, special("<unk>", "<s>", "</s>"), alphabet=False, limit_alphabet=80)


def bert(lower):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(cleanup=lower)
    train(tokenizer, 1200, special("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), alphabet=False, limit_alphabet=400)
    tokenizer.post_processor = template(tokenizer, "[CLS] $A [SEP]", "[CLS]", "[SEP]")
    return tokenizer


def added():
    """Every option of added tokens, in a tokenizer whose normalizer changes them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    train(tokenizer, 500, special("<s>", "</s>", "<pad>"))
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False, special=True)])
    tokenizer.add_tokens([
        AddedToken("<left>", lstrip=True, normalized=False), AddedToken("<right>", rstrip=True, normalized=False),
        AddedToken("word", single_word=True, normalized=False), AddedToken("NORM", normalized=True),
        AddedToken("<long>", normalized=False), AddedToken("<longer>", normalized=False),
        AddedToken("<long><longer>", normalized=False), AddedToken("éword", single_word=True, normalized=True),
        AddedToken("the", single_word=True, lstrip=True, rstrip=True, normalized=True)])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    return tokenizer


def steps():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.NFD(), normalizers.Replace(Regex(r"\s{2,}"), " "), normalizers.Strip(), normalizers.Lowercase(),
        normalizers.NFC()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("contiguous"),
        pre_tokenizers.Digits(individual_digits=False),
        pre_tokenizers.Split("e", "merged_with_previous"), pre_tokenizers.Split(Regex("[aeiou]+"), "merged_with_next"),
        pre_tokenizers.Split("q", "removed")])
    tokenizer.decoder = decoders.BPEDecoder()
    train(tokenizer, 500, special("<unk>", "[CLS]", "[SEP]"), alphabet=False, limit_alphabet=150,
          end_of_word_suffix="</w>")
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    return tokenizer


def whitespace():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", continuing_subword_prefix="##"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(),
                                                       pre_tokenizers.CharDelimiterSplit("/")])
    tokenizer.decoder = decoders.WordPiece(cleanup=True)
    return train(tokenizer, 700, special("<unk>"), alphabet=False, limit_alphabet=150, continuing_subword_prefix="##")


def dump(path, value):
    with open(path, "w", encoding="utf-8") as file:
        file.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def write(kind, tokenizer):
    saved = json.loads(tokenizer.to_str())
    if kind == "gpt2":  # both spellings are in use
        saved["model"]["merges"] = [" ".join(merge) for merge in saved["model"]["merges"]]
    dump(kind + ".tokenizer.json", saved)
    tokenizer = Tokenizer.from_file(kind + ".tokenizer.json")
    golden = {"ids": [], "plain": [], "text": [], "skipped": []}
    for text in STRINGS:
        ids = tokenizer.encode(text).ids
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        decoded = tokenizer.decode(plain, skip_special_tokens=False)
        golden["ids"].append(ids)
        golden["plain"].append(None if plain == ids else plain)
        skipped = tokenizer.decode(ids, skip_special_tokens=True)
        golden["text"].append(None if decoded == text else decoded)
        golden["skipped"].append(None if decoded == skipped else skipped)
    if all(p is None for p in golden["plain"]):
        del golden["plain"]
    else:  # what surrounds the text is the same everywhere: a few are enough
        golden["plain"] = golden["plain"][:8]
    dump(kind + ".golden.json", golden)


def sentence_piece():
    model = io.BytesIO()
    lines = [line for text in corpus() for line in text.replace("\0", "").splitlines() if line]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, vocab_size=700, model_type="bpe", byte_fallback=True,
        character_coverage=0.98, normalization_rule_name="identity", remove_extra_whitespaces=False,
        add_dummy_prefix=True, split_digits=True, minloglevel=2, num_threads=1, allow_whitespace_only_pieces=True)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    kinds = [2 if processor.is_unknown(i) else 3 if processor.is_control(i) else 6 if processor.is_byte(i) else 1
             for i in range(len(processor))]
    dump("spm.vocab.json", {"tokens": [processor.id_to_piece(i) for i in range(len(processor))],
                            "scores": [round(processor.get_score(i), 6) for i in range(len(processor))],
                            "types": kinds})
    # Control tokens in a text are text to sentencepiece, and tokens to everybody else.
    chosen = [i for i, text in enumerate(STRINGS) if not any(name in text for name in ("<s>", "</s>", "<unk>", "\0"))]
    golden = {"index": chosen, "ids": [], "text": []}
    for i in chosen:
        ids = processor.encode(STRINGS[i])
        golden["ids"].append(ids)
        decoded = processor.decode(ids)
        golden["text"].append(None if decoded == STRINGS[i] else decoded)
    dump("spm.golden.json", golden)


if __name__ == "__main__":
    dump("strings.json", STRINGS)
    for make in (gpt2, llama3, qwen2, o200k, deepseek, han, llama2, mistral, gemma, metaspace, added, steps,
                 whitespace):
        write(make.__name__, make())
    write("bert_uncased", bert(True))
    write("bert_cased", bert(False))
    sentence_piece()
