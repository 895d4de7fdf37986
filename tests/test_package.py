"""The package as others get it: what importing costs, what the wheel holds."""

import importlib
import inspect
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import wpprep

ROOT = Path(__file__).parent.parent


def test_importing_the_package_loads_nothing_heavy() -> None:
    """`import wpprep` loads none of the libraries that its stages need."""
    heavy = {"numpy", "pyarrow", "numba", "tokenizers", "torch", "fsspec", "s3fs", "botocore"}
    code = f"import wpprep, sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_local_paths_load_nothing_for_remote_ones(sample_corpus: Path) -> None:
    """Reading a local corpus, and the help, import neither fsspec nor what it needs for a bucket."""
    parts = {"fsspec", "s3fs", "botocore", "aiohttp"}
    code = (
        "import sys\nfrom wpprep.config import CorpusOptions\n"
        "from wpprep.corpus.readers import plan_slices, read_slice\n"
        f"for slice_ in plan_slices([{str(sample_corpus / 'wiki')!r}], CorpusOptions(), 10**6):\n"
        "    assert list(read_slice(slice_, CorpusOptions()))\n"
        "from wpprep.cli import wpprep_command\n"
        "wpprep_command(['train-vocab', '--help'], standalone_mode=False)\n"
        f"print(sorted({parts} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_the_public_names_are_there() -> None:
    """Every public name can be imported, and other names are refused."""
    for name in wpprep.__all__:
        if name in {"train", "finetune", "predict", "embed", "fill_mask"}:
            pytest.importorskip("transformers", reason="models need the extra packages")
        assert getattr(wpprep, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = wpprep.nonsense


def test_the_wheel_holds_the_command_line_and_the_sample_corpus(tmp_path: Path) -> None:
    """cli/ is installed as wpprep.cli and sample_corpus/ as data, so that `wpprep demo` works anywhere."""
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        tmp_path,
        ROOT,
    ]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {"wpprep/cli/__init__.py", "wpprep/py.typed", "wpprep/sample_corpus/wiki/wiki_00"}
    assert expected <= names
    packages = {name.split("/")[0] for name in names}
    assert packages == {"wpprep", f"wpprep-{wpprep.__version__}.dist-info"}


def test_every_command_has_a_function_of_its_name() -> None:
    """Options and progress are keywords, and no module of the package hides a function."""
    pytest.importorskip("transformers", reason="models need the extra packages")
    pytest.importorskip("matplotlib", reason="charts need the extra packages")
    commands = importlib.import_module("wpprep.cli")._COMMANDS
    for command in commands:
        name = command.replace("-", "_")
        assert name in wpprep.__all__
        assert inspect.isfunction(getattr(wpprep, name)), name
    assert inspect.isfunction(wpprep.train)  # after its wing has been loaded


@pytest.mark.parametrize(("old", "new"), [("encode_corpus", "encode"), ("extract_corpus", "extract")])
def test_old_names_warn_for_one_release(old: str, new: str) -> None:
    """They are the functions of today."""
    with pytest.warns(DeprecationWarning, match=f"wpprep.{old} is now wpprep.{new}"):
        assert getattr(wpprep, old) is getattr(wpprep, new)


def test_python_m_wpprep() -> None:
    """The command line starts without its script, as torchrun -m and debuggers start it."""
    command = [sys.executable, "-m", "wpprep", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"wpprep, version {wpprep.__version__}\n"


def test_a_type_checker_knows_the_options(tmp_path: Path) -> None:
    """A misspelt option and one of a wrong type are found before anything runs; right ones pass."""
    pytest.importorskip("mypy", reason="the checker is not installed")
    expected = {
        "max_seq_length=128, mask_policy='word', workers=2": None,
        "max_seq_lenght=128": 'Unexpected keyword argument "max_seq_lenght"',
        "max_seq_length='long'": 'has incompatible type "str"; expected "int"',
        "mask_policy='words'": "incompatible type",
    }
    script = tmp_path / "script.py"
    calls = "".join(f"wpprep.make_shards(['a'], 'b', 'c', {options})\n" for options in expected)
    script.write_text(f"import wpprep\n{calls}")
    command: list[str | Path] = [sys.executable, "-m", "mypy", "--no-error-summary", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    for number, said in enumerate(expected.values(), 2):
        found = [line for line in done.stdout.splitlines() if f"script.py:{number}: error" in line]
        assert (said is None) == (not found), done.stdout
        assert said is None or said in found[0]
