"""Slow twins of pairing, over lists of lists: wpprep's, draw by draw, and that of Google's script."""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np

from wpprep import rng
from wpprep.config import ShardOptions

Sentence = list[int]
Document = list[Sentence]


class Pair(NamedTuple):
    """A and B of one row, without the special tokens; ``b`` is empty if there is no B."""

    a: list[int]
    b: list[int]
    label: bool  # random, or swapped
    document: int
    mask_key: int


def pair(
    documents: list[Document],
    indices: list[int],
    passes: list[int],
    corpus: list[Document],
    options: ShardOptions,
) -> list[Pair]:
    """Pair documents as `wpprep.instances.pairing.make_instances` does, from the same streams."""
    max_tokens = options.max_seq_length - (2 if options.objective == "single" else 3)
    pairs: list[Pair] = []
    for document, index, pass_ in zip(documents, indices, passes, strict=True):
        state = rng.stream(options.seed, rng.PAIRING, pass_, index)
        mask_state = rng.stream(options.seed, rng.MASKING, pass_, index)
        target = max_tokens
        if rng.uniform(state) < options.short_seq_prob:
            target = 2 + int(rng.below(state, max_tokens - 1))
        if options.objective == "single":
            pack_rows = pack(document, target, max_tokens)
            pairs += [Pair(a, [], False, index, int(rng.draw(mask_state))) for a in pack_rows]
            continue
        swaps = options.objective == "sop"
        waiting = list(document)
        while waiting:
            chunk = take_chunk(waiting, target)
            label = rng.uniform(state) < chance_of_one(pairs, options.random_next_prob)
            if len(join(chunk)) == 1:
                if options.random_next_prob == 0 or swaps:
                    continue
                label = True
            is_random = label and not swaps
            if len(chunk) > 1:
                a_end = 1 + int(rng.below(state, len(chunk) - 1))
                a, rest = join(chunk[:a_end]), chunk[a_end:]
            elif is_random:
                a, rest = chunk[0], []
            else:
                cut = 1 + int(rng.below(state, len(chunk[0]) - 1))
                a, rest = chunk[0][:cut], [chunk[0][cut:]]
            if is_random:
                others = [other for other in range(len(corpus)) if other != index]
                partner = corpus[others[int(rng.below(state, len(others)))]]
                start = int(rng.below(np.array([rng.draw(state)]), len(partner)))
                b = join(take_chunk(partner[start:], target - len(a)))
                waiting = rest + waiting
            else:
                b = join(rest)
            if label and swaps:
                a, b = b, a
            a, b = truncate(a, b, max_tokens, int(rng.draw(state)))
            pairs.append(Pair(a, b, label, index, int(rng.draw(mask_state))))
    return pairs


def chance_of_one(pairs: list[Pair], prob: float) -> float:
    """Return the probability of label 1: ``prob``, minus a quarter of the larger share per row in excess."""
    ahead = sum(pair.label for pair in pairs) - prob * len(pairs)
    return prob - max(prob, 1 - prob) / 4 * ahead


def take_chunk(waiting: Document, target: int) -> Document:
    """Remove sentences from the front until there are ``target`` tokens or no more sentences; at least one."""
    chunk = [waiting.pop(0)]
    while waiting and len(join(chunk)) < target:
        chunk.append(waiting.pop(0))
    return chunk


def join(sentences: Document) -> list[int]:
    """Return the tokens of all sentences."""
    return [token for sentence in sentences for token in sentence]


def truncate(a: list[int], b: list[int], max_tokens: int, key: int) -> tuple[list[int], list[int]]:
    """Remove tokens one by one from the longer side, at the front if the drawn bit is 1."""
    a, b, state = list(a), list(b), rng.stream(0, 0, 0, 0)
    state[0] = key
    while len(a) + len(b) > max_tokens:
        longer = a if len(a) > len(b) else b
        del longer[0 if int(rng.draw(state)) >= 2**63 else -1]
    return a, b


def pack(document: Document, target: int, max_tokens: int) -> list[list[int]]:
    """Return rows of whole sentences up to ``target`` tokens; sentences are cut after ``max_tokens``."""
    rows, waiting = [], list(document)
    while waiting:
        row = waiting.pop(0)
        if len(row) > max_tokens:
            row, rest = row[:max_tokens], row[max_tokens:]
            waiting.insert(0, rest)
        else:
            while waiting and len(row) + len(waiting[0]) <= target:
                row = row + waiting.pop(0)
        rows.append(row)
    return rows


def google_pairs(
    documents: list[Document], max_seq_length: int, short_seq_prob: float, generator: random.Random
) -> list[tuple[list[int], list[int], bool]]:
    """Return (A, B, is random) of every instance of one pass, as google-research/bert's script makes them."""
    max_tokens = max_seq_length - 3
    instances = []
    for index, document in enumerate(documents):
        target = max_tokens
        if generator.random() < short_seq_prob:
            target = generator.randint(2, max_tokens)
        chunk: Document = []
        i = 0
        while i < len(document):
            chunk.append(document[i])
            if i == len(document) - 1 or len(join(chunk)) >= target:
                a_end = generator.randint(1, len(chunk) - 1) if len(chunk) > 1 else 1
                a = join(chunk[:a_end])
                is_random = len(chunk) == 1 or generator.random() < 0.5
                if is_random:
                    other = index
                    for _ in range(10):
                        other = generator.randint(0, len(documents) - 1)
                        if other != index:
                            break
                    start = generator.randint(0, len(documents[other]) - 1)
                    b: list[int] = []
                    for sentence in documents[other][start:]:
                        b.extend(sentence)
                        if len(b) >= target - len(a):
                            break
                    i -= len(chunk) - a_end
                else:
                    b = join(chunk[a_end:])
                while len(a) + len(b) > max_tokens:
                    longer = a if len(a) > len(b) else b
                    del longer[0 if generator.random() < 0.5 else -1]
                instances.append((a, b, is_random))
                chunk = []
            i += 1
    return instances
