"""Rules for cutting text: every known counterexample breaks a naive cut, but not those of the rules."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from reference.encoding import mixed_texts
from tokenizers import normalizers, pre_tokenizers

from wpprep.tokenizer.cut_rule import ORDINARY, CutRule
from wpprep.tokenizer.safe_cuts import Pipe, bert_rule, byte_level_rule, words_between
from wpprep.tokenizer.scanner import ChunkTable


def pipe_of(*steps: Any, pre_tokenizer: Any = None) -> Pipe:
    """Return the function from text to words of these normalisers and a pre-tokenizer, BERT's by default."""
    normalizer = normalizers.Sequence(list(steps))
    splitter = pre_tokenizer or pre_tokenizers.BertPreTokenizer()
    return lambda text: [word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))]


LOWER, CASED = normalizers.BertNormalizer(), normalizers.BertNormalizer(lowercase=False)
KEEPING = normalizers.BertNormalizer(strip_accents=False)
NO_CJK = normalizers.BertNormalizer(handle_chinese_chars=False)
BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False)
BERT_PIPES = {
    "lower": (pipe_of(LOWER), False),
    "cased": (pipe_of(CASED), False),
    "nfc": (pipe_of(normalizers.NFC(), KEEPING), True),
    "nfkc": (pipe_of(normalizers.NFKC(), KEEPING), True),
    "nfkc-lower": (pipe_of(normalizers.NFKC(), LOWER), True),
    "nfd": (pipe_of(normalizers.NFD(), KEEPING), False),
    "nfkd": (pipe_of(normalizers.NFKD(), KEEPING), False),
    "no-cjk": (pipe_of(NO_CJK), False),
    "nothing": (pipe_of(), False),
}
BYTE_PIPES = {
    "plain": pipe_of(pre_tokenizer=BYTES),
    "lower": pipe_of(normalizers.Lowercase(), pre_tokenizer=BYTES),
    "nfc": pipe_of(normalizers.NFC(), pre_tokenizer=BYTES),
    "nfkc-lower": pipe_of(normalizers.NFKC(), normalizers.Lowercase(), pre_tokenizer=BYTES),
    "nfkd": pipe_of(normalizers.NFKD(), pre_tokenizer=BYTES),
}
BERT = [pytest.param(pipe, bert_rule(pipe, composes), id=name) for name, (pipe, composes) in BERT_PIPES.items()]
BYTE_LEVEL = [pytest.param(pipe, byte_level_rule(), id=name) for name, pipe in BYTE_PIPES.items()]


def chunks_of(text: str, rule: CutRule) -> list[str]:
    """Return the chunks of a text in their order."""
    data = text.encode()
    table = ChunkTable(rule)
    codes, _ = table.scan(np.frombuffer(data, np.uint8), np.array([len(data)]))
    chunks = table.chunks()
    return [chunks[code] for code in codes]


def joined(pipe: Pipe, parts: list[str]) -> list[str]:
    """Return the words of the parts, split one by one."""
    return [word for part in parts for word in pipe(part)]


def assert_breaks_naive_cut_alone(pipe: Pipe, rule: CutRule, naive: list[str]) -> None:
    """Assert that the naive parts do not have the words of the joined text, and that the rule's chunks do."""
    text = "".join(naive)
    assert joined(pipe, naive) != list(pipe(text))
    assert joined(pipe, chunks_of(text, rule)) == list(pipe(text))


@pytest.mark.parametrize(("pipe", "rule"), BERT + BYTE_LEVEL)
@given(text=mixed_texts)
def test_words_of_the_chunks_are_the_words_of_the_text(pipe: Pipe, rule: CutRule, text: str) -> None:
    """Cutting text before it is split into words does not change the words."""
    assert joined(pipe, chunks_of(text, rule)) == list(pipe(text))


@pytest.mark.parametrize("control", list("\x0b\x0c\x1c\x1d\x1e\x1f\x85"))
def test_deleted_controls_join_the_words_around_them(control: str) -> None:
    """BERT deletes some characters at which Python's split() splits, so text is not cut there."""
    assert len(f"a{control}b".split()) == 2
    assert_breaks_naive_cut_alone(
        pipe_of(LOWER), bert_rule(pipe_of(LOWER), composes=False), ["a", f"{control}b"]
    )


@pytest.mark.parametrize("pipe", [pipe_of(LOWER), pipe_of(CASED)])
def test_punctuation_is_that_of_the_library(pipe: Pipe) -> None:
    """Characters that are punctuation only in Python's tables are not isolated."""
    marks = [c for c in map(chr, range(0x80, 0x30000)) if unicodedata.category(c).startswith("P")]
    newer = [c for c, words in words_between(marks, pipe).items() if words == [f"a{c}b"]]
    assert newer, "this library knows all punctuation of this Python: the probe is for others"
    rule = bert_rule(pipe, composes=False)
    assert rule.probe(newer).tolist() == [ORDINARY] * len(newer)
    assert_breaks_naive_cut_alone(pipe, rule, ["a", newer[0], "b"])


def test_ideographs_that_the_library_omits_are_not_isolated() -> None:
    """The library's ideographs omit U+2B820 to U+2B91F, so text is not cut around these."""
    pipe = pipe_of(LOWER)
    assert_breaks_naive_cut_alone(pipe, bert_rule(pipe, composes=False), ["a", "\U0002b820", "b"])


def test_ideographs_are_not_isolated_without_chinese_handling() -> None:
    """With handle_chinese_chars off a run of ideographs is one word."""
    pipe = pipe_of(NO_CJK)
    assert_breaks_naive_cut_alone(pipe, bert_rule(pipe, composes=False), ["中", "文"])
    assert joined(pipe_of(LOWER), ["中", "文"]) == pipe_of(LOWER)("中文")


@pytest.mark.parametrize("character", list("\u2017\u203e\ufe49\ufe4a\ufe4b\ufe4c"))
def test_compatibility_forms_that_become_blank_and_mark(character: str) -> None:
    """Under NFKC some punctuation becomes a blank and a mark, which joins what follows."""
    pipe = pipe_of(normalizers.NFKC(), KEEPING)
    assert_breaks_naive_cut_alone(pipe, bert_rule(pipe, composes=True), ["a", character, "b"])


@pytest.mark.parametrize("sign", list("<=>"))
@pytest.mark.parametrize("between", ["", "\u0327", "\u0301\u0327"])
@pytest.mark.parametrize("form", [normalizers.NFC, normalizers.NFKC])
def test_the_solidus_composes_with_three_signs(sign: str, between: str, form: Callable[[], object]) -> None:
    """Under NFC a sign and U+0338 become one letter-like character, also over marks of higher class."""
    pipe = pipe_of(form(), KEEPING)
    assert_breaks_naive_cut_alone(pipe, bert_rule(pipe, composes=True), ["a", sign, f"{between}\u0338b"])


def test_only_three_isolated_characters_compose() -> None:
    """No other character that the rule cuts around begins or ends a composition of NFC or NFKC."""
    pipe = pipe_of(normalizers.NFC(), KEEPING)
    rule = bert_rule(pipe, composes=True)
    decompositions = [unicodedata.decomposition(chr(code)).split() for code in range(0x110000)]
    pairs = [d for d in decompositions if len(d) == 2 and not d[0].startswith("<")]
    parts = sorted({chr(int(part, 16)) for pair in pairs for part in pair})
    alone = [c for c, class_ in zip(parts, rule.probe(parts).tolist(), strict=True) if class_ != ORDINARY]
    assert alone == ["<", "=", ">"]


def test_words_after_a_composed_sign_are_not_lost() -> None:
    """Text after a composed sign is cut as usual (a first version dropped it)."""
    rule = bert_rule(pipe_of(normalizers.NFC(), KEEPING), composes=True)
    assert chunks_of("a=\u0338b c.d e", rule) == ["a=\u0338b", "c", ".", "d", "e"]
    assert chunks_of("a=b", rule) == ["a", "=", "b"]


def test_case_and_hangul_never_cross_a_cut() -> None:
    """A final sigma is lowercased by itself, and stripping accents decomposes Hangul within its chunk."""
    pipe = pipe_of(LOWER)
    assert pipe("ΟΔΟΣ. ΟΔΟΣ") == ["οδοσ", ".", "οδοσ"]
    assert joined(pipe, chunks_of("한글,각", bert_rule(pipe, composes=False))) == pipe("한글,각")


@pytest.mark.parametrize(
    "naive",
    [
        [" \u00a0", " \u00a0"],  # with ASCII blanks only, a cut would come before the second space
        ["it'", "s"],
        ["'", "s"],
        [".", "."],
        ["'", "'"],
        [" ", "a"],
        [" ", "."],
        [" ", "  a"],
        ["\n", "\n a"],
        [" ", "\n"],
    ],
    ids=repr,
)
def test_cuts_that_break_the_pattern_of_gpt2(naive: list[str]) -> None:
    """Cuts inside runs of blanks or punctuation, after a blank and after an apostrophe change the words."""
    assert_breaks_naive_cut_alone(pipe_of(pre_tokenizer=BYTES), byte_level_rule(), naive)


def test_python_and_the_pattern_disagree_on_letters() -> None:
    """Python's classes of characters beyond ASCII are not used: its version of Unicode may differ."""
    pipe = pipe_of(pre_tokenizer=BYTES)
    characters = map(chr, [*range(0x80, 0xD800), *range(0xE000, 0x32000)])
    disputed = next((c for c in characters if c.isalpha() != (len(pipe(f"a{c}")) == 1)), None)
    if disputed is None:
        pytest.skip("this Python and this library have the same version of Unicode")
    naive = [f"{disputed}", "a"] if disputed.isalpha() else ["a", disputed]
    assert joined(pipe, chunks_of("".join(naive), byte_level_rule())) == pipe("".join(naive))
    assert (joined(pipe, naive) == pipe("".join(naive))) == disputed.isalpha()


def test_the_blanks_of_the_pattern_are_those_of_the_rule() -> None:
    """The rule's blanks are exactly the 25 characters at which the pattern ends a word."""
    pipe = pipe_of(pre_tokenizer=BYTES)
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    blank = [c for c in characters if not (c.isalnum() or unicodedata.category(c)[0] in "LN")]
    # Before a letter, the look-ahead of the pattern separates the last of two blanks from the first.
    is_blank = [c for c in blank if len(pipe(f"{c}{c}a")) == 3 or pipe(f"{c}{c}a")[-1].endswith("Ġa")]
    classes = byte_level_rule().probe(characters)
    ours = [c for c, class_ in zip(characters, classes.tolist(), strict=True) if class_ == 0]
    assert is_blank == ours
    assert len(ours) == 25


def test_ascii_cuts_are_made() -> None:
    """Letters, digits and others are cut apart, so that few chunks are distinct."""
    assert chunks_of("abc123,x  'tis", byte_level_rule()) == ["abc", "123", ",", "x", "  'tis"]
    rule = bert_rule(pipe_of(LOWER), composes=False)
    assert chunks_of("don't (stop) 中文", rule) == ["don", "'", "t", "(", "stop", ")", "中", "文"]


def test_words_between_letters_for_several_kinds_of_characters() -> None:
    """One call returns the words of many characters, also of those that vanish, split or are blanks."""
    pipe = pipe_of(normalizers.NFKC(), LOWER)
    assert words_between(["\u2474", "\x0b", "\u3000", "É", "⒜"], pipe) == {
        "É": ["aeb"],
        "\u2474": ["a", "(", "1", ")", "b"],
        "\x0b": ["ab"],
        "\u3000": ["a", "b"],
        "⒜": ["a", "(", "a", ")", "b"],
    }
    assert words_between([], pipe) == {}


def test_ideographs_are_probed_by_the_normaliser() -> None:
    """If the normaliser isolates ideographs, it gives the same words as normaliser and pre-tokenizer."""
    steps = normalizers.Sequence([normalizers.NFC(), LOWER])
    pipe, skipped = pipe_of(normalizers.NFC(), LOWER), "\U0002b820"
    for characters in (["中", "\uf900", "文"], ["中", skipped, "文"], [skipped]):
        expected = words_between(characters, pipe)
        quick = words_between(characters, pipe, steps.normalize_str)
        assert {c: list(words) for c, words in quick.items()} == expected
