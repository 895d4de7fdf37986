"""Facts of a corpus that a manifest records: documents, bytes, a fingerprint, and what was not used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wpprep.config import CorpusOptions
from wpprep.corpus.filters import Tally, tally_from
from wpprep.records import Document, fingerprint

FACTS = ("documents", "text_bytes", "replaced", "fingerprint")  # what a manifest says of a corpus


def count_document(document: Document, facts: dict[str, int]) -> None:
    """Add a document to the facts of a corpus."""
    text = document.text.encode()
    facts["documents"] += 1
    facts["text_bytes"] += len(text)
    facts["replaced"] += document.replaced
    facts["fingerprint"] = (facts["fingerprint"] + fingerprint(text)) % 2**64


def take_facts(total: dict[str, Any]) -> dict[str, Any]:
    """Take the facts of a corpus out of the sums over its tasks, as a manifest says them."""
    facts = {name: total.pop(name, 0) for name in FACTS}  # nothing is summed of a corpus without any text
    return facts | {"fingerprint": f"{facts['fingerprint'] % 2**64:016x}"}


def unused(receipts: Iterable[dict[str, Any]], text: CorpusOptions, dropped: dict[str, Any]) -> dict[str, Any]:
    """What a manifest says of documents that were not used; ``dropped`` is what the survey says of them."""
    total = Tally()
    for receipt in receipts:
        total.add(tally_from(receipt["tally"]))
    return total.facts(text, dropped)
