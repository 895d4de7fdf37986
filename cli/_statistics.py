"""Table of statistics of a shard folder, printed by make-shards."""

from __future__ import annotations

from wpprep.storage.manifest import Manifest, Shard

from ._screen import share

_RANGES = 8  # of lengths; the histogram in the manifest has 32
_WIDEST = 40  # characters of a bar
_LABEL_1 = {"nsp": "B random", "sop": "swapped", "single": "B random"}


def table(manifest: Manifest) -> list[str]:
    """Return lines with the tokens, labels, predictions and lengths of a shard folder."""
    total, options = manifest.statistics, manifest.options
    size = sum(file.bytes for file in manifest.files if isinstance(file, Shard))
    rows, tokens, predictions = total["rows"], total["tokens"], total["predictions"]
    fates = ", ".join(
        f"{name} {share(total[key], predictions)}"
        for name, key in (("[MASK]", "masked"), ("random", "random"), ("kept", "kept"))
    )
    lines = [
        (
            "tokens",
            tokens,
            f"{tokens / max(1, rows):.1f} per instance, {size / max(1, rows):,.0f} bytes on disk",
        ),
        (
            _LABEL_1[options["objective"]],
            total["random_next"],
            f"{share(total['random_next'], rows)} of instances",
        ),
        ("predicted", predictions, f"{share(predictions, tokens)} of tokens: {fates}"),
        ("truncated", total["truncated_tokens"], "tokens, of pairs longer than the maximum"),
        ("dropped", total["dropped_tokens"], "tokens, in no instance"),
    ]
    wanted = [line for line in lines if not (options["objective"] == "single" and line[0] == "B random")]
    figures = [f"  {name:<10}{count:>16,}  {about}" for name, count, about in wanted]
    return figures + _lengths(total["length_histogram"], options["max_seq_length"])


def _lengths(histogram: list[int], longest: int) -> list[str]:
    """Return the number of instances in each of eight ranges of lengths, as figures and bars."""
    step = len(histogram) // _RANGES
    counts = [sum(histogram[start : start + step]) for start in range(0, len(histogram), step)]
    return [
        f"  {'to ' + str((i + 1) * longest // _RANGES):<10}{count:>16,}  {_bar(count, max(counts))}".rstrip()
        for i, count in enumerate(counts)
    ]


def _bar(count: int, most: int) -> str:
    return "█" * round(_WIDEST * count / max(1, most))
