"""Errors of reading: what the system refuses is no damage, stops the run, and names the file."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
from support.corpora import COMPRESSORS, WRITERS, Writer, read, read_leniently, write_jsonl

from wpprep.config import CorpusOptions
from wpprep.corpus.readers import LeftOut, plan_slices, read_slice
from wpprep.corpus.readers.bad_input import is_bad
from wpprep.corpus.readers.columns import failure
from wpprep.errors import CorpusError, MissingInputError, ReadError, WpprepError
from wpprep.storage import files
from wpprep.storage.files import atomic_write, open_bytes, read_block, read_error

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs files of /proc and limits of Linux")
_UNREADABLE = Path("/proc/self/mem")  # every read at its start fails with EIO


@contextmanager
def no_file_can_be_opened() -> Iterator[None]:
    """Lower the limit of open files to those that are open."""
    import resource

    descriptor = os.open("/", os.O_RDONLY)
    os.close(descriptor)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptor, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@linux
@pytest.mark.parametrize("skip_bad", [False, True])
def test_a_failed_read_stops_with_or_without_skip_bad(tmp_path: Path, skip_bad: bool) -> None:
    """A read that fails (EIO) is an error of reading that names the file, not damage of compressed data."""
    (tmp_path / "a.txt").symlink_to(_UNREADABLE)
    write_jsonl(tmp_path / "b.jsonl")
    with pytest.raises(ReadError, match=r"a\.txt: cannot be read: Input/output error; run"):
        read(tmp_path, skip_bad=skip_bad)


@linux
@pytest.mark.parametrize("write", WRITERS)
def test_too_many_open_files_stop_with_skip_bad(tmp_path: Path, write: Writer) -> None:
    """EMFILE is an error of reading in every format, when files are cut and when they are read."""
    path = write(tmp_path / "corpus")
    options = CorpusOptions(skip_bad=True)
    slices = plan_slices([path], options, 10**9)
    assert list(read_slice(slices[0], options))  # everything that reading imports is loaded
    message = r"corpus: cannot be read: Too many open files; raise the limit \(ulimit -n\)"
    left_out = LeftOut()
    with no_file_can_be_opened(), pytest.raises(ReadError, match=message):
        list(read_slice(slices[0], options, left_out))
    with no_file_can_be_opened(), pytest.raises(ReadError, match=message):
        plan_slices([path], CorpusOptions(skip_bad=True, format=slices[0].format), 10**9)
    assert left_out.count == 0


@linux
@pytest.mark.parametrize("compress", COMPRESSORS[1:])
def test_a_failed_read_of_a_compressed_file_is_no_damage(
    tmp_path: Path, compress: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the system below a decompressor is one of reading; one of the decompressor is damage."""
    path = tmp_path / "a"
    path.write_bytes(compress(os.urandom(100_000)))  # type: ignore[operator]
    with open_bytes(path) as file:
        broken = os.open(_UNREADABLE, os.O_RDONLY)
        held = next(
            int(name) for name in os.listdir("/proc/self/fd") if _link(name) == str(path)
        )  # the open file, whose reads fail from here on
        os.dup2(broken, held)
        os.close(broken)
        os.lseek(held, 0, os.SEEK_SET)
        with pytest.raises(ReadError, match="a: cannot be read: Input/output error"):
            while read_block(file, path, 1 << 20):
                pass


def _link(name: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{name}")
    except OSError:
        return ""


@pytest.mark.parametrize(
    ("number", "expected", "bad"),
    [
        (errno.ENOENT, MissingInputError, True),
        (errno.ELOOP, MissingInputError, True),
        (errno.EISDIR, MissingInputError, True),
        (errno.EACCES, MissingInputError, False),
        (errno.EPERM, MissingInputError, False),
        (errno.ENAMETOOLONG, MissingInputError, False),
        (errno.EIO, ReadError, False),
        (errno.ESTALE, ReadError, False),
        (errno.EMFILE, ReadError, False),
        (errno.ENOMEM, ReadError, False),
    ],
)
def test_errors_of_the_system_are_told_apart(number: int, expected: type[WpprepError], bad: bool) -> None:
    """What is not there is bad input; what may not, or cannot now be read, is not."""
    cause = OSError(number, os.strerror(number))
    with pytest.raises(expected, match=os.strerror(number)) as caught:
        raise read_error("a.txt", cause) from cause
    assert type(caught.value) is expected
    assert is_bad(caught.value) is bad


def test_damage_is_bad_input() -> None:
    """Errors of the text or of compressed data are what --skip-bad leaves out."""
    assert is_bad(CorpusError("a.gz: damaged compressed data"))
    assert not is_bad(ReadError("a.gz: cannot be read"))


def test_errors_of_arrow_are_told_apart() -> None:
    """With an error number it is one of reading; a size beyond the memory of the machine is damage."""
    assert isinstance(failure("a", "near row 3", OSError(errno.EIO, "io")), ReadError)
    for error in (
        pa.ArrowInvalid("offset"),
        OSError("Expected\nto read"),
        pa.ArrowMemoryError("of size 9" + "0" * 18),
    ):
        found = failure("a", "near row 3", error)
        assert isinstance(found, CorpusError)
        assert str(found).startswith("a: near row 3: ")
        assert "\n" not in str(found)
    with pytest.raises(MemoryError, match="a: malloc of size 64 failed"):
        failure("a", "near row 3", pa.ArrowMemoryError("malloc of size 64 failed"))


def test_only_the_own_file_cannot_be_written(tmp_path: Path) -> None:
    """Another file that cannot be opened while a file is written is named as an input."""
    for other, message in ((tmp_path / "none", "No such file"), (tmp_path / ("x" * 300), "File name too long")):
        refused = pytest.raises(MissingInputError, match=f"{other}: cannot be opened: {message}")
        with refused, atomic_write(tmp_path / "out") as file:
            file.write(other.read_bytes())
    assert list(tmp_path.iterdir()) == []


@linux
def test_a_failed_read_is_not_one_of_the_file_written(tmp_path: Path) -> None:
    """An input whose reading fails in the block is named, not the output."""
    refused = pytest.raises(ReadError, match="mem: cannot be read: Input/output error")
    with refused, atomic_write(tmp_path / "out") as file, files.open_raw(_UNREADABLE) as given:
        file.write(given.read())
    assert list(tmp_path.iterdir()) == []


def test_the_rest_of_a_file_is_listed_as_such(tmp_path: Path) -> None:
    """Where nothing after the damage can be read, the list says that the rest of the file is left out."""
    import gzip

    whole = gzip.compress("".join(f"Line {i * i} is here.\n\n" for i in range(20_000)).encode())
    (tmp_path / "a.txt").write_bytes(whole[:-9])
    (tmp_path / "b.jsonl").write_text('{"text": "One."}\n{\n')
    _, left_out = read_leniently(tmp_path)
    assert left_out.count == 2
    assert left_out.first[0].endswith("; the rest of the file is left out")
    assert left_out.first[1].startswith("b.jsonl: line 2: not JSON")
    assert not left_out.first[1].endswith("left out")
