"""Filters: which documents of a corpus are used, as far as each shows it by itself.

    --min-chars 200        documents of 200 characters or more
    --min-sentences 2      and of two sentences or more
    --sample 0.01          and of those about one of a hundred, the same ones whenever and wherever it is asked

A document is sampled by a hash of its id, so that neither the order nor the cutting of the corpus matters, and
a larger sample holds a smaller one.

What this module does not do: compare documents with one another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from wpprep.config import CorpusOptions
from wpprep.records import Document
from wpprep.sentences import sentence_splitter


def passing(documents: Iterable[Document], options: CorpusOptions, format: str) -> Iterator[Document]:
    """The documents that pass all filters; ``format`` is that of their file, which sentence rules follow."""
    if not (options.min_chars or options.min_sentences or options.sample < 1):
        yield from documents
        return
    split = sentence_splitter(options.sentences, options.language, format)
    for document in documents:
        if (
            len(document.text) >= options.min_chars
            and is_sampled(document.id, options.sample)
            and (not options.min_sentences or len(split(document.text)) >= options.min_sentences)
        ):
            yield document


def is_sampled(id: str, share: float) -> bool:
    """Whether a document is in a sample of this share.

    >>> sum(is_sampled(str(i), 0.01) for i in range(10_000))
    104
    """
    place = int.from_bytes(hashlib.blake2b(id.encode(), digest_size=8).digest(), "little")
    return place < share * 2**64
