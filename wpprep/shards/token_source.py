"""What shards are made from: a token store that explains itself, opened again without the corpus.

A finished store has the vocabulary's files in ``vocab/`` and in its manifest the vocabulary's identity, the
corpus' identity, fingerprint and skip list, and the options the text was read with. So the shards of a store
are, to the last byte, those made from the corpus with the same options.

What this module does not do: encode (tasks), or read documents out of a store (encode.tokens).
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
from wpprep.storage.manifest import Manifest, find_damage, read_manifest
from wpprep.storage.place import Location, Place
from wpprep.tokenizer.vocabulary import Vocabulary


@dataclass(frozen=True)
class Source:
    """What shards are made from: the token store, what its manifest says of the corpus, and the vocabulary."""

    store: Location
    corpus: dict[str, Any]
    vocabulary: Vocabulary


def open_source(
    store: str | os.PathLike[str],
    vocab: str | os.PathLike[str] | None,
    given: Mapping[str, Any],
    workers: int | None = None,
) -> tuple[Source, Plan]:
    """A finished token store, every file of it compared with its checksum, and the plan it was made by.

    Args:
        store: the folder that `encode_corpus` or ``make_shards(tokens=...)`` wrote.
        vocab: the vocabulary the store should be of; None takes any.
        given: options by name; those of `CorpusOptions` among them must be the store's.
        workers: threads that read the files.

    Raises:
        MissingInputError: there is no store, or an unfinished one.
        ShardError: a file of the store is damaged or missing.
        VocabularyError: the store is of another vocabulary.
        OptionError: the store's text was read with another option.
    """
    folder = Place(store).folder()
    manifest = read_manifest(folder, "tokens")
    refuse_damage(folder, workers)
    if vocab is not None and (found := Vocabulary.from_folder(vocab).sha256) != manifest.vocabulary:
        raise VocabularyError(
            f"{vocab}: vocabulary {found[:12]}, but the tokens in {folder} are of vocabulary "
            f"{(manifest.vocabulary or 'none')[:12]}; leave --vocab out, or encode the text anew"
        )
    _refuse_other_text(folder, manifest, given)
    identity = manifest.corpus["identity"]
    plan: Plan = {"options": manifest.options, "vocabulary": manifest.vocabulary, "corpus": identity}
    return Source(Place(store).location, manifest.corpus, Vocabulary.from_folder(folder / "vocab")), plan


def refuse_damage(store: Path, workers: int | None = None) -> None:
    """Raise ShardError if a file of a finished token store is damaged, missing or foreign."""
    if damage := find_damage(store, workers):
        raise ShardError(f"{damage[0]}; encode the text anew (wpprep encode --overwrite)")


def _refuse_other_text(folder: Path, manifest: Manifest, given: Mapping[str, Any]) -> None:
    """Raise OptionError where an option says that text is read in another way than the store's was."""
    asked = json.loads(json.dumps(as_dict(build(CorpusOptions, given))))
    for field in dataclasses.fields(CorpusOptions):
        stored = manifest.options.get(field.name)
        if given.get(field.name) is not None and asked[field.name] != stored:
            raise OptionError(
                f"{field.name} is {asked[field.name]!r}, but the text of the tokens in {folder} was read with "
                f"{stored!r}; leave the option out, or encode the text anew"
            )
