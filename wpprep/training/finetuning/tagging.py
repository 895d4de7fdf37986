"""Tagging of words: the tag of a word is that of its first piece (Devlin et al., 2019, section 5.3).

A sentence is encoded as its words joined by spaces; the character positions of the pieces determine the first
piece of each word, for any vocabulary. A sentence longer than a row is split between words into windows, so
that every word is tagged. A word without pieces (a control character that the vocabulary removes) gets the
first label.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from wpprep.training.finetuning.entities import entity_scores, spells_entities
from wpprep.training.finetuning.examples import Example, Prediction
from wpprep.training.finetuning.measures import accuracy, macro_f1
from wpprep.training.finetuning.model_rows import Part, Row
from wpprep.training.finetuning.model_setup import Setup

_IGNORED = -100  # the label that transformers' losses ignore


class First(NamedTuple):
    """The first piece of a word: the index of the word, and the position of the piece in the text or row."""

    word: int
    place: int


def encode(example: Example, setup: Setup) -> list[Row]:
    """Return a row for each window; targets are the labels of its words, if the model has all of them."""
    encoding = setup.encode(" ".join(example.texts))
    firsts = first_pieces(example.texts, encoding.offsets)
    roles, rows = setup.vocabulary.roles, []
    gold = example.gold if example.gold and set(example.gold) <= set(setup.labels) else None
    for start, stop in windows(firsts, len(encoding.ids), setup.max_seq_length - 2):
        kept = encoding.ids[start : min(stop, start + setup.max_seq_length - 2)]
        part = Part([roles.cls, *kept, roles.sep], len(kept) + 2)
        marks = [First(word, piece - start + 1) for word, piece in firsts if start <= piece < stop]
        target = gold and [setup.labels.index(gold[mark.word]) for mark in marks]
        rows.append(Row((part,), target, marks, cut=stop - start - len(kept)))
    return rows


def first_pieces(words: Sequence[str], offsets: Sequence[tuple[int, int]]) -> list[First]:
    """Return the first piece of each word; words without a piece are omitted.

    >>> first_pieces(["Sioux", "Falls"], [(0, 2), (2, 5), (5, 11)])  # GPT-2's pieces may begin with the space
    [First(word=0, place=0), First(word=1, place=2)]
    """
    found, piece, start = [], 0, 0
    for number, word in enumerate(words):
        stop = start + len(word)
        while piece < len(offsets) and offsets[piece][1] <= start:
            piece += 1
        if piece < len(offsets) and offsets[piece][0] < stop:
            found.append(First(number, piece))
        start = stop + 1
    return found


def windows(firsts: Sequence[First], pieces: int, room: int) -> Iterator[tuple[int, int]]:
    """Yield windows of pieces, split before words, of at most ``room`` pieces unless a single word is longer.

    >>> list(windows([First(0, 0), First(1, 3), First(2, 5), First(3, 6)], 8, 5))
    [(0, 5), (5, 8)]
    """
    start = 0
    ends = [*(first.place for first in firsts[1:]), pieces]
    for last, end in zip([0, *ends], ends, strict=False):
        if end - start > room and last > start:
            yield start, last
            start = last
    yield start, pieces


def targets(rows: Sequence[Row], length: int) -> dict[str, torch.Tensor]:
    """Return the labels at the first piece of each word, ``int64[rows, length]``; -100 elsewhere."""
    labels = torch.full((len(rows), length), _IGNORED)
    for i, row in enumerate(rows):
        for mark, label in zip(row.marks, row.target, strict=True):
            labels[i, mark.place] = label
    return {"labels": labels}


def decode(example: Example, rows: Sequence[Row], outputs: Sequence[Any], setup: Setup) -> Prediction:
    """Return a tag for each word, from the logits of each window, ``float32[length, labels]``."""
    tags = [setup.labels[0]] * len(example.texts)
    for row, output in zip(rows, outputs, strict=True):
        best = np.asarray(output).argmax(-1)
        for mark in row.marks:
            tags[mark.word] = setup.labels[int(best[mark.place])]
    return {"words": list(example.texts), "tags": tags}


def measure(examples: Sequence[Example], predictions: Sequence[Prediction], setup: Setup) -> dict[str, float]:
    """Return F1, precision and recall of entities if the tags encode them, else macro F1; always accuracy."""
    gold, found = [example.gold for example in examples], [line["tags"] for line in predictions]
    flat = [tag for tags in gold for tag in tags]
    predicted = [tag for tags in found for tag in tags]
    right = {"accuracy": accuracy(flat, predicted)}
    if not spells_entities(setup.labels):
        return {**right, "macro_f1": macro_f1(flat, predicted)}
    f1, precision, recall = entity_scores(gold, found)
    return {"entity_f1": f1, "precision": precision, "recall": recall, **right}
