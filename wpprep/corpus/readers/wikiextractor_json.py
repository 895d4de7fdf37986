r"""The format ``wikiextractor-json``: the output of WikiExtractor with ``--json``, one object per line.

    {"id": "12", "revid": "701", "url": "https://...?curid=12", "title": "Anarchism", "text": "The ...\n..."}

It is ``jsonl`` with the text in ``text``, the id in ``id`` and one document per line; ``--text-field``,
``--id-field`` and ``--rows-per-document`` apply only to the other files of a corpus.
Source: https://github.com/attardi/wikiextractor
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
    """Return the slices of a file, cut at line ends."""
    return cut(path, "wikiextractor-json", target_bytes, boundaries, options)


def read(slice_: Slice, options: CorpusOptions) -> Outcomes:
    """Yield the documents of a slice, one paragraph per line.

    A line that is not a JSON object, or has no ``text`` or no ``id``, is an `Unreadable` with file and line.

    Raises:
        CorpusError: the compressed data is damaged or truncated.
    """
    fixed = dataclasses.replace(options, text_field="text", id_field="id", rows_per_document=1)
    return jsonl.read(slice_, fixed)


def recognises(head: bytes) -> bool:
    """Return whether the file begins with an object with the keys of WikiExtractor, in its order.

    >>> recognises(b'{"id": "1", "url": "https://en.wikipedia.org/wiki?curid=1", "title": "A", "text": "B"}')
    True
    """
    return bool(_BEGINS.match(head))
