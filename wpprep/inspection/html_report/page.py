"""From folders to the page: which is what, and all of it as one HTML file.

The page is written by a template that escapes every text, and its content security policy lets no script run
but its own, known by its sha256, and nothing be loaded: a corpus that holds ``<script>`` is shown, never run.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from wpprep._version import __version__
from wpprep.errors import MissingExtraError, MissingInputError, OptionError, OutputError
from wpprep.inspection.census import Census, take_census
from wpprep.inspection.charts import svg
from wpprep.inspection.find_rows import OpenShards, open_shards
from wpprep.inspection.html_report import shards as about_shards
from wpprep.inspection.html_report import training as about_training
from wpprep.inspection.html_report import vocabulary as about_vocabularies
from wpprep.inspection.html_report.parts import Section, short_name
from wpprep.inspection.html_report.vocabulary import Named, read_sample
from wpprep.inspection.terminal import label_of
from wpprep.storage.files import MANIFEST, METRICS, write_text
from wpprep.storage.manifest import read_manifest
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


@dataclass(frozen=True)
class Report:
    """A page that was written: where, its size in bytes, and what it tells of."""

    path: Path
    bytes: int
    sections: list[str]


@dataclass(frozen=True)
class _Folders:
    """What there is to tell of, by kind, each in the order given."""

    vocabularies: list[Path]
    shards: list[Path]
    runs: list[Path]
    stores: list[Path]


def report(
    folders: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    text: Sequence[str] = (),
) -> Report:
    """Write a page about vocabularies, shards, training runs, or all of them.

    Args:
        folders: vocabularies (any that `Vocabulary.from_folder` reads), shard folders, models or runs that are
            still at work, token stores (they name the documents of shards); or a folder of such folders.
        out: the HTML file; a report that is there already is replaced.
        text: a corpus to measure vocabularies on, one that they were not learned from.

    Raises:
        MissingInputError: a folder is not there, or none of these.
        OptionError: more than twelve folders.
        OutputError: the file cannot be written, or is no report of ours.
        WpprepError: a folder is damaged.
    """
    out = Path(out)
    _refuse_foreign(out)
    paths = [folders] if isinstance(folders, (str, os.PathLike)) else list(folders)
    found = _sort_out([inner for path in paths for inner in _expand(Path(path))])
    sections = _sections(found, list(text))
    page = _render(sections)
    write_text(out, page)
    return Report(out, len(page.encode()), [f"{section.kind} {section.title}" for section in sections])


def _refuse_foreign(out: Path) -> None:
    """A page may replace a page, and nothing else."""
    if out.is_dir():
        raise OutputError(f"{out}: a folder; expected the name of an HTML file")
    if out.exists() and _MARK.encode() not in out.read_bytes()[:2000]:
        raise OutputError(f"{out}: there already, and no report of wpprep; choose another name")


def _kind(path: Path) -> str | None:
    """What a path is, or None."""
    if (path / METRICS).is_file():
        return "run"
    if (path / MANIFEST).is_file():
        kind = read_manifest(path).kind
        return {"vocabulary": "vocabulary", "shards": "shards", "tokens": "store"}.get(kind)
    if path.name in _VOCABULARY_FILES or any((path / name).is_file() for name in _VOCABULARY_FILES):
        return "vocabulary"
    return None


def _expand(path: Path) -> Iterator[Path]:
    """A folder that can be told of, or those inside it."""
    if not path.exists():
        raise MissingInputError(f"{path}: no such folder; expected a vocabulary, shards or a training run")
    if _kind(path):
        yield path
        return
    inside = [inner for inner in sorted(path.iterdir()) if _kind(inner)] if path.is_dir() else []
    if not inside:
        raise MissingInputError(
            f"{path}: neither a finished vocabulary, shard folder or token store nor a training run, "
            f"and none lies in it"
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
    """What there is to say, in the order of the work: vocabularies, shards, training."""
    sample = read_sample(text) if text else None
    opened = [open_shards(path) for path in found.shards]
    counted = [(shards, take_census(shards)) for shards in opened]
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


def _named(path: Path, counted: Sequence[tuple[OpenShards, Census]]) -> Named:
    vocabulary = Vocabulary.from_folder(path)
    mine = {
        short_name(str(shards.path)): census.pieces
        for shards, census in counted
        if shards.vocabulary.sha256 == vocabulary.sha256
    }
    return Named(str(path), path, vocabulary, mine)


def _store_of(shards: OpenShards, stores: Sequence[Path]) -> Path | None:
    """The token store of the same text, given or kept inside the shard folder."""
    kept = shards.folder / "tokens"
    near = [kept] if (kept / MANIFEST).is_file() else []
    for store in [*stores, *near]:
        if read_manifest(store, "tokens").corpus["fingerprint"] == shards.manifest.corpus["fingerprint"]:
            return store
    return None


def _render(sections: Sequence[Section]) -> str:
    """The page of some sections."""
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
        style=Markup(style),  # noqa: S704 (our own file)
        script=Markup(script),  # noqa: S704 (our own file)
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        mark=Markup(_MARK),  # noqa: S704 (our own text)
    )


def _view(name: str, section: Section, most_tokens: int) -> dict[str, Any]:
    """A section as the template takes it; ``name`` is its id, and goes before all ids in it."""
    charts = [
        {"id": f"{name}-chart-{i}", "chart": chart, "svg": _drawing(chart, f"{name}-chart-{i}")}
        for i, chart in enumerate(section.charts, 1)
    ]
    instances = [_spans(instance, most_tokens) for instance in section.instances]
    labels = sorted({instance["label"] for instance in instances})
    return {"id": name, "section": section, "charts": charts, "instances": instances, "labels": labels}


def _drawing(chart: Any, name: str) -> Markup:
    return Markup(svg(chart.drawing, name, f"{chart.title}. {chart.label}"))  # noqa: S704 (matplotlib escapes)


def _spans(instance: dict[str, Any], most_tokens: int) -> dict[str, Any]:
    """An instance as stretches of tokens of one look: ``[kind, what is seen, what stood there]``.

    Kinds are ``special``, ``a``, ``b``, and of predicted tokens ``masked``, ``random`` and ``kept``.
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
    about = {name: instance[name] for name in ("number", "shard", "row", "document")}
    left_out = max(0, len(pieces) - most_tokens)
    counts = {"tokens": len(pieces), "predictions": len(instance["predictions"]), "left_out": left_out}
    return about | counts | {"spans": spans, "label": label_of(instance)}
