"""Crashes: runs killed at any moment, full disks and read-only folders end in the same bytes or in one line."""

from __future__ import annotations

import gzip
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import multiprocess
import pytest
from support.checksums import checksums

from wpprep.pipeline import counting_task as counting
from wpprep.pipeline import train_vocab as learning
from wpprep.pipeline.encode import encode
from wpprep.pipeline.make_shards import make_shards
from wpprep.pipeline.train_vocab import train_vocab
from wpprep.shards.format import read_shard
from wpprep.storage.manifest import find_damage
from wpprep.vocab.counting import runs

_SCRIPT = """
import sys
from wpprep.errors import WpprepError
from wpprep import make_shards
from wpprep.pipeline.train_vocab import train_vocab
corpus, out = sys.argv[1:]
print("ready", flush=True)
run = {"workers": 2, "slice_bytes": 4_000}
train_vocab([corpus], out + "/vocab", vocab_size=2000, **run)
more = {"max_seq_length": 64, "dupe_factor": 3, "shards": 6, "holdout": 0.1, "bins": "32,64"}
try:
    make_shards([corpus], out + "/vocab", out + "/shards", **run, **more)
except WpprepError as error:
    sys.exit(f"wpprep: {error}")
"""
_VOCABULARIES = """
import sys
from wpprep import counting, learning
from wpprep.errors import WpprepError
corpus, out = sys.argv[1:]
print("ready", flush=True)
learning.fits_in_memory = lambda *_: False
learning.table_bytes = counting.table_bytes = lambda _: 0
run = {"workers": 2, "slice_bytes": 4_000, "deduplicate": True}
try:
    learning.count_words([corpus], out + "/counts", **run)
    learning.train_vocab([corpus], out + "/vocab", vocab_size=1500, **run)
    learning.train_vocab(None, out + "/again", counts=out + "/counts", vocab_size=1200, score="frequency")
except WpprepError as error:
    sys.exit(f"wpprep: {error}")
"""
_STAGES = ("survey", "count", "merge counts", "words", "merge", "write")
_KILLS = 60


def start(script: str, corpus: Path, out: Path) -> subprocess.Popen[str]:
    """A run in a process group of its own, at the point where its modules are loaded."""
    run = subprocess.Popen(
        [sys.executable, "-c", script, str(corpus), str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "ready\n"
    return run


def workers_of(pid: int) -> list[int]:
    """The children of a process."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def strike(run: subprocess.Popen[str], generator: random.Random) -> str:
    """SIGKILL the parent, a worker, or all of a run; returns when every process of it is gone."""
    children = workers_of(run.pid)
    victim = generator.choice(["all", "parent", "worker"] if children else ["parent"])
    try:
        if victim == "all":
            os.killpg(run.pid, signal.SIGKILL)
        else:
            os.kill(run.pid if victim == "parent" else generator.choice(children), signal.SIGKILL)
    except ProcessLookupError:
        victim = "nobody"  # the worker had just ended
    run.communicate(timeout=60)
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < deadline:
        time.sleep(0.01)
    return victim


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds the workers of a run in /proc")
@pytest.mark.parametrize("script", [_SCRIPT, _VOCABULARIES], ids=["shards", "vocabularies"])
def test_a_storm_of_kills_ends_in_the_same_bytes(script: str, sample_corpus: Path, tmp_path: Path) -> None:
    """60 SIGKILLs of the parent, a worker or all, at random moments over all stages, change no byte.

    Over a vocabulary and shards, and over counts and vocabularies for which everything is put aside on disk.
    Whenever a run comes to its end, its files are compared with those of a run that was never disturbed, and
    the storm goes on over a new folder.
    """
    corpus = sample_corpus / "wiki"
    calm = start(script, corpus, tmp_path / "calm")
    begun = time.monotonic()
    assert calm.communicate(timeout=120)[1] == ""
    whole = time.monotonic() - begun
    expected = checksums(tmp_path / "calm")
    generator, out, kills, ends = random.Random(6), tmp_path / "storm", 0, 0
    while kills < _KILLS:
        run = start(script, corpus, out)
        try:
            run.wait(timeout=generator.uniform(0, 0.7 * whole))
        except subprocess.TimeoutExpired:
            kills += strike(run, generator) != "nobody"
            continue
        assert run.communicate()[1] == ""
        assert checksums(out) == expected
        ends += 1
        shutil.rmtree(out)
    assert start(script, corpus, out).communicate(timeout=120)[1] == ""
    assert checksums(out) == expected
    for manifest in out.glob("*/manifest.json"):
        assert find_damage(manifest.parent) == []


def learn(corpus: Path, out: Path, dies_in: str = "") -> None:
    """Learn a vocabulary, or die by SIGKILL in the midst of a stage."""

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def say(stage: str, done: int, _total: int) -> None:
        if stage == dies_in and done:
            die()

    if dies_in == "words":
        runs.Spill.merged_counts = die  # type: ignore[assignment]
    if dies_in == "write":
        learning.describe = die  # type: ignore[assignment, attr-defined]
    options: dict[str, Any] = {"vocab_size": 1500, "deduplicate": True, "slice_bytes": 20_000, "workers": 1}
    train_vocab([corpus], out, progress=say, **options)


def test_a_vocabulary_killed_in_every_stage_is_the_same(
    sample_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed once in each stage, over one folder, a run that puts everything aside ends in the same bytes."""
    learn(sample_corpus / "wiki", tmp_path / "calm")
    monkeypatch.setattr(learning, "fits_in_memory", lambda *_: False)
    for room in (learning, counting):
        monkeypatch.setattr(room, "table_bytes", lambda _: 0)
    for stage in _STAGES:
        where = (sample_corpus / "wiki", tmp_path / "out", stage)
        run = multiprocess.get_context("fork").Process(target=learn, args=where)
        run.start()
        run.join(120)
        assert (stage, run.exitcode) == (stage, -signal.SIGKILL)
        assert not (tmp_path / "out" / "manifest.json").exists()
    learn(sample_corpus / "wiki", tmp_path / "out")
    assert checksums(tmp_path / "out") == checksums(tmp_path / "calm")


def command(corpus: Path, vocab: Path, out: Path) -> list[str]:
    options = "--max-seq-length 64 --dupe-factor 2 --shards 3 --holdout 0.1 --workers 2 --quiet"
    arguments = ["make-shards", str(corpus), "--vocab", str(vocab), "--out", str(out), *options.split()]
    return [sys.executable, "-c", "from wpprep.cli import main; main()", *arguments]


def attempt(words: list[str], **how: Any) -> tuple[int, str]:
    done = subprocess.run(words, capture_output=True, text=True, check=False, **how)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "most",
    [100, pytest.param(2_000, marks=pytest.mark.slow), 20_000, pytest.param(40_000, marks=pytest.mark.slow)],
)
def test_no_room_is_one_line_and_resumable(sample_corpus: Path, vocab: Path, tmp_path: Path, most: int) -> None:
    """Files that cannot grow beyond a size stop the run with one line; with room it ends in the same bytes."""
    pytest.importorskip("wpprep.cli", reason="the command line is installed with the package")
    corpus = sample_corpus / "wiki"
    calm, out = command(corpus, vocab, tmp_path / "calm"), command(corpus, vocab, tmp_path / "out")
    assert attempt(calm) == (0, "")
    code, said = attempt(out, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)))
    assert code == 1
    assert said.startswith("wpprep: ")
    assert said.count("\n") == 1
    assert "cannot be written: File too large" in said
    assert not (tmp_path / "out" / "manifest.json").exists()
    assert not list((tmp_path / "out").glob(".shard*"))
    assert attempt(out) == (0, "")
    assert checksums(tmp_path / "out") == checksums(tmp_path / "calm")


def test_a_full_disk_and_a_read_only_one_are_one_line(sample_corpus: Path, vocab: Path, tmp_path: Path) -> None:
    """On a file system too small, and on a read-only one: one line that says so, and no file kept half."""
    pytest.importorskip("wpprep.cli", reason="the command line is installed with the package")
    disk = tmp_path / "disk"
    disk.mkdir()
    words = command(sample_corpus / "wiki", vocab, disk / "out")
    mount = f"mount -t tmpfs -o size=300k tmpfs {disk}"
    tried = subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("file systems cannot be mounted here")
    full = f'{mount} && "$@"; code=$?; ls -A {disk}/out >&2; exit $code'
    code, said = attempt(["unshare", "-m", "sh", "-c", full, "sh", *words])
    line, *left = said.splitlines()
    assert code == 1
    assert line.startswith("wpprep: ")
    assert "No space left on device" in line
    assert "manifest.json" not in left
    assert not any(name.startswith(".shard") for name in left)
    for prepare in ("true", f"mkdir -p {disk}/out/.unfinished"):
        read_only = f'{mount} && {prepare} && mount -o remount,ro {disk} && "$@"'
        code, said = attempt(["unshare", "-m", "sh", "-c", read_only, "sh", *words])
        assert code == 1
        assert said.startswith("wpprep: ")
        assert "Read-only file system" in said
        assert said.count("\n") == 1


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds the workers of a run in /proc")
def test_a_worker_killed_by_the_kernel_is_one_line(sample_corpus: Path, vocab: Path, tmp_path: Path) -> None:
    """As when memory runs out: one line that says so, no half file with a final name, and the run goes on."""
    out = tmp_path / "out"
    words = [*command(sample_corpus / "wiki", vocab, out), "--dupe-factor", "100", "--shards", "100"]
    run = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (list(out.glob("shard-*")) and (workers := workers_of(run.pid))):
        assert run.poll() is None
        time.sleep(0.001)
    os.kill(workers[0], signal.SIGKILL)
    said = run.communicate(timeout=60)[1]
    assert run.returncode == 1
    assert said == (
        "wpprep: a worker process ended by signal SIGKILL before its task was done; the system may be out of "
        "memory: try fewer workers; run the same command again to go on\n"
    )
    for path in out.glob("shard-*"):
        read_shard(path)
    assert attempt(words) == (0, "")
    assert find_damage(out) == []


@pytest.mark.slow
def test_wikipedia_gives_the_same_bytes(data: Path, tmp_path: Path) -> None:
    """62 MB: 1, 2, 3 and 5 workers, slices of 1 and 16 MB, disturbed or not, from kept tokens or not."""
    corpus = tmp_path / "wiki-en.txt"
    texts = (gzip.decompress(path.read_bytes()) for path in sorted((data / "wiki-en").glob("*.gz")))
    corpus.write_bytes(b"".join(texts))
    vocab = train_vocab([corpus], tmp_path / "vocab", workers=2).folder
    options: dict[str, Any] = {"dupe_factor": 1, "shards": 7, "holdout": 0.01}
    calm = make_shards([corpus], vocab, tmp_path / "calm", workers=1, **options).folder
    expected = checksums(calm)
    for workers, slice_bytes in ((2, 1_000_000), (3, 16_000_000), (5, 1_000_000)):
        how: dict[str, Any] = options | {"workers": workers, "slice_bytes": slice_bytes}
        out = make_shards([corpus], vocab, tmp_path / "out", **how).folder
        assert checksums(out) == expected
        shutil.rmtree(out)
    script = "import sys; from wpprep import make_shards\n"
    script += (
        f"make_shards([sys.argv[1]], sys.argv[2], sys.argv[3], workers=2, slice_bytes=4_000_000, **{options})"
    )
    words = [sys.executable, "-c", script, str(corpus), str(vocab), str(tmp_path / "out")]
    generator = random.Random(7)
    for _ in range(6):
        run = subprocess.Popen(words, start_new_session=True)
        time.sleep(generator.uniform(1, 4))
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    assert attempt(words) == (0, "")
    assert checksums(tmp_path / "out") == expected
    tokens = encode([corpus], vocab, tmp_path / "tokens", workers=2).folder
    assert checksums(make_shards(out=tmp_path / "kept", from_tokens=tokens, **options).folder) == expected
