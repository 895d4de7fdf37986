"""Pairing: documents become BERT's instances, ``[CLS] A [SEP] B [SEP]`` or ``[CLS] A [SEP]``.

The method is that of google-research/bert's create_pretraining_data.py. For each document and pass:

1. Segments (sentences) are collected until they reach a target length or the document ends. The target is the
   longest length, or, with probability ``short_seq_prob``, a shorter one for the whole document.
2. A is a random number of the first segments, at least one and not all of them.
3. B is the rest (label 0), or text from a random place of a random document of the whole corpus (label 1);
   then the segments not used go back and are used again.
4. While A and B are too long together, the longer one (B, when equal) loses a token, front or back at random.

It departs from BERT where BERT's labels can be guessed or are wrong:

- The label is drawn before the chunk is looked at, with a probability that leans towards what the shard lacks:
  its random nexts stay within five rows of their share, whatever the corpus.
- A chunk of one segment is no exception (in BERT its next is always random, so that more than half of all
  are, and the label can be told from A): where B is to follow, the segment is cut in two at a random place.
  A segment of one token cannot be cut; its next is random, or, where none is to be (``random_next_prob`` 0),
  it is dropped and counted.
- The random document is never A's own.

The objective ``sop`` (sentence order: Lan et al., "ALBERT", 2020) knows steps 1, 2 and 4 only: B is always the
rest, and label 1 says that the two were swapped. Its share is held as that of random nexts is.

The objective ``single`` packs whole sentences up to the target, as RoBERTa's DOC-SENTENCES; a sentence longer
than an instance goes on in the next one, so that no token is lost.

The random text is fetched for all rows at once: first a *plan* says where A and B of each row lie, then they
are truncated in the plan and copied. All draws of a document come from its own streams.

What this module does not do: decide which documents make a shard (pipeline), mask or write.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from numba import njit

from wpprep import rng
from wpprep.config import ShardOptions
from wpprep.errors import OptionError
from wpprep.kernels import kernel
from wpprep.records import InstanceBatch, Ints, TokenizedDocuments, TokenRoles, Tokens, offsets_of

# One row of a plan. Ranges are tokens of the documents at hand, but for a random B: that is asked for as
# sentences of a partner, and its range counts in the answer.
PLAN = np.dtype(
    [
        ("document", np.int64),  # global index of A's document
        ("a_start", np.int64),
        ("a_stop", np.int64),
        ("b_start", np.int64),  # equal to b_stop where there is no B
        ("b_stop", np.int64),
        ("partner", np.int64),  # global index of B's document, -1 where B follows A
        ("partner_key", np.uint64),  # draws the sentence of it that B begins with
        ("partner_target", np.int64),  # tokens wanted of it; at least one sentence comes
        ("label", np.uint8),  # 1 where B is random or, under sop, where the rest of the chunk comes first
        ("truncation_key", np.uint64),
        ("mask_key", np.uint64),
    ]
)
Plan = npt.NDArray[np.void]

_WIDEST_BALANCE = 4.0  # rows by which random nexts may run ahead or behind before a label is forced


class Partners(Protocol):
    """Where random nexts come from: the token store of the whole corpus."""

    def __len__(self) -> int: ...

    def spans(
        self, documents: Ints, start_keys: npt.NDArray[np.uint64], targets: Ints
    ) -> tuple[Tokens, Ints, npt.NDArray[np.bool_] | None]: ...


class Instances(NamedTuple):
    """What pairing makes of some documents.

    Attributes:
        batch: the rows, unmasked.
        mask_keys: ``uint64[rows]``, the key of each row's static masks.
        statistics: ``truncated_tokens`` (of the documents' own A and B) and ``dropped_tokens`` (in no row).
    """

    batch: InstanceBatch
    mask_keys: npt.NDArray[np.uint64]
    statistics: dict[str, int]


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
        own: the documents whose instances are made, in this order; none is empty, nor is any of its sentences.
        indices: ``int64[n_documents]``, the global index of each.
        passes: ``int64[n_documents]``, the pass each is taken in (a shard may reach over two).
        partners: the corpus that random nexts come from; read only where the objective asks for them.
        roles: the ids of ``[CLS]`` and ``[SEP]``.
        options: objective, lengths, shares and seed.
        order_key: names the permutation of the rows; without it they stay in the order of their documents.

    Raises:
        OptionError: random nexts are wanted of a corpus of one document.
    """
    assert np.all(np.diff(own.sentences) > 0), "a sentence without tokens"
    assert np.all(np.diff(own.documents) > 0), "a document without sentences"
    max_tokens = options.max_seq_length - (2 if options.objective == "single" else 3)
    plan, dropped = _plan(own, indices, passes, partners, max_tokens, options)
    if order_key is not None:  # shuffled as plans, rows are copied once
        plan = plan[rng.permutation(len(plan), np.uint64(order_key))]
    random_next = plan["partner"] >= 0
    b_tokens, b_word_starts = _fetch(plan, random_next, own, partners)
    truncated = _truncate(plan, max_tokens)
    a_size, b_size = plan["a_stop"] - plan["a_start"], plan["b_stop"] - plan["b_start"]
    offsets = offsets_of(a_size + b_size + np.where(b_size > 0, 3, 2))
    input_ids = np.empty(offsets[-1], own.tokens.dtype)
    _assemble(plan, own.tokens, b_tokens, roles.cls, roles.sep, offsets, input_ids)
    word_starts = None
    if own.word_starts is not None and b_word_starts is not None:  # the same rows again, marks in place of ids
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
    statistics = {"truncated_tokens": int(truncated), "dropped_tokens": int(dropped)}
    return Instances(batch, plan["mask_key"].copy(), statistics)


def _plan(
    own: TokenizedDocuments,
    indices: Ints,
    passes: Ints,
    partners: Partners,
    max_tokens: int,
    options: ShardOptions,
) -> tuple[Plan, int]:
    """The plan of all rows, random nexts not yet fetched, and how many tokens are in none."""
    text = (own.sentences, own.documents, indices, passes)
    lengths = (options.seed, max_tokens, options.short_seq_prob)
    most_rows = len(own.sentences) - 1  # a row uses up a sentence at least ...
    if options.objective == "single":
        plan = np.empty(most_rows + len(own.tokens) // max_tokens, PLAN)  # ... or is full of a part of one
        return plan[: _plan_singles(*text, *lengths, plan)], 0
    swaps = options.objective == "sop"
    if not swaps and options.random_next_prob > 0 and len(partners) < 2:
        raise OptionError(
            "the corpus has one document, so no other that a random next sentence could come from; "
            "use more documents, --random-next-prob 0, or --objective sop or single"
        )
    plan = np.empty(most_rows, PLAN)
    rows, dropped = _plan_pairs(
        *text, *lengths, 0 if swaps else len(partners), options.random_next_prob, swaps, plan
    )
    return plan[:rows], dropped


def _fetch(
    plan: Plan, random_next: npt.NDArray[np.bool_], own: TokenizedDocuments, partners: Partners
) -> tuple[Tokens, npt.NDArray[np.bool_] | None]:
    """The text of all random nexts; their ranges in it are entered in the plan."""
    wanted = plan[random_next]
    if not len(wanted):
        return own.tokens, own.word_starts
    tokens, offsets, word_starts = partners.spans(
        wanted["partner"], wanted["partner_key"], wanted["partner_target"]
    )
    plan["b_start"][random_next], plan["b_stop"][random_next] = offsets[:-1], offsets[1:]
    return tokens, word_starts


@kernel
def _target_length(state: rng.State, max_tokens: int, short_seq_prob: float) -> int:
    """Draw the length that the instances of a document are filled to: the longest, or 2 and more."""
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
    """Plan the rows ``[CLS] A [SEP] B [SEP]``; returns how many there are, and how many tokens are in none.

    ``sentences`` and ``documents`` are offsets (``int64``), ``indices`` and ``passes`` ``int64[n_documents]``,
    ``n_partners`` documents give random nexts; ``plan`` has room for a row a sentence. Label 1 is given to
    ``random_next_prob`` of them: with ``swaps`` (sop) their A and B change places, else B is random.
    """
    rows = ones = dropped = 0
    pull = max(random_next_prob, 1.0 - random_next_prob) / _WIDEST_BALANCE
    for d in range(len(indices)):
        state = rng.stream(seed, rng.PAIRING, passes[d], indices[d])
        mask_state = rng.stream(seed, rng.MASKING, passes[d], indices[d])
        target = _target_length(state, max_tokens, short_seq_prob)
        segment, end = documents[d], documents[d + 1]
        while segment < end:
            # 1. The chunk: segments up to `stop`.
            start, stop = sentences[segment], segment + 1
            while stop < end and sentences[stop] - start < target:
                stop += 1
            # 2. The label, from the balance alone; but nothing can follow in a chunk of one token.
            excess = ones - random_next_prob * rows
            label = rng.uniform(state) < random_next_prob - pull * excess
            if sentences[stop] - start == 1:
                label = random_next_prob > 0.0 and not swaps
                if not label:
                    dropped += 1
                    segment = stop
                    continue
            # 3. A, and as its B the rest of the chunk.
            is_random = label and not swaps
            following, a_stop = _end_of_a(sentences, segment, stop, is_random, state)
            row = plan[rows]
            row.document = indices[d]
            row.a_start, row.a_stop = start, a_stop
            row.b_start, row.b_stop, row.partner = a_stop, sentences[stop], -1
            row.label = label
            segment = stop
            # 4. Or the two swapped; or, as its B, sentences of another document: then the rest goes back.
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
    """Draw where A ends in the chunk of the segments up to ``stop``: before which of them, at which token.

    That is between two segments; of a lone one A is the whole, or, if B is to follow, a part.
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
    """Plan the rows ``[CLS] A [SEP]``; returns how many there are. Arguments as those of `_plan_pairs`."""
    rows = 0
    for d in range(len(indices)):
        state = rng.stream(seed, rng.PAIRING, passes[d], indices[d])
        mask_state = rng.stream(seed, rng.MASKING, passes[d], indices[d])
        target = _target_length(state, max_tokens, short_seq_prob)
        segment, end = documents[d], documents[d + 1]
        start = sentences[segment]
        while segment < end:
            # Whole sentences as far as the target allows, but one at least: cut, if no instance holds it.
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
def _truncate(plan: Plan, max_tokens: int) -> int:
    """Shorten A and B in the plan until they fit; returns how many of the documents' own tokens are cut."""
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
    """Copy A and B of every row, between their special tokens, to ``target[offsets[row]:offsets[row + 1]]``.

    A's range counts in ``a_source``; B's in ``b_source`` where B is random, else in ``a_source`` too.
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
    """Set ``new`` to ``old``, of the same length; four times as fast as ``new[:] = old`` in Numba."""
    for i in range(len(new)):
        new[i] = old[i]
