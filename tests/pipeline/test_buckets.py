"""Outputs in buckets, on a real S3 server on loopback: the same bytes, whole files only, one run at a time."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.checksums import checksums as checksums_of_folder
from support.s3_server import S3Server

from wpprep.errors import MissingInputError, OptionError, OutputError, RemoteError, ShardError
from wpprep.inspection.terminal import as_data
from wpprep.jobs import upload as mirror
from wpprep.pipeline.count_words import count_words
from wpprep.pipeline.encode import encode
from wpprep.pipeline.export import export
from wpprep.pipeline.extract import extract
from wpprep.pipeline.make_shards import make_shards
from wpprep.pipeline.train_vocab import train_vocab
from wpprep.shards.folder import ShardFolder
from wpprep.shards.token_store import TokenStore
from wpprep.storage import remote
from wpprep.storage.cache import cache_folder, fetch_folder
from wpprep.storage.files import sha256_of
from wpprep.storage.manifest import find_damage, read_manifest
from wpprep.storage.place import Location
from wpprep.storage.remote import list_remote, put_remote, read_remote, remove_remote, write_remote

SHARDS: dict[str, Any] = {
    "max_seq_length": 64,
    "dupe_factor": 2,
    "shards": 3,
    "holdout": 0.1,
    "bins": "32,64",
    "workers": 2,
}
ALONE = SHARDS | {"workers": 1}


def checksums(folder: Location) -> dict[str, str]:
    """The sha256 of every file below a folder or a URL, by name."""
    if isinstance(folder, str):
        return {name.removeprefix(f"{folder}/"): sha256_of(name) for name in list_remote(f"{folder}/")}
    return checksums_of_folder(Path(folder))


@pytest.fixture(scope="module")
def local(sample_corpus: Path, vocab: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards made without a bucket."""
    folder = tmp_path_factory.mktemp("local") / "shards"
    make_shards([sample_corpus / "wiki"], vocab, folder, **ALONE)
    return folder


@pytest.fixture
def corpus(s3: S3Server, sample_corpus: Path) -> str:
    """The URL of sample_corpus/wiki in a bucket of its own."""
    url = f"{s3.make_bucket()}/in/wiki"
    for path in (sample_corpus / "wiki").iterdir():
        put_remote(path, f"{url}/{path.name}")
    return url


def test_bucket_to_bucket_gives_the_bytes_of_a_local_run(
    s3: S3Server, corpus: str, vocab: Path, local: Path
) -> None:
    """Vocabulary, shards, held-out shards and bins, from text in a bucket; no trace stays, here or there."""
    url = s3.make_bucket()
    made = train_vocab([corpus], f"{url}/vocab", vocab_size=2000, workers=2)
    assert made.folder == f"{url}/vocab"
    assert checksums(f"{url}/vocab") == checksums(vocab)
    s3.asked.clear()
    summary = make_shards([corpus], f"{url}/vocab", f"{url}/shards/", slice_bytes=5_000, **SHARDS)
    assert checksums(f"{url}/shards") == checksums(local)
    assert summary.manifest == read_manifest(f"{url}/shards") == read_manifest(local)
    written = [path for method, path in s3.asked if method == "PUT" and "/.unfinished/" not in path]
    assert len(written) == len(set(written)) == len(checksums(local))
    assert written[-1].endswith("/shards/manifest.json")
    assert not [path for path in (cache_folder() / "out").rglob("*") if path.is_file()]
    s3.asked.clear()
    make_shards([corpus], f"{url}/vocab", f"{url}/shards", **SHARDS)  # finished: only the lock is written
    assert {path.rpartition("/")[2] for method, path in s3.asked if method == "PUT"} == {"lock"}


def test_what_was_written_to_a_bucket_is_read_from_it(
    s3: S3Server, corpus: str, vocab: Path, local: Path, tmp_path: Path
) -> None:
    """Tokens, shards and exports: from the bucket through the cache they are what they are from a disk."""
    url = s3.make_bucket()
    encode([corpus], vocab, f"{url}/tokens", workers=1)
    encode([corpus], vocab, tmp_path / "tokens", workers=1)
    assert checksums(f"{url}/tokens") == checksums(tmp_path / "tokens")
    assert len(TokenStore.open(f"{url}/tokens")) == len(TokenStore.open(tmp_path / "tokens"))
    make_shards(from_tokens=f"{url}/tokens", out=f"{url}/shards", **ALONE)
    assert checksums(f"{url}/shards") == checksums(local)
    assert len(ShardFolder(f"{url}/shards/bin-64")) == len(ShardFolder(local / "bin-64"))
    s3.asked.clear()
    assert fetch_folder(f"{url}/shards") == fetch_folder(f"{url}/shards/")
    fetched = [path for method, path in s3.asked if method == "GET" and path.endswith(".arrow")]
    assert len(fetched) == len(set(fetched))
    export(f"{url}/shards", f"{url}/jsonl", to="jsonl", workers=1)
    export(local, tmp_path / "jsonl", to="jsonl", workers=1)
    assert checksums(f"{url}/jsonl") == checksums(tmp_path / "jsonl")
    shown = [
        dict(as_data(folder, rows=1))["instances"] for folder in (f"{url}/shards/bin-64", local / "bin-64")
    ]
    assert shown[0] == shown[1]
    put_remote(vocab / "vocab.txt", f"{url}/bert/vocab.txt")
    for place in (f"{url}/bert/vocab.txt", f"{url}/bert"):
        assert dict(as_data(place))["entries"] == 2000


def test_text_and_words_go_to_buckets(s3: S3Server, corpus: str, sample_corpus: Path, tmp_path: Path) -> None:
    """extract and count-words: from a bucket into a bucket gives the bytes of a run on a disk."""
    url = s3.make_bucket()
    extract(corpus, f"{url}/text", workers=1)
    extract(sample_corpus / "wiki", tmp_path / "text", workers=1)
    assert checksums(f"{url}/text") == checksums(tmp_path / "text")
    count_words(corpus, f"{url}/words", workers=1)
    count_words(sample_corpus / "wiki", tmp_path / "words", workers=1)
    assert checksums(f"{url}/words") == checksums(tmp_path / "words")
    assert find_damage(f"{url}/text") == find_damage(f"{url}/words") == []


def test_damage_in_a_bucket_is_found(s3: S3Server, local: Path) -> None:
    """verify names missing, changed and foreign objects; a damaged file never gets into the cache."""
    url = s3.make_bucket()
    for path in local.rglob("*"):
        if path.is_file():
            put_remote(path, f"{url}/{path.relative_to(local).as_posix()}")
    assert find_damage(url) == []
    name = "bin-64/shard-00001-of-00003.arrow"
    data = bytearray((local / name).read_bytes())
    data[len(data) // 2] ^= 1
    write_remote(f"{url}/{name}", bytes(data))
    write_remote(f"{url}/stranger.txt", b"?")
    remove_remote([f"{url}/vocab/vocab.txt"])
    said = "\n".join(find_damage(url))
    for expected in (f"{name}: damaged", "vocab/vocab.txt: missing", "stranger.txt: foreign"):
        assert expected in said
    with pytest.raises((ShardError, MissingInputError), match="damaged|no such file"):
        fetch_folder(url)
    with pytest.raises(MissingInputError, match="unfinished"):
        fetch_folder(f"{url}/nothing")


@pytest.mark.parametrize("name", ["../../stolen", "/tmp/stolen", "a/../../stolen", "c:stolen", "..\\\\stolen"])
def test_a_bucket_does_not_choose_where_files_are_written(s3: S3Server, name: str) -> None:
    """A manifest that names a file outside of its folder is refused before anything is fetched."""
    url = f"{s3.make_bucket()}/shards"
    entry = {"name": name, "bytes": 1, "sha256": hashlib.sha256(b"x").hexdigest()}
    write_remote(f"{url}/manifest.json", json.dumps({"files": [entry]}).encode())
    s3.asked.clear()
    with pytest.raises(ShardError, match="expected one inside this folder"):
        fetch_folder(url)
    assert not [path for _, path in s3.asked if "stolen" in path]
    with pytest.raises(OptionError, match=r"has a part '\.\.'"):
        mirror.local_folder("s3://bucket/../../x")


_RUN = """
import sys
from wpprep.errors import WpprepError
from wpprep import make_shards
try:
    make_shards([sys.argv[1]], sys.argv[2], sys.argv[3], slice_bytes=5_000, max_seq_length=64, dupe_factor=2,
                shards=3, holdout=0.1, bins="32,64", workers=2)
except WpprepError as error:
    sys.exit(f"wpprep: {error}")
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_and_does_nothing_twice(
    s3: S3Server, corpus: str, vocab: Path, local: Path, tmp_path: Path
) -> None:
    """SIGKILL after the first shard is there, then the same command with an empty cache: the same bytes."""
    url = f"{s3.make_bucket()}/shards"
    s3.slow_puts = "shard-00002-of-00003.arrow"
    words = [sys.executable, "-c", _RUN, corpus, str(vocab), url]
    run = subprocess.Popen(words, start_new_session=True)
    begun = time.monotonic()
    while not any(p.endswith(".arrow.json") for m, p in list(s3.asked)) and time.monotonic() - begun < 60:
        time.sleep(0.02)
    time.sleep(0.4)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    s3.slow_puts = ""
    there = list_remote(f"{url}/")
    assert not any(name.endswith("shards/manifest.json") for name in there)
    done = {name for name in there if name.endswith(".arrow.json")}
    assert 0 < len(done) < 3
    s3.asked.clear()
    again = {**os.environ, "WPPREP_CACHE": str(tmp_path / "another")}
    assert subprocess.run(words, env=again, capture_output=True, text=True, check=True).stderr == ""
    assert checksums(url) == checksums(local)
    written = {path.rpartition("/")[2] for method, path in s3.asked if method == "PUT" and "/bin-" in path}
    assert not written & {name.rpartition("/")[2].removesuffix(".json") for name in done}


def test_two_runs_on_one_prefix_do_not_meet(
    s3: S3Server, corpus: str, vocab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is refused while the first lives; a dead one's lock is taken over, here at once."""
    url = f"{s3.make_bucket()}/out"
    monkeypatch.setattr(mirror, "BEAT", 0.2)
    first = mirror.Mirror(url)
    with pytest.raises(OutputError, match=r"another run is at work in this folder \(process \d+ on "):
        encode([corpus], vocab, url)
    first.release()
    assert list_remote(f"{url}/") == {}
    holder = {"host": mirror.this_host(), "pid": 2**22 + 1, "began": "1", "token": "x"}
    write_remote(f"{url}/.unfinished/lock", json.dumps(holder).encode())
    mirror.Mirror(url).release()
    holder["host"] = "elsewhere"
    write_remote(f"{url}/.unfinished/lock", json.dumps(holder).encode())
    mirror.Mirror(url).release()  # no sign of life for three beats
    monkeypatch.setattr(mirror, "this_host", lambda: "elsewhere")
    monkeypatch.setattr(mirror, "is_alive", lambda found: False)
    living = mirror.Mirror(url)
    monkeypatch.setattr(mirror, "this_host", lambda: "here")
    with pytest.raises(OutputError, match="another run is at work"):
        mirror.Mirror(url)
    write_remote(f"{url}/.unfinished/lock", b'{"token": "another"}')
    begun = time.monotonic()
    while not living._lock.is_lost and time.monotonic() - begun < 20:
        time.sleep(0.05)
    with pytest.raises(OutputError, match="another run has taken over"):
        living.put(["x"])
    living.release()


def test_a_lock_that_another_run_took_is_left_to_it(s3: S3Server) -> None:
    """A run that has lost its lock does not remove the other's at its end, and puts no manifest."""
    url = f"{s3.make_bucket()}/out"
    loser = mirror.Mirror(url)
    taken = b'{"token": "another"}'
    write_remote(f"{url}/.unfinished/lock", taken)
    (loser.local / "manifest.json").write_text('{"files": []}')
    with pytest.raises(OutputError, match="another run has taken over"):
        loser.finish()
    loser.release()
    assert read_remote(f"{url}/.unfinished/lock") == taken
    assert list_remote(f"{url}/") == {f"{url}/.unfinished/lock": len(taken)}


def test_folders_of_others_are_left_alone(s3: S3Server, corpus: str, vocab: Path) -> None:
    """A prefix that holds something else is refused, and so is another plan; --overwrite starts anew."""
    url = s3.make_bucket()
    write_remote(f"{url}/out/thesis.tex", b"years of work")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=r"holds something else \(thesis\.tex\)"):
            encode([corpus], vocab, f"{url}/out", overwrite=overwrite)
    encode([corpus], vocab, f"{url}/tokens", workers=1)
    with pytest.raises(OutputError, match=r"min_chars 0 instead of 10"):
        encode([corpus], vocab, f"{url}/tokens", min_chars=10)
    encode([corpus], vocab, f"{url}/tokens", min_chars=10, overwrite=True, workers=1)
    assert read_manifest(f"{url}/tokens").options["min_chars"] == 10
    assert find_damage(f"{url}/tokens") == []
    with pytest.raises(OutputError, match="nodes share a folder"):
        encode([corpus], vocab, f"{url}/other", node="1/2")


def test_a_store_that_fails_leaves_no_half_file(
    s3: S3Server, corpus: str, vocab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A PUT that fails for good stops the run in one line, and the same call finishes later."""
    monkeypatch.setattr(remote, "WAITS", (0.01,))
    url = f"{s3.make_bucket()}/tokens"
    s3.refuse_puts = "part-"
    with pytest.raises(RemoteError, match=r"part-00000\.arrow.*gave up after 2 attempts"):
        encode([corpus], vocab, url, workers=1)
    s3.refuse_puts = ""
    assert [name.removeprefix(f"{url}/") for name in list_remote(f"{url}/")] == [".unfinished/plan.json"]
    encode([corpus], vocab, url, workers=1)
    assert find_damage(url) == []


@pytest.mark.slow
def test_the_command_line_says_it_in_one_line(
    s3: S3Server, corpus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing credentials and missing buckets: exit code 1, one line."""
    pytest.importorskip("wpprep.cli", reason="the command line is installed with the package")
    bare = {name: value for name, value in os.environ.items() if not name.startswith("AWS_ACCESS")}
    words = [sys.executable, "-c", "from wpprep.cli import main; main()", "train-vocab", "--vocab-size", "500"]
    for environment, arguments, expected in (
        (bare, [corpus, "--out", "vocab"], "no credentials"),
        (dict(os.environ), ["s3://no-such-bucket-here/x", "--out", "vocab"], "no such file, folder or bucket"),
        (dict(os.environ), [corpus, "--out", "s3://no-such-bucket-here/x"], "no such file, folder or bucket"),
    ):
        done = subprocess.run(words + arguments, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert expected in done.stderr


def test_a_token_store_is_finished_where_another_machine_left_it(
    s3: S3Server, corpus: str, vocab: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Parts that only the bucket has are fetched for the index, and not encoded again."""
    url = f"{s3.make_bucket()}/tokens"
    monkeypatch.setattr(remote, "WAITS", ())
    s3.refuse_puts = "/vocab/"
    with pytest.raises(RemoteError, match="gave up after 1 attempts"):
        encode([corpus], vocab, url, workers=1, slice_bytes=5_000)
    s3.refuse_puts = ""
    monkeypatch.setenv("WPPREP_CACHE", str(tmp_path / "another"))
    s3.asked.clear()
    encode([corpus], vocab, url, workers=1, slice_bytes=5_000)
    assert not [path for method, path in s3.asked if method == "PUT" and "part-" in path]
    assert find_damage(url) == []


@pytest.mark.slow
def test_a_model_is_trained_from_bucket_to_bucket(s3: S3Server, local: Path) -> None:
    """Shards are read through the cache, and the finished model appears in the bucket, its manifest last."""
    pytest.importorskip("transformers", reason="training needs the extra packages")
    from wpprep.training.inference.fill import fill_mask
    from wpprep.training.pretraining.pretrain import train

    url = s3.make_bucket()
    for path in (local / "bin-64").rglob("*"):
        if path.is_file():
            put_remote(path, f"{url}/shards/{path.relative_to(local / 'bin-64').as_posix()}")
    options: dict[str, Any] = {"size": "tiny", "steps": 2, "batch_size": 8, "eval_rows": 8}
    assert train(f"{url}/shards", f"{url}/model", **options).folder == f"{url}/model"
    assert find_damage(f"{url}/model") == []
    assert len(fill_mask(f"{url}/model", "the [MASK]")[0]) == 5
    assert train(f"{url}/shards", f"{url}/model", **options).folder == f"{url}/model"  # finished: only read
    with pytest.raises(OutputError, match="finished model of another run"):
        train(f"{url}/shards", f"{url}/model", **{**options, "steps": 3})
    train(f"{url}/shards", f"{url}/model", overwrite=True, **options)
    assert json.loads(read_remote(f"{url}/model/config.json"))["num_hidden_layers"] == 2
    assert not Path(cache_folder() / "out" / url.replace("://", "/") / "model").exists()
