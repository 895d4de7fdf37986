"""Slow twin of entities: conlleval's two rules, whether one ends and whether one starts between two tags."""

from __future__ import annotations


def split(tag: str) -> tuple[str, str]:
    """Split a tag into its letter and its kind."""
    return ("O", "") if tag == "O" else (tag[0], tag[2:])


def ends(before: str, after: str) -> bool:
    """Return whether an entity that contains the word before ends between the words."""
    (letter, kind), (next_letter, next_kind) = split(before), split(after)
    if letter == "O":
        return False
    return letter in "ES" or next_letter in "BSO" or kind != next_kind


def starts(before: str, after: str) -> bool:
    """Return whether an entity starts with the word after."""
    (letter, kind), (next_letter, next_kind) = split(before), split(after)
    if next_letter == "O":
        return False
    return next_letter in "BS" or letter in "ESO" or kind != next_kind


def entities(tags: list[str]) -> list[tuple[str, int, int]]:
    """Return all entities as (kind, start, stop)."""
    padded = ["O", *tags, "O"]
    found = []
    for start in range(len(tags)):
        if starts(padded[start], padded[start + 1]):
            stop = next(i for i in range(start + 1, len(tags) + 1) if ends(padded[i], padded[i + 1]))
            found.append((split(tags[start])[1], start, stop))
    return found
