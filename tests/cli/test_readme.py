"""The README: every command in it runs, and so does its Python."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import wpprep

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
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


def test_every_public_name_is_in_the_section_about_python() -> None:
    """The section "In Python" names each public function and class."""
    section = README.split("\n## In Python\n")[1].split("\n## ")[0]
    names = set(re.findall(r"\w+", section))
    assert set(wpprep.__all__) - {"__version__"} <= names


@pytest.mark.slow
def test_mypy_reports_the_errors_of_the_readme(tmp_path: Path) -> None:
    """The lines of mypy in the README are what it reports for these two calls."""
    pytest.importorskip("mypy", reason="mypy is a package of the development environment")
    calls = [
        f'wpprep.make_shards(["wiki"], "vocab", {option})'
        for option in re.findall(r"`(max_seq\S+=\S+)`", README)
    ]
    (tmp_path / "typo.py").write_text("\n".join(["import wpprep", "", *calls, ""]), encoding="utf-8")
    checked = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--config-file=",
            "--follow-imports=silent",
            "--cache-dir",
            tmp_path / "cache",
            "typo.py",
        ],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    expected = re.findall(r"^typo\.py:.*$", README, re.MULTILINE)
    assert len(expected) == 3
    assert checked.stdout.splitlines()[:-1] == expected, checked.stdout + checked.stderr
