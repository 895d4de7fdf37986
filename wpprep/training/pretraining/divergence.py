"""Divergence: a run stops when its loss explodes or is not finite, and reports the rows of that step.

On a CPU the loss is checked after every step. On a GPU reading it would stall the device, so it is checked at
every progress line and before every checkpoint: diverged weights are never saved.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from wpprep.config import TrainOptions
from wpprep.errors import TrainingError
from wpprep.storage.files import METRICS
from wpprep.training.pretraining.metrics import append_metrics
from wpprep.training.pretraining.phases import Phase
from wpprep.training.pretraining.progress import Window

_EXPLODED = 5  # times ln(vocab_size)
_NAMED = 8  # maximum number of rows in the message


def stop_if_broken(window: Window, phases: Sequence[Phase], options: TrainOptions, out: Path) -> None:
    """Raise if a loss explodes, or if a loss or a gradient is not finite.

    A loss explodes when the mean MLM loss of a batch is above 5 ln(vocab_size), five times the loss of a
    uniform guess. The bound is the same for the whole run, resumed or not; spikes from which training recovers
    stay far below.

    Args:
        window: the batches since the last progress line; those checked before are skipped.
        phases: the phases of the run, to locate the rows in their shards.
        options: the options of the run.
        out: the folder of the run; all rows of the step are added to its metrics.jsonl.

    Raises:
        TrainingError: the loss diverged; the message has the step and the shards and rows of its batch.
    """
    most = _EXPLODED * math.log(phases[-1].shards.roles.vocab_size)
    bad = window.first_bad(most)
    if bad is None:
        return
    step, loss = window.steps[bad], window.mlm_loss(bad)
    what = f"exploded to {loss:,.0f}, above {most:.0f}" if loss > most else "or its gradient is not finite"
    shards = next(phase for phase in phases if step <= phase.stop).shards
    places = shards.places(window.of_rows[bad])
    append_metrics(out, {"kind": "stopped", "step": step, "rows": places})
    named = [f"{Path(path).name} row {row}" for path, rows in places.items() for row in rows]
    more = f" and {len(named) - _NAMED} more, see {out / METRICS}" if len(named) > _NAMED else ""
    raise TrainingError(
        f"step {step}: the loss {what}; its batch held {', '.join(named[:_NAMED])}{more} of {shards.path}; "
        f"lower the learning rate (now {options.learning_rate}) or look at these rows"
    )
