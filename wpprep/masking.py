"""Masking: choose what is predicted in each row, and corrupt it the way BERT does.

A row of ``length`` tokens gets ``min(max_predictions_per_seq, max(1, round(length * masked_lm_prob)))``
predictions (Python's ``round``; the length counts the special tokens), chosen by a *policy* among all tokens
but ``[CLS]`` and ``[SEP]``, which are known by their places, so that no text can pass for them:

    token   any tokens, each set of that many equally likely
    word    whole words in random order, all pieces or none, those passed over that are too long for what is
            left of the number, as in BERT; but a word never reaches across ``[SEP]`` (in BERT it can)

Where no word fits, the row stays without predictions, as in BERT: one row less is better than a word in part
or a row that is mostly masked. (Of pairs from English Wikipedia, 5 in a million.)

Then one corruptor for all policies: for each chosen token, ``[MASK]``, a random token, or the token itself,
by the shares 80, 10 and 10 %. A random token is never a special or an unused one (in BERT it can be).

Every row draws from a stream of its own, so that its masks depend on no other row: shards mask once, with the
keys that pairing gives, the loader anew for each epoch. Source of the method: google-research/bert,
create_pretraining_data.py.

What this module does not do: pad, or make keys.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
from numba import njit

from wpprep import rng
from wpprep.errors import OptionError, VocabularyError
from wpprep.records import InstanceBatch, Ints, TokenRoles, Tokens

Marks = npt.NDArray[np.bool_]

# The codes that the kernel branches on: Numba cannot keep a kernel on disk that takes functions.
_TOKEN, _WORD = range(2)
POLICIES = {"token": _TOKEN, "word": _WORD}


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
    """The batch with masks: ``input_ids`` corrupted (in a copy), positions and original ids beside them.

    Args:
        batch: unmasked rows.
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
    input_ids = batch.input_ids.copy()
    positions = np.empty(quotas.sum() + 1, np.uint16)  # one more: see where it is filled
    labels = np.empty(quotas.sum(), input_ids.dtype)
    mlm_offsets = np.zeros(len(batch) + 1, np.int64)
    _mask_rows(
        POLICIES[policy],
        input_ids,
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
        input_ids=input_ids,
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
            "mask_policy is word, but these rows do not say where words start and this vocabulary cannot tell; "
            "make them anew with mask_policy word"
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
    words = np.empty(longest, np.int64)
    state = np.empty(1, np.uint64)
    for row in range(len(keys)):
        state[0] = keys[row]
        first, length = offsets[row], offsets[row + 1] - offsets[row]
        if policy == _TOKEN:
            _choose_tokens(length, b_start[row], quotas[row], state, chosen)
        elif policy == _WORD:
            starts = word_starts[first : first + length]
            _choose_words(length, b_start[row], quotas[row], starts, state, words, chosen)
        predictions = mlm_offsets[row]
        for position in range(length):
            positions[predictions] = position  # stays if chosen: a branch here would be guessed wrong too often
            predictions += chosen[position]
        chosen[:length] = False
        mlm_offsets[row + 1] = predictions
        for p in range(mlm_offsets[row], predictions):
            place = first + positions[p]
            labels[p] = input_ids[place]
            share = rng.uniform(state)
            if share < mask_share:
                input_ids[place] = mask
            elif share < mask_share + random_share:
                input_ids[place] = replacements[rng.below(state, len(replacements))]


@njit(cache=True)
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


@njit(cache=True)
def _place(candidate: int, b_start: int) -> int:
    """The position of a row's n-th token, counted from 0 without [CLS] and the [SEP] before B."""
    position = candidate + 1
    return position + 1 if position >= b_start - 1 else position


@njit(cache=True)
def _choose_words(
    length: int, b_start: int, quota: int, starts: Marks, state: rng.State, words: Ints, chosen: Marks
) -> None:
    """Mark whole words in random order, those that still fit in ``quota``; ``words`` has room for the row."""
    # 1. Where words start; A and B start with a word even where truncation left a part of one.
    count = 0
    for position in range(1, length - 1):
        is_start = starts[position] | (position == 1) | (position == b_start)
        words[count] = position  # stays if counted: as above
        count += is_start & (position != b_start - 1)
    # 2. Draw words without putting them back (Fisher and Yates's shuffle, as far as it is needed).
    missing = quota
    for drawn in range(count):
        if missing == 0:
            break
        other = drawn + rng.below(state, count - drawn)
        start = words[other]
        words[other] = words[drawn]
        stop = start + 1
        while stop < length - 1 and stop != b_start - 1 and not starts[stop]:
            stop += 1
        if stop - start <= missing:
            for position in range(start, stop):
                chosen[position] = True
            missing -= stop - start
