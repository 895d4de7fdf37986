"""The package as others get it: what importing costs, what the wheel holds."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import wpprep

ROOT = Path(__file__).parent.parent


def test_importing_the_package_loads_nothing_heavy():
    """`import wpprep` loads none of the libraries that its stages need."""
    heavy = {"numpy", "pyarrow", "numba", "tokenizers", "torch", "fsspec", "s3fs", "botocore"}
    code = f"import wpprep, sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_local_paths_load_nothing_for_remote_ones(sample_corpus):
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


def test_the_public_names_are_there():
    """Every public name can be imported, and other names are refused."""
    for name in wpprep.__all__:
        if name in {"train", "finetune", "predict", "embed", "fill_mask"}:
            pytest.importorskip("transformers", reason="models need the extra packages")
        assert getattr(wpprep, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = wpprep.nonsense


def test_the_wheel_holds_the_command_line_and_the_sample_corpus(tmp_path):
    """cli/ is installed as wpprep.cli and sample_corpus/ as data, so that `wpprep demo` works anywhere."""
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {"wpprep/cli/__init__.py", "wpprep/py.typed", "wpprep/sample_corpus/wiki/wiki_00"}
    assert expected <= names
    packages = {name.split("/")[0] for name in names}
    assert packages == {"wpprep", f"wpprep-{wpprep.__version__}.dist-info"}
