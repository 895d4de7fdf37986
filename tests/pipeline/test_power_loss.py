"""Power loss: what was not yet on the disk is lost, and the same call still ends in the same bytes."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.checksums import checksums

from wpprep.pipeline.make_shards import make_shards
from wpprep.storage.manifest import find_damage

OPTIONS: dict[str, Any] = {"max_seq_length": 64, "shards": 3, "dupe_factor": 2, "holdout": 0.1, "bins": "32,64"}
RUN: dict[str, Any] = {"workers": 1, "slice_bytes": 30_000}

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="names open files through /proc")


def run_until(step: int, log: Path, out: Path, work: Callable[[], object], *, sync: bool) -> bool:
    """Work in a forked process that vanishes after so many syncs and renames below ``out``.

    Each of them is noted in ``log`` when it is done. Returns whether the work came to its end. Without ``sync``
    nothing is synced, as if `atomic_write` did not sync.
    """
    child = os.fork()
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in {0, 1}, "the work failed: see the error above"
        return code == 0
    try:
        notes = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        done = 0

        def note(*words: str) -> None:
            nonlocal done
            if words[-1].startswith(str(out)):
                os.write(notes, ("\t".join(words) + "\n").encode())
                done += 1
                if done == step:
                    os._exit(1)

        fsync, replace = os.fsync, os.replace

        def fsync_noted(descriptor: int) -> None:
            if sync:
                fsync(descriptor)
                note("sync", os.readlink(f"/proc/self/fd/{descriptor}"))

        def replace_noted(old: Any, new: Any) -> None:
            replace(old, new)
            note("rename", str(old), str(new))

        os.fsync, os.replace = fsync_noted, replace_noted  # type: ignore[assignment]
        work()
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - a forked process must not go on in pytest
        sys.stderr.write(f"{error!r}\n")
        os._exit(2)


def lose(log: Path, out: Path, generator: random.Random) -> int:
    """Take away what the disk need not have: contents never synced, names of folders not synced since.

    Returns how many files lost something.
    """
    durable: set[str] = set()  # files whose contents are on the disk
    pending: dict[str, set[str]] = {}  # names given by a rename in a folder that was not synced since
    for line in log.read_text().splitlines() if log.exists() else []:
        what, *paths = line.split("\t")
        if what == "rename":
            old, new = paths
            durable.discard(new)
            if old in durable:
                durable.add(new)
            pending.setdefault(os.path.dirname(new), set()).add(new)
        else:
            durable.add(paths[0])
            pending.pop(paths[0], None)
    lost = 0
    for path in [path for path in out.rglob("*") if path.is_file()]:
        if str(path) in pending.get(str(path.parent), set()) and generator.random() < 0.5:
            path.unlink()
            lost += 1
        elif str(path) not in durable and path.stat().st_size:
            data = path.read_bytes()
            kept = data[: generator.randrange(len(data))]
            path.write_bytes(generator.choice([kept, bytes(len(data)), b""]))
            lost += 1
    return lost


def storm(out: Path, work: Callable[[], object]) -> tuple[int, int]:
    """Lose power again and again until the work is done; returns how often, and how many files were hurt."""
    generator, losses, hurt = random.Random(8), 0, 0
    log = out.with_suffix(".log")
    while not run_until(generator.randint(1, 90), log, out, work, sync=True):
        losses += 1
        hurt += lose(log, out, generator)
        assert losses < 100
    return losses, hurt


@pytest.mark.parametrize("layout", ["compact", "dense"])
def test_power_loss_changes_no_byte(sample_corpus: Path, vocab: Path, tmp_path: Path, layout: str) -> None:
    """Runs that lose power after random syncs and renames, and lose what was not synced, end as a calm one."""
    options = OPTIONS | RUN | {"layout": layout}
    calm = make_shards([sample_corpus / "wiki"], vocab, tmp_path / "calm", **options).folder
    out = tmp_path / "out"
    losses, hurt = storm(out, lambda: make_shards([sample_corpus / "wiki"], vocab, out, **options))
    assert losses >= 3
    assert hurt >= 1
    assert checksums(out) == checksums(calm)
    assert find_damage(out) == []


def test_the_storm_finds_what_is_not_synced(sample_corpus: Path, vocab: Path, tmp_path: Path) -> None:
    """Were nothing synced before it gets its name, power loss would leave damage: the test above can fail."""
    out = tmp_path / "out"
    options = OPTIONS | RUN
    work = lambda: make_shards([sample_corpus / "wiki"], vocab, out, **options)  # noqa: E731
    assert run_until(10**9, out.with_suffix(".log"), out, work, sync=False)
    assert lose(out.with_suffix(".log"), out, random.Random(8)) > 10
    assert find_damage(out)
