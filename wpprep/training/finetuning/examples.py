"""The records of labelled examples and predictions, and the split into training and evaluation examples.

| task | texts | gold |
|---|---|---|
| classify, regress | (text,) | label; number |
| pair, pair-regress | (first, second) | label; number |
| choice | (question, choice 0, choice 1, ...) | index of the correct choice |
| tag | the words | a tag for each word |
| qa | (question, context) | the accepted answers with their positions; empty if the context has none |
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple, TypedDict

from wpprep.errors import CorpusError


class Answer(NamedTuple):
    """An accepted answer: ``context[start : start + len(text)] == text``."""

    text: str
    start: int


class Example(NamedTuple):
    """One example, with or without its label.

    Attributes:
        texts, gold: see the table above; ``gold`` is None if the label is unknown.
        place: ``file:line``, for messages.
        id: the id in the file, if it has one.
        group: examples of one group (a text, an article) are never separated by `hold_out`.
    """

    texts: tuple[str, ...]
    gold: Any
    place: str
    id: str | None
    group: str


class Prediction(TypedDict, total=False):
    """A prediction as it is written to a file; the task determines which fields it has.

    Attributes:
        label: the label, the index of the choice, or the number.
        probability: probability of the label or choice, 0 to 1.
        words, tags: the words of a sentence and their tags.
        answer: the answer, or an empty string if there is none.
        start: position of the answer in the context, in characters.
        score: logit of the answer's start plus that of its end.
    """

    label: str | int | float
    probability: float
    words: Sequence[str]
    tags: Sequence[str]
    answer: str
    start: int | None
    score: float


def hold_out(examples: Sequence[Example], share: float, seed: int) -> tuple[list[Example], list[Example]]:
    """Split examples into training and evaluation examples, whole groups at a time.

    The groups with the smallest keyed hashes are held out, at least one of them: which these are depends on
    the texts and the seed, not on the order of the file.

    Args:
        examples: the examples of a file.
        share: fraction of the groups to hold out, 0 to 1.
        seed: key of the hashes.

    Returns:
        Training examples and evaluation examples, each in the order of the file.

    Raises:
        CorpusError: there is only one group.
    """
    hashes = {example.group: _hash(example.group, seed) for example in examples}
    if len(hashes) < 2:
        raise CorpusError(
            f"{examples[0].place}: all examples have one text, so none can be held out; give --dev"
        )
    ranked = sorted(hashes, key=lambda group: (hashes[group], group))
    judges = set(ranked[: min(len(ranked) - 1, max(1, round(share * len(ranked))))])
    return (
        [example for example in examples if example.group not in judges],
        [example for example in examples if example.group in judges],
    )


def choose(examples: list[Example], count: int | None, seed: int) -> list[Example]:
    """Return at most ``count`` examples, those with the smallest keyed hashes, in the order of the file."""
    if count is None or count >= len(examples):
        return examples
    ranked = sorted(range(len(examples)), key=lambda i: (_hash(json.dumps(examples[i].texts), seed), i))
    return [examples[i] for i in sorted(ranked[:count])]


def _hash(text: str, seed: int) -> bytes:
    key = seed.to_bytes(8, "little")
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8, key=key).digest()
