"""Several nodes, one folder: claims are kept, lost nodes are replaced, and the bytes are those of one run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from support.checksums import checksums
from support.s3_server import S3Server

from wpprep.config import RunOptions
from wpprep.errors import OptionError, OutputError, ShardError
from wpprep.jobs.output import OutputFolder
from wpprep.jobs.plans import Plan
from wpprep.pipeline.extract import extract
from wpprep.pipeline.make_shards import make_shards
from wpprep.storage.manifest import Manifest, find_damage
from wpprep.storage.place import Location
from wpprep.storage.remote import put_remote

_SHARDS: dict[str, Any] = {"max_seq_length": 64, "dupe_factor": 2, "shards": 5, "holdout": 0.2, "workers": 1}
_NODE = """
import sys
from wpprep import make_shards
corpus, vocab, out, node, workers = sys.argv[1:]
make_shards([corpus], vocab, out, max_seq_length=64, dupe_factor=2, shards=5, holdout=0.2,
            node=node, node_timeout=5, workers=int(workers), slice_bytes=8_000)
"""
_VOCABULARIES = """
import sys
from wpprep.pipeline import train_vocab as learning
from wpprep.pipeline.count_words import count_words
from wpprep.pipeline.train_vocab import train_vocab
corpus, out, *node = sys.argv[1:]
learning.fits_in_memory = lambda *_: False
run = {"workers": 1, "slice_bytes": 8_000} | ({"node": node[0]} if node else {})
train_vocab([corpus], out + "/vocab", vocab_size=1500, deduplicate=True, **run)
count_words([corpus], out + "/counts", **run)
train_vocab(None, out + "/again", counts=out + "/counts", vocab_size=1500, **run)
"""


def start(corpus: Location, vocab: Location, out: Path, node: str, workers: int = 1) -> subprocess.Popen[str]:
    """One node's run, in a process group of its own."""
    command = [sys.executable, "-c", _NODE, str(corpus), str(vocab), str(out), node, str(workers)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)


def kill(run: subprocess.Popen[str]) -> None:
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate(timeout=60)


@pytest.fixture(scope="module")
def alone(sample_corpus: Path, vocab: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What one run without nodes writes, in slices of another size."""
    out = tmp_path_factory.mktemp("alone") / "shards"
    make_shards([sample_corpus / "wiki"], vocab, out, **_SHARDS)
    return checksums(out)


def test_nodes_and_other_runs_shut_each_other_out(tmp_path: Path) -> None:
    """A folder that nodes fill together is closed to a run without --node, and the other way round."""
    plan: Plan = {"kind": "shards", "options": {}, "vocabulary": None, "corpus": "c"}
    where = (tmp_path / "out", plan)
    nodes: list[dict[str, Any]] = [{"overwrite": False, "node": f"{i}/2", "node_timeout": 60} for i in (1, 2)]
    with OutputFolder.claim(*where, **nodes[0]) as folder:
        folder.receipts.write("a", 1, {})
        with OutputFolder.claim(*where, **nodes[1]):
            pass
        with pytest.raises(OutputError, match="another run is at work"):
            OutputFolder.claim(*where, overwrite=False)
    with (
        OutputFolder.claim(*where, overwrite=False),
        pytest.raises(OutputError, match="another run is at work"),
    ):
        OutputFolder.claim(*where, **nodes[0])


@pytest.mark.parametrize("node", ["0/2", "3/2", "1", "1/0", "a/b", "-1/2", "1/2/3"])
def test_a_node_that_cannot_be_is_refused(node: str) -> None:
    """A node is I/N with I from 1 to N."""
    with pytest.raises(OptionError, match=r"node is .*, expected I/N with I from 1 to N"):
        RunOptions(node=node)


def test_a_node_cannot_overwrite() -> None:
    """--overwrite would take away what other nodes have done."""
    with pytest.raises(OptionError, match="--overwrite cannot be used with --node"):
        RunOptions(node="1/2", overwrite=True)


def test_one_node_does_it_all_where_no_other_comes(
    sample_corpus: Path, vocab: Path, alone: dict[str, str], tmp_path: Path
) -> None:
    """Node 2 of 2 alone writes the same bytes, and node 1, which comes late, finds them finished."""
    for node in ("2/2", "1/2"):
        make_shards([sample_corpus / "wiki"], vocab, tmp_path / "out", node=node, slice_bytes=8_000, **_SHARDS)
    assert checksums(tmp_path / "out") == alone


def test_extracted_text_is_shared_too(sample_corpus: Path, tmp_path: Path) -> None:
    """Two nodes at once write the files of clean text that one run writes, duplicates left out."""
    corpus = [sample_corpus / "wiki"]
    options: dict[str, Any] = {"file_bytes": 8_000, "deduplicate": True, "workers": 1}
    extract(corpus, tmp_path / "alone", **options)
    script = (
        "import sys; from wpprep.pipeline.extract import extract; "
        f"extract([sys.argv[1]], sys.argv[2], node=sys.argv[3], **{options!r})"
    )
    command = [sys.executable, "-c", script, str(corpus[0]), str(tmp_path / "out")]
    runs = [subprocess.Popen([*command, node]) for node in ("1/2", "2/2")]
    assert [run.wait(timeout=300) for run in runs] == [0, 0]
    assert checksums(tmp_path / "out") == checksums(tmp_path / "alone")


def test_vocabularies_are_learned_together(sample_corpus: Path, tmp_path: Path) -> None:
    """Two nodes at once count words and learn, from text and from counts, what one run does."""
    command = [sys.executable, "-c", _VOCABULARIES, str(sample_corpus / "wiki")]
    subprocess.run([*command, str(tmp_path / "alone")], check=True)
    runs = [subprocess.Popen([*command, str(tmp_path / "out"), node]) for node in ("1/2", "2/2")]
    assert [run.wait(timeout=300) for run in runs] == [0, 0]
    assert checksums(tmp_path / "out") == checksums(tmp_path / "alone")
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == ["again", "counts", "vocab"]
    assert not list((tmp_path / "out").rglob(".*"))


def test_nodes_together_write_the_same_bytes(
    sample_corpus: Path, vocab: Path, alone: dict[str, str], tmp_path: Path
) -> None:
    """Two nodes at once, one of them with two workers; both end well, and nothing is left over."""
    where = (sample_corpus / "wiki", vocab, tmp_path / "out")
    runs = [start(*where, "1/2", workers=2), start(*where, "2/2")]
    for run in runs:
        _, errors = run.communicate(timeout=300)
        assert (run.returncode, errors) == (0, "")
    assert checksums(tmp_path / "out") == alone


def test_nodes_must_cut_the_same_tasks(sample_corpus: Path, vocab: Path, tmp_path: Path) -> None:
    """A node whose slices are of another size would write other parts under the same names: it is refused."""
    where = (sample_corpus / "wiki", vocab, tmp_path / "out")
    other = start(*where, "1/2")
    claims = tmp_path / "out" / "tokens" / ".unfinished" / "claims"
    while not list(claims.glob("*.claim")):
        assert other.poll() is None
        time.sleep(0.005)
    os.killpg(other.pid, signal.SIGSTOP)
    with pytest.raises(OutputError, match="another node cuts the work into other tasks"):
        make_shards([where[0]], vocab, tmp_path / "out", node="2/2", slice_bytes=9_000, **_SHARDS)
    kill(other)


def test_another_node_takes_over_from_a_lost_one(
    sample_corpus: Path, vocab: Path, alone: dict[str, str], tmp_path: Path
) -> None:
    """A node killed while it works leaves its tasks to the other."""
    where = (sample_corpus / "wiki", vocab, tmp_path / "out")
    lost = start(*where, "1/2")
    claims = tmp_path / "out" / "tokens" / ".unfinished" / "claims"
    while not list(claims.glob("*.claim")):
        assert lost.poll() is None
        time.sleep(0.005)
    kill(lost)
    run = start(*where, "2/2")
    _, errors = run.communicate(timeout=300)
    assert (run.returncode, errors) == (0, "")
    assert checksums(tmp_path / "out") == alone


def test_a_full_disk_on_one_node_is_its_own_trouble(
    sample_corpus: Path, vocab: Path, alone: dict[str, str], tmp_path: Path
) -> None:
    """A node that cannot write stops in one line and leaves no half file; the other ends the work."""
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000)); "
        "from wpprep.cli import main; main()"
    )
    out = tmp_path / "out"
    command = [sys.executable, "-c", script, "make-shards", str(sample_corpus / "wiki"), "--vocab", str(vocab)]
    command += ["--max-seq-length=64", "--dupe-factor=2", "--shards=5", "--holdout=0.2", "--slice-bytes=8000"]
    done = subprocess.run(
        [*command, "--out", str(out), "--node=1/2"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "cannot be written: File too large" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(out.rglob(".*partial*"))
    make_shards([sample_corpus / "wiki"], vocab, out, node="2/2", slice_bytes=8_000, **_SHARDS)
    assert checksums(out) == alone


def test_a_node_given_up_ends_well_beside_finished_work(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What fails here while another node finishes the folder is a line in the log, else an error."""
    plan: Plan = {"kind": "shards", "options": {}, "vocabulary": None, "corpus": "c"}
    where = (tmp_path / "out", plan)
    nodes: list[dict[str, Any]] = [{"overwrite": False, "node": f"{i}/2", "node_timeout": 60} for i in (1, 2)]
    gone = ShardError("tokens: gone")
    alone = OutputFolder.claim(*where, **nodes[0])
    with alone, pytest.raises(ShardError), OutputFolder.claim(*where, **nodes[1]):
        raise gone
    with OutputFolder.claim(*where, **nodes[0]) as other:
        other.nodes.elect()
        with OutputFolder.claim(*where, **nodes[1]):
            threading.Timer(0.3, other.finish, [Manifest(kind="shards", options={}, files=[])]).start()
            raise gone
    assert "out: finished elsewhere, without what was begun here (tokens: gone)" in caplog.text
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["manifest.json"]


def test_tokens_begun_anew_at_the_end_are_removed(
    sample_corpus: Path, vocab: Path, alone: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that came between the end of the tokens and that of the shards leaves none behind."""
    finish = OutputFolder.finish

    def disturbed(folder: OutputFolder, manifest: Manifest) -> None:
        if manifest.kind == "shards" and folder.path.name == "out":
            assert not (folder.path / "tokens").exists()
            (folder.path / "tokens" / ".unfinished").mkdir(parents=True)
        finish(folder, manifest)

    monkeypatch.setattr(OutputFolder, "finish", disturbed)
    make_shards([sample_corpus / "wiki"], vocab, tmp_path / "out", node="1/2", slice_bytes=8_000, **_SHARDS)
    assert checksums(tmp_path / "out") == alone
    assert find_damage(tmp_path / "out") == []
    assert not (tmp_path / "out" / "tokens").exists()


def test_nodes_read_buckets(
    s3: S3Server, sample_corpus: Path, vocab: Path, alone: dict[str, str], tmp_path: Path
) -> None:
    """Two nodes with text and vocabulary in a bucket fill a shared folder with the bytes of one run."""
    url = s3.make_bucket()
    for folder, name in ((sample_corpus / "wiki", "wiki"), (vocab, "vocab")):
        for path in folder.iterdir():
            put_remote(path, f"{url}/{name}/{path.name}")
    where = (f"{url}/wiki", f"{url}/vocab", tmp_path / "out")
    runs = [start(*where, "1/2", workers=2), start(*where, "2/2")]
    for run in runs:
        _, errors = run.communicate(timeout=300)
        assert (run.returncode, errors) == (0, "")
    assert checksums(tmp_path / "out") == alone


@pytest.mark.slow
def test_a_node_given_up_again_and_again(
    sample_corpus: Path, vocab: Path, alone: dict[str, str], tmp_path: Path
) -> None:
    """A node that is stopped most of the time is given up, works on, and ends well: twice, to be sure."""
    for number in range(2):
        where = (sample_corpus / "wiki", vocab, tmp_path / f"out-{number}")
        runs = [start(*where, "1/2"), start(*where, "2/2")]
        while runs[1].poll() is None:
            os.killpg(runs[0].pid, signal.SIGSTOP)
            time.sleep(6)
            os.killpg(runs[0].pid, signal.SIGCONT)
            time.sleep(0.1)
        for run in runs:
            _, errors = run.communicate(timeout=300)
            assert run.returncode == 0, errors
            assert all("finished elsewhere" in line for line in errors.splitlines())
        assert checksums(where[2]) == alone
        assert find_damage(where[2]) == []


@pytest.mark.slow
def test_a_node_that_sleeps_is_overtaken(
    sample_corpus: Path, vocab: Path, alone: dict[str, str], tmp_path: Path
) -> None:
    """A node stopped for longer than its time loses its task; woken, it ends well beside finished work."""
    where = (sample_corpus / "wiki", vocab, tmp_path / "out")
    sleeper = start(*where, "1/2")
    claims = tmp_path / "out" / "tokens" / ".unfinished" / "claims"
    while not list(claims.glob("*.claim")):
        assert sleeper.poll() is None
        time.sleep(0.005)
    os.killpg(sleeper.pid, signal.SIGSTOP)
    run = start(*where, "2/2")
    _, errors = run.communicate(timeout=300)
    assert (run.returncode, errors) == (0, "")
    assert checksums(tmp_path / "out") == alone
    os.killpg(sleeper.pid, signal.SIGCONT)
    _, errors = sleeper.communicate(timeout=300)
    assert sleeper.returncode == 0, errors
    assert all("finished elsewhere" in line for line in errors.splitlines())
    assert checksums(tmp_path / "out") == alone


@pytest.mark.slow
def test_a_storm_over_three_nodes(
    sample_corpus: Path, vocab: Path, alone: dict[str, str], tmp_path: Path
) -> None:
    """Thirty kills of any of three nodes, each started again, end in the same bytes every time."""
    generator = random.Random(5)
    kills = folders = 0
    while kills < 30:
        out = tmp_path / f"out-{folders}"
        folders += 1
        nodes = ["1/3", "2/3", "3/3"]
        runs = {node: start(sample_corpus / "wiki", vocab, out, node) for node in nodes}
        deadline = time.monotonic() + 300
        while any(run.poll() is None for run in runs.values()):
            assert time.monotonic() < deadline
            time.sleep(generator.uniform(0.3, 1.5))
            node = generator.choice(nodes)
            if runs[node].poll() is None and kills < 8 * folders:
                kill(runs[node])
                kills += 1
                runs[node] = start(sample_corpus / "wiki", vocab, out, node)
        assert [run.communicate()[1] for run in runs.values()] == ["", "", ""]
        assert [run.returncode for run in runs.values()] == [0, 0, 0]
        assert checksums(out) == alone
        assert find_damage(out) == []
