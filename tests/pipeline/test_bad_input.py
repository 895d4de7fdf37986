"""Bad input: one line that names file and place, exit code 1; with --skip-bad the rest is read."""

from __future__ import annotations

import bz2
import functools
import gzip
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wpprep.corpus import tasks as corpus
from wpprep.corpus.readers import cutting
from wpprep.pipeline import extract
from wpprep.storage.manifest import read_manifest

ROWS = [{"id": str(i), "text": f"Text {i * i} is here."} for i in range(3000)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
PAGE = "<page><title>T</title><ns>0</ns><id>1</id><revision><text>It is.</text></revision></page>"
BROKEN = "<mediawiki>\n" + PAGE + PAGE.replace("</title>", "</titel>") + "</mediawiki>"
DECLARED = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b SYSTEM "file:///etc/passwd">]>'
LAUGHS = f"<mediawiki>\n{DECLARED}\n{PAGE}</mediawiki>"


def parquet() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(ROWS), sink)
    return bytes(sink.getvalue())


BAD: list[tuple[str, Callable[[], bytes], str]] = [
    ("a.jsonl.gz", lambda: gzip.compress(LINES)[:-20], "damaged compressed data: .*end-of-stream"),
    ("a.jsonl.bz2", lambda: bz2.compress(LINES)[:-20], "damaged compressed data: .*end-of-stream"),
    ("a.jsonl.zst", lambda: pa.Codec("zstd").compress(LINES, asbytes=True)[:-20], "damaged compressed data"),
    ("a.parquet", lambda: parquet()[:-20], "damaged or truncated Parquet file"),
    ("no.parquet", lambda: b"PAR1" + bytes(100) + b"PAR1", "damaged or truncated Parquet file: .*thrift"),
    ("a.xml", BROKEN.encode, "broken XML in the page at byte 101, line 1: mismatched tag"),
    (
        "b.xml",
        LAUGHS.encode,
        "a document type at byte 12, expected <mediawiki>; entities are not expanded",
    ),
    (
        "a.jsonl",
        lambda: LINES + b"not\n",
        "line 3001: not JSON .*found 'not.*, expected one JSON object per line",
    ),
    ("b.jsonl", lambda: LINES + b'{"body": "x"}\n', r"line 3001: no field text \(found body\); .*--text-field"),
    (
        "a.txt",
        lambda: "Caf\xe9 au lait, s'il vous plait.\n".encode("latin-1"),
        "invalid UTF-8 at byte 3 .*0xE9",
    ),
    ("b.txt", lambda: b"Text. " * 12_000 + b"A NUL \0 here.\n", "byte 72006: found a NUL, expected text"),
    (
        "c.jsonl",
        lambda: LINES + b'{"text": "' + b"x" * 99_000 + b'"}\n',
        "no document ends in the .* from byte",
    ),
]


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str]]]:
    """Run the command line in this process; returns the exit code and what came on stderr."""
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: object) -> tuple[int, str]:
        from wpprep.cli import main  # type: ignore[import-not-found, unused-ignore]

        monkeypatch.setattr(sys, "argv", ["wpprep", *map(str, arguments)])
        try:
            main()
        except SystemExit as leave:
            return int(leave.code or 0), capfd.readouterr().err
        return 0, capfd.readouterr().err

    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(("name", "content", "message"), BAD, ids=[name for name, *_ in BAD])
def test_bad_files_stop_or_are_skipped(
    tmp_path: Path,
    command: Callable[..., tuple[int, str]],
    name: str,
    content: Callable[[], bytes],
    message: str,
) -> None:
    """Each kind of damage stops with its place, found and expected; --skip-bad lists it and goes on."""
    if name.endswith(".xml"):
        pytest.importorskip("mwparserfromhell", reason="dumps take mwparserfromhell")
    (tmp_path / "corpus").mkdir()
    bad = tmp_path / "corpus" / name
    bad.write_bytes(content())
    (tmp_path / "corpus" / "z.jsonl").write_text('{"id": "sound", "text": "Sound."}\n')
    words = ("extract", tmp_path / "corpus", "--workers", 1, "--out")
    with mock.patch.object(cutting, "LONGEST", 90_000):
        code, said = command(*words, tmp_path / "strict")
        assert code == 1
        assert re.fullmatch(f"wpprep: {re.escape(str(bad))}: .*{message}.*\n", said)
        assert not (tmp_path / "strict" / "manifest.json").exists()
        assert command(*words, tmp_path / "out", "--skip-bad", "--quiet")[0] == 0
    left_out = read_manifest(tmp_path / "out").corpus["left_out"]
    assert left_out["count"] == len(left_out["first"]) == 1
    assert re.match(f"{re.escape(name)}: .*{message}", left_out["first"][0])
    found = [json.loads(row) for file in sorted((tmp_path / "out").glob("*.jsonl")) for row in file.open()]
    assert found[-1]["id"] == "sound"
    assert len(found) == 1 + {"a.jsonl": 3000, "b.jsonl": 3000, "c.jsonl": 3000, "a.xml": 1}.get(
        name, len(found) - 1
    )


def test_links_that_lead_nowhere_stop_or_are_skipped(
    tmp_path: Path, command: Callable[..., tuple[int, str]]
) -> None:
    """A loop of links, and a link to nothing: the first is named; --skip-bad lists both and reads on."""
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "loop").symlink_to(tmp_path / "corpus")
    (tmp_path / "corpus" / "nothing").symlink_to(tmp_path / "nowhere")
    (tmp_path / "corpus" / "z.jsonl").write_text('{"id": "sound", "text": "Sound."}\n')
    words = ("extract", tmp_path / "corpus", "--workers", 1, "--out", tmp_path / "out")
    code, said = command(*words)
    assert code == 1
    assert (
        said
        == f"wpprep: {tmp_path}/corpus/loop: a loop of symbolic links: it points to a folder that contains it\n"
    )
    assert command(*words, "--skip-bad", "--quiet")[0] == 0
    assert read_manifest(tmp_path / "out").corpus["left_out"] == {
        "count": 2,
        "first": [
            "loop: cannot be opened: Is a directory",
            "nothing: cannot be opened: No such file or directory",
        ],
    }
    assert read_manifest(tmp_path / "out").corpus["documents"] == 1


def test_a_file_that_vanishes_stops_or_is_skipped(
    tmp_path: Path, command: Callable[..., tuple[int, str]]
) -> None:
    """A file that is gone when its turn comes is named; --skip-bad lists it and reads the others."""
    (tmp_path / "corpus").mkdir()
    gone = tmp_path / "corpus" / "a.jsonl"
    (tmp_path / "corpus" / "z.jsonl").write_text('{"id": "sound", "text": "Sound."}\n')

    def without(*arguments: object) -> object:
        gone.unlink()
        return corpus.survey(*arguments)  # type: ignore[arg-type]

    words = ("extract", tmp_path / "corpus", "--workers", 1, "--out", tmp_path / "out")
    for more, expected in (((), 1), (("--skip-bad", "--quiet"), 0)):
        gone.write_text('{"id": "1", "text": "One."}\n')
        with mock.patch.object(extract, "survey", without):
            code, said = command(*words, *more, "--overwrite")
        assert code == expected
        assert expected == 0 or said == f"wpprep: {gone}: cannot be opened: No such file or directory\n"
    left_out = read_manifest(tmp_path / "out").corpus["left_out"]
    assert left_out == {"count": 1, "first": ["a.jsonl: cannot be opened: No such file or directory"]}


_READ = """
import sys
from wpprep.config import CorpusOptions
from wpprep.pipeline.plan import peak_memory
from wpprep.corpus.readers import LeftOut, plan_slices, read_slice, reader
options, left_out = CorpusOptions(format=sys.argv[2], skip_bad=True), LeftOut()
reader(sys.argv[2])
before, n = peak_memory(), 0
for slice_ in plan_slices([sys.argv[1]], options, 16_000_000):
    for document in read_slice(slice_, options, left_out):
        n += 1
print(peak_memory() - before, n, left_out.count)
"""


def reading(path: Path, format: str) -> tuple[int, int, int]:
    """Memory in bytes that reading a file takes in a process of its own, documents, and how many were bad."""
    command = [sys.executable, "-c", _READ, str(path), format]
    words = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return int(words[0]), int(words[1]), int(words[2])


@pytest.mark.slow
def test_bombs_and_endless_lines_are_read_in_bounded_memory(tmp_path: Path) -> None:
    """A line of 1 GB in a gzip file of 1 MB, and one of 200 MB, take 600 MB at the most."""
    with gzip.open(tmp_path / "bomb.gz", "wb", 9) as bomb:
        bomb.write(b'{"text": "One."}\n{"text": "')
        for _ in range(1000):
            bomb.write(b"a" * 1_000_000)
        bomb.write(b'"}\n{"text": "Two."}\n')
    assert (tmp_path / "bomb.gz").stat().st_size < 2_000_000
    with (tmp_path / "line").open("wb") as line:
        line.write(b'{"text": "One."}\n{"text": "')
        for _ in range(200):
            line.write(b"a" * 1_000_000)
        line.write(b'"}\n{"text": "Two."}\n')
    for name in ("bomb.gz", "line"):
        memory, documents, bad = reading(tmp_path / name, "jsonl")
        assert (documents, bad) == (2, 1)
        assert memory < 600e6


@pytest.mark.slow
@pytest.mark.parametrize("format", ["lines", "prose", "jsonl", "wikiextractor", "parquet", "arrow"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, format: str) -> None:
    """A file eight times the size takes at most 16 MB more to read, compressed or not."""
    text = "A sentence of some words stands here, and then another one. " * 30

    def write(path: Path, megabytes: int) -> None:
        n = megabytes * 1_000_000 // len(text)
        if format in ("parquet", "arrow"):
            table = pa.table({"id": [str(i) for i in range(n)], "text": [f"{i} {text}" for i in range(n)]})
            if format == "parquet":
                pq.write_table(table, path, row_group_size=2000)
            else:
                with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
                    writer.write_table(table, max_chunksize=1000)
            return
        row = {
            "lines": f"{text}\n{text}\n\n",
            "prose": f"{text}\n\n\n\n",
            "jsonl": json.dumps({"text": text}) + "\n",
            "wikiextractor": f'<doc id="1" url="" title="">\n{text}\n</doc>\n',
        }[format]
        path.write_bytes((row * n).encode())

    peaks = []
    for megabytes in (12, 96):
        write(tmp_path / "file", megabytes)
        peaks.append(reading(tmp_path / "file", format)[0])
    limit = 16e6 if format != "arrow" else 120e6  # mapped pages count while the system does not want them back
    assert peaks[1] - peaks[0] < limit


EXPECTED = {"books": "prose", "dumps": "wiki-dump", "wiki-": "wikiextractor", "wikie": "wikiextractor-json"}


@pytest.mark.slow
def test_all_real_text_is_read_by_its_content(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every folder of real text is told by content, and read the same, in order, for two slice sizes.

    A page's wikitext is parsed for the first slice size only: that is nine tenths of the time, and the same
    text gives the same prose.
    """
    import hashlib

    from wpprep.config import CorpusOptions
    from wpprep.corpus.readers import plan_slices, read_slice
    from wpprep.corpus.readers.mediawiki.wikitext import to_prose

    monkeypatch.setattr("wpprep.corpus.readers.mediawiki.dump.to_prose", functools.cache(to_prose))
    folders = [f for f in sorted(data.iterdir()) if f.name.startswith(("wiki", "books", "dumps"))]
    assert len(folders) >= 9
    for folder in folders:
        seen = []
        for target_bytes in (200_000, 10**9):
            slices = plan_slices([folder], CorpusOptions(), target_bytes)
            assert {slice_.format for slice_ in slices} == {EXPECTED[folder.name[:5]]}
            assert {slice_.path for slice_ in slices} == {str(p) for p in folder.rglob("*") if p.is_file()}
            digest, n = hashlib.sha256(), 0
            for slice_ in slices:
                for document in read_slice(slice_, CorpusOptions()):
                    digest.update(f"{document.id}\0{document.text}\0".encode())
                    n += 1
            seen.append((n, digest.hexdigest()))
        assert seen[0] == seen[1]
        assert seen[0][0] > 4
