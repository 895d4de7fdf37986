"""Exceptions: one tree, each also a subclass of the builtin exception that fits."""

from __future__ import annotations

import inspect

import pytest

from wpprep import errors

BUILTINS = {
    "OptionError": ValueError,
    "MissingInputError": FileNotFoundError,
    "ReadError": OSError,
    "CorpusError": ValueError,
    "TextDecodeError": errors.CorpusError,
    "VocabularyError": ValueError,
    "ShardError": ValueError,
    "OutputError": OSError,
    "RemoteError": RuntimeError,
    "WorkerError": RuntimeError,
    "TrainingError": RuntimeError,
    "MissingExtraError": ImportError,
}


def test_every_error_is_in_the_tree() -> None:
    """Every class is a WpprepError, and the module docstring shows it with its builtin base."""
    classes = {name: each for name, each in vars(errors).items() if inspect.isclass(each)}
    assert classes.keys() == BUILTINS.keys() | {"WpprepError"}
    assert errors.__doc__ is not None
    for name, base in BUILTINS.items():
        assert issubclass(classes[name], errors.WpprepError)
        assert issubclass(classes[name], base)
        drawn = name if base is errors.CorpusError else f"{name}({base.__name__})"
        assert f"── {drawn} " in errors.__doc__


def test_an_unreachable_server_is_not_a_damaged_file() -> None:
    """Readers take OSError for a damaged file, so a RemoteError must not be one."""
    with pytest.raises(errors.RemoteError) as caught:
        raise errors.RemoteError("s3://bucket: unreachable")
    assert not isinstance(caught.value, OSError)
