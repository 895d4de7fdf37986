"""Masking: choose the tokens to predict in each row, and replace them as BERT does.

A row of ``length`` tokens gets ``min(max_predictions_per_seq, max(1, round(length * masked_lm_prob)))``
predictions (Python's ``round``; the length includes the special tokens), chosen by a *policy* among all tokens
except ``[CLS]`` and ``[SEP]``, which are identified by position, so that text cannot be mistaken for them:

    token   any tokens; all sets of that size are equally likely
    word    whole words in random order, all pieces or none; words longer than the remaining number are skipped,
            as in BERT, but a word never extends across ``[SEP]`` (in BERT it can)
    span    runs of whole words: a random word not yet chosen and those after it, 1 to 10, their number drawn
            geometrically (p = 0.2, drawn again above 10: 3.8 words on average); a span ends at the end of its
            segment, before a chosen word, and before a word longer than the remaining number

If no word fits, the row has no predictions, as in BERT: this is better than a word masked in part or a row that
is mostly masked. (It happens in 5 of a million pairs from English Wikipedia.)

The replacement is the same for all policies: each chosen token becomes ``[MASK]``, a random token, or stays,
with probabilities of 80, 10 and 10 %. A random token is never a special or an unused one (in BERT it can be).
Under ``span`` one draw decides for a whole span, and random tokens are drawn separately.

Every row draws from a stream of its own, so that its masks do not depend on other rows: shards are masked once,
with the keys from pairing, and the loader masks each epoch with other keys. Source of the method:
google-research/bert, create_pretraining_data.py; of spans: Joshi et al., "SpanBERT", 2020 (where a span can end
within a word, and overlap another).

This module does not pad rows or make keys.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wpprep import rng
from wpprep.errors import OptionError, VocabularyError
from wpprep.kernels import kernel, njit
from wpprep.records import InstanceBatch, Ints, TokenRoles, Tokens

Marks = npt.NDArray[np.bool_]

# Codes that the kernel branches on: Numba cannot cache a kernel on disk that takes functions.
_TOKEN, _WORD, _SPAN = range(3)
POLICIES = {"token": _TOKEN, "word": _WORD, "span": _SPAN}

_SPAN_END = 0.2  # p of the geometric distribution
_LONGEST_SPAN = 10  # words


class Predictions(NamedTuple):
    """The predictions of rows; the kernel fills the arrays from the front.

    Attributes:
        positions: ``uint16``, sorted positions within the row, all rows concatenated.
        labels: dtype of the ids, the original ids at these positions.
        offsets: ``int64[rows + 1]`` into both.
    """

    positions: npt.NDArray[np.uint16]
    labels: Tokens
    offsets: Ints


def mask_batch(
    batch: InstanceBatch,
    roles: TokenRoles,
    policy: str,
    masked_lm_prob: float,
    max_predictions_per_seq: int,
    mask_share: float,
    random_share: float,
    keys: npt.NDArray[np.uint64],
) -> InstanceBatch:
    """Mask the rows of a batch.

    Args:
        batch: unmasked rows; their ``input_ids`` are changed in place.
        roles: the id of ``[MASK]``, the replacements, and the pieces that start a word.
        policy: a key of `POLICIES`.
        masked_lm_prob: fraction of a row's tokens to predict.
        max_predictions_per_seq: maximum number of predictions in a row.
        mask_share: fraction of the predicted tokens that become ``[MASK]``.
        random_share: fraction of the predicted tokens that become a random token.
        keys: ``uint64[rows]``, the key of each row's stream.

    Returns:
        The batch with ``mlm_positions``, ``mlm_labels`` (the original ids) and ``mlm_offsets``, without
        ``word_starts``.

    Raises:
        OptionError: the policy needs word starts, and neither the batch nor the vocabulary has them.
        VocabularyError: the vocabulary has no token to replace others with.
    """
    if random_share > 0 and not len(roles.replacements):
        raise VocabularyError(
            "the vocabulary has only special and unused tokens, none to replace others with; use random_share 0"
        )
    word_starts = _word_starts(batch, roles) if policy != "token" else np.empty(0, np.bool_)
    lengths = np.diff(batch.offsets)
    quotas = np.clip(np.rint(lengths * masked_lm_prob).astype(np.int64), 1, max_predictions_per_seq)
    made = Predictions(
        positions=np.empty(quotas.sum() + 1, np.uint16),  # one more: the kernel writes before it counts
        labels=np.empty(quotas.sum(), batch.input_ids.dtype),
        offsets=np.zeros(len(batch) + 1, np.int64),
    )
    _mask_rows(
        POLICIES[policy],
        batch.input_ids,
        batch.offsets,
        batch.b_start,
        word_starts,
        quotas,
        mask_share,
        random_share,
        roles.mask,
        roles.replacements,
        keys,
        made,
    )
    return dataclasses.replace(
        batch,
        mlm_positions=made.positions[: made.offsets[-1]],
        mlm_labels=made.labels[: made.offsets[-1]],
        mlm_offsets=made.offsets,
        word_starts=None,
    )


def _word_starts(batch: InstanceBatch, roles: TokenRoles) -> Marks:
    """Return ``bool[tokens]``, where words start: from the batch if it has marks, else from the pieces."""
    if batch.word_starts is not None:
        return batch.word_starts
    if roles.starts_word is None:
        raise OptionError(
            "mask_policy is word or span, but neither these rows nor the pieces of this vocabulary mark where "
            "words start; make the shards again with mask_policy word or span"
        )
    return roles.starts_word[batch.input_ids]


@njit(cache=True)
def _mask_rows(
    policy: int,
    input_ids: Tokens,
    offsets: Ints,
    b_start: Ints,
    word_starts: Marks,
    quotas: Ints,
    mask_share: float,
    random_share: float,
    mask: int,
    replacements: Ints,
    keys: npt.NDArray[np.uint64],
    made: Predictions,
) -> None:
    """Choose the predictions of each row, fill ``made`` with them, and replace tokens in ``input_ids``.

    Args:
        policy: a value of `POLICIES`.
        input_ids: ``uint16`` or ``uint32``, all rows, concatenated.
        offsets: ``int64[rows + 1]`` into ``input_ids``.
        b_start: ``int64[rows]``, as in `InstanceBatch`.
        word_starts: ``bool`` for each of ``input_ids``; empty under the policy token.
        quotas: ``int64[rows]``, maximum number of predictions of each row.
        mask_share: fraction of the predicted tokens that become ``mask``.
        random_share: fraction of the predicted tokens that become one of ``replacements``.
        mask: id of ``[MASK]``.
        replacements: ``int64``, ids to draw random tokens from.
        keys: ``uint64[rows]``, the key of each row's stream.
        made: filled; its offsets must be 0.
    """
    positions, labels, mlm_offsets = made
    longest = 0
    for row in range(len(keys)):
        longest = max(longest, offsets[row + 1] - offsets[row])
    chosen = np.zeros(longest, np.bool_)
    draws_anew = np.full(longest, policy != _SPAN)  # where a draw decides the replacement
    words = np.empty(longest, np.int64)
    state = np.empty(1, np.uint64)
    for row in range(len(keys)):
        state[0] = keys[row]
        first, length = offsets[row], offsets[row + 1] - offsets[row]
        if policy == _TOKEN:
            _choose_tokens(length, b_start[row], quotas[row], state, chosen)
        else:
            starts = word_starts[first : first + length]
            if policy == _WORD:
                _choose_words(length, b_start[row], quotas[row], starts, state, words, chosen)
            else:
                draws_anew[:length] = False
                _choose_spans(length, b_start[row], quotas[row], starts, state, words, chosen, draws_anew)
        predictions = mlm_offsets[row]
        for position in range(length):
            positions[predictions] = position  # kept only if chosen: a branch would be mispredicted too often
            predictions += chosen[position]
        chosen[:length] = False
        mlm_offsets[row + 1] = predictions
        share = 0.0
        for p in range(mlm_offsets[row], predictions):
            place = first + positions[p]
            labels[p] = input_ids[place]
            if draws_anew[positions[p]]:
                share = rng.uniform(state)
            if share < mask_share:
                input_ids[place] = mask
            elif share < mask_share + random_share:
                input_ids[place] = replacements[rng.below(state, len(replacements))]


@kernel
def _choose_tokens(length: int, b_start: int, quota: int, state: rng.State, chosen: Marks) -> None:
    """Mark ``quota`` of a row's tokens, all sets equally likely, with one draw each.

    Floyd's sampling (Bentley and Floyd, "A Sample of Brilliance", CACM 1987): if a candidate is drawn a second
    time, the last one in range is chosen instead.
    """
    candidates = length - 3 if b_start < length else length - 2
    for last in range(max(candidates - quota, 0), candidates):
        position = _place(int(rng.below(state, last + 1)), b_start)
        if chosen[position]:
            position = _place(last, b_start)
        chosen[position] = True


@kernel
def _place(candidate: int, b_start: int) -> int:
    """Return the position of a row's n-th token, counted from 0 without [CLS] and the [SEP] before B."""
    position = candidate + 1
    return position + 1 if position >= b_start - 1 else position


@kernel
def _choose_words(
    length: int, b_start: int, quota: int, starts: Marks, state: rng.State, words: Ints, chosen: Marks
) -> None:
    """Mark whole words in random order if they fit in the rest of ``quota``; ``words`` is scratch space."""
    count = _find_words(length, b_start, starts, words)
    missing = quota
    for drawn in range(count):
        if missing == 0:
            break
        start = _draw_word(words, drawn, count, state)
        stop = _end_of_word(start, length, b_start, starts)
        if stop - start <= missing:
            chosen[start:stop] = True
            missing -= stop - start


@kernel
def _choose_spans(
    length: int,
    b_start: int,
    quota: int,
    starts: Marks,
    state: rng.State,
    words: Ints,
    chosen: Marks,
    span_starts: Marks,
) -> None:
    """Mark spans of whole words, from random words on, that fit in ``quota``, and the start of each span."""
    count = _find_words(length, b_start, starts, words)
    missing = quota
    for drawn in range(count):
        if missing == 0:
            break
        start = _draw_word(words, drawn, count, state)
        stop = _end_of_word(start, length, b_start, starts)
        if chosen[start] or stop - start > missing:
            continue
        span_starts[start] = True
        for _ in range(draw_span_length(state)):
            chosen[start:stop] = True
            missing -= stop - start
            start = stop
            if start == b_start - 1 or start == length - 1 or chosen[start]:
                break
            stop = _end_of_word(start, length, b_start, starts)
            if stop - start > missing:
                break


@kernel
def draw_span_length(state: rng.State) -> int:
    """Draw the number of words of a span: geometrically, again if it exceeds the maximum of 10."""
    while True:
        words = 1
        while words <= _LONGEST_SPAN and rng.uniform(state) >= _SPAN_END:
            words += 1
        if words <= _LONGEST_SPAN:
            return words


@kernel
def _find_words(length: int, b_start: int, starts: Marks, words: Ints) -> int:
    """Write the positions where a row's words start to ``words``; return their number.

    A and B start with a word even if truncation removed its first pieces.
    """
    count = 0
    for position in range(1, length - 1):
        is_start = starts[position] | (position == 1) | (position == b_start)
        words[count] = position  # kept only if counted: a branch would be mispredicted too often
        count += is_start & (position != b_start - 1)
    return count


@kernel
def _draw_word(words: Ints, drawn: int, count: int, state: rng.State) -> int:
    """Draw one of ``words[drawn:count]`` and put the first of these in its place (Fisher-Yates shuffle)."""
    other = drawn + rng.below(state, count - drawn)
    word = words[other]
    words[other] = words[drawn]
    return int(word)


@kernel
def _end_of_word(start: int, length: int, b_start: int, starts: Marks) -> int:
    """Return the end of the word that starts at ``start``: the next word's start, or the next ``[SEP]``."""
    stop = start + 1
    while stop < length - 1 and stop != b_start - 1 and not starts[stop]:
        stop += 1
    return stop
