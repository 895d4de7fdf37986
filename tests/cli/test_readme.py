"""The README: every command in it runs, and so does its Python."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text()
COMMANDS = re.findall(
    r"^\$ (wpprep .*)$", "".join(re.findall(r"```console\n(.*?)```", README, re.DOTALL)), re.MULTILINE
)
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run wpprep in a folder; training is cut to a few steps."""
    if "--steps" in arguments:
        arguments[arguments.index("--steps") + 1] = "3"
    command = [sys.executable, "-c", "from wpprep.cli import main; main()", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_every_command_of_the_readme_runs(sample_corpus: Path, tmp_path: Path) -> None:
    """In the order of the text, in a folder that holds only sample_corpus."""
    pytest.importorskip("transformers", reason="the README's commands train a model")
    (tmp_path / "sample_corpus").symlink_to(sample_corpus)
    assert len(COMMANDS) > 5
    for command in COMMANDS:
        done = run(shlex.split(command)[1:], tmp_path)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("code", PYTHON)
def test_the_python_of_the_readme_runs(sample_corpus: Path, tmp_path: Path, code: str) -> None:
    """Each block runs on its own beside sample_corpus."""
    (tmp_path / "sample_corpus").symlink_to(sample_corpus)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
