"""Filling of shard folders: tasks, held-out documents, bins, the copy of the vocabulary, and manifests.

This module has the parts of a shard folder; `make_shards` has their order.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from wpprep.config import ShardOptions, as_dict
from wpprep.corpus.facts import take_facts
from wpprep.instances.statistics import sum_statistics
from wpprep.jobs.job import Job
from wpprep.jobs.plans import Plan, Receipt, files_in
from wpprep.jobs.receipts import Receipts
from wpprep.pipeline.shard_task import MakeShard, bins_of
from wpprep.records import token_dtype
from wpprep.shards.split import Selection, share_out
from wpprep.shards.token_source import Source
from wpprep.shards.token_store import read_token_counts, write_index
from wpprep.storage.files import HOLDOUT, MANIFEST, make_folder
from wpprep.storage.manifest import File, Manifest, Shard, describe, write_manifest
from wpprep.tokenizer.vocabulary import Vocabulary, copy_vocabulary


def vocabulary_in(folder: Path, vocabulary: Vocabulary) -> list[File]:
    """Copy the vocabulary into a folder that was made with it; return its manifest entries."""
    make_folder(folder / "vocab")
    names = copy_vocabulary(vocabulary, folder / "vocab")
    return [describe(folder / "vocab" / name, folder) for name in sorted(names)]


def fill_folder(stage: str, job: Job, source: Source, documents: Selection, shard: ShardOptions) -> Receipts:
    """Make the shards of the selected documents; return the receipts."""
    for bin_ in bins_of(shard):
        make_folder(job.path / bin_.folder)
    roles = source.vocabulary.roles
    bounds = share_out(
        read_token_counts(source.store), documents, shard, token_dtype(roles.vocab_size).__name__
    )
    names = [f"shard-{k:05}-of-{len(bounds) - 1:05}.arrow" for k in range(len(bounds) - 1)]
    where = (source.store, job.path, documents, bounds)
    make = partial(MakeShard, *where, roles, source.vocabulary.sha256, shard)
    tasks = {name: (name, k) for k, name in enumerate(names)}
    return job.run_tasks(stage, make, tasks, dict.fromkeys(names, 1))


def hold_out(
    job: Job, plan: Plan, source: Source, documents: Selection, shard: ShardOptions
) -> list[File | Shard]:
    """Make the shard folder of the held-out documents, in one pass and without bins; return its entry."""
    if not documents.size:
        return []
    shard = replace(shard, dupe_factor=1, shards=None, bins=None)
    plan = {**plan, "options": plan["options"] | as_dict(shard)}
    path = job.path / HOLDOUT
    with job.inner(path, "shards", plan) as part:
        if not part.is_finished:
            receipts = fill_folder("holdout", part, source, documents, shard)
            part.elect()
            part.finish(manifest_of(path, source, plan["options"], receipts, []))
    return [describe(path / MANIFEST, path.parent)]


def finish_bins(
    folder: Path, source: Source, receipts: Iterable[Receipt], shard: ShardOptions
) -> list[File | Shard]:
    """Write the manifest of every bin's folder; return their manifest entries."""
    entries: list[File | Shard] = []
    for number, bin_ in enumerate(bins_of(shard)):
        if bin_.folder:
            path = folder / bin_.folder
            write_manifest(path, manifest_of(path, source, bin_.options, _OfBin(receipts, number), []))
            entries.append(describe(path / MANIFEST, folder))
    return entries


@dataclass(frozen=True)
class _OfBin:
    """Receipts of one bin, derived from the receipts of shards at each iteration."""

    receipts: Iterable[Receipt]
    number: int

    def __iter__(self) -> Iterator[Receipt]:
        for receipt in self.receipts:
            shard = receipt["shards"][self.number]
            name = os.path.basename(shard["name"])
            yield {"shard": {**shard, "name": name}, "statistics": receipt["of_bins"][self.number]}


def manifest_of(
    folder: Path,
    source: Source,
    options: dict[str, Any],
    receipts: Iterable[Receipt],
    inside: list[File | Shard],
) -> Manifest:
    """Copy the vocabulary into a shard folder and return its manifest; ``inside`` has entries of subfolders."""
    return Manifest(
        kind="shards",
        options=options,
        files=[*files_in(receipts), *inside, *vocabulary_in(folder, source.vocabulary)],
        vocabulary=source.vocabulary.sha256,
        corpus=source.corpus,
        statistics=sum_statistics(receipts),
    )


def manifest_of_tokens(
    folder: Path,
    plan: Plan,
    vocabulary: Vocabulary,
    receipts: Iterable[Receipt],
    not_used: dict[str, Any],
) -> Manifest:
    """Copy the vocabulary into a token store, write its index, and return its manifest."""
    total = sum_statistics(receipts)
    facts = take_facts(total)
    parts = files_in(receipts)
    index = write_index(folder, [part.name for part in parts])
    return Manifest(
        kind="tokens",
        options=plan["options"],
        files=[*parts, *(describe(path, folder) for path in index), *vocabulary_in(folder, vocabulary)],
        vocabulary=vocabulary.sha256,
        corpus={"identity": plan["corpus"]} | facts | not_used,
        statistics=total,
    )
