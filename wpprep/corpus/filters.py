"""Filters: which documents of a corpus are used.

    --min-chars 200        documents of 200 characters or more
    --min-sentences 2      and of two sentences or more
    --sample 0.01          and of those about one of a hundred, the same ones whenever and wherever it is asked

These look at a document by itself. A document is sampled by a hash of its id, so that neither the order nor the
cutting of the corpus matters, and a larger sample holds a smaller one. What filters over the whole corpus
(`survey`) have decided stands in a slice's ``kept``, and is followed here.

    for document in used_documents(slice_, options, tally):    # what every stage that takes documents calls
        ...
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from wpprep.config import CorpusOptions
from wpprep.corpus.readers import LeftOut, read_slice
from wpprep.corpus.sentences import sentence_splitter
from wpprep.errors import CorpusError
from wpprep.records import Document, Slice
from wpprep.storage.files import read_bytes


@dataclass
class Tally:
    """What was not used, and why: damage, and documents that the filters of this module dropped."""

    left_out: LeftOut = field(default_factory=LeftOut)
    too_short: int = 0
    not_sampled: int = 0

    def add(self, other: Tally) -> None:
        """Add what was not used later in the corpus."""
        self.left_out.add(other.left_out)
        self.too_short += other.too_short
        self.not_sampled += other.not_sampled

    def facts(self, options: CorpusOptions, dropped: dict[str, Any]) -> dict[str, Any]:
        """What a manifest says: a figure for each filter asked for, ``dropped`` those of the survey."""
        by_itself: dict[str, Any] = {}
        if options.min_chars or options.min_sentences:
            by_itself["too_short"] = self.too_short
        if options.sample < 1:
            by_itself["not_sampled"] = self.not_sampled
        facts: dict[str, Any] = {"left_out": asdict(self.left_out)} if options.skip_bad else {}
        return facts | ({"dropped": by_itself | dropped} if by_itself | dropped else {})


def tally_from(values: dict[str, Any]) -> Tally:
    """A tally from the plain values of a receipt."""
    return Tally(**values | {"left_out": LeftOut(**values["left_out"])})


def used_documents(slice_: Slice, options: CorpusOptions, tally: Tally | None = None) -> Iterator[Document]:
    """The documents of a slice that all filters leave; ``tally`` counts the others.

    Raises:
        CorpusError: the file is damaged, or no longer holds the documents that were surveyed.
        TextDecodeError: it is not valid in its encoding and the option ``errors`` is ``strict``.
    """
    tally = tally or Tally()
    documents = passing(read_slice(slice_, options, tally.left_out), options, slice_.format, tally)
    return documents if slice_.kept is None else _kept(documents, slice_)


def passing(
    documents: Iterable[Document], options: CorpusOptions, format: str, tally: Tally | None = None
) -> Iterator[Document]:
    """The documents that pass by themselves; ``format`` is that of their file, which sentence rules follow."""
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
    """Whether a document is in a sample of this share.

    >>> sum(is_sampled(str(i), 0.01) for i in range(10_000))
    104
    """
    return place_of(id) < share * 2**64


def place_of(id: str) -> int:
    """The 64-bit hash of an id that decides whether its document is used."""
    return int.from_bytes(hashlib.blake2b(id.encode(), digest_size=8).digest(), "little")


def _kept(documents: Iterable[Document], slice_: Slice) -> Iterator[Document]:
    """The documents that the survey keeps, which must be as many as it met."""
    assert slice_.kept is not None
    is_kept = read_bytes(*slice_.kept)
    met = 0
    for document in documents:
        if met < len(is_kept) and is_kept[met]:
            yield document
        met += 1
    if met != len(is_kept):
        raise CorpusError(
            f"{slice_.path}: {met} documents from byte {slice_.start} on, and {len(is_kept)} when they were "
            "surveyed: the file has changed during the run; run the command again with --overwrite"
        )
