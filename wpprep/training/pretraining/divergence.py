"""Watching the loss: a run whose loss explodes or is no number stops, and says which rows it saw last.

On a CPU every step is looked at; on a GPU, which would have to be waited for, every progress line and every
checkpoint: so no checkpoint is ever made of broken weights.
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

_EXPLODED = 5
_NAMED = 8  # rows in the message


def stop_if_broken(window: Window, phases: Sequence[Phase], options: TrainOptions, out: Path) -> None:
    """Stop where a loss explodes, or where a loss or a gradient is no number.

    Exploding is a mean MLM loss above 5 times ln(entries), that of guessing among all alike. The bound is the
    same for a whole run, resumed or not; spikes from which training recovers stay far below.

    Raises:
        TrainingError: names the step and where its rows lie; metrics.jsonl then names all of them.
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
