"""The model card: what a finished model was made of, in the README.md of its folder."""

from __future__ import annotations

from typing import Any

from wpprep.config import TrainOptions, as_dict
from wpprep.loader import ShardFolder

_CARD = """---
library_name: transformers
pipeline_tag: fill-mask
tags:
- bert
- masked-language-modeling
---

# A BERT of size {size}

Pretrained from scratch by [wpprep](https://pypi.org/project/wpprep/) {version}: {parameters:,} parameters,
{steps:,} steps of {batch_size} instances.

```python
from transformers import pipeline

pipeline("fill-mask", model="path/to/this/folder")("the {mask} of the sea")
```

## Results

Measured on {held_out_rows:,} instances whose documents were kept out of training{caveat}.

{results}

## Data

{rows:,} training instances of at most {max_seq_length} tokens, {tokens:,} tokens in all shards,
which were made with:

{data}

The vocabulary has {vocab_size:,} entries; the sha256 of its tokenizer.json, which is its identity, is
`{vocabulary}`.

## Settings

{settings}
"""


def model_card(shards: ShardFolder, options: TrainOptions, results: dict[str, Any]) -> str:
    """The text of a model's README.md."""
    return _CARD.format(
        size=options.size,
        version=results["wpprep"],
        parameters=results["parameters"],
        steps=results["steps"],
        batch_size=options.batch_size,
        mask=shards.vocabulary.pieces[shards.roles.mask],
        held_out_rows=results["held_out_rows"],
        caveat=" (as random second segments their sentences may have been seen)" if results["after"] else "",
        results=_results(results["before"], results["after"]),
        rows=results["rows"],
        tokens=sum(file.tokens for file in shards.files),
        max_seq_length=shards.max_seq_length,
        data=_table(shards.options),
        vocab_size=shards.roles.vocab_size,
        vocabulary=shards.vocabulary.sha256,
        settings=_table({name: value for name, value in as_dict(options).items() if name != "overwrite"}),
    )


def _results(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    if before is None or after is None:
        return "No instances were held out."
    names = ("mlm_loss", "perplexity", "mlm_accuracy", "nsp_loss", "nsp_accuracy")
    rows = [(name, before[name], after[name]) for name in names if after[name] is not None]
    lines = [f"| {name} | {old:,.4g} | {new:,.4g} |" for name, old, new in rows]
    return "\n".join(["| | before the first step | at the end |", "|---|---|---|", *lines])


def _table(values: dict[str, Any]) -> str:
    return "\n".join(
        ["| option | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in values.items())]
    )
