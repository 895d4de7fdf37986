"""Measures of labels and numbers, written out. Where one is undefined (nothing varies), it is 0.

>>> gold, found = ["a", "a", "b", "b"], ["a", "b", "b", "b"]
>>> accuracy(gold, found), round(f1(gold, found, "b"), 3), round(matthews(gold, found), 3)
(0.75, 0.8, 0.577)
"""

from __future__ import annotations

import math
import string
from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def accuracy(gold: Sequence[Hashable], found: Sequence[Hashable]) -> float:
    """The share that is right."""
    return sum(g == f for g, f in zip(gold, found, strict=True)) / max(1, len(gold))


def f1(gold: Sequence[Hashable], found: Sequence[Hashable], label: Hashable) -> float:
    """The harmonic mean of precision and recall of one label."""
    hits = sum(g == f == label for g, f in zip(gold, found, strict=True))
    together = sum(g == label for g in gold) + sum(f == label for f in found)
    return 2 * hits / together if together else 0.0


def macro_f1(gold: Sequence[Hashable], found: Sequence[Hashable]) -> float:
    """The mean F1 over all labels that occur."""
    labels = {*gold, *found}
    return math.fsum(f1(gold, found, label) for label in labels) / max(1, len(labels))


def matthews(gold: Sequence[Hashable], found: Sequence[Hashable]) -> float:
    """Matthews' correlation for any number of labels (Gorodkin, 2004), -1 to 1; 0 is chance.

    With s examples, c right ones, and t_k and p_k how often label k is true and is predicted:
    (c s - sum t_k p_k) / sqrt((s^2 - sum p_k^2) (s^2 - sum t_k^2)).
    """
    s, c = len(gold), sum(g == f for g, f in zip(gold, found, strict=True))
    t, p = Counter(gold), Counter(found)
    above = c * s - sum(t[label] * p[label] for label in t)
    below = (s * s - sum(n * n for n in p.values())) * (s * s - sum(n * n for n in t.values()))
    return above / math.sqrt(below) if below else 0.0


def pearson(gold: Sequence[float], found: Sequence[float]) -> float:
    """Pearson's correlation."""
    a, b = np.asarray(gold, np.float64), np.asarray(found, np.float64)
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    below = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / below if below else 0.0


def spearman(gold: Sequence[float], found: Sequence[float]) -> float:
    """Spearman's correlation: Pearson's of the ranks, equal values sharing the mean of theirs."""
    return pearson(list(_ranks(gold)), list(_ranks(found)))


def _ranks(values: Sequence[float]) -> Floats:
    """Ranks from 1, the mean rank where values are equal.

    >>> _ranks([10, 30, 20, 30]).tolist()
    [1.0, 3.5, 2.0, 3.5]
    """
    _, place, counts = np.unique(np.asarray(values, np.float64), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return ((last - counts + 1 + last) / 2)[place]


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """The mean, and the sample standard deviation (0 of one value).

    >>> mean_and_deviation([1.0, 3.0])
    (2.0, 1.4142135623730951)
    """
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, 0.0
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def words_of(answer: str) -> list[str]:
    """The words of an answer as SQuAD's evaluation compares them: lower case, no punctuation, no articles.

    A character of a script that puts no blanks between words, or that glues particles to them (Han, kana,
    Hangul), is a word of its own, so that of Korean, Chinese and Japanese, characters are compared.

    >>> words_of("The Sioux Falls, S.D."), words_of("서울에 2번")
    (['sioux', 'falls', 'sd'], ['서', '울', '에', '2', '번'])
    """
    plain = answer.lower().translate(_PUNCTUATION)
    apart = "".join(f" {char} " if _stands_alone(char) else char for char in plain)
    return [word for word in apart.split() if word not in ("a", "an", "the")]


def _stands_alone(char: str) -> bool:
    return "\u3040" <= char <= "\u9fff" or "\uac00" <= char <= "\ud7a3" or "\U00020000" <= char <= "\U0003ffff"


def exact_match(found: str, accepted: Sequence[str]) -> float:
    """1 where an answer equals an accepted one but for case, punctuation and articles; none accepted means "".

    >>> exact_match("the Falls", ["Falls!", "Sioux Falls"])
    1.0
    """
    return float(any(words_of(found) == words_of(answer) for answer in accepted or [""]))


def span_f1(found: str, accepted: Sequence[str]) -> float:
    """The best F1 of words shared with an accepted answer; without words on one side, 1 where both have none.

    >>> span_f1("in Sioux Falls", ["Sioux Falls"])  # 2 shared: precision 2/3, recall 2/2
    0.8
    """
    return max(_shared(words_of(found), words_of(answer)) for answer in accepted or [""])


def _shared(found: list[str], gold: list[str]) -> float:
    if not found or not gold:
        return float(found == gold)
    same = (Counter(found) & Counter(gold)).total()
    return 2 * same / (len(found) + len(gold))
