"""Corpus statistics recorded in a manifest: documents, bytes of text, a fingerprint, unused documents.

    facts = dict.fromkeys(FACTS, 0)           # one per task; the sums over tasks go to `take_facts`
    count_document(document, facts)

The fingerprint is the sum of 64-bit hashes of the texts, modulo 2**64, so it does not depend on the order in
which tasks are summed. It identifies a corpus and is not cryptographically secure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wpprep.config import CorpusOptions
from wpprep.corpus.filters import Dropped, Tally, tally_from
from wpprep.jobs.plans import Receipt
from wpprep.records import Document, fingerprint

FACTS = ("documents", "text_bytes", "replaced", "fingerprint")  # keys of the corpus statistics


def count_document(document: Document, facts: dict[str, int]) -> None:
    """Add a document to the statistics of a corpus, in place; ``facts`` has the keys `FACTS`."""
    text = document.text.encode()
    facts["documents"] += 1
    facts["text_bytes"] += len(text)
    facts["replaced"] += document.replaced
    facts["fingerprint"] = (facts["fingerprint"] + fingerprint(text)) % 2**64


def take_facts(total: dict[str, Any]) -> dict[str, Any]:
    """Remove the corpus statistics from sums over tasks and return them as a manifest records them.

    >>> take_facts({"documents": 2, "text_bytes": 9, "replaced": 0, "fingerprint": 255, "rows": 7})
    {'documents': 2, 'text_bytes': 9, 'replaced': 0, 'fingerprint': '00000000000000ff'}
    """
    facts = {name: total.pop(name, 0) for name in FACTS}  # a corpus without text has no sums
    return facts | {"fingerprint": f"{facts['fingerprint'] % 2**64:016x}"}


def unused(receipts: Iterable[Receipt], text: CorpusOptions, dropped: Dropped) -> dict[str, Any]:
    """Return the manifest entries about documents that were not used.

    Args:
        receipts: receipts of all tasks, each with the values of a `Tally` under ``tally``.
        text: options of the corpus; filters that are off have no entry.
        dropped: documents dropped by the filters over the whole corpus.
    """
    total = Tally()
    for receipt in receipts:
        total.add(tally_from(receipt["tally"]))
    return total.facts(text, dropped)
