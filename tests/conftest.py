"""What several tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("wpprep", deadline=None)  # the first example may compile a kernel
settings.load_profile("wpprep")


@pytest.fixture
def data() -> Path:
    """The folder of real text that is no part of the repository, named by WPPREP_DATA."""
    repository = Path(__file__).parent.parent
    folder = Path(os.environ.get("WPPREP_DATA", repository.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real text in {folder} (set WPPREP_DATA)")
    return folder
