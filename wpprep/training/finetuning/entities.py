"""Entities encoded by tags, and their precision, recall and F1: the measure of CoNLL-2000's conlleval.

A tag is O, or a letter and the entity's kind: B begins an entity, I continues it, E ends it and S is a whole
entity (IOBES); U and L mean the same as S and E (BILOU). Malformed sequences are interpreted as by conlleval,
so that IOB1 (B only between adjacent entities of one kind) and IOB2 (B always) give the same entities:

- an entity begins at B and S, and at I and E if none of its kind is open;
- it ends before B, S, O and before another kind, and after E and S.

>>> entities_of(["B-PER", "I-PER", "O", "I-LOC", "B-LOC"])
[('PER', 0, 2), ('LOC', 3, 4), ('LOC', 4, 5)]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

Tags = Sequence[str]


class Entity(NamedTuple):
    """The words ``start`` to ``stop - 1`` of a sentence."""

    kind: str
    start: int
    stop: int

    def __repr__(self) -> str:
        """Return the entity as a plain tuple."""
        return repr(tuple(self))


def spells_entities(tags: Tags) -> bool:
    """Return whether the tags of a data set encode entities, unlike parts of speech, for example.

    >>> spells_entities(["O", "B-ORG", "I-ORG"]), spells_entities(["NN", "O", "B-X"]), spells_entities(["O"])
    (True, False, False)
    """
    named = [tag for tag in tags if tag != "O"]
    return bool(named) and all(len(tag) > 2 and tag[0] in "BIESLU" and tag[1] == "-" for tag in named)


def entities_of(tags: Tags) -> list[Entity]:
    """Return the entities of a sentence, in order."""
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
    """Return F1, precision and recall over the entities of all sentences.

    An entity is correct if its kind and both ends are.

    >>> entity_scores([["B-PER", "I-PER", "O", "B-LOC"]], [["B-PER", "I-PER", "B-LOC", "I-LOC"]])
    (0.5, 0.5, 0.5)
    """
    hits = true = predicted = 0
    for g, f in zip(gold, found, strict=True):
        of_gold, of_found = set(entities_of(g)), set(entities_of(f))
        hits += len(of_gold & of_found)
        true, predicted = true + len(of_gold), predicted + len(of_found)
    precision, recall = hits / predicted if predicted else 0.0, hits / true if true else 0.0
    return 2 * hits / (true + predicted) if true + predicted else 0.0, precision, recall
