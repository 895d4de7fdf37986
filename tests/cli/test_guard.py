"""The last guard: whatever happens is one line and the right exit code, and output is UTF-8 everywhere."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import pytest

from wpprep.errors import CorpusError, printable

guard = pytest.importorskip("wpprep.cli._guard", reason="the command line is installed with the package")


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (CorpusError("a.txt: line 3: bad"), 1, "wpprep: a.txt: line 3: bad\n"),
        (CorpusError("a\nwpprep: all is well\x1b[31m"), 1, "wpprep: a\\nwpprep: all is well\\x1b[31m\n"),
        (PermissionError(errno.EACCES, "Permission denied", "s/x"), 1, "wpprep: s/x: Permission denied\n"),
        (OSError(errno.EXDEV, "Cross-device link", "a", None, "b"), 1, "wpprep: a -> b: Cross-device link\n"),
        (OSError(errno.EIO, "Input/output error"), 1, "wpprep: the system refused: Input/output error\n"),
        (OSError("no number"), 1, "wpprep: the system refused: no number\n"),
        (KeyboardInterrupt(), 130, "wpprep: interrupted; run the same command again to resume\n"),
        (click.UsageError("no such option"), 2, "Error: no such option\n"),
    ],
)
def test_an_error_is_one_line(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, said: str
) -> None:
    """The line names what is known; control characters and line ends are shown as such."""
    assert guard.report(error) == code
    assert capsys.readouterr().err == said


def test_no_memory_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """It names the options that need less; errors of NumPy and pyarrow are children of MemoryError."""
    import pyarrow as pa

    for error in (MemoryError(), pa.ArrowMemoryError("malloc of size 64 failed")):
        assert guard.report(error) == 1
        assert re.fullmatch(r"wpprep: out of memory; use fewer --workers.*\n", capsys.readouterr().err)


def test_an_unforeseen_error_is_one_line_and_its_traceback_a_file() -> None:
    """The line says how to report it; the file holds the traceback."""
    done = run(
        "import sys, wpprep.pipeline.verify as room\n"
        "def broken(*arguments, **options): raise ZeroDivisionError('of a\\ntest')\n"
        "room.verify = broken\nsys.argv = ['wpprep', 'verify', 'x']\nfrom wpprep.cli import main\nmain()"
    )
    assert done.returncode == 1
    found = re.fullmatch(
        r"wpprep: unexpected error: ZeroDivisionError: of a\\ntest; please report it .* traceback in (.*)\n",
        done.stderr,
    )
    assert found is not None
    path = Path(found[1])
    assert "in broken" in path.read_text()
    path.unlink()


def test_a_reader_that_leaves_is_no_error(vocab: Path) -> None:
    """`wpprep tokenize | head -1` ends with 0 and without a word."""
    with subprocess.Popen(
        [sys.executable, "-m", "wpprep", "tokenize", "--vocab", str(vocab)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as filter_:
        assert filter_.stdin is not None
        assert filter_.stdout is not None
        assert filter_.stderr is not None
        filter_.stdin.write(b"the sea\n")
        filter_.stdin.flush()
        assert filter_.stdout.readline()
        filter_.stdout.close()
        with contextlib.suppress(BrokenPipeError):  # it may have ended before it has read all
            filter_.stdin.write(b"the sea\n" * 200_000)
            filter_.stdin.close()
        assert filter_.wait(60) == 0
        assert filter_.stderr.read() == b""


def test_data_is_utf8_in_any_locale(vocab: Path, tmp_path: Path) -> None:
    """In a Latin-1 locale Python is started again in its UTF-8 mode, and the pieces have the same bytes."""
    made = shutil.which("localedef") and subprocess.run(
        ["localedef", "-i", "en_US", "-f", "ISO-8859-1", str(tmp_path / "en_US.ISO-8859-1")],
        capture_output=True,
        check=False,
    )
    if not (made and (tmp_path / "en_US.ISO-8859-1").is_dir()):
        pytest.skip("no localedef here, or no sources of locales")
    command = [sys.executable, "-m", "wpprep", "tokenize", "--vocab", str(vocab)]
    found = [
        subprocess.run(
            command,
            input="caf\u00e9 \uc11c\uc6b8\n".encode(),
            capture_output=True,
            check=True,
            env=os.environ | more,
        ).stdout
        for more in ({}, {"LOCPATH": str(tmp_path), "LC_ALL": "en_US.ISO-8859-1"})
    ]
    assert found[0] == found[1] != b""


def test_warnings_are_lines(caplog: pytest.LogCaptureFixture) -> None:
    """A file name with an escape or a line end cannot change the terminal, or pretend to be another line."""
    record = logging.LogRecord("x", logging.WARNING, "x.py", 1, "left out %s", ("a\x1b[31m\nb",), None)
    assert guard.OneLine().format(record) == "left out a\\x1b[31m\\nb"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("caf\u00e9 \uc11c\uc6b8", "caf\u00e9 \uc11c\uc6b8"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u2028b", "a\\u2028b"),
        ("\udc80", "\\udc80"),
    ],
)
def test_what_can_be_printed_stays(text: str, shown: str) -> None:
    """Letters of any script stay; controls of both sets, line ends and lone surrogates are spelled out."""
    assert printable(text) == shown


def lines(arguments: Sequence[str]) -> list[str]:
    """The lines that a command prints to standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "wpprep", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    return done.stderr.splitlines()


def test_names_that_are_too_long_are_one_line(tmp_path: Path) -> None:
    """Whatever command they are given to."""
    name = str(tmp_path / ("x" * 300))
    for arguments in (
        ["show", name],
        ["verify", name],
        ["encode", name, "--vocab", name, "--out", str(tmp_path / "o")],
    ):
        said = lines(arguments)
        assert len(said) == 1, said
