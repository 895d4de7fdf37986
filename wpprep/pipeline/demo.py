"""Demo: the whole pipeline on the sample corpus, each step printed as the equivalent command.

It takes a few minutes on two cores without a GPU. The model and the corpus are far too small for a useful
model, but every step is the real one, and a decreasing held-out loss shows that the data is correct.
"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wpprep.errors import MissingExtraError, MissingInputError, OptionError
from wpprep.inspection.terminal import show
from wpprep.jobs.summary import Summary
from wpprep.pipeline.make_shards import make_shards
from wpprep.pipeline.train_vocab import train_vocab
from wpprep.storage.remote import is_url

_VOCAB: dict[str, Any] = {"vocab_size": 2500}
_SHARDS: dict[str, Any] = {"max_seq_length": 64, "dupe_factor": 20, "holdout": 0.15}
_TRAIN: dict[str, Any] = {
    "size": "tiny",
    "steps": 1200,
    "batch_size": 32,
    "learning_rate": 2e-3,
    "dropout": 0.0,
    "eval_steps": 400,
    "log_steps": 100,
}
_BLANKS = (
    "The [MASK] rises and falls twice a day.",
    "Bees collect nectar and make [MASK].",
    "She opened the [MASK] and looked at the sea.",
)


@dataclass(frozen=True, kw_only=True, repr=False)
class DemoSummary(Summary):
    """Folders and losses of the demo.

    Attributes:
        vocab, shards, model: the folders that were written.
        loss_before, loss_after: MLM loss on held-out instances before and after training, in nats.
        page: the report; None if the packages for a report are not installed.
    """

    vocab: Path
    shards: Path
    model: Path
    loss_before: float
    loss_after: float
    page: Path | None

    @property
    def place(self) -> Path:
        """The model's folder."""
        return self.model

    @property
    def headline(self) -> str:
        """The loss before and after training."""
        return f"MLM loss {self.loss_before:.2f} -> {self.loss_after:.2f}"


def demo(
    out: str | os.PathLike[str] = "demo",
    *,
    workers: int = 1,
    say: Callable[[str], None] = print,
    look: bool = True,
) -> DemoSummary:
    """Make a vocabulary, shards and a tiny BERT from the sample corpus.

    Args:
        out: the folder for the output of all steps.
        workers: number of worker processes.
        say: called with each line of output.
        look: whether to print an instance to stdout, in colours if the terminal has them.

    Raises:
        WpprepError: a package is missing, or a folder in ``out`` holds something else; the message names it.
    """
    from wpprep.training.inference.fill import fill_mask  # noqa: PLC0415 (torch may be missing until here)
    from wpprep.training.pretraining.pretrain import train  # noqa: PLC0415

    started = time.perf_counter()
    if is_url(out):
        raise OptionError(f"{out}: the demo writes to a local folder; give a path")
    corpus = [sample_corpus() / "wiki", sample_corpus() / "books"]
    vocab, shards, model = (Path(out) / name for name in ("vocab", "shards", "model"))
    say("The first run compiles the kernels, which takes about 20 seconds.\n")
    say(_command("train-vocab", corpus, out=vocab, **_VOCAB))
    made = train_vocab(corpus, vocab, workers=workers, **_VOCAB)
    say(f"{made.manifest.statistics['entries']:,} entries in {made.seconds:.1f} s\n")
    say(_command("make-shards", corpus, vocab=vocab, out=shards, **_SHARDS))
    made = make_shards(corpus, vocab, shards, workers=workers, **_SHARDS)
    say(f"{made.manifest.statistics['rows']:,} instances in {made.seconds:.1f} s\n")
    if look:
        say(_command("show", [shards], rows=1))
        show(shards, rows=1)
    say(_command("train", [shards], out=model, **_TRAIN))
    trained = train(shards, model, progress=lambda line: say(str(line)), **_TRAIN)
    assert trained.before is not None
    assert trained.after is not None
    before, after = trained.before.mlm_loss, trained.after.mlm_loss
    say(f"\nheld-out mlm loss: {before:.2f} before training, {after:.2f} after {trained.steps:,} steps\n")
    say("A model of this size learns in this time which words are frequent, and little of their meaning:\n")
    for text in _BLANKS:
        say(_command("fill-mask", [model, text]))
        guesses = [f"{guess.piece} {guess.probability:.0%}" for guess in fill_mask(model, text)[0]]
        say("  ".join(guesses) + "\n")
    page = _report([vocab, shards, model], Path(out) / "report.html", say)
    return DemoSummary(
        command="demo",
        seconds=time.perf_counter() - started,
        vocab=vocab,
        shards=shards,
        model=model,
        loss_before=before,
        loss_after=after,
        page=page,
    )


def _report(folders: list[Path], out: Path, say: Callable[[str], None]) -> Path | None:
    """Write the report, if its packages are installed; return its path, else None."""
    say("An HTML page about all of them:\n")
    say(_command("report", folders, out=out))
    try:
        from wpprep.inspection.html_report.page import report  # noqa: PLC0415 (needs an extra)

        made = report(folders, out)
    except MissingExtraError as error:
        say(f"skipped: {error}")
        return None
    say(f"{made.path}: {made.bytes / 1000:,.0f} kB")
    return out


def sample_corpus() -> Path:
    """Return the folder of the sample corpus, in the installed package or in the checkout.

    Raises:
        MissingInputError: the installation does not include the sample corpus.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "sample_corpus", package.parent / "sample_corpus"):
        if (folder / "wiki").is_dir():
            is_near = folder.is_relative_to(Path.cwd())
            return folder.relative_to(Path.cwd()) if is_near else folder
    raise MissingInputError(f"{package}: sample_corpus is missing in this installation; install wpprep again")


def _command(name: str, arguments: list[Any], **options: Any) -> str:
    """Return a command as typed in a shell."""
    words = ["wpprep", name, *map(str, arguments)]
    for option, value in options.items():
        words += [f"--{option.replace('_', '-')}", str(value)]
    return "$ " + shlex.join(words)
