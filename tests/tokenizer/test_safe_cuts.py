"""Where text may be cut: every known counterexample breaks the naive cut and not ours."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from reference.encoding import mixed_texts
from tokenizers import normalizers, pre_tokenizers

from wpprep.tokenizer.cut_rule import ORDINARY, CutRule
from wpprep.tokenizer.safe_cuts import Pipe, bert_rule, byte_level_rule, words_between
from wpprep.tokenizer.scanner import ChunkTable


def pipe_of(*steps: object, pre_tokenizer: object | None = None) -> Pipe:
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
    data = text.encode()
    table = ChunkTable(rule)
    codes, _ = table.scan(np.frombuffer(data, np.uint8), np.array([len(data)]))
    chunks = table.chunks()
    return [chunks[code] for code in codes]


def joined(pipe: Pipe, parts: list[str]) -> list[str]:
    return [word for part in parts for word in pipe(part)]


def assert_breaks_naive_cut_alone(pipe: Pipe, rule: CutRule, naive: list[str]) -> None:
    """The words of the naive parts are not those of the text they make, the words of our chunks are."""
    text = "".join(naive)
    assert joined(pipe, naive) != list(pipe(text))
    assert joined(pipe, chunks_of(text, rule)) == list(pipe(text))


@pytest.mark.parametrize(("pipe", "rule"), BERT + BYTE_LEVEL)
@given(text=mixed_texts)
def test_words_of_the_chunks_are_the_words_of_the_text(pipe: Pipe, rule: CutRule, text: str) -> None:
    """Cutting first and splitting into words later changes nothing."""
    assert joined(pipe, chunks_of(text, rule)) == list(pipe(text))


@pytest.mark.parametrize("control", list("\x0b\x0c\x1c\x1d\x1e\x1f\x85"))
def test_deleted_controls_join_the_words_around_them(control: str) -> None:
    """BERT deletes some characters that Python's split() takes for blanks."""
    assert len(f"a{control}b".split()) == 2
    assert_breaks_naive_cut_alone(
        pipe_of(LOWER), bert_rule(pipe_of(LOWER), composes=False), ["a", f"{control}b"]
    )


@pytest.mark.parametrize("pipe", [pipe_of(LOWER), pipe_of(CASED)])
def test_the_library_tells_what_is_punctuation(pipe: Pipe) -> None:
    """Characters that only Python's tables take for punctuation do not stand alone."""
    marks = [c for c in map(chr, range(0x80, 0x30000)) if unicodedata.category(c).startswith("P")]
    newer = [c for c, words in words_between(marks, pipe).items() if words == [f"a{c}b"]]
    assert newer, "this library knows all punctuation of this Python: the probe is for others"
    rule = bert_rule(pipe, composes=False)
    assert rule.probe(newer).tolist() == [ORDINARY] * len(newer)
    assert_breaks_naive_cut_alone(pipe, rule, ["a", newer[0], "b"])


def test_ideographs_that_the_library_skips_do_not_stand_alone() -> None:
    """The library's ideographs leave out U+2B820 to U+2B91F."""
    pipe = pipe_of(LOWER)
    assert_breaks_naive_cut_alone(pipe, bert_rule(pipe, composes=False), ["a", "\U0002b820", "b"])


def test_ideographs_do_not_stand_alone_without_chinese_handling() -> None:
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


def test_only_three_characters_that_stand_alone_compose() -> None:
    """No other character that the rule cuts around begins or ends a composition of NFC or NFKC."""
    pipe = pipe_of(normalizers.NFC(), KEEPING)
    rule = bert_rule(pipe, composes=True)
    decompositions = [unicodedata.decomposition(chr(code)).split() for code in range(0x110000)]
    pairs = [d for d in decompositions if len(d) == 2 and not d[0].startswith("<")]
    parts = sorted({chr(int(part, 16)) for pair in pairs for part in pair})
    alone = [c for c, class_ in zip(parts, rule.probe(parts).tolist(), strict=True) if class_ != ORDINARY]
    assert alone == ["<", "=", ">"]


def test_words_after_a_composed_sign_are_not_lost() -> None:
    """What follows in later words is cut as ever (a first version dropped it)."""
    rule = bert_rule(pipe_of(normalizers.NFC(), KEEPING), composes=True)
    assert chunks_of("a=\u0338b c.d e", rule) == ["a=\u0338b", "c", ".", "d", "e"]
    assert chunks_of("a=b", rule) == ["a", "=", "b"]


def test_case_and_hangul_never_cross_a_cut() -> None:
    """A final sigma is lowercased by itself, and stripping accents takes Hangul apart within its chunk."""
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
    """Classes of characters beyond ASCII are not used: the library's are of another Unicode than Python's."""
    pipe = pipe_of(pre_tokenizer=BYTES)
    characters = map(chr, [*range(0x80, 0xD800), *range(0xE000, 0x32000)])
    disputed = next((c for c in characters if c.isalpha() != (len(pipe(f"a{c}")) == 1)), None)
    if disputed is None:
        pytest.skip("this Python and this library are of one Unicode version")
    naive = [f"{disputed}", "a"] if disputed.isalpha() else ["a", disputed]
    assert joined(pipe, chunks_of("".join(naive), byte_level_rule())) == pipe("".join(naive))
    assert (joined(pipe, naive) == pipe("".join(naive))) == disputed.isalpha()


def test_the_pattern_s_blanks_are_ours() -> None:
    """Each of the 25 characters that end a word by themselves, and no other, is a blank to the rule."""
    pipe = pipe_of(pre_tokenizer=BYTES)
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    blank = [c for c in characters if not (c.isalnum() or unicodedata.category(c)[0] in "LN")]
    # Between two spaces and a letter a blank lets the pattern's look-ahead take two characters.
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


def test_a_character_that_makes_several_words_is_told() -> None:
    """One call tells the words of many characters, also of those that vanish, split or are blanks."""
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
    """Where the normaliser isolates ideographs it tells the same words as the whole way does."""
    steps = normalizers.Sequence([normalizers.NFC(), LOWER])
    pipe, skipped = pipe_of(normalizers.NFC(), LOWER), "\U0002b820"
    for characters in (["中", "\uf900", "文"], ["中", skipped, "文"], [skipped]):
        expected = words_between(characters, pipe)
        quick = words_between(characters, pipe, steps.normalize_str)
        assert {c: list(words) for c, words in quick.items()} == expected
