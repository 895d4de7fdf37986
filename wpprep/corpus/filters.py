"""Filters on single documents: length, number of sentences, and a sample.

    --min-chars 200        only documents of at least 200 characters
    --min-sentences 2      and at least two sentences
    --sample 0.01          and about one percent of those, the same documents in every run

    for document in used_documents(slice_, options, tally):    # how every stage reads documents
        ...

A document is sampled by a hash of its id, so the sample depends neither on the order of the corpus nor on the
slices it is cut into, and a larger sample contains every smaller one. Filters over the whole corpus
(`dedup_and_mix`) store their decisions in a file that the slice's ``kept`` points to; they are applied here.

This module does not compare documents with each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, TypedDict

from wpprep.config import CorpusOptions
from wpprep.corpus.readers import LeftOut, read_slice
from wpprep.corpus.readers.bad_input import LeftOutValues
from wpprep.corpus.sentences import sentence_splitter
from wpprep.errors import CorpusError
from wpprep.records import Document, Slice
from wpprep.storage.files import read_bytes


class MixFacts(TypedDict):
    """Manifest entry of one corpus of a mix: what is used of it, and what exceeds its share."""

    documents: int
    text_bytes: int
    surplus_documents: int
    surplus_bytes: int


class Dropped(TypedDict, total=False):
    """Manifest entry of the documents that filters dropped; a filter that is off has no key.

    The values are numbers of documents, except ``mix``, which has an entry per corpus of the mix.
    """

    too_short: int
    not_sampled: int
    duplicates: int
    mix: dict[str, MixFacts]
    beyond_max_documents: int


class TallyValues(TypedDict):
    """The values of a `Tally` in the receipt of a task."""

    left_out: LeftOutValues
    too_short: int
    not_sampled: int


@dataclass
class Tally:
    """Counts of documents that were not used.

    Attributes:
        left_out: unreadable documents and parts of files, left out by ``--skip-bad``.
        too_short: number of documents dropped by ``--min-chars`` and ``--min-sentences``.
        not_sampled: number of documents dropped by ``--sample``.
    """

    left_out: LeftOut = field(default_factory=LeftOut)
    too_short: int = 0
    not_sampled: int = 0

    def add(self, other: Tally) -> None:
        """Add the counts of a later part of the corpus."""
        self.left_out.add(other.left_out)
        self.too_short += other.too_short
        self.not_sampled += other.not_sampled

    def facts(self, options: CorpusOptions, dropped: Dropped) -> dict[str, Any]:
        """Return the manifest entries: ``left_out`` with ``--skip-bad``, ``dropped`` if any filter is on.

        Args:
            options: options of the corpus; filters that are off have no count.
            dropped: documents dropped by the filters over the whole corpus.
        """
        by_itself: Dropped = {}
        if options.min_chars or options.min_sentences:
            by_itself["too_short"] = self.too_short
        if options.sample < 1:
            by_itself["not_sampled"] = self.not_sampled
        facts: dict[str, Any] = {"left_out": asdict(self.left_out)} if options.skip_bad else {}
        return facts | ({"dropped": by_itself | dropped} if by_itself | dropped else {})


def tally_from(values: TallyValues) -> Tally:
    """Return the tally whose values are in a receipt.

    >>> tally_from({"left_out": {"count": 1, "first": ["a: bad"]}, "too_short": 2, "not_sampled": 3})
    Tally(left_out=LeftOut(count=1, first=['a: bad']), too_short=2, not_sampled=3)
    """
    return Tally(LeftOut(**values["left_out"]), values["too_short"], values["not_sampled"])


def used_documents(slice_: Slice, options: CorpusOptions, tally: Tally | None = None) -> Iterator[Document]:
    """Yield the documents of a slice that pass all filters; count the others in ``tally``.

    Raises:
        CorpusError: the file is damaged, or has changed since the filters over the whole corpus ran.
        TextDecodeError: it is not valid in its encoding and the option ``errors`` is ``strict``.
    """
    tally = tally or Tally()
    documents = passing(read_slice(slice_, options, tally.left_out), options, slice_.format, tally)
    return documents if slice_.kept is None else _kept(documents, slice_)


def passing(
    documents: Iterable[Document], options: CorpusOptions, format: str, tally: Tally | None = None
) -> Iterator[Document]:
    """Yield the documents that pass the filters on single documents; count the others in ``tally``.

    ``format`` is the format of their file; the sentence rule ``auto`` depends on it.
    """
    if not (options.min_chars or options.min_sentences or options.sample < 1):
        yield from documents
        return
    tally = tally or Tally()
    split = sentence_splitter(options.sentences, options.language, format)
    for document in documents:
        if not is_sampled(document.id, options.sample):
            tally.not_sampled += 1
        elif len(document.text) < options.min_chars or (
            options.min_sentences and len(split(document.text)) < options.min_sentences
        ):
            tally.too_short += 1
        else:
            yield document


def is_sampled(id: str, share: float) -> bool:
    """Return whether a document is in the sample of a fraction ``share`` of all documents.

    >>> sum(is_sampled(str(i), 0.01) for i in range(10_000))
    104
    """
    return place_of(id) < share * 2**64


def place_of(id: str) -> int:
    """Return the 64-bit hash of a document id that decides whether the document is sampled."""
    return int.from_bytes(hashlib.blake2b(id.encode(), digest_size=8).digest(), "little")


def _kept(documents: Iterable[Document], slice_: Slice) -> Iterator[Document]:
    """Yield the documents marked as kept; raise if their number is not the number of marks."""
    assert slice_.kept is not None
    is_kept = read_bytes(*slice_.kept)
    met = 0
    for document in documents:
        if met < len(is_kept) and is_kept[met]:
            yield document
        met += 1
    if met != len(is_kept):
        raise CorpusError(
            f"{slice_.path}: found {met} documents from byte {slice_.start} on, expected {len(is_kept)}: "
            "the file changed during the run; run the command again with --overwrite"
        )
