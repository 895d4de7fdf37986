"""The command line: fast help, conventions every command keeps, exit codes, one line for bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from wpprep.cli import _COMMANDS  # type: ignore[import-not-found, unused-ignore]

from wpprep.storage.manifest import read_manifest

COMMANDS = sorted(_COMMANDS)


def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run wpprep as a user does; return the finished process, its output as text."""
    command = [sys.executable, "-c", "from wpprep.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_help_loads_nothing_heavy() -> None:
    """After `wpprep --help` neither pyarrow, numba, numpy, tokenizers nor torch is loaded."""
    code = (
        "import sys\nsys.argv = ['wpprep', '--help']\nfrom wpprep.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'pyarrow', 'numba', 'numpy', 'tokenizers', 'torch', 'rich', 'transformers'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "train-vocab" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_and_the_common_options(command: str) -> None:
    """Help shows an example and --config, --quiet and --json, and loads no stage."""
    done = run(command, "--help")
    assert done.returncode == 0
    assert "Example:" in done.stdout
    assert all(option in done.stdout for option in ("--config", "--quiet", "--json"))


def test_usage_errors_are_exit_code_2() -> None:
    """A missing argument or an unknown option or command is a usage error."""
    assert run("train-vocab").returncode == 2
    assert run("train-vocab", "corpus", "--out", "x", "--wrong").returncode == 2
    assert run("nonsense").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train-vocab", "nowhere", "--out", "out"], "nowhere: no such file or folder"),
        (
            ["train-vocab", "text.txt", "--out", "out", "--vocab-size", "3"],
            "vocab_size is 3, expected at least",
        ),
        (["make-shards", "text.txt", "--vocab", "none", "--out", "out"], "none: no such vocabulary"),
        (["show", "nowhere"], "nowhere: no such file or folder"),
        (["show", "text.txt"], "text.txt: not a"),
        (["verify", "."], "unfinished, or not made by wpprep"),
        (["train", "nowhere", "--out", "out"], "nowhere: no such folder"),
        (["fill-mask", "nowhere", "[MASK]"], "nowhere"),
        (["train-vocab", "text.txt", "--out", "out", "--config", "none.toml"], "none.toml: cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_1(tmp_path: Path, arguments: list[str], message: str) -> None:
    """The line names what is wrong; nothing is left behind."""
    (tmp_path / "text.txt").write_text("Some text.\n")
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n") - done.stdout.count("\n")) in {(1, 1), (1, 0)}
    assert message in done.stderr + done.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("objective", ["nsp", "sop", "single"])
def test_make_shards_ends_with_its_statistics(
    sample_corpus: Path, vocab: Path, tmp_path: Path, objective: str
) -> None:
    """A line for tokens, labels, predictions, what was cut off or left out, and lengths: the manifest's."""
    options = ["--vocab", vocab, "--out", tmp_path / "out", "--max-seq-length", 64, "--objective", objective]
    first, *lines = run("make-shards", sample_corpus / "wiki", *options).stdout.splitlines()
    manifest = read_manifest(tmp_path / "out")
    total = manifest.statistics
    assert first.startswith(f"{tmp_path / 'out'}: {total['rows']:,} instances in 1 shards, ")
    found = {line[:12].strip(): line[12:].split(maxsplit=1) for line in lines}
    labels = {"nsp": {"B random": "random_next"}, "sop": {"swapped": "random_next"}, "single": {}}[objective]
    counted = {"tokens": "tokens", "predicted": "predictions", "truncated": "truncated_tokens"} | labels
    for name, key in (counted | {"dropped": "dropped_tokens"}).items():
        assert found.pop(name)[0] == f"{total[key]:,}"
    assert list(found) == [f"to {n}" for n in range(8, 65, 8)]
    assert sum(int(figures[0].replace(",", "")) for figures in found.values()) == total["rows"]
    longest = sum(total["length_histogram"][28:])
    assert found["to 64"][0] == f"{longest:,}"
    assert max(len(figures[1]) for figures in found.values() if len(figures) > 1) == 40


def test_a_summary_is_json_on_request(sample_corpus: Path, tmp_path: Path) -> None:
    """--json prints one object with the folder, the seconds and the manifest, and nothing else."""
    out = tmp_path / "vocab"
    done = run("train-vocab", sample_corpus / "wiki", "--out", out, "--vocab-size", 500, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["folder"] == str(out)
    assert summary["manifest"]["statistics"]["entries"] == 500
    assert run("train-vocab", sample_corpus / "wiki", "--out", out, "--vocab-size", 500, "--quiet").stdout == ""


def test_a_config_file_gives_defaults_and_options_win(sample_corpus: Path, tmp_path: Path) -> None:
    """Names of other commands are passed over, a command's own table counts, unknown names are refused."""
    config = tmp_path / "run.toml"
    config.write_text("vocab_size = 400\nmax_seq_length = 64\nworkers = 1\n[train-vocab]\nmin-frequency = 3\n")
    arguments = ["train-vocab", sample_corpus / "wiki", "--out", tmp_path / "a", "--config", config]
    assert run(*arguments).returncode == 0
    options = read_manifest(tmp_path / "a").options
    assert (options["vocab_size"], options["min_frequency"]) == (400, 3)
    arguments[3] = tmp_path / "b"
    assert run(*arguments, "--vocab-size", 300).returncode == 0
    assert read_manifest(tmp_path / "b").options["vocab_size"] == 300
    config.write_text("vocabsize = 400\n")
    done = run(*arguments)
    assert (done.returncode, "there is no option vocabsize" in done.stderr) == (1, True)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_runs_say_so_by_their_exit_code(
    sample_corpus: Path, tmp_path: Path, vocab: Path, sent: int, code: int
) -> None:
    """SIGINT is 130, SIGTERM 143; no file keeps a half-written name, and the same command goes on."""
    out = tmp_path / "out"
    arguments = ["make-shards", str(sample_corpus / "wiki"), "--vocab", str(vocab), "--out", str(out)]
    arguments += ["--workers", "2"]
    arguments += ["--max-seq-length", "64", "--dupe-factor", "60"]
    # Python leaves SIGINT alone where it is ignored, as in a shell's background jobs.
    script = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    script += "from wpprep.cli import main; main()"
    command = [sys.executable, "-c", script, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (out / ".unfinished").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, sent)
    process.communicate()
    assert process.returncode == code
    assert not (out / "manifest.json").exists()
    assert run(*arguments).returncode == 0


def test_verify_names_what_is_damaged(shards: Path, tmp_path: Path) -> None:
    """A whole folder passes; one flipped bit is found and named."""
    import shutil

    folder = tmp_path / "shards"
    shutil.copytree(shards, folder)
    assert run("verify", folder).returncode == 0
    path = folder / "shard-00001-of-00003.arrow"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    done = run("verify", folder)
    assert done.returncode == 1
    assert "shard-00001-of-00003.arrow: damaged" in done.stdout
