"""Encoder: its ids are those of the library, for every vocabulary and every text."""

from __future__ import annotations

import bz2
import gzip
import json
import logging
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.encoding import code_points, differences, in_company, is_delicate, mixed_texts
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)  # fmt: skip

from wpprep.config import VocabOptions
from wpprep.tokenizer.encoder import Encoder, kernel_of, safe_rule
from wpprep.tokenizer.normalization import TextRules
from wpprep.tokenizer.scanner import ChunkTable

Pair = tuple[Encoder, Tokenizer, VocabOptions]

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SAMPLE = Path(__file__).parents[2] / "sample_corpus"
TEXTS = [
    *(SAMPLE / "books").glob("*.txt"),
    *(SAMPLE / "wiki").glob("wiki_*"),
    *SAMPLE.glob("wiki-*/wiki_*"),
]
OPTIONS = {
    "wordpiece": VocabOptions(vocab_size=2000),
    "wordpiece-stripped": VocabOptions(vocab_size=2000, strip_accents=True, unicode="none"),
    "wordpiece-nfkc-stripped": VocabOptions(vocab_size=2000, strip_accents=True, unicode="nfkc"),
    "wordpiece-cased-nfkc": VocabOptions(vocab_size=2000, lowercase=False, unicode="nfkc"),
    "wordpiece-nfd": VocabOptions(vocab_size=2000, unicode="nfd"),
    "wordpiece-no-cjk": VocabOptions(vocab_size=2000, cjk=False, unicode="none"),
    "bpe": VocabOptions(algorithm="bpe", vocab_size=2000),
    "bpe-cased": VocabOptions(algorithm="bpe", vocab_size=2000, lowercase=False, unicode="none"),
    "bbpe": VocabOptions(algorithm="bbpe", vocab_size=2000),
    "bbpe-lower-nfkc": VocabOptions(algorithm="bbpe", vocab_size=2000, lowercase=True, unicode="nfkc"),
}
PUBLISHED = [
    "bert-base-uncased",
    "bert-base-cased",
    "bert-base-chinese",
    "bert-base-multilingual-cased",
    "gpt2",
    "roberta",
]


def trained(options: VocabOptions) -> Tokenizer:
    """Return a tokenizer under these options; no character is [UNK], so that ids show the words."""
    rules = TextRules(options)
    corpus = [line for path in TEXTS for line in path.read_text().splitlines()]
    trainer: Any
    if options.algorithm == "wordpiece":
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        trainer = trainers.WordPieceTrainer(
            vocab_size=options.vocab_size, special_tokens=SPECIAL, show_progress=False
        )
    elif options.algorithm == "bpe":
        tokenizer = Tokenizer(models.BPE(unk_token="[UNK]", end_of_word_suffix="</w>"))
        trainer = trainers.BpeTrainer(
            vocab_size=options.vocab_size,
            special_tokens=SPECIAL,
            end_of_word_suffix="</w>",
            show_progress=False,
        )
    else:
        tokenizer = Tokenizer(models.BPE())
        trainer = trainers.BpeTrainer(
            vocab_size=options.vocab_size, special_tokens=SPECIAL, show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )  # fmt: skip
    if rules.normalizer is not None:
        tokenizer.normalizer = rules.normalizer
    tokenizer.pre_tokenizer = rules.pre_tokenizer
    tokenizer.train_from_iterator(corpus, trainer)
    return spelled_out(tokenizer) if options.algorithm == "wordpiece" else tokenizer


def spelled_out(tokenizer: Tokenizer) -> Tokenizer:
    """Return the WordPiece with every character of the tests in both forms: [UNK] would hide differences."""
    pieces = dict(tokenizer.get_vocab())
    for character in ALL_CHARACTERS:
        for piece in (character, f"##{character}"):
            pieces.setdefault(piece, len(pieces))
    content = json.loads(tokenizer.to_str())
    content["model"]["vocab"] = pieces
    return Tokenizer.from_str(json.dumps(content))


ALL_CHARACTERS = code_points(16)


def saved(tokenizer: Tokenizer, folder: Path) -> tuple[Encoder, Tokenizer]:
    """Return an encoder of a tokenizer's file, and the library's tokenizer of it."""
    tokenizer.save(str(folder / "tokenizer.json"))
    theirs = Tokenizer.from_file(str(folder / "tokenizer.json"))
    theirs.encode_special_tokens = True
    return Encoder.from_folder(folder), theirs


@pytest.fixture(scope="module", params=OPTIONS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Encoder and library's tokenizer for one set of options."""
    options = OPTIONS[request.param]
    return *saved(trained(options), tmp_path_factory.mktemp(request.param)), options


def published(folder: Path, name: str) -> tuple[Encoder, Tokenizer]:
    """Return the encoder and the library's tokenizer for a published vocabulary."""
    if name.startswith("bert"):
        path = folder / f"{name}-vocab.txt"
        theirs = Tokenizer(models.WordPiece.from_file(str(path), unk_token="[UNK]"))
        theirs.normalizer = normalizers.BertNormalizer(lowercase="-cased" not in name and "multi" not in name)
        theirs.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    else:
        path = folder / f"{name}-vocab.json"
        theirs = Tokenizer(models.BPE.from_file(str(path), str(folder / f"{name}-merges.txt")))
        theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return Encoder.from_folder(path), theirs


def lines_of(path: Path) -> list[str]:
    """Return the lines of a file of real text, compressed or not, with invalid UTF-8 replaced."""
    opened: Callable[[Path], bytes] = {
        ".gz": lambda p: gzip.decompress(p.read_bytes()),
        ".bz2": lambda p: bz2.decompress(p.read_bytes()),
    }.get(path.suffix, Path.read_bytes)
    return opened(path).decode(errors="replace").split("\n")


def files_of(data: Path) -> Iterator[Path]:
    """Yield the files of real text."""
    for folder in ("torture", "wiki-en", "wiki-de", "wiki-ko", "wiki-zh", "wiki-ja", "books-ru"):
        yield from sorted((data / folder).iterdir())


def test_every_character_in_company(pair: Pair) -> None:
    """A character alone, and next to letters, blanks, punctuation, ideographs and marks, has the library's ids.

    Blanks, controls, marks and punctuation are tested with every vocabulary, a part of the others with each.
    """
    part = list(OPTIONS.values()).index(pair[2])
    characters = [c for i, c in enumerate(ALL_CHARACTERS) if i % 40 == part or is_delicate(c)]
    assert differences(*pair[:2], [in_company(character) for character in characters]) == []


@pytest.mark.slow
def test_every_code_point_in_company(pair: Pair) -> None:
    """All code points of Unicode, alone and next to others, have the library's ids."""
    for first in range(0, 0x110000, 1 << 14):
        codes = [code for code in range(first, first + (1 << 14)) if not 0xD800 <= code < 0xE000]
        assert differences(*pair[:2], [in_company(chr(code)) for code in codes]) == []


@given(st.lists(mixed_texts, min_size=1, max_size=3))
@settings(max_examples=300)
def test_mixed_texts(pair: Pair, texts: list[str]) -> None:
    """Texts that mix scripts, controls, marks and names of special tokens have the library's ids."""
    assert differences(*pair[:2], texts) == []


@pytest.mark.slow
def test_ten_million_random_strings(pair: Pair) -> None:
    """A million random strings for each of ten vocabularies have the library's ids."""
    draw = random.Random(4)
    alphabet = "".join(code_points(997)[::5]) + "ab.,' \n\u0301\u0338=<中가" * 400
    for _ in range(50):
        texts = ["".join(draw.choices(alphabet, k=draw.randrange(12))) for _ in range(20_000)]
        assert differences(*pair[:2], texts) == []


def test_sample_corpus(pair: Pair) -> None:
    """The sample corpus has the library's ids, line by line and file by file."""
    for path in TEXTS:
        text = path.read_text()
        assert differences(*pair[:2], [*text.splitlines(), text, ""]) == []


def test_the_size_of_the_cache_does_not_affect_ids(pair: Pair) -> None:
    """Ids and word starts are the same whatever the maximum of cache memory, down to none."""
    lines = [line for path in TEXTS for line in path.read_text().splitlines()]
    batches = [lines[first : first + 40] for first in range(0, len(lines), 40)]
    expected = [pair[0].encode_sentences(batch) for batch in batches]
    for bound in (0, 7_000_000, 1 << 40):
        encoder = Encoder(pair[0].vocabulary, cache_memory=bound)
        for _ in range(2):
            for batch, (tokens, ends, marks) in zip(batches, expected, strict=True):
                encoded = encoder.encode_sentences(batch)
                assert np.array_equal(encoded.tokens, tokens)
                assert np.array_equal(encoded.ends, ends)
                assert encoder.marks_words == (encoded.marks is not None) == (marks is not None)
                if encoded.marks is not None and marks is not None:
                    assert np.array_equal(encoded.marks, marks)


@pytest.mark.parametrize(
    ("name", "share"), [("wordpiece", 0.02), ("wordpiece-stripped", 0.02), ("bbpe", 0.001)]
)
def test_most_chunks_are_not_left_to_the_library(name: str, share: float) -> None:
    """The kernels encode nearly all chunks of English."""
    tokenizer = trained(OPTIONS[name])
    rule, kernel = safe_rule(tokenizer), kernel_of(tokenizer)
    assert rule is not None
    assert kernel is not None
    text = "\n".join(path.read_text() for path in TEXTS if path.parent.name == "books").encode()
    table = ChunkTable(rule)
    table.scan(np.frombuffer(text, np.uint8), np.array([len(text)]))
    _, is_left = kernel.encode(table.blob, table.starts[: len(table) + 1])
    assert len(is_left) > 1000
    assert is_left.mean() < share


def test_encode_batch_is_encode_of_each(tmp_path: Path) -> None:
    """The result is one array per text, also for texts without tokens."""
    encoder, _ = saved(small(pre_tokenizers.ByteLevel(add_prefix_space=False)), tmp_path)
    texts = ["hello", "", " hello  llo"]
    assert [ids.tolist() for ids in encoder.encode_batch(texts)] == [encoder.encode(t).tolist() for t in texts]


@pytest.mark.parametrize("name", ["bert-base-uncased", "bert-base-multilingual-cased", "gpt2"])
def test_published_vocabularies(data: Path, name: str) -> None:
    """Published vocabularies give the library's ids for difficult files and a few lines of every language."""
    encoder, theirs = published(data / "vocabs", name)
    for path in files_of(data):
        lines = lines_of(path) if path.parent.name == "torture" or path.name.endswith("_000.gz") else []
        texts = lines[:: max(1, len(lines) // 700)]
        assert differences(encoder, theirs, [*texts, "\n".join(texts)]) == [], path


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_vocabularies_on_all_text(data: Path, name: str) -> None:
    """Published vocabularies give the library's ids for all files of real text, by lines and by files."""
    encoder, theirs = published(data / "vocabs", name)
    for path in files_of(data):
        lines = lines_of(path)
        assert differences(encoder, theirs, lines) == [], path
        assert differences(encoder, theirs, ["\n".join(lines)]) == [], path


@pytest.mark.parametrize("text", ["[MASK]", "a [SEP] b", "[CLS][MASK]", "[PAD].[UNK]", "x[MASK]x"])
def test_text_never_becomes_a_special_token(pair: Pair, text: str) -> None:
    """Text that spells a special token is encoded as brackets and letters."""
    encoder = pair[0]
    special = {
        i for i, token in encoder.vocabulary.tokenizer.get_added_tokens_decoder().items() if token.special
    }
    assert len(special) == 5
    assert not special - {encoder.vocabulary.ids["[UNK]"]} & set(encoder.encode(text).tolist())


def small(pre_tokenizer: Any, **model: Any) -> Tokenizer:
    """Return a byte-level tokenizer of single bytes and a few merges."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("l", "l"), ("Ġ", "h"), ("Ġh", "e"), ("ll", "o")]
    pieces = {piece: i for i, piece in enumerate([*alphabet, *("".join(merge) for merge in merges)])}
    tokenizer = Tokenizer(models.BPE(pieces, merges, **model))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


@pytest.mark.parametrize("normalizer", [None, normalizers.NFKC()])
@given(texts=st.lists(mixed_texts, max_size=3))
def test_a_space_put_before_the_text(
    normalizer: Any, texts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With add_prefix_space every sentence gets one space, and not every chunk."""
    tokenizer = small(pre_tokenizers.ByteLevel(add_prefix_space=True))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    encoder, theirs = saved(tokenizer, tmp_path_factory.mktemp("space"))
    assert differences(encoder, theirs, [*texts, "hello hello", " hello", "", "\u00a0hello"]) == []


def test_roberta_s_special_tokens_are_text(tmp_path: Path) -> None:
    """A RoBERTa-style file, with its own post-processor and special tokens, encodes text as text."""
    tokenizer = small(pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True))
    tokenizer.add_special_tokens(["<s>", "</s>", "<mask>"])
    ids = tokenizer.get_vocab()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", ids["</s>"]), ("<s>", ids["<s>"]))
    encoder, theirs = saved(tokenizer, tmp_path)
    assert safe_rule(encoder.vocabulary.tokenizer) is not None
    assert differences(encoder, theirs, ["hello <mask> hello</s>", " <s>"]) == []
    assert not {ids["<s>"], ids["</s>"], ids["<mask>"]} & set(encoder.encode("<s> hello <mask></s>").tolist())


WHOLE = {
    "added token": lambda t: t.add_tokens(["llo h"]),
    "replace": lambda t: setattr(t, "normalizer", normalizers.Replace(" h", "j")),
    "prepend": lambda t: setattr(t, "normalizer", normalizers.Prepend("_")),
    "strip": lambda t: setattr(t, "normalizer", normalizers.Strip()),
    "metaspace": lambda t: setattr(t, "pre_tokenizer", pre_tokenizers.Metaspace()),
    "no pattern": lambda t: setattr(
        t, "pre_tokenizer", pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    ),
    "nothing": lambda t: setattr(t, "pre_tokenizer", None),
}


@pytest.mark.parametrize("change", WHOLE.values(), ids=list(WHOLE))
def test_unknown_rules_are_left_to_the_library(
    change: Callable[[Tokenizer], object], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With a tokenizer of which the text cannot be cut, texts are encoded whole, after one warning."""
    tokenizer = small(pre_tokenizers.ByteLevel(add_prefix_space=False))
    change(tokenizer)
    with caplog.at_level(logging.WARNING, "wpprep"):
        encoder, theirs = saved(tokenizer, tmp_path)
        assert differences(encoder, theirs, ["hello hello", " hello  h", "", "llo hello"]) == []
        encoder.encode("again")
    assert [record.message for record in caplog.records] == [
        f"{tmp_path}: this tokenizer's text cannot be cut safely; encoding it whole"
    ]


def test_truncation_padding_and_dropout_are_switched_off(tmp_path: Path) -> None:
    """Options that a file stores from its last use neither remove tokens nor add any."""
    plain = small(pre_tokenizers.ByteLevel(add_prefix_space=False))
    tokenizer = small(pre_tokenizers.ByteLevel(add_prefix_space=False), dropout=0.5)
    tokenizer.enable_truncation(2)
    tokenizer.enable_padding(length=50)
    encoder, _ = saved(tokenizer, tmp_path)
    assert safe_rule(encoder.vocabulary.tokenizer) is not None
    assert differences(encoder, plain, ["hello hello hello", "h"]) == []


@pytest.mark.parametrize(
    ("name", "text", "starts"),
    [
        ("wordpiece", "unbelievable, stop", None),
        ("bpe", "the zzz, zz", ["t", "z", ",", "z"]),
        ("bbpe", "the zzz, zz  a", ["t", "Ġ", ",", "Ġ", "Ġ", "Ġa"]),
    ],
)
def test_word_starts(name: str, text: str, starts: list[str] | None, tmp_path: Path) -> None:
    """A word starts where its pre-token does; the pieces of WordPiece show it without marks."""
    encoder, _ = saved(trained(OPTIONS[name]), tmp_path)
    documents = encoder.encode_documents([("a", [text])])
    if starts is None:
        assert documents.word_starts is None
        assert encoder.vocabulary.roles.starts_word is not None
        begins = encoder.vocabulary.roles.starts_word[documents.tokens]
        words = [encoder.vocabulary.pieces[i] for i in documents.tokens[begins]]
        assert len(words) == 3
    else:
        assert documents.word_starts is not None
        pieces = [
            encoder.vocabulary.pieces[i].removesuffix("</w>") for i in documents.tokens[documents.word_starts]
        ]
        assert [piece[: len(start)] for piece, start in zip(pieces, starts, strict=True)] == starts


def test_documents_without_tokens_are_left_out(tmp_path: Path) -> None:
    """Sentences without tokens are omitted, then documents without sentences; the order is kept."""
    encoder, _ = saved(small(pre_tokenizers.ByteLevel(add_prefix_space=False)), tmp_path)
    documents = encoder.encode_documents([("a", ["ll", "", "h"]), ("b", ["", ""]), ("c", []), ("d", ["o"])])
    assert documents.ids == ["a", "d"]
    assert documents.documents.tolist() == [0, 2, 3]
    assert documents.sentences.tolist() == [0, 1, 2, 3]
    assert [encoder.vocabulary.pieces[i] for i in documents.tokens] == ["ll", "h", "o"]
    nothing = encoder.encode_documents([])
    assert (len(nothing), nothing.tokens.dtype.name, nothing.documents.tolist()) == (0, "uint16", [0])
    assert encoder.encode("").tolist() == []


def test_decode_gives_the_text_back(tmp_path: Path) -> None:
    """Byte-level pieces decode to exactly the text."""
    encoder, _ = saved(small(pre_tokenizers.ByteLevel(add_prefix_space=False)), tmp_path)
    assert encoder.decode(encoder.encode(" hello 한글\n")) == " hello 한글\n"
