"""Entities spelled by tags, and how many of them were found: the measure of CoNLL-2000's conlleval.

A tag is O, or a letter and the entity's kind: B begins, I goes on, E ends and S is a whole entity (IOBES). Of
tags that fit nobody's scheme conlleval takes what is meant, which reads IOB1 (B only between neighbours of one
kind) and IOB2 (B always) alike, and so do we:

- an entity begins at B and S, and at I and E where none of its kind is open;
- it ends before B, S, O and before another kind, and behind E and S.

>>> entities_of(["B-PER", "I-PER", "O", "I-LOC", "B-LOC"])
[('PER', 0, 2), ('LOC', 3, 4), ('LOC', 4, 5)]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

Tags = Sequence[str]


class Entity(NamedTuple):
    """The words ``start`` to before ``stop`` of a sentence."""

    kind: str
    start: int
    stop: int

    def __repr__(self) -> str:
        return repr(tuple(self))


def spells_entities(tags: Tags) -> bool:
    """Whether tags (all of a data set) are O and prefixed kinds, and no parts of speech or the like.

    >>> spells_entities(["O", "B-ORG", "I-ORG"]), spells_entities(["NN", "O", "B-X"]), spells_entities(["O"])
    (True, False, False)
    """
    named = [tag for tag in tags if tag != "O"]
    return bool(named) and all(len(tag) > 2 and tag[0] in "BIESLU" and tag[1] == "-" for tag in named)


def entities_of(tags: Tags) -> list[Entity]:
    """The entities of a sentence, in its order."""
    found: list[Entity] = []
    kind, start = "", 0
    for i, tag in enumerate([*tags, "O"]):
        letter, its = ("O", "") if tag == "O" else (tag[0], tag[2:])
        if kind and (letter in "BSUO" or its != kind):
            found.append(Entity(kind, start, i))
            kind = ""
        if letter != "O" and not kind:
            kind, start = its, i
        if letter in "ESLU" and kind:
            found.append(Entity(kind, start, i + 1))
            kind = ""
    return found


def entity_scores(gold: Sequence[Tags], found: Sequence[Tags]) -> tuple[float, float, float]:
    """F1, precision and recall over the entities of all sentences: right are kind and both ends.

    >>> entity_scores([["B-PER", "I-PER", "O", "B-LOC"]], [["B-PER", "I-PER", "B-LOC", "I-LOC"]])
    (0.5, 0.5, 0.5)
    """
    hits = true = said = 0
    for g, f in zip(gold, found, strict=True):
        of_gold, of_found = set(entities_of(g)), set(entities_of(f))
        hits, true, said = hits + len(of_gold & of_found), true + len(of_gold), said + len(of_found)
    precision, recall = hits / said if said else 0.0, hits / true if true else 0.0
    return 2 * hits / (true + said) if true + said else 0.0, precision, recall
