"""Options for making instances and writing them as shards."""

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
    """Options for instances and shards, named as in BERT's create_pretraining_data.py where it has them."""

    max_seq_length: int = option(512, "Maximum number of tokens per instance, including [CLS] and [SEP].")
    dupe_factor: int = option(5, "Number of passes over the corpus, each with its own pairs and masks.")
    objective: str = option(
        "nsp", "Next-sentence prediction, sentence-order prediction, or single segments.", choices=OBJECTIVES
    )
    short_seq_prob: float = option(0.1, "Fraction of documents that a pass splits into shorter instances.")
    random_next_prob: float = option(0.5, "Fraction of pairs with a random B (sop: that are swapped).")
    masking: str = option("static", "Mask when shards are made, or in the loader.", choices=MASKINGS)
    mask_policy: str = option(
        "token", "Unit of masking: tokens, whole words, or spans of words.", choices=MASK_POLICIES
    )
    masked_lm_prob: float = option(0.15, "Fraction of the tokens of an instance to predict.")
    max_predictions_per_seq: int = option(
        None, "Maximum number of predictions per instance. [default: max_seq_length * masked_lm_prob]"
    )
    mask_share: float = option(0.8, "Fraction of the predicted tokens replaced by [MASK].")
    random_share: float = option(0.1, "Fraction of the predicted tokens replaced by a random token.")
    layout: str = option(
        "compact", "Layout of rows: unpadded, for wpprep's loader, or padded, for others.", choices=LAYOUTS
    )
    shards: int | None = option(None, "Number of shards. [default: from --shard-bytes]")
    shard_bytes: int = option(
        64_000_000, "Approximate size of a compact shard in bytes, if --shards is not given."
    )
    holdout: float = option(0.0, "Fraction of documents written to separate shards, in holdout/.")
    bins: str | None = option(
        None,
        "Bins of instances by length, such as 64,128,256,512; each bin has shards of its own, in bin-64/ etc.",
    )
    seed: int = option(12345, "Seed of the random generator.")

    def __post_init__(self) -> None:
        """Fill in defaults and check the values."""
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
        """The maximum length of the rows of each bin; without bins, of all rows.

        >>> ShardOptions(max_seq_length=128, bins="64,128").bin_lengths
        (64, 128)
        """
        if self.bins is None:
            return (self.max_seq_length,)
        return tuple(int(length) for length in self.bins.split(","))


def _check_bins(options: ShardOptions) -> None:
    longest = options.max_seq_length
    message = f"bins are {options.bins}, expected increasing lengths that end at max_seq_length {longest}"
    try:
        lengths = options.bin_lengths
    except ValueError as error:
        raise OptionError(f"{message}, such as 64,128") from error
    rising = all(a < b for a, b in itertools.pairwise((2, *lengths)))
    check(rising and lengths[-1] == longest, message)
