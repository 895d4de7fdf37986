"""Pretrain a BERT: the loop, the schedule, the evaluation on instances held out.

    train("shards", "model", size="tiny", steps=1000, batch_size=32, progress=print)

The recipe is the paper's (Devlin et al., 2019): AdamW with betas 0.9 and 0.999, epsilon 1e-6, weight decay
0.01 but not on biases and norms; linear warm-up, linear decay to 0; gradients clipped to length 1; the
losses of masked tokens and of the next sentence summed.

A run is a function of its options, its shards and the machine: stopped and started again by the same
call it goes on from its last checkpoint, and on one CPU thread ends with the same bits as if it had
never stopped. SIGINT and SIGTERM save a checkpoint first; a second signal does not wait for it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from wpprep import __version__
from wpprep.config import TrainOptions, as_dict, build, refuse_unknown
from wpprep.errors import TrainingError
from wpprep.files import MANIFEST, sha256_of
from wpprep.loader import Loader, ShardFolder
from wpprep.records import Ints
from wpprep.train.card import model_card
from wpprep.train.checkpoint import (
    State,
    append_metrics,
    claim,
    load_state,
    rewind_metrics,
    save_model,
    save_state,
)
from wpprep.train.model import SIZES, build_model, score, to_inputs
from wpprep.train.progress import Evaluation, Progress, Window

# Options that change how a run is watched, not what comes out of it.
_RUN_OPTIONS = ("log_steps", "save_steps", "overwrite")


@dataclass(frozen=True)
class TrainResult:
    """What a finished run has to say.

    Attributes:
        folder: the model, as `from_pretrained` of transformers takes it.
        before, after: evaluations before the first and after the last step; None with ``eval_rows=0``.
        tokens_per_second: real tokens (no padding) of this call's steps, evaluations not counted.
    """

    folder: Path
    size: str
    parameters: int
    steps: int
    rows: int
    held_out_rows: int
    before: Evaluation | None
    after: Evaluation | None
    seconds: float
    tokens_per_second: float


Report = Callable[[Progress | Evaluation], None]


def train(
    shards: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    progress: Report | None = None,
    **options: Any,
) -> TrainResult:
    """Pretrain a BERT on a shard folder; the finished model is ``out``.

    Args:
        shards: a folder that `make_shards` wrote.
        out: a new folder, or that of the same run interrupted.
        progress: called with each `Progress` and each `Evaluation`; both print as one line.
        **options: see `wpprep.config.TrainOptions`.

    Raises:
        OptionError: an unknown option, or one out of range.
        ShardError: the shards are unfinished or damaged; names the file.
        OutputError: ``out`` holds something else.
        TrainingError: the loss is not finite; names the step and the rows.
    """
    refuse_unknown(options, TrainOptions)
    run = _Run(Path(out), ShardFolder(shards), build(TrainOptions, options), progress or _silent)
    run.resume()
    with _signals() as stop:
        run.loop(stop)
    return run.finish()


def learning_rate(step: int, options: TrainOptions) -> float:
    """The rate of a step, counted from 0: up to the top over the warm-up, then down towards 0.

    >>> o = TrainOptions(steps=10, warmup_steps=2, learning_rate=1.0)
    >>> [learning_rate(step, o) for step in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.125]
    """
    warmup = options.warmup_steps or 0
    if step < warmup:
        return options.learning_rate * (step + 1) / warmup
    return options.learning_rate * (options.steps - step) / max(1, options.steps - warmup)


class _Run:
    """Everything that changes while a model is trained."""

    def __init__(self, out: Path, shards: ShardFolder, options: TrainOptions, report: Report) -> None:
        self.out, self.shards, self.options, self.report = out, shards, options, report
        self.pairs = shards.options.get("objective", "nsp") != "single"
        least = min(2000, len(shards) // 20) if options.eval_rows is None else options.eval_rows
        self.held_out: Ints = shards.held_out(least, options.seed)
        self.loader = Loader(shards, batch_size=options.batch_size, seed=options.seed, exclude=self.held_out)
        claim(out, self._identity(), overwrite=options.overwrite)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(options.seed)
        size = SIZES[options.size]
        self.model = build_model(size, shards.roles, shards.max_seq_length, options.dropout).to(self.device)
        self.optimizer = _optimizer(self.model, options)
        self.step = 0
        self.window = Window()
        self.evaluations: list[Evaluation] = []
        self.seconds, self.tokens = 0.0, 0

    def _identity(self) -> dict[str, Any]:
        """What the result depends on: a run is resumed only if all of it is the same."""
        kept = {name: value for name, value in as_dict(self.options).items() if name not in _RUN_OPTIONS}
        return {
            **kept,
            "vocabulary": self.shards.vocabulary.sha256,
            "shards": sha256_of(self.shards.path / MANIFEST),
        }

    def loop(self, stop: _Stop) -> None:
        options = self.options
        if self.step == 0 and not self.evaluations:
            self.evaluate()
        self.model.train()
        while self.step < options.steps:
            self.take_step()
            last = self.step == options.steps
            if self.step % options.log_steps == 0 or last:
                self.log()
            if self.step % options.eval_steps == 0 or last:  # type: ignore[operator]
                self.evaluate()
            due = options.save_steps and (self.step % options.save_steps == 0 or last)
            if due or stop.signal:
                self.save()
            if stop.signal and not last:
                stop.leave()

    def take_step(self) -> None:
        """One batch, one update; what it scored stays on the device, so that nothing waits for it."""
        started = time.perf_counter()
        batch = self.loader.next_batch()
        with self.autocast():
            scores = score(self.model, to_inputs(batch, self.device), pairs=self.pairs)
        loss = scores.loss()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.options.grad_clip)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.options)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.window.add(scores)
        self.step += 1
        if self.device.type == "cpu":  # elsewhere reading the loss would stall the device
            self.check_finite()
        self.seconds += time.perf_counter() - started
        self.window.seconds += time.perf_counter() - started
        self.tokens += batch.tokens
        self.window.tokens += batch.tokens

    def autocast(self) -> Any:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.options.precision == "bf16")

    def check_finite(self) -> None:
        bad = self.window.first_not_finite()
        if bad is not None:
            step = self.step - len(self.window) + bad
            rows, _ = self.loader.rows_of(step)
            named = ", ".join(str(row) for row in rows[:8]) + (", ..." if len(rows) > 8 else "")
            raise TrainingError(
                f"step {step + 1}: the loss is not finite; its batch held rows {named} of {self.shards.path}; "
                f"lower the learning rate (now {self.options.learning_rate}) or look at these rows"
            )

    def log(self) -> None:
        self.check_finite()
        if not len(self.window):
            return
        mlm_loss, nsp_loss, mlm_accuracy, nsp_accuracy = self.window.means()
        line = Progress(
            step=self.step,
            steps=self.options.steps,
            epoch=self.step * self.options.batch_size / self.loader.rows,
            mlm_loss=mlm_loss,
            mlm_accuracy=mlm_accuracy,
            nsp_loss=nsp_loss if self.pairs else None,
            nsp_accuracy=nsp_accuracy if self.pairs else None,
            learning_rate=learning_rate(self.step - 1, self.options),
            tokens_per_second=self.window.tokens / max(1e-9, self.window.seconds),
        )
        self.window = Window()
        self.tell("train", line)

    def evaluate(self) -> None:
        if not len(self.held_out):
            return
        self.model.eval()
        window, size = Window(), self.options.batch_size
        with torch.inference_mode(), self.autocast():
            for start in range(0, len(self.held_out), size):
                batch = self.loader.assemble(self.held_out[start : start + size])
                window.add(score(self.model, to_inputs(batch, self.device), pairs=self.pairs))
        self.model.train()
        mlm_loss, nsp_loss, mlm_accuracy, nsp_accuracy = window.means()
        found = Evaluation(
            step=self.step,
            rows=len(self.held_out),
            predictions=sum(window.predictions),
            mlm_loss=mlm_loss,
            perplexity=math.exp(min(700.0, mlm_loss)),
            mlm_accuracy=mlm_accuracy,
            nsp_loss=nsp_loss if self.pairs else None,
            nsp_accuracy=nsp_accuracy if self.pairs else None,
        )
        self.evaluations.append(found)
        self.tell("held_out", found)

    def tell(self, kind: str, line: Progress | Evaluation) -> None:
        append_metrics(self.out, {"kind": kind, **dataclasses.asdict(line)})
        self.report(line)

    def save(self) -> None:
        self.check_finite()
        tensors = {f"model.{name}": weight.detach() for name, weight in self.model.named_parameters()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors.update({f"adamw.{index}.{name}": value for name, value in moments.items()})
        tensors["random.cpu"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state()
        tensors["window"] = self.window.sums()
        values = {
            "step": self.step,
            "loader": self.loader.state_dict(),
            "evaluations": [dataclasses.asdict(found) for found in self.evaluations],
            "window": self.window.values(),
        }
        save_state(self.out, self.step, State({name: value.cpu() for name, value in tensors.items()}, values))

    def resume(self) -> None:
        """Go on from the newest checkpoint, if there is one."""
        state = load_state(self.out)
        rewind_metrics(self.out, state.values["step"] if state else -1)
        if state is None:
            return
        tensors, values = state.tensors, state.values
        with torch.no_grad():
            for name, weight in self.model.named_parameters():
                weight.copy_(tensors[f"model.{name}"])
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("adamw."):
                _, index, part = name.split(".")
                moments.setdefault(int(index), {})[part] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        torch.set_rng_state(tensors["random.cpu"])
        if self.device.type == "cuda" and "random.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random.cuda"])
        self.step = values["step"]
        self.loader.load_state_dict(values["loader"])
        self.evaluations = [Evaluation(**found) for found in values["evaluations"]]
        self.window = Window.restored(tensors["window"].to(self.device), values["window"])

    def finish(self) -> TrainResult:
        result = TrainResult(
            folder=self.out,
            size=self.options.size,
            parameters=sum(weight.numel() for weight in self.model.parameters()),
            steps=self.step,
            rows=self.loader.rows,
            held_out_rows=len(self.held_out),
            before=self.evaluations[0] if self.evaluations else None,
            after=self.evaluations[-1] if self.evaluations else None,
            seconds=self.seconds,
            tokens_per_second=self.tokens / max(1e-9, self.seconds),
        )
        results = {**dataclasses.asdict(result), "folder": None, "wpprep": __version__}
        del results["folder"]
        card = model_card(self.shards, self.options, results)
        save_model(self.out, self.model, self.shards.vocabulary.folder, results=results, card=card)
        return result


def _optimizer(model: Any, options: TrainOptions) -> torch.optim.AdamW:
    """AdamW; biases and norms, which are the vectors among the weights, do not decay."""
    weights = list(model.parameters())
    groups = [
        {"params": [weight for weight in weights if weight.ndim >= 2], "weight_decay": options.weight_decay},
        {"params": [weight for weight in weights if weight.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=options.learning_rate, betas=(0.9, 0.999), eps=1e-6, fused=True)


@dataclass
class _Stop:
    """The signal that asked the run to stop, 0 so far if none did."""

    signal: int = 0

    def leave(self) -> None:
        """End as the signal would have ended the process."""
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + self.signal)


@contextlib.contextmanager
def _signals() -> Iterator[_Stop]:
    """Note SIGINT and SIGTERM instead of dying of them; a second one acts at once."""
    stop = _Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _frame: Any) -> None:
        stop.signal = number
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in before:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _silent(_line: Progress | Evaluation) -> None:
    """Say nothing."""
