"""The record of this room, and how examples are shared out: some to learn from, some to judge by.

| task | texts | gold |
|---|---|---|
| classify, regress | (text,) | label; number |
| pair, pair-regress | (first, second) | label; number |
| choice | (question, choice 0, choice 1, ...) | index of the right choice |
| tag | the words | a tag for each word |
| qa | (question, context) | the accepted answers, each with its place; none where the context has none |
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from wpprep.errors import CorpusError


class Answer(NamedTuple):
    """An accepted answer: ``context[start : start + len(text)] == text``."""

    text: str
    start: int


class Example(NamedTuple):
    """One labelled example, or one that waits for its label.

    Attributes:
        texts, gold: see the table above; gold is None where it is not known.
        place: ``file:line``, for messages.
        id: what the file calls it, if anything.
        group: examples of one group (a text, an article) are never parted by `hold_out`.
    """

    texts: tuple[str, ...]
    gold: Any
    place: str
    id: str | None
    group: str


def hold_out(examples: Sequence[Example], share: float, seed: int) -> tuple[list[Example], list[Example]]:
    """Part examples into those to learn from and those to judge by, whole groups at a time.

    The groups with the smallest keyed hashes judge, at least one of them: which these are depends on the
    texts and the seed, not on the order of the file.

    Raises:
        CorpusError: there is but one group.
    """
    hashes = {example.group: _hash(example.group, seed) for example in examples}
    if len(hashes) < 2:
        raise CorpusError(
            f"{examples[0].place}: all examples have one text, so that none can judge; give --dev"
        )
    ranked = sorted(hashes, key=lambda group: (hashes[group], group))
    judges = set(ranked[: min(len(ranked) - 1, max(1, round(share * len(ranked))))])
    return (
        [example for example in examples if example.group not in judges],
        [example for example in examples if example.group in judges],
    )


def choose(examples: list[Example], count: int | None, seed: int) -> list[Example]:
    """At most ``count`` examples, those of the smallest hashes, in the order of the file."""
    if count is None or count >= len(examples):
        return examples
    ranked = sorted(range(len(examples)), key=lambda i: (_hash(json.dumps(examples[i].texts), seed), i))
    return [examples[i] for i in sorted(ranked[:count])]


def _hash(text: str, seed: int) -> bytes:
    key = seed.to_bytes(8, "little")
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8, key=key).digest()
