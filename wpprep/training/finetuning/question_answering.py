"""Extractive question answering: the best-scoring span of a context, in overlapping windows.

    [CLS] question [SEP] tokens 0..n of the context [SEP]
    [CLS] question [SEP] tokens n-stride.. of the context [SEP]     and so on to its end

The method is BERT's (Devlin et al., 2019, sections 4.2 and 4.3; run_squad.py). An answer's score is the logit
of its start plus that of its end; the best over all windows is predicted. In windows without the answer the
target is [CLS]; if questions may have no answer (SQuAD 2), [CLS] also competes in predictions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from wpprep.training.finetuning.examples import Answer, Example, Prediction
from wpprep.training.finetuning.measures import exact_match, span_f1
from wpprep.training.finetuning.model_rows import Part, Row
from wpprep.training.finetuning.model_setup import Setup

_LONGEST_QUESTION = 64  # tokens, as in BERT's run_squad.py; in short rows half of them

Offsets = Sequence[tuple[int, int]]
Scores = npt.NDArray[np.float32]


class Window(NamedTuple):
    """A window: the position in the row of its first context token, and the tokens' positions in the text."""

    first: int
    offsets: Offsets


class Span(NamedTuple):
    """A span of tokens, both ends included, and its score."""

    score: float
    start: int
    end: int


def encode(example: Example, setup: Setup) -> list[Row]:
    """Return a row for each window of the context; targets are the first answer's start and end tokens."""
    question, context = setup.encode(example.texts[0]), setup.encode(example.texts[1])
    asked = question.ids[: min(_LONGEST_QUESTION, (setup.max_seq_length - 3) // 2)]
    room = setup.max_seq_length - 3 - len(asked)
    roles, rows = setup.vocabulary.roles, []
    first = len(asked) + 2
    for start, stop in windows(len(context.ids), room, setup.stride):
        part = Part([roles.cls, *asked, roles.sep, *context.ids[start:stop], roles.sep], first)
        offsets = context.offsets[start:stop]
        span = None
        if example.gold is not None:
            found = tokens_of(example.gold[0], offsets) if example.gold else None
            span = (found[0] + first, found[1] + first) if found else (0, 0)
        rows.append(Row((part,), span, Window(first, offsets), cut=len(question.ids) - len(asked)))
    return rows


def windows(tokens: int, room: int, stride: int) -> Iterator[tuple[int, int]]:
    """Yield overlapping windows that cover all tokens; the overlap is at most half of the room.

    >>> list(windows(10, 6, 2)), list(windows(5, 6, 2))
    ([(0, 6), (4, 10)], [(0, 5)])
    """
    start = 0
    while True:
        stop = min(tokens, start + room)
        yield start, stop
        if stop == tokens:
            return
        start = stop - min(stride, room // 2)


def tokens_of(answer: Answer, offsets: Offsets) -> tuple[int, int] | None:
    """Return the first and last token of an answer; None if the window does not contain all of it.

    >>> tokens_of(Answer("Falls", 6), [(0, 5), (6, 9), (9, 11), (12, 14)])
    (1, 2)
    """
    stop = answer.start + len(answer.text)
    inside = [i for i, (a, b) in enumerate(offsets) if b > answer.start and a < stop]
    if not inside or offsets[inside[0]][0] > answer.start or offsets[inside[-1]][1] < stop:
        return None
    return inside[0], inside[-1]


def targets(rows: Sequence[Row], length: int) -> dict[str, torch.Tensor]:
    """Return the start and end tokens of the answers, ``int64[rows]`` each."""
    starts, ends = zip(*(row.target for row in rows), strict=True)
    return {"start_positions": torch.tensor(starts), "end_positions": torch.tensor(ends)}


def decode(example: Example, rows: Sequence[Row], outputs: Sequence[Scores], setup: Setup) -> Prediction:
    """Return the best answer, its start in the context (in characters) and its score; "" for no answer.

    Args:
        example: the question and its context.
        rows: its windows.
        outputs: start and end logits of each window, ``float32[length, 2]``.
        setup: maximum length of an answer, and whether there may be none.
    """
    best: tuple[Span, Offsets] | None = None
    nothing = np.inf
    for row, output in zip(rows, outputs, strict=True):
        offsets = row.marks.offsets
        nothing = min(nothing, float(output[0].sum()))
        if not offsets:
            continue
        context = output[row.marks.first : row.marks.first + len(offsets)]
        span = best_span(context[:, 0], context[:, 1], setup.max_answer_tokens)
        if best is None or span.score > best[0].score:
            best = span, offsets
    if best is None or (setup.may_be_unanswerable and nothing > best[0].score):
        return {"answer": "", "start": None, "score": float(nothing)}
    (score, start, end), offsets = best
    a, b = offsets[start][0], offsets[end][1]
    text = example.texts[1][a:b]
    a += len(text) - len(text.lstrip())  # byte-level pieces begin with the space before them
    return {"answer": text.strip(), "start": a, "score": float(score)}


def best_span(starts: Scores, ends: Scores, longest: int) -> Span:
    """Return the span of at most ``longest`` tokens with the highest sum of logits.

    Of equal sums the shortest span is returned, and of these the first.

    >>> best_span(np.array([1, 5, 0], np.float32), np.array([9, 1, 2], np.float32), 2)
    Span(score=10.0, start=0, end=0)
    """
    n = len(starts)
    best = Span(-np.inf, 0, 0)
    for width in range(min(longest, n)):  # a diagonal at a time: memory stays linear
        sums = starts[: n - width] + ends[width:]
        i = int(sums.argmax())
        if sums[i] > best.score:
            best = Span(float(sums[i]), i, i + width)
    return best


def measure(examples: Sequence[Example], predictions: Sequence[Prediction], setup: Setup) -> dict[str, float]:
    """Return SQuAD's two measures: the mean F1 of words, and the fraction of exact matches."""
    pairs = [
        (line["answer"], [answer.text for answer in example.gold])
        for example, line in zip(examples, predictions, strict=True)
    ]
    return {
        "f1": sum(span_f1(*pair) for pair in pairs) / max(1, len(pairs)),
        "exact_match": sum(exact_match(*pair) for pair in pairs) / max(1, len(pairs)),
    }
