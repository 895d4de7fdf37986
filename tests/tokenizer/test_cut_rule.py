"""Rules for cutting text: their identity, and the summary for plain ASCII."""

from __future__ import annotations

import itertools
import string

import numpy as np
import pytest

from wpprep.tokenizer.cut_rule import (
    BLANK,
    CLASSES,
    DROPPED_BLANKS,
    ODD_FIRST,
    ODD_LAST,
    ORDINARY,
    PEEKS,
    CutRule,
    blank_rule,
)
from wpprep.tokenizer.safe_cuts import bert_rule, byte_level_rule

KINDS = (string.ascii_letters, string.digits, DROPPED_BLANKS, string.punctuation)


def words(text: str) -> list[str]:
    """Split at blanks and around ASCII punctuation."""
    return "".join(f" {c} " if c in string.punctuation else c for c in text).split()


RULES = {"blanks": blank_rule(), "bert": bert_rule(words, composes=True), "byte-level": byte_level_rule()}


def test_identity_distinguishes_rules() -> None:
    """Equal rules have one identity; rules that differ on ASCII have different ones."""
    assert byte_level_rule().identity == byte_level_rule().identity
    assert len({rule.identity for rule in RULES.values()}) == 3


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_plain_agrees_with_classes_and_cuts(rule: CutRule) -> None:
    """For two plain characters that are not odd, `plain` allows a cut exactly if `cuts` does."""
    odd = range(int(rule.plain[ODD_FIRST]), int(rule.plain[ODD_LAST]) + 1)
    for (i, a), (j, b) in itertools.product(enumerate(KINDS), repeat=2):
        for left, right in itertools.product(a, b):
            if ord(left) not in odd and ord(right) not in odd:
                classes = rule.classes[[ord(left), ord(right)]].astype(np.int64)
                may_cut = bool(rule.cuts[CLASSES * classes[0] + classes[1]])
                assert may_cut == (rule.plain[4 * i + j] == 0), (left, right)


def test_odd_characters_are_those_with_another_class() -> None:
    """The apostrophe of byte-level BPE and <, =, > under NFC are odd; the rule of blanks has no odd ones."""
    odd = {name: rule.plain[[ODD_FIRST, ODD_LAST]].tolist() for name, rule in RULES.items()}
    assert odd == {
        "blanks": [255, 255],
        "bert": [ord("<"), ord(">")],
        "byte-level": [ord("'"), ord("'")],
    }
    assert RULES["bert"].classes[[ord(c) for c in "<=>"]].tolist() == [PEEKS] * 3


def test_blank_rule_cuts_only_beside_blanks() -> None:
    """The four ASCII blanks are the only blanks, and a cut is next to a blank."""
    rule = blank_rule()
    assert np.flatnonzero(rule.classes == BLANK).tolist() == sorted(map(ord, DROPPED_BLANKS))
    assert np.flatnonzero(rule.cuts).tolist() == [CLASSES * BLANK + ORDINARY, CLASSES * ORDINARY + BLANK]
    assert rule.probe([" ", "\u3000", "한"]).tolist() == [BLANK, ORDINARY, ORDINARY]


def test_tables_share_the_classes() -> None:
    """A class that is filled in by probing is visible in the tables of the kernels."""
    rule = byte_level_rule()
    assert rule.tables.classes is rule.classes
    assert rule.tables.drops_blanks is False
