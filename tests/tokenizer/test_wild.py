"""Tokenizers of other projects: ids are the library's for any configuration, with at most a warning."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.encoding import differences, mixed_texts
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from wpprep.tokenizer.encoder import Encoder

BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
MERGES = [
    ("l", "l"),
    ("\u0120", "h"),
    ("\u0120h", "e"),
    ("ll", "o"),
    ("\u00c3", "\u00a9"),
    ("1", "2"),
    ("a", "b"),
]
# The patterns of Llama 3 and Qwen 2, and of models that take digits one by one.
LLAMA = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
QWEN = LLAMA.replace(r"\p{N}{1,3}", r"\p{N}")
TEXTS = [
    "",
    " ",
    "hello hello",
    " hello  he llo\n\n a",
    "it's 12345 o'clock, DON'T we'Ve",
    "caf\u00e9 \uff12\u00bd abab",
    "<s> hello</s> \u2581he",
    "a  b\t\tc\u3000d \u00a0\u00a0e",
    "\ud55c\uae00 \u6f22\u5b57 x\u0338=\u0338",
    "\u01c6\ufb01 \u24b6",
]


def byte_level() -> Tokenizer:
    """Return a byte-level BPE with a few merges."""
    pieces = {piece: i for i, piece in enumerate([*BYTES, *("".join(merge) for merge in MERGES)])}
    return Tokenizer(models.BPE(pieces, MERGES))


def characters() -> Tokenizer:
    """Return a WordPiece with some letters and words in both forms, so that most cuts show in its ids."""
    letters = [*"abcdehlort'.,123", "\u2581", "he", "llo", "\u00e9"]
    pieces = {"[UNK]": 0} | {p: i + 1 for i, p in enumerate([*letters, *(f"##{p}" for p in letters)])}
    return Tokenizer(models.WordPiece(pieces, unk_token="[UNK]"))


def unigram() -> Tokenizer:
    """Return a small Unigram model."""
    pieces = [("<unk>", 0.0), ("\u2581", -2.0), ("he", -3.0), ("llo", -3.5), ("\u2581he", -3.2)]
    return Tokenizer(
        models.Unigram([*pieces, *((c, -5.0) for c in "abcdehlort'.,123")], 0, byte_fallback=False)
    )


def split(pattern: str) -> Any:
    """Return a pre-tokenizer that splits by a pattern, then turns text into bytes."""
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def built(model: Callable[[], Tokenizer], normalizer: Any, pre_tokenizer: Any) -> Tokenizer:
    """Return a tokenizer of these parts."""
    tokenizer = model()
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    return tokenizer


N, P = normalizers, pre_tokenizers
CUT: dict[str, Callable[[], Tokenizer]] = {  # supported rules in unusual combinations
    "roberta": lambda: built(byte_level, None, P.ByteLevel(add_prefix_space=False, trim_offsets=False)),
    "roberta-space": lambda: built(byte_level, None, P.ByteLevel(add_prefix_space=True, trim_offsets=True)),
    "byte-level-lower": lambda: built(
        byte_level, N.Sequence([N.NFKC(), N.Lowercase()]), P.ByteLevel(add_prefix_space=False)
    ),
    "bert-after-nfkc-lower": lambda: built(
        characters, N.Sequence([N.NFKC(), N.Lowercase(), N.StripAccents()]), P.BertPreTokenizer()
    ),
    "bert-without-normalizer": lambda: built(characters, None, P.BertPreTokenizer()),
}
WHOLE: dict[str, Callable[[], Tokenizer]] = {
    "metaspace": lambda: built(unigram, None, P.Metaspace()),
    "metaspace-nfkc": lambda: built(unigram, N.Sequence([N.NFKC(), N.Lowercase()]), P.Metaspace(split=False)),
    "unigram-alone": lambda: built(unigram, N.Replace(" ", "\u2581"), None),
    "t5": lambda: built(unigram, N.Sequence([N.Prepend("\u2581"), N.Replace(" ", "\u2581")]), None),
    "llama": lambda: built(byte_level, None, split(LLAMA)),
    "qwen": lambda: built(byte_level, N.NFC(), split(QWEN)),
    "digits": lambda: built(
        byte_level, None, P.Sequence([P.Digits(True), P.ByteLevel(add_prefix_space=False)])
    ),
    "bert-digits": lambda: built(
        characters, N.BertNormalizer(), P.Sequence([P.BertPreTokenizer(), P.Digits(individual_digits=True)])
    ),
    "whitespace": lambda: built(characters, N.Lowercase(), P.Whitespace()),
    "whitespace-split": lambda: built(characters, None, P.WhitespaceSplit()),
    "punctuation": lambda: built(characters, N.NFD(), P.Sequence([P.WhitespaceSplit(), P.Punctuation()])),
    "scripts": lambda: built(characters, None, P.UnicodeScripts()),
    "characters": lambda: built(characters, None, P.Split("", "isolated")),
    "strip": lambda: built(characters, N.Sequence([N.Strip(), N.BertNormalizer()]), P.BertPreTokenizer()),
    "replace": lambda: built(
        characters, N.Sequence([N.Replace(Regex("l+"), " "), N.BertNormalizer()]), P.BertPreTokenizer()
    ),
    "nmt": lambda: built(characters, N.Sequence([N.Nmt(), N.BertNormalizer()]), P.BertPreTokenizer()),
    "prefix-space-after-nfkc": lambda: built(byte_level, N.NFKC(), P.ByteLevel(add_prefix_space=True)),
}


def saved(tokenizer: Tokenizer, folder: Path) -> tuple[Encoder, Tokenizer]:
    """Return an encoder of a tokenizer's file, and the library's tokenizer of it."""
    tokenizer.save(str(folder / "tokenizer.json"))
    theirs = Tokenizer.from_file(str(folder / "tokenizer.json"))
    theirs.encode_special_tokens = True
    return Encoder.from_folder(folder), theirs


@pytest.mark.parametrize("name", [*CUT, *WHOLE])
def test_ids_are_the_library_s(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The ids are the library's; tokenizers without a rule encode whole texts and log one warning."""
    with caplog.at_level(logging.WARNING, "wpprep"):
        encoder, theirs = saved((CUT | WHOLE)[name](), tmp_path)
        assert differences(encoder, theirs, TEXTS) == []
        assert differences(encoder, theirs, TEXTS[::-1]) == []
    said = [record.message for record in caplog.records]
    assert said == [f"{tmp_path}: this tokenizer's text cannot be cut safely; encoding it whole"] * (
        name in WHOLE
    )


@given(texts=st.lists(mixed_texts, min_size=1, max_size=3), name=st.sampled_from([*CUT, *WHOLE]))
@settings(max_examples=150)
def test_mixed_texts(texts: list[str], name: str, pairs: dict[str, tuple[Encoder, Tokenizer]]) -> None:
    """Texts that mix scripts, controls, marks and names of special tokens have the library's ids."""
    assert differences(*pairs[name], texts) == []


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Encoder, Tokenizer]]:
    """Encoder and library's tokenizer for each name."""
    return {name: saved(make(), tmp_path_factory.mktemp(name)) for name, make in (CUT | WHOLE).items()}


def test_roberta_s_post_processor_adds_nothing(tmp_path: Path) -> None:
    """A RoBERTa file with its post-processor and special tokens encodes text as text, after a space."""
    tokenizer = CUT["roberta-space"]()
    tokenizer.add_special_tokens(["<s>", "</s>", "<mask>"])
    ids = tokenizer.get_vocab()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", ids["</s>"]), ("<s>", ids["<s>"]))
    encoder, theirs = saved(tokenizer, tmp_path)
    assert differences(encoder, theirs, TEXTS) == []
    assert not {ids["<s>"], ids["</s>"]} & set(encoder.encode("<s> hello</s>").tolist())
    assert encoder.encode("hello").tolist() == encoder.encode(" hello").tolist()


def test_a_prefix_among_the_pieces_matches_nothing(tmp_path: Path) -> None:
    """The piece ## is a word of two characters at the start of words and never continues one."""
    tokenizer = characters()
    content = json.loads(tokenizer.to_str())
    content["model"]["vocab"] |= {"##": 900, "#": 901, "###": 902}
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.normalizer, tokenizer.pre_tokenizer = N.BertNormalizer(), P.BertPreTokenizer()
    encoder, theirs = saved(tokenizer, tmp_path)
    assert differences(encoder, theirs, ["hello # ## a## ### ab#b", "hez"]) == []
