"""Helpers for tests of the report: folders made from a corpus with markup, and a parsed page."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from wpprep.pipeline.make_shards import make_shards
from wpprep.pipeline.train_vocab import train_vocab

SHARDS = "shards <i>&amp; {{ 7*7 }}"
EVIL = "<script>document.title='run'</script> <img src=x onerror=alert(1)> </style> {{ 7*7 }} & \"quoted\""

Attributes = list[tuple[str, str | None]]


class Page(HTMLParser):
    """A parsed page: tags with attributes, scripts, and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[str] = []
        self.texts: list[str] = []
        self.within: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        self.handle_startendtag(tag, attrs)
        self.within.append(tag)

    def handle_startendtag(self, tag: str, attrs: Attributes) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        while self.within and self.within.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        (self.scripts if self.within[-1:] == ["script"] else self.texts).append(data)

    def all(self, name: str) -> list[str]:
        """Every value of an attribute."""
        return [attributes[name] for _, attributes in self.tags if name in attributes]


def write_folders(root: Path) -> None:
    """Make a vocabulary, shards and a run from a corpus with markup; a folder name has markup too."""
    lines = [f"A {EVIL} the tide <b>rises</b> and falls {i} times a day .\n" * 3 for i in range(60)]
    (root / "corpus.txt").write_text("\n".join(lines))
    vocab, shards, run = root / "vocab", root / SHARDS, root / "run"
    train_vocab([root / "corpus.txt"], vocab, vocab_size=120, workers=1, format="lines", holdout=0.2)
    options: dict[str, Any] = {
        "max_seq_length": 64,
        "dupe_factor": 3,
        "shards": 2,
        "workers": 1,
        "format": "lines",
    }
    make_shards([root / "corpus.txt"], vocab, shards, tokens=root / "tokens", **options)
    write_run(run, steps=200)


def write_run(folder: Path, steps: int, every: int = 10) -> None:
    """Write the files of an unfinished run at a step."""
    folder.mkdir()
    run = {"steps": 400, "batch_size": 8, "size": "tiny", "learning_rate": 0.001, "warmup_steps": 40}
    (folder / "training.json").write_text(json.dumps({"run": run}))
    log = []
    for step in range(0, steps + 1, every):
        scores: dict[str, Any] = {"step": step, "mlm_loss": 8 - step / 100, "mlm_accuracy": step / 1000}
        scores |= {"nsp_loss": 0.7, "nsp_accuracy": 0.5}
        log.append({"kind": "train", **scores, "learning_rate": 1e-3, "tokens_per_second": 5000.0 + step})
        if step % (5 * every) == 0:
            log.append({"kind": "held_out", **scores, "mlm_loss": 8.5 - step / 100})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
