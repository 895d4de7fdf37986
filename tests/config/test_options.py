"""Option classes: defaults, what is filled in, what is refused."""

from __future__ import annotations

import ast
import dataclasses
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from support.keywords import FUNCTIONS, PATH, rendered

import wpprep
from wpprep import config
from wpprep.config import CorpusOptions, RunOptions, ShardOptions, VocabOptions, build, keywords, refuse_unknown
from wpprep.config.fields import OptionSet
from wpprep.errors import OptionError

KINDS = [kind for kind in vars(config).values() if dataclasses.is_dataclass(kind)]


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_are_valid_and_every_field_has_help(kind: type[OptionSet]) -> None:
    """Every option class can be built without arguments, and tells what each field is for."""
    options = kind()
    assert all(field.metadata["help"].endswith((".", "]")) for field in dataclasses.fields(options))


def test_defaults_depend_on_the_algorithm() -> None:
    """WordPiece is scored by likelihood and lowercased; byte-level BPE keeps every byte as it is."""
    wordpiece, byte_level = VocabOptions(), VocabOptions(algorithm="bbpe")
    assert (wordpiece.score, wordpiece.lowercase, wordpiece.unicode) == ("likelihood", True, "nfc")
    assert (byte_level.score, byte_level.lowercase, byte_level.unicode) == ("frequency", False, "none")


def test_the_number_of_predictions_follows_length_and_share() -> None:
    """round(512 * 0.15) = round(76.8) = 77, and round(128 * 0.15) = round(19.2) = 19."""
    assert ShardOptions().max_predictions_per_seq == 77
    assert ShardOptions(max_seq_length=128).max_predictions_per_seq == 19


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (
            VocabOptions,
            {"algorithm": "unigram"},
            "algorithm is 'unigram', expected one of wordpiece, bpe, bbpe",
        ),
        (VocabOptions, {"vocab_size": 3}, "vocab_size is 3, expected at least 6"),
        (VocabOptions, {"algorithm": "bbpe", "strip_accents": True}, "strip_accents cannot be used with"),
        (ShardOptions, {"max_seq_length": 7}, "max_seq_length is 7, expected at least 8"),
        (ShardOptions, {"max_seq_length": 70000}, "expected at most 65535"),
        (ShardOptions, {"masked_lm_prob": 1.5}, "masked_lm_prob is 1.5, expected between 0 and 1"),
        (ShardOptions, {"mask_share": 0.8, "random_share": 0.3}, "expected at most 1"),
        (ShardOptions, {"seed": -1}, "seed is -1"),
        (CorpusOptions, {"errors": "ignore"}, "errors is 'ignore', expected one of strict, replace"),
        (RunOptions, {"workers": 0}, "workers is 0, expected at least 1"),
    ],
)
def test_values_that_cannot_work_are_refused(
    kind: type[OptionSet], values: dict[str, Any], message: str
) -> None:
    """A refused value is named with what was expected."""
    with pytest.raises(OptionError, match=message):
        kind(**values)


def test_build_takes_what_it_knows_and_none_is_the_default() -> None:
    """One mapping serves several kinds of options."""
    values = {"vocab_size": 100, "max_seq_length": 64, "score": None}
    assert build(VocabOptions, values).vocab_size == 100
    assert build(ShardOptions, values).max_seq_length == 64
    assert build(VocabOptions, values).score == "likelihood"


def test_an_unknown_name_is_refused_with_the_nearest_known_one() -> None:
    """A slip of the pen is answered with what was probably meant."""
    with pytest.raises(OptionError, match="no option vocabsize; did you mean vocab_size?"):
        refuse_unknown({"vocabsize": 1}, VocabOptions, RunOptions)


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (ShardOptions, {"shards": "2"}, "shards is '2', expected a whole number"),
        (ShardOptions, {"dupe_factor": 2.5}, "dupe_factor is 2.5, expected a whole number"),
        (ShardOptions, {"holdout": "1%"}, "holdout is '1%', expected a number"),
        (ShardOptions, {"seed": None}, "seed is None, expected a whole number"),
        (ShardOptions, {"seed": True}, "seed is True, expected a whole number"),
        (ShardOptions, {"layout": 3}, "layout is 3, expected text"),
        (VocabOptions, {"preset": ["ko"]}, r"preset is \['ko'\], expected text"),
        (VocabOptions, {"lowercase": "yes"}, "lowercase is 'yes', expected True or False"),
        (VocabOptions, {"special_tokens": 1.5}, "special_tokens is 1.5, expected texts"),
        (config.CountRunOptions, {"memory": 5}, "memory is 5, expected text"),
        (CorpusOptions, {"mix": {"wiki": 1}}, "mix is {'wiki': 1}, expected text"),
        (RunOptions, {"workers": float("nan")}, "workers is nan, expected a whole number"),
    ],
)
def test_values_of_a_wrong_type_are_refused(
    kind: type[OptionSet], values: dict[str, Any], message: str
) -> None:
    """The name, the value and the type that is expected are in the message, whatever class has the option."""
    with pytest.raises(OptionError, match=message):
        kind(**values)


def test_numbers_of_numpy_are_numbers() -> None:
    """A whole number or a float from an array is stored as Python's, so that manifests hold plain values."""
    values: dict[str, Any] = {"shards": np.int64(2), "holdout": np.float32(0.5), "masked_lm_prob": 1}
    options = ShardOptions(**values)
    kinds = [type(value) for value in (options.shards, options.holdout, options.masked_lm_prob)]
    assert kinds == [int, float, float]


def test_the_typed_keywords_are_those_of_the_option_classes() -> None:
    """wpprep/config/keywords.py is what tests/support/keywords.py writes, after formatting."""
    found = ast.dump(ast.parse(PATH.read_text(encoding="utf-8")))
    assert found == ast.dump(ast.parse(rendered())), "run: python tests/support/keywords.py, then ruff format"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_takes_its_keywords(name: str) -> None:
    """The signature of a function unpacks the TypedDict of its name."""
    command = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
    if command in {"train", "finetune", "predict", "embed"}:
        pytest.importorskip("transformers", reason="models need the extra packages")
    if command == "compare_vocabs":
        pytest.importorskip("matplotlib", reason="charts need the extra packages")
    hint = get_type_hints(getattr(wpprep, command))["options"]
    assert get_args(hint) == (getattr(keywords, f"{name}Keywords"),)
