"""What the tests of the report share: folders of a corpus that holds markup, and a page as a parser sees it."""

from __future__ import annotations

import json
from html.parser import HTMLParser

from wpprep.pipeline.make_shards import make_shards
from wpprep.pipeline.train_vocab import train_vocab

SHARDS = "shards <i>&amp; {{ 7*7 }}"
EVIL = "<script>document.title='run'</script> <img src=x onerror=alert(1)> </style> {{ 7*7 }} & \"quoted\""


class Page(HTMLParser):
    """What a browser would see of a page, as far as these tests ask: tags with attributes, scripts, texts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.texts, self.within = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.within.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        while self.within and self.within.pop() != tag:
            pass

    def handle_data(self, data):
        (self.scripts if self.within[-1:] == ["script"] else self.texts).append(data)

    def all(self, name):
        """Every value of an attribute."""
        return [attributes[name] for _, attributes in self.tags if name in attributes]


def write_folders(root):
    """A vocabulary, shards and a run of a corpus that holds markup; one folder's name does too."""
    lines = [f"A {EVIL} the tide <b>rises</b> and falls {i} times a day .\n" * 3 for i in range(60)]
    (root / "corpus.txt").write_text("\n".join(lines))
    vocab, shards, run = root / "vocab", root / SHARDS, root / "run"
    train_vocab([root / "corpus.txt"], vocab, vocab_size=120, workers=1, format="lines", holdout=0.2)
    options = {"max_seq_length": 64, "dupe_factor": 3, "shards": 2, "workers": 1, "format": "lines"}
    make_shards([root / "corpus.txt"], vocab, shards, tokens=root / "tokens", **options)
    write_run(run, steps=200)


def write_run(folder, steps, every=10):
    """The files of a run that has come to a step."""
    folder.mkdir()
    run = {"steps": 400, "batch_size": 8, "size": "tiny", "learning_rate": 0.001, "warmup_steps": 40}
    (folder / "training.json").write_text(json.dumps({"run": run}))
    log = []
    for step in range(0, steps + 1, every):
        scores = {"step": step, "mlm_loss": 8 - step / 100, "mlm_accuracy": step / 1000}
        scores |= {"nsp_loss": 0.7, "nsp_accuracy": 0.5}
        log.append({"kind": "train", **scores, "learning_rate": 1e-3, "tokens_per_second": 5000.0 + step})
        if step % (5 * every) == 0:
            log.append({"kind": "held_out", **scores, "mlm_loss": 8.5 - step / 100})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
