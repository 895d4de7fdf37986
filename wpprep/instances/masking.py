"""Masking: choose what is predicted in each row, and corrupt it the way BERT does.

A row of ``length`` tokens gets ``min(max_predictions_per_seq, max(1, round(length * masked_lm_prob)))``
predictions (Python's ``round``; the length counts the special tokens), chosen by a *policy* among all tokens
but ``[CLS]`` and ``[SEP]``, which are known by their places, so that no text can pass for them:

    token   any tokens, each set of that many equally likely
    word    whole words in random order, all pieces or none, those passed over that are too long for what is
            left of the number, as in BERT; but a word never reaches across ``[SEP]`` (in BERT it can)
    span    runs of whole words: a random word not yet chosen and those behind it, 1 to 10, their number drawn
            geometrically (p = 0.2, drawn again above 10: 3.8 words on average); a span ends where its segment
            does, before a chosen word, and before a word too long for what is left of the number

Where no word fits, the row stays without predictions, as in BERT: one row less is better than a word in part
or a row that is mostly masked. (Of pairs from English Wikipedia, 5 in a million.)

Then one corruptor for all policies: for each chosen token, ``[MASK]``, a random token, or the token itself,
by the shares 80, 10 and 10 %. A random token is never a special or an unused one (in BERT it can be). Under
``span`` one draw decides for a whole span, and random tokens are drawn one by one.

Every row draws from a stream of its own, so that its masks depend on no other row: shards mask once, with the
keys that pairing gives, the loader anew for each epoch. Source of the method: google-research/bert,
create_pretraining_data.py; of spans: Joshi et al., "SpanBERT", 2020 (where a span may break off within a
word, and overlap another).

What this module does not do: pad, or make keys.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
from numba import njit

from wpprep import rng
from wpprep.errors import OptionError, VocabularyError
from wpprep.kernels import kernel
from wpprep.records import InstanceBatch, Ints, TokenRoles, Tokens

Marks = npt.NDArray[np.bool_]

# The codes that the kernel branches on: Numba cannot keep a kernel on disk that takes functions.
_TOKEN, _WORD, _SPAN = range(3)
POLICIES = {"token": _TOKEN, "word": _WORD, "span": _SPAN}

_SPAN_END = 0.2  # p of the geometric distribution
_LONGEST_SPAN = 10  # words


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
    """The batch with masks: ``input_ids`` corrupted, in place, positions and original ids beside them.

    Args:
        batch: unmasked rows, whose ``input_ids`` are written to.
        roles: the id of ``[MASK]``, the replacements, and which pieces start a word.
        policy: a key of `POLICIES`.
        masked_lm_prob: share of a row's tokens that is predicted.
        max_predictions_per_seq: most predictions in a row.
        mask_share, random_share: shares of the predicted that become ``[MASK]`` and a random token.
        keys: ``uint64[rows]``, the key of each row's stream.

    Raises:
        OptionError: whole words are wanted where neither the vocabulary nor the batch tells where they start.
        VocabularyError: the vocabulary has no token that could replace another.
    """
    if random_share > 0 and not len(roles.replacements):
        raise VocabularyError(
            "the vocabulary has only special and unused tokens, none to replace others by; use random_share 0"
        )
    word_starts = _word_starts(batch, roles) if policy != "token" else np.empty(0, np.bool_)
    lengths = np.diff(batch.offsets)
    quotas = np.clip(np.rint(lengths * masked_lm_prob).astype(np.int64), 1, max_predictions_per_seq)
    positions = np.empty(quotas.sum() + 1, np.uint16)  # one more: see where it is filled
    labels = np.empty(quotas.sum(), batch.input_ids.dtype)
    mlm_offsets = np.zeros(len(batch) + 1, np.int64)
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
        positions,
        labels,
        mlm_offsets,
    )
    return dataclasses.replace(
        batch,
        mlm_positions=positions[: mlm_offsets[-1]],
        mlm_labels=labels[: mlm_offsets[-1]],
        mlm_offsets=mlm_offsets,
        word_starts=None,
    )


def _word_starts(batch: InstanceBatch, roles: TokenRoles) -> Marks:
    """``bool`` beside the batch's ids: where a word starts, told by the place or else by the piece."""
    if batch.word_starts is not None:
        return batch.word_starts
    if roles.starts_word is None:
        raise OptionError(
            "mask_policy is word or span, but these rows do not say where words start and this vocabulary "
            "cannot tell; make them anew with mask_policy word or span"
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
    positions: npt.NDArray[np.uint16],
    labels: Tokens,
    mlm_offsets: Ints,
) -> None:
    """Choose and corrupt in ``input_ids``, row by row; fill ``positions``, ``labels`` and ``mlm_offsets``.

    ``offsets`` and ``mlm_offsets`` are ``int64[rows + 1]``; ``b_start``, ``quotas`` and ``keys`` have one
    entry a row; ``word_starts`` lies beside ``input_ids``, or is empty under the policy token.
    """
    longest = 0
    for row in range(len(keys)):
        longest = max(longest, offsets[row + 1] - offsets[row])
    chosen = np.zeros(longest, np.bool_)
    draws_anew = np.full(longest, policy != _SPAN)  # where a draw of the shares is due
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
            positions[predictions] = position  # stays if chosen: a branch here would be guessed wrong too often
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
    """Mark ``quota`` of a row's tokens, each set equally likely, with one draw each.

    Floyd's sampling (Bentley and Floyd, "A Sample of Brilliance", CACM 1987): a candidate drawn a second
    time stands for the last one that was in reach.
    """
    candidates = length - 3 if b_start < length else length - 2
    for last in range(max(candidates - quota, 0), candidates):
        position = _place(int(rng.below(state, last + 1)), b_start)
        if chosen[position]:
            position = _place(last, b_start)
        chosen[position] = True


@kernel
def _place(candidate: int, b_start: int) -> int:
    """The position of a row's n-th token, counted from 0 without [CLS] and the [SEP] before B."""
    position = candidate + 1
    return position + 1 if position >= b_start - 1 else position


@kernel
def _choose_words(
    length: int, b_start: int, quota: int, starts: Marks, state: rng.State, words: Ints, chosen: Marks
) -> None:
    """Mark whole words in random order, those that still fit in ``quota``; ``words`` has room for the row."""
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
    """Mark spans of whole words, from random words on, that fit in ``quota``, and where each starts."""
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
        for _ in range(_span_length(state)):
            chosen[start:stop] = True
            missing -= stop - start
            start = stop
            if start == b_start - 1 or start == length - 1 or chosen[start]:
                break
            stop = _end_of_word(start, length, b_start, starts)
            if stop - start > missing:
                break


@kernel
def _span_length(state: rng.State) -> int:
    """Draw how many words a span has: geometrically, again where they are more than the most allowed."""
    while True:
        words = 1
        while words <= _LONGEST_SPAN and rng.uniform(state) >= _SPAN_END:
            words += 1
        if words <= _LONGEST_SPAN:
            return words


@kernel
def _find_words(length: int, b_start: int, starts: Marks, words: Ints) -> int:
    """Write where a row's words start to ``words``; returns how many there are.

    A and B start with a word even where truncation left a part of one.
    """
    count = 0
    for position in range(1, length - 1):
        is_start = starts[position] | (position == 1) | (position == b_start)
        words[count] = position  # stays if counted: a branch here would be guessed wrong too often
        count += is_start & (position != b_start - 1)
    return count


@kernel
def _draw_word(words: Ints, drawn: int, count: int, state: rng.State) -> int:
    """Draw one of ``words[drawn:count]``, the first of which takes its place (Fisher and Yates's shuffle)."""
    other = drawn + rng.below(state, count - drawn)
    word = words[other]
    words[other] = words[drawn]
    return int(word)


@kernel
def _end_of_word(start: int, length: int, b_start: int, starts: Marks) -> int:
    """Where the word that starts at ``start`` ends: before the next word, or before the next ``[SEP]``."""
    stop = start + 1
    while stop < length - 1 and stop != b_start - 1 and not starts[stop]:
        stop += 1
    return stop
