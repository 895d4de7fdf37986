"""The trainer: the model's losses, what is learned, from what shards, and by which options."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.counting import FIRST_WORD, PIECES, WORDS, make_folder
from support.training import QUICK, dynamic, shards

from wpprep.errors import OptionError, ShardError
from wpprep.training.pretraining.pretrain import train

__all__ = ["dynamic", "shards"]


def test_single_segments_have_no_next_sentence(tmp_path: Path) -> None:
    """With the objective `single` there are no metrics of the next sentence."""
    folder = make_folder(tmp_path / "shards", rows=(60,), objective="single")[0]
    result = train(folder, tmp_path / "out", **QUICK, steps=3)
    assert result.after is not None
    assert result.after.nsp_accuracy is None
    assert "nsp" not in str(result.after)


def test_options_are_checked(shards: Path, tmp_path: Path) -> None:
    """A wrong name or value is refused before anything is written."""
    wrong: dict[str, Any] = {"batchsize": 3}
    with pytest.raises(OptionError, match="did you mean batch_size"):
        train(shards, tmp_path / "out", **wrong)
    with pytest.raises(OptionError, match="size is 'huge'"):
        train(shards, tmp_path / "out", **{**QUICK, "size": "huge"})
    with pytest.raises(OptionError, match="eval_rows"):
        train(shards, tmp_path / "out", **{**QUICK, "eval_rows": 130})
    assert not (tmp_path / "out").exists()


def test_verify_finds_damage_before_training(tmp_path: Path) -> None:
    """With `verify` a flipped bit that no check of lengths or ids detects is an error; nothing is written."""
    folder = make_folder(tmp_path / "shards")[0]
    shard = folder / "shard-00002-of-00003.arrow"
    data = bytearray(shard.read_bytes())
    place = data.index(bytes([FIRST_WORD + 3, 0, FIRST_WORD + 4, 0]))  # w3 w4 as uint16
    data[place] ^= 1
    shard.write_bytes(data)
    with pytest.raises(ShardError, match=r"shard-00002.*sha256"):
        train(folder, tmp_path / "out", **QUICK, steps=1, verify=True)
    assert not (tmp_path / "out").exists()
    assert train(folder, tmp_path / "out", **QUICK, steps=1).steps == 1


def test_missing_extras_say_what_to_install() -> None:
    """Without torch, importing the trainer is an error with the command to install it."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "try:\n    import wpprep.training\n"
        "except Exception as error:\n    print(type(error).__name__, error)"
    )
    said = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True).stdout
    assert said == "MissingExtraError training needs extra packages: pip install 'wpprep[train]'\n"


def test_words_of_the_language_fit_the_vocabulary() -> None:
    """The words of the test language are in its vocabulary, which the other tests need."""
    assert PIECES.index("w0") + WORDS <= len(PIECES)
