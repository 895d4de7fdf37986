"""Every error wpprep raises on purpose, each a child of the builtin that fits it.

    WpprepError
    ├── OptionError(ValueError)             an option, or two together, that cannot work
    ├── MissingInputError(FileNotFoundError)  an input that is not there
    ├── CorpusError(ValueError)             text that cannot be read; names the file and the place
    │   └── TextDecodeError                 bytes that are not valid in the file's encoding
    ├── VocabularyError(ValueError)         a vocabulary that cannot be trained, read or used
    ├── ShardError(ValueError)              a shard folder that is damaged, unfinished or of another kind
    ├── OutputError(OSError)                an output that cannot be written, or would bury something else
    ├── RemoteError(RuntimeError)           a bucket or server that refuses, breaks off or cannot be reached
    ├── WorkerError(RuntimeError)           a worker process that died before its task was done
    ├── TrainingError(RuntimeError)         a training run that cannot go on
    └── MissingExtraError(ImportError)      a feature whose optional packages are not installed

The command line prints any of them as one line and exits with code 1.
"""

from __future__ import annotations


class WpprepError(Exception):
    """Anything wrong that the user can mend; the message says what, where, and what to do next."""


class OptionError(WpprepError, ValueError):
    """An option has a value that cannot work, alone or beside another."""


class MissingInputError(WpprepError, FileNotFoundError):
    """An input file or folder does not exist or holds nothing of use."""


class CorpusError(WpprepError, ValueError):
    """A corpus file cannot be read as what it claims to be."""


class TextDecodeError(CorpusError):
    """Bytes of a corpus file are not valid in its encoding."""


class VocabularyError(WpprepError, ValueError):
    """A vocabulary cannot be trained, read or used."""


class ShardError(WpprepError, ValueError):
    """A shard, token store or manifest is damaged, unfinished or of another kind."""


class OutputError(WpprepError, OSError):
    """An output cannot be written, or its place is taken by something else."""


class RemoteError(WpprepError, RuntimeError):
    """A bucket or server refuses, breaks off or cannot be reached (no OSError: to readers those are damage)."""


class WorkerError(WpprepError, RuntimeError):
    """A worker process died before its task was done."""


class TrainingError(WpprepError, RuntimeError):
    """A training run cannot go on."""


class MissingExtraError(WpprepError, ImportError):
    """A feature was asked for whose optional packages are not installed."""
