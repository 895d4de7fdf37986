"""Options for showing instances and vocabularies in the terminal."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wpprep.config.fields import OptionSet, check, check_least, fill, option

PIECE_ORDERS = ("id", "longest", "rarest", "commonest")


@dataclass(frozen=True, kw_only=True)
class ShowOptions(OptionSet):
    """Options for selecting what to show. At most one of row, document, search, vocab and compare is given."""

    rows: int = option(None, "Maximum number to show. [default: 3 instances, 40 pieces of a vocabulary]")
    start: int = option(0, "Index of the first one to show.")
    row: tuple[str, ...] = option(
        (),
        "Index of an instance, or a range of indices such as 5-9; may be given several times. [default: none]",
    )
    document: int | None = option(None, "Index of a document; shows the instances with their A from it.")
    search: str | None = option(None, "Text to search for in the instances, as before masking.")
    vocab: bool = option(False, "Pieces of the vocabulary, or instances.", flags="--vocab/--instances")
    prefix: str | None = option(None, "Prefix of the pieces to show; ## is a prefix too.")
    length: int | None = option(None, "Length of the pieces to show, in characters without ##.")
    order: str = option(
        "id", "Order of the pieces; rarest and commonest are by their counts in shards.", choices=PIECE_ORDERS
    )
    compare: str | None = option(None, "Another shard folder to compare with.")

    def __post_init__(self) -> None:
        """Fill in defaults and check the values."""
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
        check(len(asked) < 2, f"{' and '.join(asked)} cannot be used together; run the command once for each")
        for text in self.row:
            check(_RANGE.fullmatch(text) is not None, f"row is {text!r}, expected a number, or two as in 5-9")

    @property
    def numbers(self) -> list[int]:
        """The indices given by ``row``, with ranges expanded.

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
