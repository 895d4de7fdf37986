"""A Dask cluster of real processes: the bytes of one process, whatever dies."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.checksums import checksums

from wpprep.config import RunOptions
from wpprep.errors import OptionError, OutputError, TextDecodeError, WorkerError
from wpprep.jobs import engines, receipts
from wpprep.jobs.output import OutputFolder
from wpprep.jobs.plans import Plan
from wpprep.pipeline.count_words import count_words
from wpprep.pipeline.make_shards import make_shards
from wpprep.pipeline.verify import verify
from wpprep.storage.files import sha256_of
from wpprep.storage.remote import list_remote, put_remote

pytest.importorskip("distributed", reason="the engine dask is optional")

_OPTIONS: dict[str, Any] = {"max_seq_length": 64, "dupe_factor": 2, "shards": 5, "slice_bytes": 8_000}

ROOT = Path(__file__).parents[3]


class Cluster:
    """A scheduler on loopback and its workers, each in a process group of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.folder = folder
        self.scheduler = self.start_scheduler()
        self.workers: list[subprocess.Popen[bytes]] = []

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        where = ["--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard", "--no-show"]
        scheduler = self._start("scheduler", *where)
        deadline = time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return scheduler
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def add_worker(self, wrapper: Sequence[str] = ()) -> None:
        """A worker without a nanny: what is killed stays dead."""
        where = ["--nthreads", "1", "--no-dashboard", "--no-nanny", "--local-directory", str(self.folder)]
        self.workers.append(self._start("worker", self.address, *where, wrapper=wrapper))

    def _start(self, *arguments: str, wrapper: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        log = open(self.folder / f"{arguments[0]}.log", "ab")
        with log:
            return subprocess.Popen(
                [*wrapper, sys.executable, "-m", "dask", *arguments],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=os.environ
                | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},  # for this module's tasks
                start_new_session=True,
            )

    def threads(self) -> int:
        """How many the workers that have reported to the scheduler have together."""
        from distributed import Client

        client: Any
        with Client(self.address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
            return sum(client.nthreads().values())

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        for process in [*self.workers, self.scheduler]:
            self.kill(process)


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of two workers."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.add_worker()
        cluster.add_worker()
        yield cluster
    finally:
        cluster.close()


class Square:
    """Squares its task, slowly enough to be killed."""

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay

    def __call__(self) -> Any:
        return self.square

    def square(self, task: int) -> int:
        time.sleep(self.delay)
        return task * task


def test_shards_errors_and_relative_names(
    cluster: Cluster, sample_corpus: Path, vocab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shards have the bytes of one process, a task's error is raised here, and names may be relative."""
    make_shards([sample_corpus / "wiki"], vocab, tmp_path / "alone", **_OPTIONS, workers=1)
    monkeypatch.chdir(sample_corpus)
    make_shards(["wiki"], vocab, tmp_path / "dask", **_OPTIONS, scheduler=cluster.address)
    assert checksums(tmp_path / "dask") == checksums(tmp_path / "alone")
    assert verify(tmp_path / "dask", deep=True, scheduler=cluster.address).problems == []
    damaged = tmp_path / "dask" / "shard-00002-of-00005.arrow"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    found = verify(tmp_path / "dask", deep=True, scheduler=cluster.address).problems
    assert found[0] == f"{damaged}: damaged: its sha256 is not that in manifest.json"
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"A good line.\n" * 50 + b"\xff\n")
    with pytest.raises(TextDecodeError, match=r"bad\.txt: .*650"):
        make_shards([bad], vocab, tmp_path / "no", **_OPTIONS, scheduler=cluster.address)


def test_from_bucket_to_bucket(
    s3: Any, cluster: Cluster, sample_corpus: Path, vocab: Path, tmp_path: Path
) -> None:
    """Workers that share the cache read text and vocabulary in a bucket and write there what one does."""
    url = s3.make_bucket()
    for folder, name in ((sample_corpus / "wiki", "wiki"), (vocab, "vocab")):
        for path in folder.iterdir():
            put_remote(path, f"{url}/{name}/{path.name}")
    make_shards([sample_corpus / "wiki"], vocab, tmp_path / "alone", **_OPTIONS, workers=1)
    where = ([f"{url}/wiki"], f"{url}/vocab", f"{url}/shards")
    made = make_shards(*where, tokens=f"{url}/tokens", **_OPTIONS, scheduler=cluster.address)
    assert made.folder == f"{url}/shards"
    found = {name.removeprefix(f"{url}/shards/"): sha256_of(name) for name in list_remote(f"{url}/shards/")}
    assert found == checksums(tmp_path / "alone")
    assert verify(f"{url}/tokens", scheduler=cluster.address).problems == []


def test_a_worker_that_shares_no_folder_is_one_line(
    cluster: Cluster, sample_corpus: Path, vocab: Path, tmp_path: Path
) -> None:
    """A worker with a disk of its own where the others have the output says so, and nothing else is written."""
    unshare = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode:
        pytest.skip("mount namespaces need root and the command unshare")
    for worker in cluster.workers:
        cluster.kill(worker)
    cluster.add_worker(unshare)
    with pytest.raises(OutputError, match=r"not visible from .*a folder that all workers share"):
        make_shards([sample_corpus / "wiki"], vocab, tmp_path / "out", **_OPTIONS, scheduler=cluster.address)


def test_a_folder_that_only_the_worker_sees_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that a task has written elsewhere under the same name is missed before its receipt is written."""
    monkeypatch.setattr(receipts, "LATE", ())
    plan: Plan = {"kind": "tokens", "options": {}, "vocabulary": None, "corpus": "c"}
    with OutputFolder.claim(tmp_path / "out", plan, overwrite=False) as folder:
        with pytest.raises(OutputError, match=r"part-00000\.arrow: was written, and is not here"):
            entry: Any = {"name": "part-00000.arrow"}
            folder.receipts.write("part-00000.arrow", ("part-00000.arrow", []), {"shard": entry})
        assert [path.name for path in (tmp_path / "out" / ".unfinished").glob("part-*")] == []


def test_no_scheduler_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address where no scheduler answers is named."""
    pytest.importorskip("distributed")
    from wpprep.jobs.engines import cluster

    monkeypatch.setattr(cluster, "CONNECT_WITHIN", 0.5)
    with pytest.raises(WorkerError, match=r"tcp://127\.0\.0\.1:9: no Dask scheduler answers there"):
        list(engines.run(Square(), [1], RunOptions(scheduler="tcp://127.0.0.1:9")))


def test_an_address_without_its_engine_is_refused() -> None:
    """A scheduler is asked for with the engine dask and with no other."""
    with pytest.raises(OptionError, match="engine is dask"):
        RunOptions(engine="dask")
    with pytest.raises(OptionError, match="engine is local"):
        RunOptions(engine="local", scheduler="tcp://127.0.0.1:9")


def test_a_task_that_takes_every_worker_with_it_stops_the_run(cluster: Cluster) -> None:
    """Four workers lost over one task are one line, not an endless retry."""
    cluster.add_worker()
    cluster.add_worker()
    with pytest.raises(WorkerError, match="every worker that took task .* was lost"):
        list(engines.run(Suicide(), [1], RunOptions(scheduler=cluster.address)))


class Suicide:
    def __call__(self) -> Any:
        return self.die

    def die(self, task: int) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return task


@pytest.mark.slow
def test_one_to_four_workers(cluster: Cluster, sample_corpus: Path, vocab: Path, tmp_path: Path) -> None:
    """Shards and counts are the same bytes from one process and from one, two, three and four workers."""
    corpus, counting = [sample_corpus / "wiki"], dict[str, Any](slice_bytes=8_000)
    make_shards(corpus, vocab, tmp_path / "alone", **_OPTIONS, workers=1)
    count_words(corpus, tmp_path / "counts", **counting, workers=1)
    cluster.kill(cluster.workers.pop())
    for workers in range(1, 5):
        out, counts = tmp_path / f"out-{workers}", tmp_path / f"counts-{workers}"
        make_shards(corpus, vocab, out, **_OPTIONS, scheduler=cluster.address)
        count_words(corpus, counts, **counting, scheduler=cluster.address)
        assert checksums(out) == checksums(tmp_path / "alone")
        assert checksums(counts) == checksums(tmp_path / "counts")
        cluster.add_worker()
        deadline = time.monotonic() + 120
        while cluster.threads() <= workers:
            assert time.monotonic() < deadline
            time.sleep(0.2)


@pytest.mark.slow
def test_a_scheduler_that_comes_back(cluster: Cluster) -> None:
    """The scheduler killed twice in the middle and started again: every task is done, each result once."""
    results: dict[int, int] = {}
    for index, result in engines.run(Square(0.05), range(200), RunOptions(scheduler=cluster.address)):
        assert index not in results
        results[index] = result
        if len(results) in {50, 120}:
            cluster.kill(cluster.scheduler)
            cluster.scheduler = cluster.start_scheduler()
            cluster.add_worker()  # those of the lost scheduler may have ended with it
    assert results == {i: i * i for i in range(200)}


@pytest.fixture
def two_hosts() -> Iterator[dict[str, str]]:
    """Two network namespaces joined by a cable: the address in each."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("network namespaces need root and the command ip")
    names = [f"wpprep-{os.getpid()}-{side}" for side in "ab"]
    hosts = dict(zip(names, ["10.213.77.1", "10.213.77.2"], strict=True))
    cable = [f"wp{os.getpid() % 10**8}{side}" for side in "ab"]

    def ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True)

    try:
        for name in hosts:
            ip("netns", "add", name)
        ip("link", "add", cable[0], "type", "veth", "peer", "name", cable[1])
        for (name, address), end in zip(hosts.items(), cable, strict=True):
            ip("link", "set", end, "netns", name)
            ip("-n", name, "address", "add", f"{address}/24", "dev", end)
            for device in ("lo", end):
                ip("-n", name, "link", "set", device, "up")
        yield hosts
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
    finally:
        for name in hosts:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


@pytest.mark.slow
def test_two_hosts_with_addresses_of_their_own(
    two_hosts: dict[str, str], sample_corpus: Path, vocab: Path, tmp_path: Path
) -> None:
    """Scheduler and a worker on one host, a worker on another, the command on the first: the same bytes."""
    make_shards([sample_corpus / "wiki"], vocab, tmp_path / "alone", **_OPTIONS, workers=1)
    (first, address), (second, _) = two_hosts.items()
    dask = [sys.executable, "-m", "dask"]
    scheduler = f"tcp://{address}:8786"
    commands = [
        (first, [*dask, "scheduler", "--host", address, "--port", "8786", "--no-dashboard"]),
        (first, [*dask, "worker", scheduler, "--nthreads", "1", "--no-dashboard", "--no-nanny"]),
        (second, [*dask, "worker", scheduler, "--nthreads", "1", "--no-dashboard", "--no-nanny"]),
    ]
    log = open(tmp_path / "log", "wb")
    with log:
        started = [
            subprocess.Popen(["ip", "netns", "exec", host, *command], stdout=log, stderr=log, cwd=tmp_path)
            for host, command in commands
        ]
        try:
            deadline = time.monotonic() + 120
            while (tmp_path / "log").read_text().count("Register worker") < 2:
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                time.sleep(0.2)
            script = (
                "import sys; from wpprep import make_shards; "
                f"make_shards([sys.argv[1]], sys.argv[2], sys.argv[3], scheduler={scheduler!r}, **{_OPTIONS!r})"
            )
            command = [
                sys.executable,
                "-c",
                script,
                str(sample_corpus / "wiki"),
                str(vocab),
                str(tmp_path / "dask"),
            ]
            subprocess.run(["ip", "netns", "exec", first, *command], check=True, timeout=300)
        finally:
            for process in started:
                process.terminate()
                process.wait()
    assert checksums(tmp_path / "dask") == checksums(tmp_path / "alone")


@pytest.mark.slow
def test_a_storm_over_workers(cluster: Cluster, sample_corpus: Path, vocab: Path, tmp_path: Path) -> None:
    """Thirty kills of workers at random moments, each replaced: a run ends in the same bytes, or in one line.

    It ends in a line when one task was hit too often; the same command then goes on.
    """
    make_shards([sample_corpus / "wiki"], vocab, tmp_path / "alone", **_OPTIONS, workers=1)
    expected = checksums(tmp_path / "alone")
    options = ["--max-seq-length=64", "--dupe-factor=2", "--shards=5", "--slice-bytes=8000", "--quiet"]
    command = [sys.executable, "-c", "from wpprep.cli import main; main()", "make-shards"]
    command += [str(sample_corpus / "wiki"), "--vocab", str(vocab), "--scheduler", cluster.address, *options]
    generator, kills, folders = random.Random(3), 0, 0
    while kills < 30:
        out, folders = tmp_path / f"out-{folders}", folders + 1
        while not (out / "manifest.json").exists():
            run = subprocess.Popen([*command, "--out", str(out)], stderr=subprocess.PIPE, text=True)
            deadline = time.monotonic() + 300
            while run.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(generator.uniform(0.5, 3.0))
                if kills < 8 * folders:  # then let the run end
                    cluster.kill(cluster.workers.pop(0))
                    cluster.add_worker()
                    kills += 1
            _, errors = run.communicate()
            assert run.returncode == 0 or "every worker that took task" in errors, errors
        assert checksums(out) == expected
