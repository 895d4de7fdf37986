"""Pairing: documents to BERT's instances, ``[CLS] A [SEP] B [SEP]`` or ``[CLS] A [SEP]``.

The method is that of google-research/bert's create_pretraining_data.py. For each document and pass:

1. Segments (sentences) are collected to a chunk until they reach a target length or the document ends. The
   target is the maximum length, or, with probability ``short_seq_prob``, a shorter one for the whole document.
2. A is a random number of the first segments, at least one and not all of them.
3. B is the rest (label 0), or text from a random position of a random document of the whole corpus (label 1);
   in the second case the rest is put back and used again.
4. While A and B together are too long, the longer one (B, if equal) loses a token, at the front or the end at
   random.

It differs from BERT where BERT's labels can be guessed or are wrong:

- The label is drawn independently of the chunk, with a probability that is adjusted towards the label the shard
  lacks: the number of random nexts stays within five rows of its expectation, for any corpus.
- A chunk of one segment is treated like others. (In BERT its next is always random, so that more than half of
  all nexts are random, and the label can be guessed from A.) For label 0 the segment is split in two at a
  random position. A segment of one token cannot be split; its next is random, or, if ``random_next_prob`` is 0,
  it is dropped and counted.
- The random document is never A's own.

The objective ``sop`` (sentence order: Lan et al., "ALBERT", 2020) has steps 1, 2 and 4 only: B is always the
rest, and label 1 means that the two are swapped. Its labels are balanced in the same way.

The objective ``single`` packs whole sentences up to the target, as RoBERTa's DOC-SENTENCES (Liu et al., 2019);
a sentence longer than an instance is continued in the next one, so that no token is lost.

Random text is fetched for all rows at once: first a *plan* with the ranges of A and B of each row is made, then
these are truncated in the plan and copied. All draws of a document come from its own streams.

This module does not decide which documents are in a shard (`shards.split`), mask, or write files.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypedDict

import numpy as np
import numpy.typing as npt

from wpprep import rng
from wpprep.config import ShardOptions
from wpprep.errors import OptionError
from wpprep.kernels import kernel, njit
from wpprep.records import InstanceBatch, Ints, TokenizedDocuments, TokenRoles, Tokens, offsets_of

# One row of a plan. Ranges are token indices in the documents of the shard; those of a random B are indices in
# the text that `Partners.spans` returned.
PLAN = np.dtype(
    [
        ("document", np.int64),  # global index of A's document
        ("a_start", np.int64),
        ("a_stop", np.int64),
        ("b_start", np.int64),  # equal to b_stop where there is no B
        ("b_stop", np.int64),
        ("partner", np.int64),  # global index of B's document, -1 where B follows A
        ("partner_key", np.uint64),  # draws the sentence of it that B starts with
        ("partner_target", np.int64),  # number of tokens requested from it; at least one sentence is returned
        ("label", np.uint8),  # 1 where B is random or, under sop, where A and B are swapped
        ("truncation_key", np.uint64),
        ("mask_key", np.uint64),
    ]
)
Plan = npt.NDArray[np.void]

_MAX_DEVIATION = 4.0  # deviation of random nexts, in rows, at which a label is forced


class Partners(Protocol):
    """The source of random nexts: the token store of the whole corpus."""

    def __len__(self) -> int:
        """Return the number of documents."""

    def spans(
        self, documents: Ints, start_keys: npt.NDArray[np.uint64], targets: Ints
    ) -> tuple[Tokens, Ints, npt.NDArray[np.bool_] | None]:
        """Return whole sentences of documents, from random ones on.

        Args:
            documents: ``int64[n]``, global indices.
            start_keys: ``uint64[n]``, key of the stream that draws the first sentence.
            targets: ``int64[n]``, number of tokens to reach, if the document has as many.

        Returns:
            The token ids, concatenated; ``int64[n + 1]``, their offsets; ``bool`` for each token, whether it
            starts a word, or None if the store has no such marks.
        """


class PairingStatistics(TypedDict):
    """Numbers of tokens that are in no row.

    Attributes:
        truncated_tokens: removed from the documents' own A and B; text fetched for a random B is not counted.
        dropped_tokens: tokens that make no row (segments of one token).
    """

    truncated_tokens: int
    dropped_tokens: int


class Instances(NamedTuple):
    """The instances of some documents.

    Attributes:
        batch: the rows, unmasked.
        mask_keys: ``uint64[rows]``, the key of each row's static masks.
        statistics: numbers of tokens that are in no row.
    """

    batch: InstanceBatch
    mask_keys: npt.NDArray[np.uint64]
    statistics: PairingStatistics


def make_instances(
    own: TokenizedDocuments,
    indices: Ints,
    passes: Ints,
    partners: Partners,
    roles: TokenRoles,
    options: ShardOptions,
    order_key: int | None = None,
) -> Instances:
    """Make the instances of one shard.

    Args:
        own: the documents of the shard, in this order; no document and no sentence may be empty.
        indices: ``int64[n_documents]``, the global index of each.
        passes: ``int64[n_documents]``, the pass of each (a shard can contain documents of two passes).
        partners: the corpus that random nexts are drawn from; read only if the objective has random nexts.
        roles: the ids of ``[CLS]`` and ``[SEP]``.
        options: objective, lengths, probabilities and seed.
        order_key: key of the permutation of the rows; without it they are in the order of their documents.

    Returns:
        The unmasked rows, their mask keys and statistics.

    Raises:
        OptionError: random nexts are required, and the corpus has one document.
    """
    assert np.all(np.diff(own.sentences) > 0), "a sentence without tokens"
    assert np.all(np.diff(own.documents) > 0), "a document without sentences"
    max_tokens = options.max_seq_length - (2 if options.objective == "single" else 3)
    plan, dropped = _plan(own, indices, passes, partners, max_tokens, options)
    if order_key is not None:  # the plan is shuffled, so that rows are copied once
        plan = plan[rng.permutation(len(plan), np.uint64(order_key))]
    random_next = plan["partner"] >= 0
    b_tokens, b_word_starts = _fetch(plan, random_next, own, partners)
    truncated = truncate(plan, max_tokens)
    a_size, b_size = plan["a_stop"] - plan["a_start"], plan["b_stop"] - plan["b_start"]
    offsets = offsets_of(a_size + b_size + np.where(b_size > 0, 3, 2))
    input_ids = np.empty(offsets[-1], own.tokens.dtype)
    _assemble(plan, own.tokens, b_tokens, roles.cls, roles.sep, offsets, input_ids)
    word_starts = None
    if own.word_starts is not None and b_word_starts is not None:  # the same rows with marks instead of ids
        word_starts = np.empty(offsets[-1], np.bool_)
        _assemble(plan, own.word_starts, b_word_starts, True, True, offsets, word_starts)
    batch = InstanceBatch(
        input_ids=input_ids,
        offsets=offsets,
        b_start=a_size + 2,
        next_sentence_label=plan["label"].copy(),
        document=plan["document"].copy(),
        mlm_positions=np.empty(0, np.uint16),
        mlm_labels=np.empty(0, own.tokens.dtype),
        mlm_offsets=np.zeros(len(plan) + 1, np.int64),
        word_starts=word_starts,
    )
    statistics = PairingStatistics(truncated_tokens=int(truncated), dropped_tokens=int(dropped))
    return Instances(batch, plan["mask_key"].copy(), statistics)


def _plan(
    own: TokenizedDocuments,
    indices: Ints,
    passes: Ints,
    partners: Partners,
    max_tokens: int,
    options: ShardOptions,
) -> tuple[Plan, int]:
    """Plan all rows, without the text of random nexts; return the plan and the number of tokens in no row."""
    text = (own.sentences, own.documents, indices, passes)
    lengths = (options.seed, max_tokens, options.short_seq_prob)
    max_rows = len(own.sentences) - 1  # a row uses up at least one sentence ...
    if options.objective == "single":
        plan = np.empty(max_rows + len(own.tokens) // max_tokens, PLAN)  # ... or is filled by a part of one
        return plan[: _plan_singles(*text, *lengths, plan)], 0
    swaps = options.objective == "sop"
    if not swaps and options.random_next_prob > 0 and len(partners) < 2:
        raise OptionError(
            "the corpus has one document, and a random next sentence must come from another one; "
            "use more documents, --random-next-prob 0, or --objective sop or single"
        )
    plan = np.empty(max_rows, PLAN)
    rows, dropped = _plan_pairs(
        *text, *lengths, 0 if swaps else len(partners), options.random_next_prob, swaps, plan
    )
    return plan[:rows], dropped


def _fetch(
    plan: Plan, random_next: npt.NDArray[np.bool_], own: TokenizedDocuments, partners: Partners
) -> tuple[Tokens, npt.NDArray[np.bool_] | None]:
    """Fetch the text of all random nexts, and set their ranges in the plan."""
    requests = plan[random_next]
    if not len(requests):
        return own.tokens, own.word_starts
    tokens, offsets, word_starts = partners.spans(
        requests["partner"], requests["partner_key"], requests["partner_target"]
    )
    plan["b_start"][random_next], plan["b_stop"][random_next] = offsets[:-1], offsets[1:]
    return tokens, word_starts


@kernel
def _target_length(state: rng.State, max_tokens: int, short_seq_prob: float) -> int:
    """Draw the target length of a document's instances: the maximum, or a shorter one of at least 2."""
    if rng.uniform(state) < short_seq_prob:
        return 2 + int(rng.below(state, max_tokens - 1))
    return max_tokens


@njit(cache=True)
def _plan_pairs(
    sentences: Ints,
    documents: Ints,
    indices: Ints,
    passes: Ints,
    seed: int,
    max_tokens: int,
    short_seq_prob: float,
    n_partners: int,
    random_next_prob: float,
    swaps: bool,
    plan: Plan,
) -> tuple[int, int]:
    """Plan the rows ``[CLS] A [SEP] B [SEP]``.

    Args:
        sentences: ``int64[n_sentences + 1]``, offsets into the tokens.
        documents: ``int64[n_documents + 1]``, offsets into the sentences.
        indices: ``int64[n_documents]``, global index of each document.
        passes: ``int64[n_documents]``, pass of each document.
        seed: seed of the streams.
        max_tokens: maximum number of tokens of A and B together.
        short_seq_prob: probability of a shorter target for a document.
        n_partners: number of documents that random nexts are drawn from.
        random_next_prob: fraction of rows with label 1.
        swaps: whether label 1 means that A and B are swapped (sop); else it means that B is random.
        plan: filled; must have room for a row per sentence.

    Returns:
        The number of rows, and the number of tokens in no row.
    """
    rows = ones = dropped = 0
    pull = max(random_next_prob, 1.0 - random_next_prob) / _MAX_DEVIATION
    for d in range(len(indices)):
        state = rng.stream(seed, rng.PAIRING, passes[d], indices[d])
        mask_state = rng.stream(seed, rng.MASKING, passes[d], indices[d])
        target = _target_length(state, max_tokens, short_seq_prob)
        segment, end = documents[d], documents[d + 1]
        while segment < end:
            # 1. Collect the chunk: segments up to `stop`.
            start, stop = sentences[segment], segment + 1
            while stop < end and sentences[stop] - start < target:
                stop += 1
            # 2. Draw the label from the balance alone. A chunk of one token has no B of its own.
            excess = ones - random_next_prob * rows
            label = rng.uniform(state) < random_next_prob - pull * excess
            if sentences[stop] - start == 1:
                label = random_next_prob > 0.0 and not swaps
                if not label:
                    dropped += 1
                    segment = stop
                    continue
            # 3. Split the chunk into A and B.
            is_random = label and not swaps
            following, a_stop = _end_of_a(sentences, segment, stop, is_random, state)
            row = plan[rows]
            row.document = indices[d]
            row.a_start, row.a_stop = start, a_stop
            row.b_start, row.b_stop, row.partner = a_stop, sentences[stop], -1
            row.label = label
            segment = stop
            # 4. For label 1, swap the two; or request B from another document, and put the rest back.
            if label and swaps:
                row.a_start, row.a_stop, row.b_start, row.b_stop = row.b_start, row.b_stop, start, a_stop
            elif is_random:
                partner = rng.below(state, n_partners - 1)
                row.partner = partner + (partner >= indices[d])
                row.partner_key = rng.draw(state)
                row.partner_target = target - (a_stop - start)
                segment = following
            row.truncation_key = rng.draw(state)
            row.mask_key = rng.draw(mask_state)
            rows += 1
            ones += label
    return rows, dropped


@kernel
def _end_of_a(sentences: Ints, segment: int, stop: int, is_random: bool, state: rng.State) -> tuple[int, int]:
    """Draw the end of A in the chunk of the segments up to ``stop``: the segment and the token after it.

    A ends between two segments; if there is only one, A is all of it (random B) or its first part.
    """
    start = sentences[segment]
    if stop - segment > 1:
        following = segment + 1 + int(rng.below(state, stop - segment - 1))
        return following, sentences[following]
    if is_random:
        return stop, sentences[stop]
    return stop, start + 1 + int(rng.below(state, sentences[stop] - start - 1))


@njit(cache=True)
def _plan_singles(
    sentences: Ints,
    documents: Ints,
    indices: Ints,
    passes: Ints,
    seed: int,
    max_tokens: int,
    short_seq_prob: float,
    plan: Plan,
) -> int:
    """Plan the rows ``[CLS] A [SEP]``; return their number. Arguments as in `_plan_pairs`."""
    rows = 0
    for d in range(len(indices)):
        state = rng.stream(seed, rng.PAIRING, passes[d], indices[d])
        mask_state = rng.stream(seed, rng.MASKING, passes[d], indices[d])
        target = _target_length(state, max_tokens, short_seq_prob)
        segment, end = documents[d], documents[d + 1]
        start = sentences[segment]
        while segment < end:
            # Whole sentences up to the target, at least one; it is cut if longer than an instance.
            stop = segment + 1
            while stop < end and sentences[stop + 1] - start <= target:
                stop += 1
            row = plan[rows]
            row.document, row.partner, row.label = indices[d], -1, 0
            row.a_start, row.a_stop = start, min(sentences[stop], start + max_tokens)
            row.b_start, row.b_stop = row.a_stop, row.a_stop
            row.mask_key = rng.draw(mask_state)
            rows += 1
            start = row.a_stop
            if start == sentences[stop]:
                segment = stop
    return rows


@njit(cache=True)
def truncate(plan: Plan, max_tokens: int) -> int:
    """Shorten A and B in the plan to ``max_tokens`` together; return the number of own tokens removed.

    Args:
        plan: rows of dtype `PLAN`; their ranges are changed in place.
        max_tokens: maximum number of tokens of A and B together.
    """
    state = np.empty(1, np.uint64)
    own = 0
    for r in range(len(plan)):
        row = plan[r]
        state[0] = row.truncation_key
        a_size, b_size = row.a_stop - row.a_start, row.b_stop - row.b_start
        while a_size + b_size > max_tokens:
            front = np.int64(rng.draw(state) >> np.uint64(63))
            if a_size > b_size:
                a_size -= 1
                row.a_start += front
                own += 1
            else:
                b_size -= 1
                row.b_start += front
                own += row.partner < 0
        row.a_stop, row.b_stop = row.a_start + a_size, row.b_start + b_size
    return own


@kernel
def _assemble(
    plan: Plan, a_source: Tokens, b_source: Tokens, cls: int, sep: int, offsets: Ints, target: Tokens
) -> None:
    """Copy A and B of every row, with special tokens, to ``target[offsets[row]:offsets[row + 1]]``.

    A is copied from ``a_source``; B from ``b_source`` if it is random, else from ``a_source`` too.
    """
    for r in range(len(plan)):
        row = plan[r]
        new = target[offsets[r] : offsets[r + 1]]
        separator = 1 + row.a_stop - row.a_start
        new[0] = cls
        _copy(a_source[row.a_start : row.a_stop], new[1:separator])
        new[separator] = new[-1] = sep
        if row.b_start < row.b_stop:
            source = a_source if row.partner < 0 else b_source
            _copy(source[row.b_start : row.b_stop], new[separator + 1 : -1])


@kernel
def _copy(old: Tokens, new: Tokens) -> None:
    """Copy ``old`` to ``new``, of the same length; in Numba four times as fast as ``new[:] = old``."""
    for i in range(len(new)):
        new[i] = old[i]
