"""Remote files, from a real S3 server on loopback: the same documents, few bytes, clear errors."""

from __future__ import annotations

import importlib
import io
import logging
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest

from wpprep.config import CorpusOptions
from wpprep.corpus.inputs import expand_inputs
from wpprep.corpus.readers import plan_slices, read_slice
from wpprep.errors import MissingExtraError, MissingInputError, OptionError, RemoteError
from wpprep.records import Document
from wpprep.storage import remote
from wpprep.storage.files import open_raw, read_bytes, size_of
from wpprep.storage.ranges import RANGE
from wpprep.storage.remote import put_remote, read_remote, write_remote

OPTIONS = CorpusOptions()


def documents(
    inputs: list[str | Path], options: CorpusOptions = OPTIONS, target_bytes: int = 10**9
) -> list[Document]:
    """The documents of some files, read in slices."""
    slices = plan_slices(inputs, options, target_bytes)
    return [document for slice_ in slices for document in read_slice(slice_, options)]


def upload(folder: Path, url: str) -> str:
    """Put every file below a folder under a URL, and return that."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            put_remote(path, f"{url}/{path.relative_to(folder).as_posix()}")
    return url


@pytest.fixture(scope="module")
def corpus_url(s3_server: Any, sample_corpus: Path) -> str:
    """The sample corpus in a bucket."""
    with s3_server.in_environment():
        return upload(sample_corpus, f"{s3_server.make_bucket()}/corpus")


def folders(sample_corpus: Path) -> list[str]:
    """The folders of the sample corpus, one for each format."""
    inner = [f"formats/{path.name}" for path in (sample_corpus / "formats").iterdir() if path.is_dir()]
    return sorted(["wiki", "books", "dump", "wiki-ja", *inner])


def test_every_format_is_read_as_from_a_disk(s3: Any, corpus_url: str, sample_corpus: Path) -> None:
    """Documents, their ids and order are those of a local run, in one slice or in many."""
    for folder in folders(sample_corpus):
        local = documents([sample_corpus / folder])
        assert local
        for target_bytes in (10**9, 3_000):
            assert documents([f"{corpus_url}/{folder}"], target_bytes=target_bytes) == local


def test_files_are_found_as_on_a_disk(s3: Any, sample_corpus: Path, tmp_path: Path) -> None:
    """Folders, patterns and lists give the same files in the same order; the same ones are left out."""
    names = [
        "b/2.txt",
        "b/1.txt",
        "b-c/1.txt",
        "b.txt",
        "a.txt",
        "README.md",
        ".hidden",
        "b/.git/x",
        "c/d/e.jsonl",
    ]
    names += ["set/data-0.arrow", "set/cache-1.arrow", "set/dataset_info.json"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "set" / "state.json").write_text('{"_data_files": [{"filename": "data-0.arrow"}]}')
    url = upload(tmp_path, f"{s3.make_bucket()}/in")
    for pattern in ("", "/", "/b", "/b/1.txt", "/*", "/*.txt", "/b*", "/**", "/**/*.txt", "/[ab]/*", "/*/*/*"):
        local = [
            Path(path).relative_to(tmp_path).as_posix() for path in expand_inputs([f"{tmp_path}{pattern}"])
        ]
        assert [str(path).removeprefix(f"{url}/") for path in expand_inputs([f"{url}{pattern}"])] == local
    listing = tmp_path / "list"
    listing.write_text(f"{url}/b\n{tmp_path}/a.txt\n{url}/b/2.txt\n")
    assert [str(path) for path in expand_inputs([f"@{listing}"])] == [
        f"{url}/b/1.txt", f"{url}/b/2.txt", f"{tmp_path}/a.txt"
    ]  # fmt: skip


def test_a_slice_of_a_plain_file_fetches_little_more_than_itself(s3: Any, tmp_path: Path) -> None:
    """Of 40 MB, planning in slices of 10 MB looks at a few boundaries, and reading one fetches it alone."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(b'{"text": "%s"}\n' % (b"%07d " % i * 12) for i in range(360_000)))
    size = path.stat().st_size
    assert 39e6 < size < 42e6
    url = f"{s3.make_bucket()}/a.jsonl"
    put_remote(path, url)
    remote.forget()
    s3.sent.clear()
    slices = plan_slices([url], OPTIONS, 10_000_000)
    assert [(s.start, s.stop) for s in slices] == [
        (s.start, s.stop) for s in plan_slices([path], OPTIONS, 10_000_000)
    ]
    plan_slices([url], OPTIONS, 10_000_000)
    assert sum(s3.sent) <= 2 * 6 * (1 << 16)  # the head and a window for each boundary, twice
    s3.sent.clear()
    found = sum(1 for _ in read_slice(slices[1], OPTIONS))
    assert found > 80_000
    wanted = slices[1].stop - slices[1].start
    assert wanted <= sum(s3.sent) <= wanted + (1 << 16)
    assert max(s3.sent) <= RANGE


def test_a_remote_file_reads_like_a_local_one(s3: Any, tmp_path: Path) -> None:
    """Any walk of seeks and reads gives the bytes of the file."""
    data = bytes(range(256)) * 2_000
    (tmp_path / "x").write_bytes(data)
    url = f"{s3.make_bucket()}/x"
    put_remote(tmp_path / "x", url)
    with open_raw(url, 200_000) as file:
        for position, size in [
            (0, 10),
            (0, -1),
            (70_000, 5),
            (70_005, 100_000),
            (511_990, 100),
            (3, 66_000),
            (9, 0),
        ]:
            assert file.seek(position) == position
            expected = data[position:] if size < 0 else data[position : position + size]
            assert file.read(size) == expected
            assert file.tell() == position + len(expected)
        assert file.seek(-4, 2) == len(data) - 4
        assert cast(io.BufferedIOBase, file).readinto(bytearray(9)) == 4
    assert read_bytes(url, 65_530, 65_550) == data[65_530:65_550]
    assert size_of(url) == len(data)


def test_what_passes_is_tried_again(
    s3: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that fails three times is asked a fourth time; each wait is said."""
    monkeypatch.setattr(remote, "WAITS", (0.01, 0.02, 0.04))
    url = f"{s3.make_bucket()}/x"
    write_remote(url, b"some text. " * 20_000)
    for failure in ("500", "503", "cut", "reset"):
        remote.forget()
        s3.fail(3, failure)
        with caplog.at_level(logging.WARNING):
            caplog.clear()
            assert len(read_bytes(url)) == 220_000
        said = sum("trying again in" in message for message in caplog.messages)
        assert said == 3 or (failure == "reset" and said > 0)  # aiohttp itself connects again once


@pytest.mark.parametrize("failure", ["500", "503", "cut", "reset"])
def test_what_does_not_pass_is_one_line(s3: Any, monkeypatch: pytest.MonkeyPatch, failure: str) -> None:
    """A server that fails for ever is given up, with what it said."""
    monkeypatch.setattr(remote, "WAITS", (0.01, 0.02))
    url = f"{s3.make_bucket()}/x"
    write_remote(url, b"x" * 200_000)
    remote.forget()
    s3.fail(10**6, failure)
    with pytest.raises(RemoteError, match=r"/x: .*gave up after 3 attempts") as caught:
        read_bytes(url)
    assert "\n" not in str(caught.value)


def test_a_file_that_goes_in_the_middle_is_named(s3: Any) -> None:
    """An object that vanishes while it is read is an error that names it, not the end of the text."""
    url = f"{s3.make_bucket()}/x"
    write_remote(url, b"x" * 300_000)
    with open_raw(url) as file:
        assert len(file.read(10)) == 10
        remote.remove_remote([url])
        with pytest.raises(MissingInputError, match="/x: no such file"):
            file.read()


def test_what_is_missing_is_said(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Buckets, objects, folders, protocols, packages, credentials: one line each, at once."""
    url = s3.make_bucket()
    for missing in ("s3://no-such-bucket-here/x", f"{url}/none.txt", f"{url}/none/", f"{url}/*.none"):
        with pytest.raises(MissingInputError, match="no such file"):
            expand_inputs([missing])
    with pytest.raises(OptionError, match=r"nfs4://.*expected s3://"):
        expand_inputs(["nfs4://server/x"])
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    remote.close_connections()
    with pytest.raises(RemoteError, match=r"no credentials.*set them"):
        expand_inputs([f"{url}/x"])


def test_what_stores_lack_here_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """gs:// without its package, hdfs:// without Java: one line that says what to install, no waiting."""
    monkeypatch.setattr(remote, "WAITS", (3600,))
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    monkeypatch.delitem(importlib.import_module("fsspec.registry")._registry, "gs", raising=False)
    with pytest.raises(MissingExtraError, match=r"^gs://bucket/x: a package for gs://.*: pip install gcsfs$"):
        expand_inputs(["gs://bucket/x"])

    def refuse(url: str, **options: Any) -> None:
        raise OSError("Unable to load libjvm\ndlopen(/usr/lib/jvm/libjvm.so) failed")

    monkeypatch.setattr("fsspec.core.url_to_fs", refuse)
    with pytest.raises(RemoteError, match=r"Unable to load libjvm; it takes Java .* give webhdfs://") as caught:
        expand_inputs(["hdfs://namenode:8020/x"])
    assert "\n" not in str(caught.value)


def test_a_file_that_changes_while_it_is_read_is_named(s3: Any) -> None:
    """Another object under the same name, of the same size, is no part of the text that was being read."""
    url = f"{s3.make_bucket()}/a.jsonl"
    write_remote(url, b'{"id": 1, "text": "One."}\n' * 10_000)
    (slice_,) = plan_slices([url], OPTIONS, 10**9)
    found = read_slice(slice_, OPTIONS)
    assert next(found).text == "One."
    bucket, _, key = url.removeprefix("s3://").partition("/")
    boto3 = pytest.importorskip("boto3")  # as another process would write it
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=b'{"id": 1, "text": "Two."}\n' * 10_000)
    with pytest.raises(RemoteError, match=r"/a\.jsonl: has changed while it was read"):
        list(found)
    assert {document.text for document in documents([url])} == {"Two."}


def test_only_one_creates(s3: Any) -> None:
    """A conditional write gives way to what is there."""
    url = f"{s3.make_bucket()}/lock"
    assert write_remote(url, b"first", create=True)
    assert not write_remote(url, b"second", create=True)
    assert read_remote(url) == b"first"


class Web(BaseHTTPRequestHandler):
    """Serves one text, with ranges or without."""

    text = "".join(f"Sentence number {i}.\n\n" for i in range(20_000)).encode()
    ranges = True

    def do_HEAD(self) -> None:
        self.answer(200, self.text, send=False)

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        if not asked or not self.ranges:
            self.answer(200, self.text)
            return
        start, stop = asked.removeprefix("bytes=").split("-")
        self.answer(206, self.text[int(start) : int(stop) + 1])

    def answer(self, code: int, body: bytes, send: bool = True) -> None:
        self.send_response(code if self.path == "/a.txt" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if send:
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.mark.parametrize("ranges", [True, False])
def test_a_web_server_serves_text_with_ranges_or_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ranges: bool
) -> None:
    """Where ranges are not known, the file is copied into the cache first; documents are the same."""
    monkeypatch.setenv("WPPREP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Web, "ranges", ranges)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/a.txt"
        (tmp_path / "a.txt").write_bytes(Web.text)
        assert documents([url], target_bytes=50_000) == documents([tmp_path / "a.txt"])
        assert len(list(tmp_path.glob("cache/files/*/a.txt"))) == (0 if ranges else 1)
        with pytest.raises(MissingInputError, match="no such file"):
            documents([url.replace("a.txt", "b.txt")])
    finally:
        server.shutdown()
        server.server_close()


def test_a_server_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection is tried again, and then said."""
    monkeypatch.setattr(remote, "WAITS", (0.01,))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(RemoteError, match="gave up after 2 attempts"):
        documents([f"http://127.0.0.1:{port}/a.txt"])
