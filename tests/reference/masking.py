"""Slow twins of masking, over one row as a list: wpprep's, draw by draw, and that of Google's script."""

from __future__ import annotations

import itertools
import random
from typing import NamedTuple

from wpprep import rng


class Masked(NamedTuple):
    """A row after masking, the positions to predict, and the original ids there."""

    tokens: list[int]
    positions: list[int]
    labels: list[int]


def number_to_predict(length: int, masked_lm_prob: float, max_predictions_per_seq: int) -> int:
    """Return the number of predictions in a row, by Python's ``round``."""
    return min(max_predictions_per_seq, max(1, round(length * masked_lm_prob)))


def mask_row(
    tokens: list[int],
    b_start: int,
    starts_word: list[bool] | None,
    spans: bool,
    quota: int,
    shares: tuple[float, float],
    mask: int,
    replacements: list[int],
    key: int,
) -> Masked:
    """Mask one row as `wpprep.instances.masking.mask_batch` does.

    ``starts_word`` is None under the policy token; ``spans`` is true under the policy span; ``shares`` are the
    fractions of ``[MASK]`` and of random tokens.
    """
    state = rng.stream(0, 0, 0, 0)
    state[0] = key
    separators = {0, b_start - 1, len(tokens) - 1}
    candidates = [position for position in range(len(tokens)) if position not in separators]
    if starts_word is None:
        chosen = choose_tokens(candidates, quota, state)
    else:
        words = group_words(candidates, starts_word, b_start)
        chosen = (choose_spans if spans else choose_words)(words, quota, state)
    masked = list(tokens)
    share = 0.0
    for position in sorted(chosen):
        if position in chosen.draws:
            share = rng.uniform(state)
        if share < shares[0]:
            masked[position] = mask
        elif share < shares[0] + shares[1]:
            masked[position] = replacements[int(rng.below(state, len(replacements)))]
    return Masked(masked, sorted(chosen), [tokens[position] for position in sorted(chosen)])


class Chosen(set[int]):
    """Chosen positions; ``draws`` are those with a draw of the replacement: all, or the starts of spans."""

    draws: set[int]

    def __init__(self) -> None:
        """Start empty, with a draw at every position."""
        self.draws = self


def choose_tokens(candidates: list[int], quota: int, state: rng.State) -> Chosen:
    """Floyd's sampling: draw among the first n candidates for a growing n; a repeated one becomes the n-th."""
    chosen = Chosen()
    for n in range(max(0, len(candidates) - quota) + 1, len(candidates) + 1):
        drawn = candidates[int(rng.below(state, n))]
        chosen.add(candidates[n - 1] if drawn in chosen else drawn)
    return chosen


def group_words(candidates: list[int], starts_word: list[bool], b_start: int) -> list[list[int]]:
    """Group the candidates to words; A and B start with a word, whatever their first piece is."""
    words: list[list[int]] = []
    for position in candidates:
        if position in (1, b_start) or starts_word[position]:
            words.append([])
        words[-1].append(position)
    return words


def choose_words(words: list[list[int]], quota: int, state: rng.State) -> Chosen:
    """Draw words without replacement, and take those that still fit."""
    words, chosen = list(words), Chosen()
    while words and len(chosen) < quota:
        word = draw_word(words, state)
        if len(chosen) + len(word) <= quota:
            chosen.update(word)
    return chosen


def choose_spans(words: list[list[int]], quota: int, state: rng.State) -> Chosen:
    """Draw words without replacement; from each, continue to the next while it is free, adjacent and fits."""
    left, chosen = list(words), Chosen()
    chosen.draws = set()
    after = {first[-1] + 1: second for first, second in itertools.pairwise(words) if first[-1] + 1 == second[0]}
    while left and len(chosen) < quota:
        word = draw_word(left, state)
        if chosen & set(word) or len(chosen) + len(word) > quota:
            continue
        chosen.draws.add(word[0])
        for _ in range(span_length(state)):
            if not word or chosen & set(word) or len(chosen) + len(word) > quota:
                break
            chosen.update(word)
            word = after.get(word[-1] + 1, [])
    return chosen


def span_length(state: rng.State) -> int:
    """Count draws until one is below 0.2; start again if there are more than ten."""
    while True:
        tries = 1
        while tries < 11 and rng.uniform(state) >= 0.2:
            tries += 1
        if tries < 11:
            return tries


def draw_word(words: list[list[int]], state: rng.State) -> list[int]:
    """Remove a random word from the list; the first word takes its place."""
    drawn = int(rng.below(state, len(words)))
    words[0], words[drawn] = words[drawn], words[0]
    return words.pop(0)


def google_mask(
    tokens: list[int],
    specials: set[int],
    continues: set[int] | None,
    quota: int,
    mask: int,
    vocab_size: int,
    generator: random.Random,
) -> Masked:
    """Mask a row as google-research/bert's script does.

    ``specials`` are the ids of ``[CLS]`` and ``[SEP]``; ``continues`` the ids of pieces that continue a word,
    or None for tokens one by one.
    """
    groups: list[list[int]] = []
    for position, token in enumerate(tokens):
        if token in specials:
            continue
        if continues is not None and groups and token in continues:
            groups[-1].append(position)
        else:
            groups.append([position])
    generator.shuffle(groups)
    masked = list(tokens)
    labels: dict[int, int] = {}
    for group in groups:
        if len(labels) >= quota:
            break
        if len(labels) + len(group) > quota:
            continue
        for position in group:
            labels[position] = tokens[position]
            if generator.random() < 0.8:
                masked[position] = mask
            elif generator.random() >= 0.5:
                masked[position] = generator.randint(0, vocab_size - 1)
    return Masked(masked, sorted(labels), [labels[position] for position in sorted(labels)])
