"""Question answering: windows of a context, and the best span of all."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("transformers", reason="fine-tuning is an extra: pip install 'wpprep[train]'")

from wpprep.tokenizer.vocabulary import Vocabulary
from wpprep.training.finetuning import question_answering as answering
from wpprep.training.finetuning.examples import Answer, Example
from wpprep.training.finetuning.model_setup import Setup
from wpprep.training.finetuning.question_answering import best_span


@given(st.integers(0, 80), st.integers(3, 30), st.integers(0, 30))
def test_windows_of_contexts_cover_them(tokens: int, room: int, stride: int) -> None:
    """Windows reach from the first token to the last, none longer than the room, each overlapping the next."""
    found = list(answering.windows(tokens, room, stride))
    assert found[0][0] == 0
    assert found[-1][1] == tokens
    overlap = min(stride, room // 2)
    assert all(a[1] - b[0] == overlap for a, b in itertools.pairwise(found))
    assert all(stop - start <= room for start, stop in found)


def test_answers_come_back_from_any_window(model: Path) -> None:
    """Decoding the targets of every window gives the text of the answer and its position in the context."""
    context = "The keeper wound the clock. " * 6 + "Then Ida Lund came in."
    answer = Answer("Ida Lund", context.index("Ida"))
    setup = Setup(task="qa", vocabulary=Vocabulary.from_folder(model), max_seq_length=24, stride=6)
    example = Example(("Who came in?", context), (answer,), "f", None, "")
    rows = answering.encode(example, setup)
    assert len(rows) > 2
    assert any(row.target != (0, 0) for row in rows)
    outputs = []
    for row in rows:
        output = np.zeros((24, 2), np.float32)
        for side in (0, 1):
            output[row.target[side], side] = 5
        outputs.append(output)
    found = answering.decode(example, rows, outputs, setup)
    assert (found["answer"], found["start"]) == answer
    unsure = Setup(**{**vars(setup), "may_be_unanswerable": True})
    assert answering.decode(example, rows, outputs, unsure)["answer"] == "Ida Lund"
    nothing = [np.eye(24, 2, dtype=np.float32)[:, :1].repeat(2, axis=1) for _ in rows]
    assert answering.decode(example, rows, nothing, unsure)["answer"] == ""


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=20), st.integers(1, 25))
def test_the_best_span_is_the_best_of_all(scores: list[tuple[int, int]], longest: int) -> None:
    """The score is the maximum over every start and end, which are tried one by one here."""
    starts, ends = (np.array(side, np.float32) for side in zip(*scores, strict=True))
    n = len(scores)
    every = [starts[i] + ends[j] for i in range(n) for j in range(i, min(n, i + longest))]
    span = best_span(starts, ends, longest)
    assert span.score == max(every) == starts[span.start] + ends[span.end]
    assert 0 <= span.end - span.start < longest


def test_answers_are_measured_by_the_best_accepted_one(model: Path) -> None:
    """One exact match, and one answer with 1 of 2 words: F1 (1 + 2/3) / 2, exact matches 1/2."""
    setup = Setup(task="qa", vocabulary=Vocabulary.from_folder(model))
    gold = [(Answer("Orm", 0), Answer("Saint Orm", 0)), (Answer("two lamps", 0),)]
    examples = [Example(("q", "c"), answers, "f", None, "") for answers in gold]
    measures = answering.measure(examples, [{"answer": "saint Orm!"}, {"answer": "lamps"}], setup)
    assert measures == pytest.approx({"f1": (1 + 2 / 3) / 2, "exact_match": 0.5})
