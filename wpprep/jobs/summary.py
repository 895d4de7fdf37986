"""Summaries: the results of the public functions, as records of one shape.

Every summary has ``command``, ``seconds`` and ``place``, a short repr, and `figures`, which is what ``--json``
prints; commands add fields of their own.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from wpprep.storage.manifest import Manifest
from wpprep.storage.place import Location


@dataclass(frozen=True, kw_only=True, repr=False)
class Summary:
    """The result of a command.

    Attributes:
        command: the name of the command, such as ``make-shards``.
        seconds: its duration.
    """

    command: str
    seconds: float

    @property
    def place(self) -> Location | None:
        """The folder or file that was written, if there is one."""
        return None

    @property
    def headline(self) -> str:
        """The main figures of the result in a few words."""
        return ""

    def figures(self) -> dict[str, Any]:
        """Return the summary as plain values, for JSON."""
        return dataclasses.asdict(self)

    def __repr__(self) -> str:
        """Return the command, the place, the headline and the duration."""
        parts = [str(self.place) if self.place else "", self.headline, f"{self.seconds:.1f} s"]
        return f"<{self.command}: {', '.join(part for part in parts if part)}>"


@dataclass(frozen=True, kw_only=True, repr=False)
class FolderSummary(Summary):
    """The result of a command that wrote a folder with a manifest.

    Attributes:
        folder: the folder, a path or a URL.
        manifest: the record of its contents.
    """

    folder: Location
    manifest: Manifest

    @property
    def place(self) -> Location:
        """The folder."""
        return self.folder

    @property
    def headline(self) -> str:
        """The number of instances, entries or documents, from the manifest."""
        figures = self.manifest.corpus | self.manifest.statistics
        for name, words in (("rows", "instances"), ("entries", "entries"), ("documents", "documents")):
            if name in figures:
                return f"{figures[name]:,} {words}"
        return ""
