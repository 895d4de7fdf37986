r"""The format ``wikiextractor-json``: what WikiExtractor writes with ``--json``, one object a line.

    {"id": "12", "revid": "701", "url": "https://...?curid=12", "title": "Anarchism", "text": "The ...\n..."}

It is ``jsonl`` with fixed fields, and a line is a document: the text is in ``text`` and the document's name in
``id``, whatever ``--text-field``, ``--id-field`` and ``--rows-per-document`` say of other files in the corpus.
"""

from __future__ import annotations

import dataclasses
import re

from wpprep.config import CorpusOptions
from wpprep.corpus.readers import jsonl
from wpprep.corpus.readers.bad_input import Outcomes
from wpprep.corpus.readers.cutting import cut
from wpprep.records import Slice

boundaries = jsonl.boundaries

_BEGINS = re.compile(rb'\s*\{"id": ?"[^"\n]*", ?(?:"revid": ?"[^"\n]*", ?)?"url": ?"[^"\n]*curid=')


def split(path: str, target_bytes: int, options: CorpusOptions) -> list[Slice]:
    """Slices of a file, cut at line ends."""
    return cut(path, "wikiextractor-json", target_bytes, boundaries, options)


def read(slice_: Slice, options: CorpusOptions) -> Outcomes:
    """The documents of a slice, one paragraph a line.

    Raises:
        CorpusError: a line is no JSON object, or has no ``text`` or no ``id``; names the line.
    """
    fixed = dataclasses.replace(options, text_field="text", id_field="id", rows_per_document=1)
    return jsonl.read(slice_, fixed)


def recognises(head: bytes) -> bool:
    """Whether the file begins with an object of WikiExtractor's keys, in its order.

    >>> recognises(b'{"id": "1", "url": "https://en.wikipedia.org/wiki?curid=1", "title": "A", "text": "B"}')
    True
    """
    return bool(_BEGINS.match(head))
