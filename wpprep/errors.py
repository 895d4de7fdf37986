"""Exceptions that wpprep raises deliberately, each a subclass of the builtin exception that fits.

    WpprepError
    ├── OptionError(ValueError)               invalid option, or options that cannot be combined
    ├── MissingInputError(FileNotFoundError)  input that does not exist
    ├── ReadError(OSError)                    input that the system cannot read now: disk, mount, open files
    ├── CorpusError(ValueError)               text that cannot be read; names the file and the position
    │   └── TextDecodeError                   bytes that are invalid in the file's encoding
    ├── VocabularyError(ValueError)           vocabulary that cannot be trained, read or used
    ├── ShardError(ValueError)                shard folder that is damaged, unfinished or of another kind
    ├── OutputError(OSError)                  output that cannot be written or would overwrite other data
    ├── RemoteError(RuntimeError)             bucket or server that refuses, disconnects or is unreachable
    ├── WorkerError(RuntimeError)             worker process that died before its task was finished
    ├── TrainingError(RuntimeError)           training run that cannot continue
    └── MissingExtraError(ImportError)        feature with optional packages that are not installed

The command line prints any of them as one line and exits with code 1.
"""

from __future__ import annotations


class WpprepError(Exception):
    """Base class: an error that the user can fix; its message states what, where and what to do next."""


class OptionError(WpprepError, ValueError):
    """An option has an invalid value, or one that cannot be combined with another option."""


class MissingInputError(WpprepError, FileNotFoundError):
    """An input file or folder does not exist or has no usable content."""


class ReadError(WpprepError, OSError):
    """The system cannot read an input now (disk, network mount, number of open files, memory); not damage."""


class CorpusError(WpprepError, ValueError):
    """A corpus file cannot be read in its format."""


class TextDecodeError(CorpusError):
    """Bytes of a corpus file are invalid in its encoding."""


class VocabularyError(WpprepError, ValueError):
    """A vocabulary cannot be trained, read or used."""


class ShardError(WpprepError, ValueError):
    """A shard, token store or manifest is damaged, unfinished or of another kind."""


class OutputError(WpprepError, OSError):
    """An output cannot be written, or its path is used by other data."""


class RemoteError(WpprepError, RuntimeError):
    """A bucket or server refuses, disconnects or is unreachable.

    Not a subclass of OSError, which readers take for a damaged file.
    """


class WorkerError(WpprepError, RuntimeError):
    """A worker process died before its task was finished."""


class TrainingError(WpprepError, RuntimeError):
    """A training run cannot continue."""


class MissingExtraError(WpprepError, ImportError):
    """A feature needs optional packages that are not installed."""


def printable(text: str) -> str:
    r"""Return a text in one line without control characters, which could change a terminal or add a line.

    >>> print(printable("a\nb\x1b[31m"))
    a\nb\x1b[31m
    """
    return "".join(c if c.isprintable() or c == " " else c.encode("unicode_escape").decode() for c in text)
