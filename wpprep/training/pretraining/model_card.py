"""The model card: README.md of a finished model, with its data, options and results."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, TypedDict

from wpprep.config import TrainOptions, as_dict
from wpprep.training.pretraining.phases import Phase
from wpprep.training.pretraining.progress import Evaluation

_CARD = """---
library_name: transformers
pipeline_tag: fill-mask
tags:
- bert
- masked-language-modeling
---

# A BERT of {layers} layers

Pretrained {start} by [wpprep](https://pypi.org/project/wpprep/) {version}: {layers} layers of
{hidden} with {heads} heads, {parameters:,} parameters, {steps:,} steps of {batch_size} instances.

```python
from transformers import pipeline

pipeline("fill-mask", model="path/to/this/folder")({example})
```

## Results

Measured on {held_out_rows:,} instances whose documents were kept out of training{caveat}.

{results}

{curve}
{pictures}

## Data

{data}

The vocabulary has {vocab_size:,} entries; the sha256 of its tokenizer.json, which is its identity, is
`{vocabulary}`.

## Settings

{settings}
"""


_CAVEAT = "\n(as random second segments their sentences may have been seen)"


class Results(TypedDict):
    """Results of a run as training.json holds them; see `wpprep.training.pretraining.pretrain.TrainSummary`.

    Attributes:
        before, after, best: the fields of an `Evaluation`.
        wpprep: version of wpprep.
        is_apart: whether the held-out rows are from shards of their own.
        curves: names of the PNG files.
    """

    size: str
    parameters: int
    steps: int
    rows: int
    held_out_rows: int
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    best: dict[str, Any] | None
    seconds: float
    tokens_per_second: float
    waited: float
    wpprep: str
    is_apart: bool
    curves: list[str]


def model_card(
    config: Any,
    phases: Sequence[Phase],
    options: TrainOptions,
    results: Results,
    evaluations: Sequence[Evaluation],
) -> str:
    """Return the text of a model's README.md.

    Args:
        config: the configuration of the model.
        phases: the phases of the run.
        options: the options of the run.
        results: the results of the run.
        evaluations: all evaluations, drawn as a curve.
    """
    shards = phases[-1].shards
    return _CARD.format(
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        heads=config.num_attention_heads,
        start=f"further from {code(options.init_from)}" if options.init_from else "from scratch",
        version=results["wpprep"],
        parameters=results["parameters"],
        steps=results["steps"],
        batch_size=options.batch_size,
        example=json.dumps(f"the {shards.vocabulary.pieces[shards.roles.mask]} of the sea", ensure_ascii=False),
        held_out_rows=results["held_out_rows"],
        caveat="" if results["is_apart"] else _CAVEAT,
        results=_results(results, options),
        curve=_curve(evaluations),
        pictures="".join(f"\n![{name.split('.')[0].replace('_', ' ')}]({name})" for name in results["curves"]),
        data="\n\n".join(_data(phase, len(phases)) for phase in phases),
        vocab_size=shards.roles.vocab_size,
        vocabulary=shards.vocabulary.sha256,
        settings=_table({name: value for name, value in as_dict(options).items() if name != "overwrite"}),
    )


def _data(phase: Phase, phases: int) -> str:
    """Return the paragraph on the data of one phase."""
    shards = phase.shards
    which = f"Steps {phase.start + 1:,} to {phase.stop:,} read" if phases > 1 else "The model read"
    return (
        f"{which} {phase.loader.rows:,} training instances of at most {shards.max_seq_length} tokens,\n"
        f"{shards.tokens:,} tokens in all shards, which were made with:\n\n{_table(shards.options)}"
    )


def _results(results: Results, options: TrainOptions) -> str:
    before, after, best = results["before"], results["after"], results["best"]
    if before is None or after is None or best is None:
        return "No instances were held out."
    columns = {"before the first step": before, "after the last": after}
    if best["step"] != after["step"]:
        kept = ", whose weights these are" if options.final_weights == "best" else ""
        columns[f"best, at step {best['step']:,}{kept}"] = best
    names = ("mlm_loss", "perplexity", "mlm_accuracy", "nsp_loss", "nsp_accuracy")
    rows = [(name, [found[name] for found in columns.values()]) for name in names if after[name] is not None]
    lines = [f"| {name} | " + " | ".join(f"{value:,.4g}" for value in values) + " |" for name, values in rows]
    return "\n".join([f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|", *lines])


def _curve(evaluations: Sequence[Evaluation]) -> str:
    """Return a bar chart of the held-out loss: 1 character for the lowest loss, 40 for the highest."""
    if len(evaluations) < 3:
        return ""
    losses = [found.mlm_loss for found in evaluations]
    span = max(1e-9, max(losses) - min(losses))
    bars = ["#" * (1 + round(39 * (loss - min(losses)) / span)) for loss in losses]
    lines = [
        f"{found.step:>9,}  {found.mlm_loss:7.3f}  {bar}" for found, bar in zip(evaluations, bars, strict=True)
    ]
    return "\n".join(["```", f"{'step':>9}  mlm loss", *lines, "```"])


def _table(values: dict[str, Any]) -> str:
    lines = [f"| {plain(name)} | {plain(value)} |" for name, value in values.items()]
    return "\n".join(["| option | value |", "|---|---|", *lines])


def plain(value: object) -> str:
    """Return a value as Markdown that is rendered as the value's text, in one line.

    >>> print(plain("a|b <i>"), plain(0.1), plain(["x"]))
    a\\|b \\<i> 0.1 ['x']
    """
    return re.sub(r"([\\`*|<&]|\[(?=[^]]*\][(\[]))", r"\\\1", _one_line(str(value)))


def code(text: str) -> str:
    """Return text as a code span of Markdown, in one line.

    >>> code("my model"), code("a`b")
    ('`my model`', '`` a`b ``')
    """
    text = _one_line(text)
    if "`" not in text:
        return f"`{text}`"
    fence = "`" * (1 + max(map(len, re.findall("`+", text))))
    return f"{fence} {text} {fence}"


def _one_line(text: str) -> str:
    """Return text with control characters and lone surrogates (bytes of a path that are not UTF-8) escaped."""
    shown = (
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
    return "".join(shown)
