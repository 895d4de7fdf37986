"""Twins of the scanner and of the encoder that are slow and plain, and texts that are hard on both."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
from hypothesis import strategies as st
from tokenizers import Tokenizer

from wpprep.tokenizer.cut_rule import BLANK, CLASSES, ORDINARY, PEEKS, CutRule
from wpprep.tokenizer.encoder import Encoder

COMPOSING = "\u0301\u0308\u0327\u0338\u0345\u093c\u3099\u309a\u1161\u11a8\u302e\u0315\u20dd\ufe0f\u200d"
CONTROLS = "\0\x01\x0b\x0c\x1c\x1f\x7f\x85\xa0\xad\u1680\u2003\u200b\u2028\u2029\u3000\ufeff\ufffd\ufffe\ue000"
SCRIPTS = (  # letters that differ in how they are cased, composed and split
    "aZé0٣ßİıſΣςσДж한글각ᄀ가かガｶﾞ中文㐀\U00020000\U0002b820ख़ไทยאبﬁ²½Ⅷ℀😀👩🇰🇷𝔄"  # noqa: RUF001
)
PUNCTUATION = ".,!'-<>=|~`^$_#[]\u2014\u2017\u203e\ufe49\u2019\u3002\uff01\uff1c«»§¶\u2260\u226e"
BLANKS = " \t\n\r"
EDGES = "\ud7ff\ue000\uffff\U00010000\U0010ffff\x7f\x80\u07ff\u0800"

mixed_texts = st.one_of(
    st.text(st.sampled_from(SCRIPTS + PUNCTUATION + BLANKS + COMPOSING), max_size=24),
    st.text(st.sampled_from(CONTROLS + EDGES + BLANKS + "ab1.中" + COMPOSING), max_size=24),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.lists(
        st.sampled_from(
            ["[MASK]", "[SEP]", "<s>", "</s>", "<mask>", "it's", "'LL", "  ", "a\u0338", "=\u0338", "x" * 101]
        ),
        max_size=5,
    ).map("".join),
)


def cut(text: str, rule: CutRule) -> list[str]:
    """The chunks of one sentence, by looking at every two neighbours."""
    codes = rule.probe(list(text)).tolist() if rule.name != "bert" else _classes(text, rule)
    chunks: list[str] = []
    for i, character in enumerate(text):
        if codes[i] == PEEKS and i + 1 < len(text) and not text[i + 1].isascii():
            codes[i] = ORDINARY
        if i and not rule.cuts[CLASSES * codes[i - 1] + codes[i]]:
            chunks[-1] += character
        else:
            chunks.append(character)
    if rule.drops_blanks:
        chunks = [chunk for chunk in chunks if rule.classes[ord(chunk[0])] != BLANK]
    return chunks


def _classes(text: str, rule: CutRule) -> list[int]:
    """Under BERT's rule the classes of Latin are fixed with the rule."""
    return [
        int(rule.classes[ord(character)]) if ord(character) < 256 else int(rule.probe([character])[0])
        for character in text
    ]


def differences(
    encoder: Encoder, tokenizer: Tokenizer, texts: Sequence[str]
) -> list[tuple[str, list[int], list[int]]]:
    """Texts whose ids, or whose word starts, are not those of the library, with ours and theirs."""
    encoded = encoder.encode_sentences(texts)
    encodings = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    theirs = np.array([i for encoding in encodings for i in encoding.ids], np.int64)
    ends = np.cumsum([len(encoding.ids) for encoding in encodings], dtype=np.int64)
    same = np.array_equal(encoded.tokens, theirs) and np.array_equal(encoded.ends, ends)
    if same and encoded.marks is not None:
        same = encoded.marks.tolist() == [
            start for encoding in encodings for start in _word_starts(encoding.word_ids)
        ]
    if same:
        return []
    starts = np.concatenate([[0], encoded.ends[:-1]])
    ours = [encoded.tokens[a:b].tolist() for a, b in zip(starts, encoded.ends, strict=True)]
    different = [
        (text, mine, encoding.ids)
        for text, mine, encoding in zip(texts, ours, encodings, strict=True)
        if mine != encoding.ids
    ]
    return different or [("word starts differ", [], [])]


def _word_starts(word_ids: Iterable[int | None]) -> list[bool]:
    starts, before = [], None
    for word in word_ids:
        starts.append(word != before)
        before = word
    return starts


def code_points(step: int) -> list[str]:
    """Every assigned character, but only each ``step``-th of the large alike ones and of the unassigned."""
    alike = {"Cn", "Co"}
    chosen = []
    for code in range(0x110000):
        character = chr(code)
        category = unicodedata.category(character)
        if category == "Cs":
            continue
        is_alike = category in alike or (category == "Lo" and code >= 0x3400)
        if not is_alike or code % step == 0:
            chosen.append(character)
    return chosen


def is_delicate(character: str) -> bool:
    """Blanks, controls, marks and punctuation, except the many that are in large blocks of their like."""
    category = unicodedata.category(character)
    return category[0] in "ZP" or category in {"Cc", "Cf"} or (category[0] == "M" and ord(character) < 0x3100)


def in_company(character: str) -> str:
    """A character alone, between letters, beside blanks, punctuation, ideographs and combining marks."""
    c = character
    return (
        f"{c} a{c}b .{c}. {c}{c} 中{c}文 é{c}\u0301 ={c}\u0338 e\u0301{c}가{c}\u11a8  {c}\n{c} "
        f"'S{c}'s 1{c}2\u3099{c}"
    )
