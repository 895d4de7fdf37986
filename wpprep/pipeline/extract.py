"""Extraction of the clean text of a corpus, as JSON lines or Parquet.

    {"id": "12", "title": "Anarchism", "text": "Anarchism\\nThe first paragraph.\\nThe second."}

The documents are those that every other stage reads, after all filters, with one paragraph per line. Each file
has the text of about ``file_bytes`` of the corpus; workers have no influence on this, so that any number of
them writes the same bytes. The files, read with the format ``auto``, give the same documents, ids and titles.

The output folder is a job (`wpprep.jobs`): it is written by one run at a time, resumed by the same command, and
finished when its manifest exists.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, Unpack

from wpprep.config import CorpusOptions, ExtractOptions, RunOptions, as_dict, build, refuse_unknown
from wpprep.config.keywords import ExtractKeywords
from wpprep.corpus.facts import FACTS, count_document, take_facts, unused
from wpprep.corpus.filters import Tally, used_documents
from wpprep.corpus.tasks import Paths, bytes_of, end_survey, plan_of, refuse_empty, survey, tasks_of
from wpprep.instances.statistics import sum_statistics
from wpprep.jobs.job import Job, Progress
from wpprep.jobs.plans import Plan, Receipt, entry_of, files_in
from wpprep.jobs.summary import FolderSummary
from wpprep.records import Document, Slice, in_batches
from wpprep.storage.files import atomic_write
from wpprep.storage.manifest import Manifest, describe

_BATCH_CHARACTERS = 1 << 22
_ENDINGS = {"none": "", "gzip": ".gz", "zstd": ".zst"}


def extract(
    corpus: Paths,
    out: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
    **options: Unpack[ExtractKeywords],
) -> FolderSummary:
    """Write the clean text of a corpus.

    Args:
        corpus: files and folders of text.
        out: the folder to write.
        progress: called as progress(stage, done, total) during the run.
        **options: fields of `ExtractOptions`, `CorpusOptions` and `RunOptions`.

    Raises:
        WpprepError: an input, an option or the output is invalid; the message names it.
    """
    started = time.perf_counter()
    refuse_unknown(options, ExtractOptions, CorpusOptions, RunOptions)
    how, text, run = build(ExtractOptions, options), build(CorpusOptions, options), build(RunOptions, options)
    tasks = tasks_of(corpus, text, how.file_bytes)
    plan = plan_of(as_dict(how) | as_dict(text), None, tasks)
    with Job.begin(out, "text", plan, run, progress) as job:
        if not job.is_finished:
            _fill(job, tasks, plan, corpus, how, text)
    return job.summary("extract", started)


def _fill(
    job: Job,
    tasks: list[list[Slice]],
    plan: Plan,
    corpus: Paths,
    how: ExtractOptions,
    text: CorpusOptions,
) -> None:
    """Write the missing files, and the manifest."""
    chosen = survey(tasks, text, job)
    ending = how.to + (_ENDINGS[how.compress] if how.to == "jsonl" else "")
    names = [f"part-{i:05}.{ending}" for i in range(len(tasks))]
    named = {name: (name, slices) for name, slices in zip(names, chosen.tasks, strict=True)}
    sizes = {name: sum(map(bytes_of, slices)) for name, slices in named.values()}
    receipts = job.run_tasks("extract", partial(ExtractSlices, how, text, job.path), named, sizes)
    job.elect()
    facts = take_facts(sum_statistics(receipts))
    if not facts["documents"]:
        job.folder.discard()
    refuse_empty(facts["documents"], corpus)
    end_survey(job.folder)
    job.finish(
        Manifest(
            kind="text",
            options=plan["options"],
            files=files_in(receipts),
            corpus={"identity": plan["corpus"]} | facts | unused(receipts, text, chosen.dropped),
        )
    )


@dataclass(frozen=True)
class ExtractSlices:
    """Task that writes the documents of some slices into one file."""

    how: ExtractOptions
    text: CorpusOptions
    folder: Path

    def __call__(self, task: tuple[str, list[Slice]]) -> Receipt:
        """Write the file; return its manifest entry, statistics and tally."""
        name, slices = task
        facts, tally = dict.fromkeys(FACTS, 0), Tally()

        def documents() -> Iterator[Document]:
            for slice_ in slices:
                for document in used_documents(slice_, self.text, tally):
                    count_document(document, facts)
                    yield document

        with atomic_write(self.folder / name) as file:
            WRITERS[self.how.to](file, documents(), self.how.compress)
        entry = entry_of(describe(self.folder / name, self.folder))
        return {"shard": entry, "statistics": facts, "tally": asdict(tally)}


def _write_jsonl(file: IO[bytes], documents: Iterable[Document], compress: str) -> None:
    with _compressed(file, compress) as out:
        for document in documents:
            row = {"id": document.id, "title": document.title, "text": document.text}
            out.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


def _write_parquet(file: IO[bytes], documents: Iterable[Document], compress: str) -> None:
    """Write row groups of a few MB, so that the file can be split for reading."""
    import pyarrow as pa  # noqa: PLC0415 (only Parquet needs it)
    import pyarrow.parquet as pq  # noqa: PLC0415

    schema = pa.schema([(name, pa.string()) for name in ("id", "title", "text")])
    with pq.ParquetWriter(file, schema, compression=compress) as out:
        for batch in in_batches(documents, lambda document: len(document.text), _BATCH_CHARACTERS):
            columns = [[d.id for d in batch], [d.title for d in batch], [d.text for d in batch]]
            out.write_table(pa.table(columns, schema=schema))


WRITERS: dict[str, Callable[[IO[bytes], Iterable[Document], str], None]] = {
    "jsonl": _write_jsonl,
    "parquet": _write_parquet,
}


@contextlib.contextmanager
def _compressed(file: IO[bytes], compress: str) -> Iterator[Any]:
    """Yield the file, or a stream that compresses into it, without a name or time in its header."""
    if compress == "gzip":
        with gzip.GzipFile("", "wb", 6, file, mtime=0) as stream:
            yield stream
    elif compress == "zstd":
        import pyarrow as pa  # noqa: PLC0415 (only zstd needs it)

        with pa.CompressedOutputStream(file.name, "zstd") as stream:
            yield stream
    else:
        yield file
