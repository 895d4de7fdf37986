"""What tests of equal bytes share."""

from __future__ import annotations

from pathlib import Path

from wpprep.storage.files import sha256_of


def checksums(folder: Path | str) -> dict[str, str]:
    """The sha256 of every file below a local folder, by name."""
    folder = Path(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}
