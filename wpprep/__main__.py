"""``python -m wpprep``: the command line, where its script is not on PATH."""

from __future__ import annotations

import importlib

importlib.import_module("wpprep.cli").main()  # the folder cli/, installed under this name
