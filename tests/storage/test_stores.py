"""Stores that are not S3: HDFS by its REST interface, from a server of our own; Google's, from an emulator."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from wpprep.corpus.inputs import expand_inputs
from wpprep.corpus.readers import detect
from wpprep.errors import MissingInputError, OutputError
from wpprep.jobs.upload import Mirror
from wpprep.pipeline.extract import extract
from wpprep.storage import remote
from wpprep.storage.manifest import find_damage
from wpprep.storage.remote import list_remote, put_remote, read_remote, write_remote

pytest.importorskip("requests", reason="webhdfs:// takes requests")


class NameNode(BaseHTTPRequestHandler):
    """WebHDFS as fsspec speaks it: a file is created empty and appended to, and moved onto nothing."""

    protocol_version = "HTTP/1.1"
    files: dict[str, bytes] = {}  # noqa: RUF012 (one tree for all requests)

    def folders(self) -> set[str]:
        return {name[:i] or "/" for name in self.files for i in range(len(name)) if name[i] == "/"} | {"/"}

    def status(self, path: str, suffix: str = "") -> dict[str, str | int]:
        if path in self.files:
            return {"pathSuffix": suffix, "type": "FILE", "length": len(self.files[path])}
        return {"pathSuffix": suffix, "type": "DIRECTORY", "length": 0}

    def answer(self, body: bytes = b"", code: int = 200, location: str = "") -> None:
        self.send_response(code)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def serve(self) -> None:
        parts = urlsplit(self.path)
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = parts.path.removeprefix("/webhdfs/v1").rstrip("/") or "/"
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        exists = path in self.files or path in self.folders()
        if not exists and asked["op"] in ("GETFILESTATUS", "LISTSTATUS", "OPEN", "RENAME"):
            said = {"exception": "FileNotFoundException", "message": f"File does not exist: {path}"}
            self.answer(json.dumps({"RemoteException": said}).encode(), 404)
        elif asked["op"] in ("CREATE", "APPEND", "OPEN") and "datanode" not in asked:
            self.answer(code=307, location=f"http://{self.headers['Host']}{self.path}&datanode=1")
        else:
            self.answer(getattr(self, asked["op"])(path, asked, data))

    do_GET = do_PUT = do_POST = do_DELETE = serve  # noqa: N815 (http.server's names)

    def GETFILESTATUS(self, path: str, asked: dict[str, str], data: bytes) -> bytes:  # noqa: N802
        return json.dumps({"FileStatus": self.status(path)}).encode()

    def LISTSTATUS(self, path: str, asked: dict[str, str], data: bytes) -> bytes:  # noqa: N802
        if path in self.files:
            found = [self.status(path)]
        else:
            stem = path.rstrip("/") + "/"
            below = {*self.files, *self.folders()} - {path}
            names = {name.removeprefix(stem) for name in below if name.startswith(stem)}
            found = [self.status(stem + name, name) for name in sorted(names) if "/" not in name]
        return json.dumps({"FileStatuses": {"FileStatus": found}}).encode()

    def OPEN(self, path: str, asked: dict[str, str], data: bytes) -> bytes:  # noqa: N802
        start = int(asked.get("offset", 0))
        return bytes(self.files[path][start:][: int(asked.get("length", 1 << 40))])

    def CREATE(self, path: str, asked: dict[str, str], data: bytes) -> bytes:  # noqa: N802
        self.files[path] = data
        return b""

    def APPEND(self, path: str, asked: dict[str, str], data: bytes) -> bytes:  # noqa: N802
        self.files[path] += data
        return b""

    def RENAME(self, path: str, asked: dict[str, str], data: bytes) -> bytes:  # noqa: N802
        target = asked["destination"]
        if target in self.files:
            return b'{"boolean": false}'
        self.files[target] = self.files.pop(path)
        return b'{"boolean": true}'

    def MKDIRS(self, path: str, asked: dict[str, str], data: bytes) -> bytes:  # noqa: N802
        return b'{"boolean": true}'

    def DELETE(self, path: str, asked: dict[str, str], data: bytes) -> bytes:  # noqa: N802
        for name in [name for name in self.files if name == path or name.startswith(f"{path}/")]:
            del self.files[name]
        return b'{"boolean": true}'

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def hdfs(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty file system."""
    monkeypatch.setattr(NameNode, "files", {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), NameNode)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"webhdfs://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty bucket of Google's, as far as its emulator is true."""
    gcsfs = pytest.importorskip("gcsfs", reason="pip install gcsfs gcp-storage-emulator")
    emulator = pytest.importorskip("gcp_storage_emulator.server", reason="pip install gcp-storage-emulator")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = emulator.create_server("127.0.0.1", port, in_memory=True)
    server.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    gcsfs.GCSFileSystem(token="anon", skip_instance_cache=True).mkdir("bucket")
    yield "gs://bucket"
    server.stop()


@pytest.fixture(params=["hdfs", "google"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty store."""
    monkeypatch.setenv("WPPREP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remote, "WAITS", (0.01,))
    yield request.getfixturevalue(request.param)
    remote.close_connections()


def test_text_is_read_from_a_store_and_written_to_it(store: str, sample_corpus: Path, tmp_path: Path) -> None:
    """Files, patterns and an output are those of a local run; another command is refused, or overwrites."""
    names = sorted(path.name for path in (sample_corpus / "wiki").iterdir())
    for name in names:
        put_remote(sample_corpus / "wiki" / name, f"{store}/in/wiki/{name}")
    assert expand_inputs([f"{store}/in"]) == [f"{store}/in/wiki/{name}" for name in names]
    assert expand_inputs([f"{store}/in/*/*_01"]) == [f"{store}/in/wiki/wiki_01"]
    assert detect(f"{store}/in/wiki/wiki_00") == "wikiextractor"
    extract(f"{store}/in", f"{store}/text", workers=1)
    extract(sample_corpus / "wiki", tmp_path / "text", workers=1)
    local = {f"{store}/text/{path.name}": path.read_bytes() for path in (tmp_path / "text").iterdir()}
    assert {name: read_remote(name) for name in list_remote(f"{store}/text/")} == local
    assert find_damage(f"{store}/text") == []
    with pytest.raises(OutputError, match=f"^{store}/text: holds .*min_chars 0 instead of 9"):
        extract(f"{store}/in", f"{store}/text", workers=1, min_chars=9)
    extract(f"{store}/in", f"{store}/text", workers=1, min_chars=9, overwrite=True)
    assert find_damage(f"{store}/text") == []
    with pytest.raises(MissingInputError, match="no such file"):
        expand_inputs([f"{store}/none.txt"])


def test_one_run_at_a_time_in_a_store(store: str) -> None:
    """A lock is created once, and given back."""
    first = Mirror(f"{store}/out")
    with pytest.raises(OutputError, match="another run is at work"):
        Mirror(f"{store}/out")
    first.release()
    assert write_remote(f"{store}/out/.unfinished/lock", b"{}", create=True)
    assert not write_remote(f"{store}/out/.unfinished/lock", b"[]", create=True)
