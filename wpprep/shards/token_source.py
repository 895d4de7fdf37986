"""The source of shards: a finished token store, opened without the corpus.

A finished store has the files of the vocabulary in ``vocab/``, and in its manifest the identity of the
vocabulary, the identity, fingerprint and skip list of the corpus, and the options that the text was read with.
The shards made from a store are therefore equal, byte for byte, to those made from the corpus with the same
options.

This module does not encode text (`pipeline.encode`) or read documents from a store (`token_store`).
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wpprep.config import CorpusOptions, as_dict, build
from wpprep.errors import OptionError, ShardError, VocabularyError
from wpprep.jobs.plans import Plan
from wpprep.shards.token_store import read_token_counts
from wpprep.storage.files import MANIFEST
from wpprep.storage.manifest import Manifest, read_manifest, refuse_damage
from wpprep.storage.place import Location, Place
from wpprep.tokenizer.vocabulary import Vocabulary

ENCODE_AGAIN = "encode the text again (wpprep encode --overwrite)"


@dataclass(frozen=True)
class Source:
    """The source of shards: the token store, the corpus entry of its manifest, and the vocabulary."""

    store: Location
    corpus: dict[str, Any]
    vocabulary: Vocabulary


def open_source(
    store: str | os.PathLike[str],
    vocab: str | os.PathLike[str] | None,
    given: Mapping[str, Any],
    workers: int | None = None,
) -> tuple[Source, Plan]:
    """Open a finished token store and compare every file with its checksum.

    Args:
        store: the folder, or its URL, that `encode_corpus` or ``make_shards(tokens=...)`` wrote.
        vocab: the vocabulary that the store must have been made with; None accepts any.
        given: options by name; those of `CorpusOptions` must be equal to the store's.
        workers: number of threads that read the files; by default one per usable CPU.

    Returns:
        The source, and the plan that the store was made by: its options, vocabulary and corpus.

    Raises:
        MissingInputError: there is no store, or it is unfinished.
        ShardError: a file of the store is damaged or missing.
        VocabularyError: the store was made with another vocabulary.
        OptionError: the text of the store was read with a different option.
    """
    folder = Place(store).folder()
    manifest = read_manifest(folder, "tokens")
    refuse_damage(folder, workers, ENCODE_AGAIN)
    if vocab is not None and (found := Vocabulary.from_folder(vocab).sha256) != manifest.vocabulary:
        raise VocabularyError(
            f"{vocab}: vocabulary {found[:12]}, but the tokens in {folder} were made with vocabulary "
            f"{(manifest.vocabulary or 'none')[:12]}; omit --vocab, or encode the text again"
        )
    documents = len(read_token_counts(folder))
    if documents != manifest.corpus.get("documents") or "identity" not in manifest.corpus:
        listed = manifest.corpus.get("documents")
        raise ShardError(f"{folder}: {documents} documents, but {listed} in {MANIFEST}; {ENCODE_AGAIN}")
    _refuse_other_text(folder, manifest, given)
    identity = manifest.corpus["identity"]
    plan: Plan = {"options": manifest.options, "vocabulary": manifest.vocabulary, "corpus": identity}
    return Source(Place(store).location, manifest.corpus, Vocabulary.from_folder(folder / "vocab")), plan


def _refuse_other_text(folder: Path, manifest: Manifest, given: Mapping[str, Any]) -> None:
    """Raise OptionError if an option for reading text differs from the store's."""
    asked = json.loads(json.dumps(as_dict(build(CorpusOptions, given))))
    for field in dataclasses.fields(CorpusOptions):
        stored = manifest.options.get(field.name)
        if given.get(field.name) is not None and asked[field.name] != stored:
            raise OptionError(
                f"{field.name} is {asked[field.name]!r}, but the text of the tokens in {folder} was read with "
                f"{stored!r}; omit the option, or encode the text again"
            )
