"""Filling folders: from which tasks they come, and what their manifests say of these.

`pipeline` knows the order of the whole job; this room knows how a folder of shards comes about: the tasks of
its shards, the documents held out, a folder for each bin, the copy of the vocabulary.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from wpprep.config import RunOptions, ShardOptions, as_dict
from wpprep.corpus.facts import take_facts
from wpprep.instances.statistics import sum_statistics
from wpprep.jobs.output import OutputFolder
from wpprep.jobs.resume import Progress, Receipts, run_resumable
from wpprep.pipeline.shard_task import MakeShard, bins_of
from wpprep.records import token_dtype
from wpprep.shards.split import Selection, share_out
from wpprep.shards.token_source import Source
from wpprep.shards.token_store import read_token_counts, write_index
from wpprep.storage.files import MANIFEST, make_folder
from wpprep.storage.manifest import File, Manifest, Shard, describe, write_manifest
from wpprep.tokenizer.vocabulary import Vocabulary, copy_vocabulary


def shards_in(receipts: Iterable[dict[str, Any]]) -> list[File | Shard]:
    entries = [entry for receipt in receipts for entry in receipt.get("shards") or [receipt["shard"]]]
    return [Shard(**entry) for entry in entries]


def vocabulary_in(folder: Path, vocabulary: Vocabulary) -> list[File]:
    """Copy the vocabulary into a folder that is made with it; returns its entries in the manifest."""
    make_folder(folder / "vocab")
    names = copy_vocabulary(vocabulary, folder / "vocab")
    return [describe(folder / "vocab" / name, folder) for name in sorted(names)]


def fill_folder(
    stage: str,
    folder: OutputFolder,
    source: Source,
    documents: Selection,
    shard: ShardOptions,
    run: RunOptions,
    say: Progress,
) -> Receipts:
    """Make the shards of some documents; returns all receipts."""
    for bin_ in bins_of(shard):
        make_folder(folder.path / bin_.folder)
    roles = source.vocabulary.roles
    bounds = share_out(
        read_token_counts(source.store), documents, shard, token_dtype(roles.vocab_size).__name__
    )
    names = [f"shard-{k:05}-of-{len(bounds) - 1:05}.arrow" for k in range(len(bounds) - 1)]
    where = (source.store, folder.path, documents, bounds)
    make = partial(MakeShard, *where, roles, source.vocabulary.sha256, shard)
    tasks = {name: (name, k) for k, name in enumerate(names)}
    return run_resumable(stage, make, tasks, dict.fromkeys(names, 1), folder, run, say)


def hold_out(
    path: Path,
    plan: dict[str, Any],
    source: Source,
    documents: Selection,
    shard: ShardOptions,
    run: RunOptions,
    say: Progress,
) -> list[File | Shard]:
    """Make the shard folder of the held-out documents, of one pass and without bins; returns its entry."""
    if not documents.size:
        return []
    shard = replace(shard, dupe_factor=1, shards=None, bins=None)
    plan = plan | {"options": plan["options"] | as_dict(shard)}
    with OutputFolder.claim(path, "shards", plan, **run.among_nodes) as folder:
        if not folder.is_finished:
            receipts = fill_folder("holdout", folder, source, documents, shard, run, say)
            folder.elect()
            folder.finish(manifest_of(path, source, plan["options"], receipts, []))
    return [describe(path / MANIFEST, path.parent)]


def finish_bins(
    folder: Path, source: Source, receipts: Iterable[dict[str, Any]], shard: ShardOptions
) -> list[File | Shard]:
    """Declare the folder of every bin finished; returns their entries."""
    entries: list[File | Shard] = []
    for number, bin_ in enumerate(bins_of(shard)):
        if bin_.folder:
            path = folder / bin_.folder
            write_manifest(path, manifest_of(path, source, bin_.options, _OfBin(receipts, number), []))
            entries.append(describe(path / MANIFEST, folder))
    return entries


@dataclass(frozen=True)
class _OfBin:
    """What the receipts of shards say of one bin, read again each time."""

    receipts: Iterable[dict[str, Any]]
    number: int

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for receipt in self.receipts:
            shard = receipt["shards"][self.number]
            name = os.path.basename(shard["name"])
            yield {"shard": shard | {"name": name}, "statistics": receipt["of_bins"][self.number]}


def manifest_of(
    folder: Path,
    source: Source,
    options: dict[str, Any],
    receipts: Iterable[dict[str, Any]],
    inside: list[File | Shard],
) -> Manifest:
    """The manifest of a shard folder, into which the vocabulary is copied; ``inside`` are folders in it."""
    return Manifest(
        kind="shards",
        options=options,
        files=[*shards_in(receipts), *inside, *vocabulary_in(folder, source.vocabulary)],
        vocabulary=source.vocabulary.sha256,
        corpus=source.corpus,
        statistics=sum_statistics(receipts),
    )


def manifest_of_tokens(
    folder: Path,
    plan: dict[str, Any],
    vocabulary: Vocabulary,
    receipts: Iterable[dict[str, Any]],
    not_used: dict[str, Any],
) -> Manifest:
    """The manifest of a token store, into which the vocabulary is copied: with it the store explains itself."""
    total = sum_statistics(receipts)
    facts = take_facts(total)
    parts = shards_in(receipts)
    index = write_index(folder, [part.name for part in parts])
    return Manifest(
        kind="tokens",
        options=plan["options"],
        files=[*parts, *(describe(path, folder) for path in index), *vocabulary_in(folder, vocabulary)],
        vocabulary=vocabulary.sha256,
        corpus={"identity": plan["corpus"]} | facts | not_used,
        statistics=total,
    )
