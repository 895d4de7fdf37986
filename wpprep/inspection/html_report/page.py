"""From folders to the page: the kind of each folder, its section, and all sections as one HTML file.

The template escapes every text, and the content security policy of the page allows only its own script, by its
sha256, and no loading of other files: ``<script>`` in a corpus is shown as text and never run. The size of the
page is bounded by limits on folders, on points per curve and on tokens of instances.

This module does not decide what a section contains; `vocabulary`, `shards` and `training` do.
"""

from __future__ import annotations

import base64
import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import NamedTuple, TypedDict

from wpprep._version import __version__
from wpprep.errors import MissingExtraError, MissingInputError, OptionError
from wpprep.inspection.census import Census, take_census
from wpprep.inspection.charts import svg
from wpprep.inspection.find_rows import Instance
from wpprep.inspection.html_report import shards as about_shards
from wpprep.inspection.html_report import training as about_training
from wpprep.inspection.html_report import vocabulary as about_vocabularies
from wpprep.inspection.html_report.parts import Chart, Section, short_name
from wpprep.inspection.html_report.vocabulary import Named, read_sample
from wpprep.inspection.terminal import label_of
from wpprep.jobs.summary import Summary
from wpprep.shards.folder import ShardFolder
from wpprep.storage.files import MANIFEST, METRICS
from wpprep.storage.manifest import read_manifest
from wpprep.storage.output_file import output_file, refuse_output
from wpprep.storage.place import Location, Place
from wpprep.tokenizer.vocabulary import TOKENIZER, Vocabulary

try:
    import jinja2
    from markupsafe import Markup
except ImportError as error:
    raise MissingExtraError("the report needs extra packages: pip install 'wpprep[report]'") from error

MOST_BYTES = 3_000_000
_MOST_FOLDERS = 12
_MOST_TOKENS = 120_000  # of all instances on the page
_VOCABULARY_FILES = (TOKENIZER, "vocab.txt", "vocab.json")
_MARK = '<meta name="generator" content="wpprep'


@dataclass(frozen=True, kw_only=True, repr=False)
class ReportSummary(Summary):
    """A page that was written.

    Attributes:
        path: the HTML file, a path or a URL.
        bytes: its size.
        sections: what its sections are about.
    """

    path: Location
    bytes: int
    sections: list[str]

    @property
    def place(self) -> Location:
        """The HTML file."""
        return self.path

    @property
    def headline(self) -> str:
        """The number of sections."""
        return f"{len(self.sections)} sections"


@dataclass(frozen=True)
class _Folders:
    """The folders to report on, by kind, each in the order given."""

    vocabularies: list[Path]
    shards: list[Path]
    runs: list[Path]
    stores: list[Path]


class _Counted(NamedTuple):
    """A shard folder and its census."""

    shards: ShardFolder
    census: Census


class _ChartView(TypedDict):
    """A chart as the template takes it."""

    id: str
    chart: Chart
    svg: Markup


class _InstanceView(TypedDict):
    """An instance as the template takes it; ``left_out`` is the number of tokens not shown, see `_spans`."""

    number: int
    shard: str
    row: int
    document: int
    tokens: int
    predictions: int
    left_out: int
    spans: list[list[str]]
    label: str


class _View(TypedDict):
    """A section as the template takes it; ``labels`` are the labels of its instances."""

    id: str
    section: Section
    charts: list[_ChartView]
    instances: list[_InstanceView]
    labels: list[str]


def report(
    folders: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    text: Sequence[str] = (),
    overwrite: bool = False,
) -> ReportSummary:
    """Write a page about vocabularies, shards, training runs, or all of them.

    Args:
        folders: vocabularies (any that `Vocabulary.from_folder` reads), shard folders, models, unfinished
            training runs, and token stores (which have the names of documents); or a folder of such folders.
        out: the HTML file; an existing report is replaced.
        text: files of a corpus to measure vocabularies on, which should not be the one they were learned from.
        overwrite: replace an existing file that is not a report, too.

    Raises:
        MissingInputError: a folder is missing, or of another kind.
        OptionError: there are more than twelve folders.
        OutputError: the file cannot be written, or exists and is not a report.
        WpprepError: a folder is damaged.
    """
    started = time.perf_counter()
    refuse_output(out, is_ours=_is_page, overwrite=overwrite)
    paths = [folders] if isinstance(folders, str | os.PathLike) else list(folders)
    found = _sort_out([inner for path in paths for inner in _expand(_open(path))])
    sections = _sections(found, list(text))
    page = _render(sections).encode()
    with output_file(out, is_ours=_is_page, overwrite=overwrite) as file:
        file.write(page)
    return ReportSummary(
        command="report",
        seconds=time.perf_counter() - started,
        path=Place(out).location,
        bytes=len(page),
        sections=[f"{section.kind} {section.title}" for section in sections],
    )


def _is_page(head: bytes) -> bool:
    """Return whether a file that begins with these bytes is a report."""
    return _MARK.encode() in head


def _open(path: str | os.PathLike[str]) -> Path:
    """Return the local folder of a path or URL."""
    return Place(path).folder(*_VOCABULARY_FILES)


def _kind(path: Path) -> str | None:
    """Return the kind of folder or file at a path; None if it cannot be reported on."""
    if (path / METRICS).is_file():
        return "run"
    if (path / MANIFEST).is_file():
        kind = read_manifest(path).kind
        return {"vocabulary": "vocabulary", "shards": "shards", "tokens": "store"}.get(kind)
    if path.name in _VOCABULARY_FILES or any((path / name).is_file() for name in _VOCABULARY_FILES):
        return "vocabulary"
    return None


def _expand(path: Path) -> Iterator[Path]:
    """Yield the folder itself if it can be reported on, else those inside it that can."""
    if not path.exists():
        raise MissingInputError(f"{path}: no such folder; expected a vocabulary, shards or a training run")
    if _kind(path):
        yield path
        return
    inside = [inner for inner in sorted(path.iterdir()) if _kind(inner)] if path.is_dir() else []
    if not inside:
        raise MissingInputError(
            f"{path}: neither a finished vocabulary, shard folder or token store nor a training run, "
            f"and it contains none"
        )
    yield from inside


def _sort_out(paths: list[Path]) -> _Folders:
    unique = list(dict.fromkeys(paths))
    if len(unique) > _MOST_FOLDERS:
        raise OptionError(f"{len(unique)} folders, expected at most {_MOST_FOLDERS} on one page")
    kinds = {path: _kind(path) for path in unique}
    return _Folders(
        *([path for path in unique if kinds[path] == kind] for kind in ("vocabulary", "shards", "run", "store"))
    )


def _sections(found: _Folders, text: list[str]) -> list[Section]:
    """Return the sections in the order of the pipeline: vocabularies, shards, training."""
    sample = read_sample(text) if text else None
    counted = [_Counted(shards, take_census(shards)) for shards in map(ShardFolder, found.shards)]
    vocabularies = [_named(path, counted) for path in found.vocabularies]
    identities = {named.vocabulary.sha256 for named in vocabularies}
    sections = [about_vocabularies.describe(named, sample) for named in vocabularies]
    compared = about_vocabularies.compare(vocabularies, sample) if vocabularies else None
    if compared:
        sections.append(compared)
    for shards, census in counted:
        is_known = shards.vocabulary.sha256 in identities
        store = _store_of(shards, found.stores)
        sections.append(about_shards.describe(shards, census, store, has_vocabulary=is_known))
    sections += [about_training.describe(path) for path in found.runs]
    if len(found.runs) > 1:
        sections.append(about_training.compare(found.runs))
    return sections


def _named(path: Path, counted: Sequence[_Counted]) -> Named:
    vocabulary = Vocabulary.from_folder(path)
    mine = {
        short_name(str(shards.location)): census.pieces
        for shards, census in counted
        if shards.vocabulary.sha256 == vocabulary.sha256
    }
    return Named(str(path), path, vocabulary, mine)


def _store_of(shards: ShardFolder, stores: Sequence[Path]) -> Path | None:
    """Return the token store of the same corpus, one of those given or the one inside the shard folder."""
    kept = shards.path / "tokens"
    near = [kept] if (kept / MANIFEST).is_file() else []
    for store in [*stores, *near]:
        if read_manifest(store, "tokens").corpus.get("fingerprint") == shards.manifest.corpus.get(
            "fingerprint"
        ):
            return store
    return None


def _render(sections: Sequence[Section]) -> str:
    """Return the HTML page of some sections."""
    files = resources.files(__package__)
    template, style, script = (
        (files / name).read_text(encoding="utf-8") for name in ("page.html", "page.css", "page.js")
    )
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.undefined = jinja2.StrictUndefined
    rows = max(1, sum(len(section.instances) for section in sections))
    named = [(f"part-{i}", section) for i, section in enumerate(sections, 1)]
    return environment.from_string(template).render(
        sections=[_view(name, section, _MOST_TOKENS // rows) for name, section in named],
        version=__version__,
        style=Markup(style),  # noqa: S704 (a file of this package)
        script=Markup(script),  # noqa: S704 (a file of this package)
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        mark=Markup(_MARK),  # noqa: S704 (a constant of this module)
    )


def _view(name: str, section: Section, most_tokens: int) -> _View:
    """Return a section as the template takes it; ``name`` is its id and the prefix of all ids in it."""
    charts: list[_ChartView] = [
        {"id": f"{name}-chart-{i}", "chart": chart, "svg": _drawing(chart, f"{name}-chart-{i}")}
        for i, chart in enumerate(section.charts, 1)
    ]
    instances = [_spans(instance, most_tokens) for instance in section.instances]
    labels = sorted({instance["label"] for instance in instances})
    return {"id": name, "section": section, "charts": charts, "instances": instances, "labels": labels}


def _drawing(chart: Chart, name: str) -> Markup:
    return Markup(svg(chart.drawing, name, f"{chart.title}. {chart.label}"))  # noqa: S704 (matplotlib escapes)


def _spans(instance: Instance, most_tokens: int) -> _InstanceView:
    """Return an instance as spans ``[kind, pieces in the input, original pieces]``, each of one appearance.

    Kinds are ``special``, ``a``, ``b``, and for predicted tokens ``masked``, ``random`` and ``kept``.
    """
    pieces, b_start = instance["pieces"], instance["b_start"]
    spans: list[list[str]] = []
    for position, piece in enumerate(pieces[:most_tokens]):
        original = instance["predictions"].get(position)
        if original is not None:
            kind = "kept" if original == piece else "masked" if piece == "[MASK]" else "random"
            spans.append([kind, piece, original])
        elif position in {0, b_start - 1, len(pieces) - 1}:
            spans.append(["special", piece, ""])
        else:
            kind = "a" if position < b_start else "b"
            if spans and spans[-1][0] == kind:
                spans[-1][1] += f" {piece}"
            else:
                spans.append([kind, piece, ""])
    return {
        "number": instance["number"],
        "shard": instance["shard"],
        "row": instance["row"],
        "document": instance["document"],
        "tokens": len(pieces),
        "predictions": len(instance["predictions"]),
        "left_out": max(0, len(pieces) - most_tokens),
        "spans": spans,
        "label": label_of(instance),
    }
