"""Rules for cutting text: the only facts about a tokenizer that the scanner uses.

A rule assigns a class to every character and defines between which two classes text may be cut. `safe_cuts`
creates the rules of tokenizers and explains why they are safe; `scanner` applies them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wpprep.records import Bytes
from wpprep.tokenizer.utf8 import CODE_POINTS

# Character classes with a special meaning in the kernel; rules may define others from FIRST_FREE on.
#   BLANK     white space; chunks of it are omitted if the rule drops blanks
#   ORDINARY  part of a word
#   PEEKS     an ASCII character that is ORDINARY when a byte above 127 follows it
#   UNPROBED  not yet known: the kernel returns, and the rule probes the character
BLANK, ORDINARY, PEEKS, UNPROBED, FIRST_FREE = range(5)
CLASSES = 16  # rows and columns of the table of cuts
KNOWN = 256  # the first code points, which a rule must have probed when it is created
DROPPED_BLANKS = " \t\n\r"

# The kinds of plain ASCII, in the order of `CutRule.plain`.
_KINDS = (
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    "0123456789",
    DROPPED_BLANKS,
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
)
ODD_FIRST, ODD_LAST = 16, 17  # indices in `CutRule.plain`


class RuleTables(NamedTuple):
    """The fields of a `CutRule` that kernels read, with the same names."""

    classes: Bytes
    cuts: Bytes
    plain: npt.NDArray[np.uint64]
    drops_blanks: bool


@dataclass(frozen=True)
class CutRule:
    """Rule for where the text of one tokenizer may be cut.

    Attributes:
        name: name of the rule in messages and manifests.
        classes: ``uint8[0x110000]``, the class of every code point, UNPROBED where not yet known; the first
            256 (KNOWN) are known.
        cuts: ``uint8[16 * 16]``, 1 at ``16 * a + b`` where text may be cut between the classes a and b.
        drops_blanks: whether chunks of blanks are omitted (the tokenizer drops them too).
        probe: returns the classes of characters, ``uint8[n]``.
    """

    name: str
    classes: Bytes
    cuts: Bytes
    drops_blanks: bool
    probe: Callable[[list[str]], Bytes]

    @property
    def identity(self) -> str:
        """The sha256 of the rule's behaviour on ASCII, for comparing rules across runs."""
        return hashlib.sha256(
            self.name.encode() + self.classes[:128].tobytes() + self.cuts.tobytes()
        ).hexdigest()

    @cached_property
    def plain(self) -> npt.NDArray[np.uint64]:
        """The rule for plain ASCII, ``uint64[18]``: letters, digits, the four blanks, other printables.

        Entry ``4 * a + b`` has all bits set where text may not be cut between the kinds a and b. The last two
        entries are the first and the last character with another class than the rest of their kind, which
        `scanner._chunk_end` handles.
        """
        classes = [self.classes[[ord(c) for c in kind]] for kind in _KINDS]
        usual = [int(np.bincount(of_kind).argmax()) for of_kind in classes]
        odd = [
            ord(c)
            for kind, of_kind, class_ in zip(_KINDS, classes, usual, strict=True)
            for c, own in zip(kind, of_kind.tolist(), strict=True)
            if own != class_ or own == PEEKS
        ]
        hangs = [0 if self.cuts[CLASSES * a + b] else 2**64 - 1 for a in usual for b in usual]
        return np.array([*hangs, min(odd, default=255), max(odd, default=255)], np.uint64)

    @cached_property
    def tables(self) -> RuleTables:
        """The arrays that the scanner's kernels read; probing fills ``classes`` in place."""
        return RuleTables(self.classes, self.cuts, self.plain, self.drops_blanks)


def blank_rule() -> CutRule:
    """Return the rule that cuts only at the four ASCII blanks, which is safe for every BERT-like tokenizer."""
    classes = np.full(CODE_POINTS, ORDINARY, np.uint8)
    classes[[ord(blank) for blank in DROPPED_BLANKS]] = BLANK
    cuts = np.zeros((CLASSES, CLASSES), np.uint8)
    cuts[BLANK, ORDINARY] = cuts[ORDINARY, BLANK] = 1
    return CutRule(
        "blanks",
        classes,
        cuts.ravel(),
        drops_blanks=True,
        probe=lambda characters: classes[list(map(ord, characters))],
    )
