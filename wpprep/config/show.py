"""What is to be looked at."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wpprep.config.fields import OptionSet, check, check_least, fill, option

PIECE_ORDERS = ("id", "longest", "rarest", "commonest")


@dataclass(frozen=True, kw_only=True)
class ShowOptions(OptionSet):
    """What is to be looked at. At most one of row, document, search, vocab and compare."""

    rows: int = option(None, "How many to show. [default: 3 instances, 40 pieces of a vocabulary]")
    start: int = option(0, "The first of them.")
    row: tuple[str, ...] = option(
        (),
        "The instance of this number, or those from one to another, such as 5-9; may be given several times.",
    )
    document: int | None = option(None, "Instances whose A is of this document.")
    search: str | None = option(None, "Instances that hold these words, as they stood before masking.")
    vocab: bool = option(False, "Pieces of the vocabulary.", flags="--vocab/--instances")
    prefix: str | None = option(None, "Pieces that begin like this; ## is a beginning too.")
    length: int | None = option(None, "Pieces of this many characters, ## not counted.")
    order: str = option(
        "id", "Order of the pieces; rarest and commonest count them in shards.", choices=PIECE_ORDERS
    )
    compare: str | None = option(None, "Another shard folder: what is different in it.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prefix is not None or self.length is not None or self.order != "id":
            object.__setattr__(self, "vocab", True)
        fill(self, "rows", 40 if self.vocab else 3)
        check_least(self, "rows", 1)
        check_least(self, "start", 0)
        ways = {
            "row": bool(self.row),
            "document": self.document is not None,
            "search": self.search is not None,
            "vocab": self.vocab,
            "compare": self.compare is not None,
        }
        asked = [name for name, is_given in ways.items() if is_given]
        check(len(asked) < 2, f"{' and '.join(asked)} do not go together; ask for one after the other")
        for text in self.row:
            check(_RANGE.fullmatch(text) is not None, f"row is {text!r}, expected a number, or two as in 5-9")

    @property
    def numbers(self) -> list[int]:
        """The rows asked for by number.

        >>> ShowOptions(row=("7", "2-4")).numbers
        [7, 2, 3, 4]
        """
        found: list[int] = []
        for text in self.row:
            first, _, last = text.partition("-")
            some = range(int(first), int(last or first) + 1)
            check(len(some) > 0, f"row is {text!r}, expected the smaller number first")
            check(len(found) + len(some) <= _MOST_ROWS, f"row {text}: more than {_MOST_ROWS:,} rows to show")
            found += some
        return found


_RANGE = re.compile(r"\d{1,18}(-\d{1,18})?")
_MOST_ROWS = 10_000
