"""What instances are, and how they lie in shards."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from wpprep.config.fields import OptionSet, check, check_least, check_seed, fill, option
from wpprep.errors import OptionError

MASKINGS = ("static", "dynamic")
MASK_POLICIES = ("token", "word", "span")
OBJECTIVES = ("nsp", "sop", "single")
LAYOUTS = ("compact", "dense")


@dataclass(frozen=True, kw_only=True)
class ShardOptions(OptionSet):
    """What instances are made. The names are those of BERT's create_pretraining_data.py where it has one."""

    max_seq_length: int = option(512, "Longest instance in tokens, [CLS] and [SEP] included.")
    dupe_factor: int = option(5, "Passes over the corpus; each pairs and masks anew.")
    objective: str = option(
        "nsp", "Pairs for next-sentence or sentence-order prediction, or single segments.", choices=OBJECTIVES
    )
    short_seq_prob: float = option(0.1, "Share of documents a pass cuts into shorter instances.")
    random_next_prob: float = option(0.5, "Share of pairs whose B is random (under sop: that are swapped).")
    masking: str = option("static", "Mask now, or leave it to the loader.", choices=MASKINGS)
    mask_policy: str = option("token", "Mask tokens, whole words, or spans of words.", choices=MASK_POLICIES)
    masked_lm_prob: float = option(0.15, "Share of an instance's tokens that is predicted.")
    max_predictions_per_seq: int = option(
        None, "Most predictions an instance. [default: max_seq_length * masked_lm_prob]"
    )
    mask_share: float = option(0.8, "Share of the predicted tokens that is replaced by [MASK].")
    random_share: float = option(0.1, "Share of the predicted tokens that is replaced by a random token.")
    layout: str = option("compact", "Unpadded, for our loader, or dense: padded, for others.", choices=LAYOUTS)
    shards: int | None = option(None, "Number of shards. [default: as many as SHARD_BYTES gives]")
    shard_bytes: int = option(
        64_000_000, "Size of a compact shard in bytes, roughly, where SHARDS is not given."
    )
    holdout: float = option(0.0, "Share of the documents that goes to shards of its own, in holdout/.")
    bins: str | None = option(
        None,
        "Lengths such as 64,128,256,512: instances up to each get shards of their own, in bin-64/ and so on.",
    )
    seed: int = option(12345, "Seed of every random draw.")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, "max_seq_length", 8)
        check(self.max_seq_length <= 65535, f"max_seq_length is {self.max_seq_length}, expected at most 65535")
        check_least(self, "dupe_factor", 1)
        for name in ("short_seq_prob", "random_next_prob", "masked_lm_prob", "mask_share", "random_share"):
            value = getattr(self, name)
            check(0.0 <= value <= 1.0, f"{name} is {value}, expected between 0 and 1")
        together = self.mask_share + self.random_share
        check(together <= 1.0 + 1e-12, f"mask_share + random_share is {together}, expected at most 1")
        fill(self, "max_predictions_per_seq", max(1, round(self.max_seq_length * self.masked_lm_prob)))
        check_least(self, "max_predictions_per_seq", 1)
        check_least(self, "shards", 1)
        check_least(self, "shard_bytes", 1)
        check(0.0 <= self.holdout < 1.0, f"holdout is {self.holdout}, expected 0 or more and below 1")
        _check_bins(self)
        check_seed(self.seed)

    @property
    def bin_lengths(self) -> tuple[int, ...]:
        """The longest row of each bin; without bins, that of all.

        >>> ShardOptions(max_seq_length=128, bins="64,128").bin_lengths
        (64, 128)
        """
        if self.bins is None:
            return (self.max_seq_length,)
        return tuple(int(length) for length in self.bins.split(","))


def _check_bins(options: ShardOptions) -> None:
    message = (
        f"bins are {options.bins}, expected rising lengths that end at max_seq_length {options.max_seq_length}"
    )
    try:
        lengths = options.bin_lengths
    except ValueError as error:
        raise OptionError(f"{message}, such as 64,128") from error
    rising = all(a < b for a, b in itertools.pairwise((2, *lengths)))
    check(rising and lengths[-1] == options.max_seq_length, message)
