"""Option classes: defaults, what is filled in, what is refused."""

import dataclasses

import pytest

from wpprep import config
from wpprep.config import CorpusOptions, RunOptions, ShardOptions, VocabOptions, build, refuse_unknown
from wpprep.errors import OptionError

KINDS = [kind for kind in vars(config).values() if dataclasses.is_dataclass(kind)]


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_are_valid_and_every_field_has_help(kind):
    """Every option class can be built without arguments, and tells what each field is for."""
    options = kind()
    assert all(field.metadata["help"].endswith((".", "]")) for field in dataclasses.fields(options))


def test_defaults_depend_on_the_algorithm():
    """WordPiece is scored by likelihood and lowercased; byte-level BPE keeps every byte as it is."""
    wordpiece, byte_level = VocabOptions(), VocabOptions(algorithm="bbpe")
    assert (wordpiece.score, wordpiece.lowercase, wordpiece.unicode) == ("likelihood", True, "nfc")
    assert (byte_level.score, byte_level.lowercase, byte_level.unicode) == ("frequency", False, "none")


def test_the_number_of_predictions_follows_length_and_share():
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
        (VocabOptions, {"algorithm": "bbpe", "strip_accents": True}, "strip_accents does not go with"),
        (ShardOptions, {"max_seq_length": 7}, "max_seq_length is 7, expected at least 8"),
        (ShardOptions, {"max_seq_length": 70000}, "expected at most 65535"),
        (ShardOptions, {"masked_lm_prob": 1.5}, "masked_lm_prob is 1.5, expected between 0 and 1"),
        (ShardOptions, {"mask_share": 0.8, "random_share": 0.3}, "expected at most 1"),
        (ShardOptions, {"seed": -1}, "seed is -1"),
        (CorpusOptions, {"errors": "ignore"}, "errors is 'ignore', expected one of strict, replace"),
        (RunOptions, {"workers": 0}, "workers is 0, expected at least 1"),
    ],
)
def test_values_that_cannot_work_are_refused(kind, values, message):
    """A refused value is named with what was expected."""
    with pytest.raises(OptionError, match=message):
        kind(**values)


def test_build_takes_what_it_knows_and_none_is_the_default():
    """One mapping serves several kinds of options."""
    values = {"vocab_size": 100, "max_seq_length": 64, "score": None}
    assert build(VocabOptions, values).vocab_size == 100
    assert build(ShardOptions, values).max_seq_length == 64
    assert build(VocabOptions, values).score == "likelihood"


def test_an_unknown_name_is_refused_with_the_nearest_known_one():
    """A slip of the pen is answered with what was probably meant."""
    with pytest.raises(OptionError, match="no option vocabsize; did you mean vocab_size?"):
        refuse_unknown({"vocabsize": 1}, VocabOptions, RunOptions)
