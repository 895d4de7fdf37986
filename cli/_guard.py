"""The last guard of the command line: every failure is one line, an exit code, and no control characters.

0    done, or the reader of our output has closed the pipe
1    an error: `WpprepError`, what the system refused, memory, and any unexpected error (traceback in a file)
2    wrong usage
130  SIGINT
143  SIGTERM
"""

from __future__ import annotations

import codecs
import contextlib
import locale
import logging
import os
import sys
import tempfile
import traceback

import click

from wpprep.errors import WpprepError, printable

_AGAIN = "WPPREP_UTF8"  # set for the second start, so that there is no third


class ReaderLeftError(Exception):
    """Whatever reads our output has closed the pipe."""


class OneLine(logging.Formatter):
    """A log message in one line, without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message; a traceback would follow it."""
        return printable(record.getMessage())


def use_utf8() -> None:
    """Start Python again in its UTF-8 mode where the locale has another encoding.

    Data on standard input and output, arguments and names of files are then UTF-8 in every locale.
    """
    encoding = codecs.lookup(locale.getpreferredencoding(False)).name
    if encoding != "utf-8" and os.name == "posix" and not os.environ.get(_AGAIN):
        os.environ["PYTHONUTF8"] = os.environ[_AGAIN] = "1"
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 (our own command)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            if stream.isatty():
                stream.reconfigure(errors="replace")  # type: ignore[union-attr]
            else:
                stream.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]


def log_in_lines() -> None:
    """Send warnings to standard error, each in one line."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def report(error: BaseException) -> int:
    """Print an error in one line and return the exit code that it stands for."""
    match error:
        case ReaderLeftError():
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is flushed at exit
            return 0
        case click.ClickException():
            error.show()
            return 2
        case KeyboardInterrupt() | click.Abort():
            _say("interrupted; run the same command again to resume")
            return 130
        case WpprepError():
            _say(str(error))
        case MemoryError():
            _say(
                "out of memory; use fewer --workers, or a smaller --slice-bytes, --shard-bytes or --batch-size"
            )
        case OSError():
            _say(_refused(error))
        case _:
            _say(_unforeseen(error))
    return 1


def _say(message: str) -> None:
    click.echo(f"wpprep: {printable(message)}", err=True)


def _refused(error: OSError) -> str:
    """Return what the system refused, and for which file."""
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    return ": ".join([" -> ".join(names) or "the system refused", error.strerror or str(error)])


def _unforeseen(error: BaseException) -> str:
    """Write the traceback to a file and return the line that names it."""
    said = f"unexpected error: {type(error).__name__}: {str(error)[:500]}"
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="wpprep-error-", suffix=".txt", delete=False, encoding="utf-8", errors="replace"
        ) as file:
            file.write(f"{sys.argv}\n{sys.version}\n")
            file.write("".join(traceback.format_exception(error)))
    except OSError:
        return said
    return f"{said}; please report it with the traceback in {file.name}"
