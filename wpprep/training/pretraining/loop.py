"""The training loop: the state of a run, its steps, evaluations and checkpoints.

What this module does not do: choose batches (`wpprep.shards.loader`), update weights
(`wpprep.training.model.optimizer`), or write files (`wpprep.training.pretraining.checkpoint`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from wpprep.config import TrainOptions, as_dict
from wpprep.errors import OptionError, TrainingError
from wpprep.records import Ints
from wpprep.shards.loader import Batch
from wpprep.storage.files import MANIFEST, sha256_of
from wpprep.training.model.loading import continue_model
from wpprep.training.model.model import Inputs, Scorer, Scores, build_model, size_of, to_inputs
from wpprep.training.model.optimizer import Updates, check_like, learning_rate
from wpprep.training.model.ranks import Ranks
from wpprep.training.pretraining.checkpoint import (
    State,
    StateValues,
    damaged,
    load_best,
    load_state,
    save_best,
    save_state,
)
from wpprep.training.pretraining.divergence import stop_if_broken
from wpprep.training.pretraining.metrics import append_metrics, rewind_metrics
from wpprep.training.pretraining.phases import HeldOut, Phase
from wpprep.training.pretraining.progress import Evaluation, Progress, Window
from wpprep.training.pretraining.signals import Stop
from wpprep.training.pretraining.torch_data import Feed

Report = Callable[[Progress | Evaluation], None]

# Options that do not change the trained model.
_RUN_OPTIONS = ("log_steps", "save_steps", "keep_checkpoints", "verify", "overwrite")


class Fed(NamedTuple):
    """A batch on the model's device.

    Attributes:
        inputs: the tensors.
        rows: global rows of the batch, ``int64[n]``, for the message if its loss diverges.
        tokens: number of tokens, padding excluded.
    """

    inputs: Inputs
    rows: Ints
    tokens: int


def identity_of(phases: Sequence[Phase], options: TrainOptions) -> dict[str, Any]:
    """Return the options and inputs that the result depends on; a run is resumed only if they are equal."""
    kept = {name: value for name, value in as_dict(options).items() if name not in _RUN_OPTIONS}
    paths = [path for phase in phases for path in phase.shards.paths]
    return {
        **kept,
        "vocabulary": phases[-1].shards.vocabulary.sha256,
        "shards": [sha256_of(path / MANIFEST) for path in paths],
    }


@dataclass
class Run:
    """A training run in one process: model, optimizer, position in the data, metrics.

    Attributes:
        out: the folder of the model.
        options: see `TrainOptions`.
        phases: the shard folders to read, in order.
        held_out: the evaluation rows, which are never trained on.
        ranks: this process among those that train together.
        report: called with each progress line and each evaluation, in the first process only.
    """

    out: Path
    options: TrainOptions
    phases: list[Phase]
    held_out: HeldOut
    ranks: Ranks
    report: Report

    def __post_init__(self) -> None:
        """Build or load the model and its optimizer."""
        last, options = self.phases[-1].shards, self.options
        self.pairs = last.options.get("objective", "nsp") != "single"
        self.device = self.ranks.device()
        torch.manual_seed(options.seed)
        longest = max(phase.shards.max_seq_length for phase in self.phases)
        if options.init_from is None:
            size = size_of(options)
            model = build_model(size, last.roles, longest, options.dropout, options.activation)
        else:
            model = continue_model(options.init_from, last.vocabulary, longest, options.dropout)
        self.model = model.to(self.device)
        torch.manual_seed(options.seed + self.ranks.rank)  # each process has its own dropout
        self.scorer = Scorer(self.model, pairs=self.pairs)
        self.trained = self._wrap()
        self.updates = Updates(self.model, options, self.device)
        self.step = 0
        self.window = Window()
        self.evaluations: list[Evaluation] = []
        self.seconds, self.tokens, self.waited = 0.0, 0, 0.0
        self.feed: Feed[Fed] | None = None

    def _wrap(self) -> Any:
        """Return the scorer, compiled if ``compile`` is set, its gradients averaged over all processes."""
        scorer: Any = torch.compile(self.scorer) if self.options.compile else self.scorer
        if self.ranks.world == 1:
            return scorer
        devices = [self.ranks.local] if self.device.type == "cuda" else None
        return torch.nn.parallel.DistributedDataParallel(
            scorer, device_ids=devices, find_unused_parameters=not self.pairs
        )

    def loop(self, stop: Stop) -> None:
        """Train to the last step, or until a signal.

        Raises:
            KeyboardInterrupt, SystemExit: a signal was received, and a checkpoint written.
            TrainingError: the loss explodes or is not finite.
        """
        options = self.options
        if self.step == 0 and not self.evaluations:
            self.evaluate()
        self.model.train()
        try:
            while self.step < options.steps:
                stopping = self.take_step(stop)
                last = self.step == options.steps
                if self.step % options.log_steps == 0 or last:
                    self.log()
                if self.step % (options.eval_steps or 1) == 0 or last:
                    self.evaluate()
                stopping = stopping or (self.ranks.world == 1 and stop.signal != 0)
                if stopping or (options.save_steps and (self.step % options.save_steps == 0 or last)):
                    self.save()
                if stopping and not last:
                    stop.leave()
        finally:
            self.close_feed()

    def take_step(self, stop: Stop) -> bool:
        """Update the weights once, from the parts of one batch in all processes.

        The scores stay on the device, so that the step does not wait for them.

        Returns:
            Whether any of several processes received a signal; False with one process.
        """
        started = time.perf_counter()
        parts = self.next_parts()
        waited = time.perf_counter() - started
        counts = [
            sum(len(part.inputs.mlm_labels) for part in parts),
            sum(len(part.rows) for part in parts),
            int(stop.signal != 0),
        ]
        predictions, rows, told = self.ranks.sum(torch.tensor(counts)).tolist()
        for index, part in enumerate(parts):
            with self._adding_up(last=index == len(parts) - 1):
                scores = self.score(part)
                self.updates.backward(scores.share(predictions, rows) * self.ranks.world)
        self.window.norms.append(self.updates.apply(self.step))
        self.step += 1
        if self.device.type == "cpu":  # elsewhere reading the loss would stall the device
            stop_if_broken(self.window, self.phases, self.options, self.out)
        passed = time.perf_counter() - started
        tokens = sum(part.tokens for part in parts)
        self.seconds, self.tokens, self.waited = (
            self.seconds + passed,
            self.tokens + tokens,
            self.waited + waited,
        )
        self.window.seconds, self.window.tokens = self.window.seconds + passed, self.window.tokens + tokens
        return self.ranks.world > 1 and told > 0

    def settle(self) -> None:
        """Wait for the steps that are queued on a GPU; the wait counts as time of these steps."""
        if self.device.type == "cuda":
            started = time.perf_counter()
            torch.cuda.synchronize(self.device)
            passed = time.perf_counter() - started
            self.seconds, self.window.seconds = self.seconds + passed, self.window.seconds + passed

    def _adding_up(self, *, last: bool) -> Any:
        """Return the context of a part of a step: gradients are averaged over processes in the last only."""
        if last or self.ranks.world == 1:
            return contextlib.nullcontext()
        return self.trained.no_sync()

    def score(self, part: Fed) -> Scores:
        """Run the model on a part and add its scores to the window."""
        with self.updates.autocast():
            scores: Scores = self.trained(part.inputs)
        self.window.add(scores, self.step + 1, part.rows)
        return scores

    def next_parts(self) -> list[Fed]:
        """Return this process's parts of the next batch."""
        phase = self.phase()
        if self.feed is not None and self.feed.loader is not phase.loader:
            self.close_feed()
        if self.feed is None:
            phase.loader.consumed = (self.step - phase.start) * self.batches_a_step
            self.feed = Feed(phase.loader, self._to_device, forever=True)
        return [next(self.feed) for _ in range(self.options.grad_accumulation)]

    def phase(self) -> Phase:
        """Return the phase of the next step."""
        return next((phase for phase in self.phases if self.step < phase.stop), self.phases[-1])

    @property
    def batches_a_step(self) -> int:
        """Number of the loader's batches in one step, over all processes."""
        return self.ranks.world * self.options.grad_accumulation

    def _to_device(self, batch: Batch) -> Fed:
        # A new thread's current GPU is GPU 0: without this, pinning opens a context of every rank on it.
        with torch.cuda.device(self.device) if self.device.type == "cuda" else contextlib.nullcontext():
            return Fed(to_inputs(batch, self.device), batch.rows, batch.tokens)

    def close_feed(self) -> None:
        """End the feed's thread, if there is one."""
        if self.feed is not None:
            self.feed.close()
            self.feed = None

    def log(self) -> None:
        """Report the means since the last progress line and start a new window.

        Raises:
            TrainingError: the loss explodes or is not finite.
        """
        self.settle()
        stop_if_broken(self.window, self.phases, self.options, self.out)
        mlm_loss, nsp_loss, mlm_accuracy, nsp_accuracy = self.window.means(self.ranks)
        speed = self.window.tokens / max(1e-9, self.window.seconds)
        phase = next(phase for phase in self.phases if self.step <= phase.stop)
        line = Progress(
            step=self.step,
            steps=self.options.steps,
            epoch=(self.step - phase.start) * self.options.batch_size / phase.loader.rows,
            mlm_loss=mlm_loss,
            mlm_accuracy=mlm_accuracy,
            nsp_loss=nsp_loss if self.pairs else None,
            nsp_accuracy=nsp_accuracy if self.pairs else None,
            learning_rate=learning_rate(self.step - 1, self.options),
            grad_norm=float(self.window.lengths().mean()),
            tokens_per_second=float(self.ranks.sum(torch.tensor(speed, dtype=torch.float64))),
        )
        self.window = Window()
        self.tell("train", line)

    def evaluate(self) -> None:
        """Evaluate the held-out rows, each process a part of them, and report the result.

        With ``final_weights="best"`` the weights of the lowest loss so far are saved.
        """
        rows, loader = self.held_out.rows, self.held_out.loader
        if not len(rows):
            return
        self.settle()
        self.model.eval()
        window = Window()
        size = max(1, self.options.batch_size // self.batches_a_step)
        with torch.inference_mode(), self.updates.autocast():
            for start in range(self.ranks.rank * size, len(rows), self.ranks.world * size):
                batch = loader.assemble(rows[start : start + size])
                window.add(self.scorer(to_inputs(batch, self.device)))
        self.model.train()
        mlm_loss, nsp_loss, mlm_accuracy, nsp_accuracy = window.means(self.ranks)
        found = Evaluation(
            step=self.step,
            rows=len(rows),
            predictions=int(self.ranks.sum(torch.tensor(sum(window.predictions)))),
            mlm_loss=mlm_loss,
            perplexity=math.exp(min(700.0, mlm_loss)),
            mlm_accuracy=mlm_accuracy,
            nsp_loss=nsp_loss if self.pairs else None,
            nsp_accuracy=nsp_accuracy if self.pairs else None,
        )
        self.evaluations.append(found)
        self.tell("held_out", found)
        if self.options.final_weights == "best" and self.ranks.is_first and self.best() is found:
            save_best(self.out, self.step, dict(self.model.named_parameters()))

    def best(self) -> Evaluation | None:
        """Return the evaluation of the lowest held-out MLM loss, the first of equals; None without any."""
        return min(self.evaluations, key=lambda found: found.mlm_loss, default=None)

    def tell(self, kind: str, line: Progress | Evaluation) -> None:
        """Add a line to the metrics and report it, in the first process only."""
        if self.ranks.is_first:
            append_metrics(self.out, {"kind": kind, **dataclasses.asdict(line)})
            self.report(line)

    def save(self) -> None:
        """Write a checkpoint, in the first process; the others wait.

        Raises:
            TrainingError: the loss explodes or is not finite.
            OutputError: the checkpoint cannot be written.
        """
        self.settle()
        stop_if_broken(self.window, self.phases, self.options, self.out)
        tensors = {f"model.{name}": weight.detach() for name, weight in self.model.named_parameters()}
        tensors |= self.updates.tensors() | {"window": self.window.sums(), "norms": self.window.lengths()}
        for rank, state in enumerate(self.ranks.gather(torch.get_rng_state())):
            tensors[f"random.cpu.{rank}"] = state
        if self.device.type == "cuda":
            for rank, state in enumerate(self.ranks.gather(torch.cuda.get_rng_state())):
                tensors[f"random.cuda.{rank}"] = state
        best = self.best()
        values: StateValues = {
            "step": self.step,
            "best": best.step if best else None,
            "world": self.ranks.world,
            "evaluations": [dataclasses.asdict(found) for found in self.evaluations],
            "window": self.window.values(),
            "scaler": self.updates.scaler.state_dict(),
        }
        if self.ranks.is_first:
            state_ = State({name: value.cpu() for name, value in tensors.items()}, values)
            save_state(self.out, self.step, state_, self.options.keep_checkpoints)
        self.ranks.wait()

    def resume(self) -> None:
        """Restore the newest checkpoint, if there is one; the number of processes may have changed.

        With another number of processes, random states and the window's sums are not restored.

        Raises:
            TrainingError: the checkpoint is damaged.
            OptionError: the number of processes changed and ``bins`` is above 1, so that batches depend on it.
        """
        state = load_state(self.out)
        if self.ranks.is_first:
            rewind_metrics(self.out, state.values["step"] if state else -1)
        if state is None:
            return
        same = state.values["world"] == self.ranks.world
        if not same and self.options.bins > 1:
            raise OptionError(
                f"the run had {state.values['world']} processes, now {self.ranks.world}; "
                f"with bins above 1, resume with the same number"
            )
        try:
            self._restore(state, same=same)
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            raise damaged(self.out, repr(error) if isinstance(error, KeyError) else error) from error

    def _restore(self, state: State, *, same: bool) -> None:
        """Restore a state; ``same`` is whether the number of processes is that of the state."""
        tensors, values = state.tensors, state.values
        if not 0 < values["step"] <= self.options.steps:
            raise ValueError(f"step is {values['step']}, expected 1 to {self.options.steps}")
        self._restore_weights(
            {f"model.{name}": weight for name, weight in self.model.named_parameters()}, tensors
        )
        self.updates.restore(tensors, values["scaler"])
        if same:
            torch.set_rng_state(tensors[f"random.cpu.{self.ranks.rank}"])
            if self.device.type == "cuda" and f"random.cuda.{self.ranks.rank}" in tensors:
                torch.cuda.set_rng_state(tensors[f"random.cuda.{self.ranks.rank}"])
        self.step = values["step"]
        self.evaluations = [Evaluation(**found) for found in values["evaluations"]]
        if same and self.ranks.is_first:
            self.window = Window.restored(
                tensors["window"].to(self.device), tensors["norms"].to(self.device), values["window"]
            )

    def _restore_weights(
        self, weights: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor]
    ) -> None:
        """Copy tensors to the weights of the same names; each must have the weight's shape."""
        with torch.no_grad():
            for name, weight in weights.items():
                check_like(name, tensors[name], weight)
                weight.copy_(tensors[name])

    def take_best(self) -> None:
        """Load the weights of the lowest held-out loss, with ``final_weights="best"``, in the first process."""
        best = self.best()
        if self.options.final_weights == "best" and best is not None and self.ranks.is_first:
            weights = dict(self.model.named_parameters())
            try:
                self._restore_weights(weights, load_best(self.out, best.step))
            except (KeyError, ValueError) as error:
                raise TrainingError(
                    f"{self.out}: weights of step {best.step}: {error!r}; train again"
                ) from error
