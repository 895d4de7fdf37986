"""Evaluation measures of labels, numbers and answers, without dependencies. An undefined measure is 0.

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
    """Return the fraction of correct labels."""
    return sum(g == f for g, f in zip(gold, found, strict=True)) / max(1, len(gold))


def f1(gold: Sequence[Hashable], found: Sequence[Hashable], label: Hashable) -> float:
    """Return the F1 of one label, the harmonic mean of its precision and recall."""
    hits = sum(g == f == label for g, f in zip(gold, found, strict=True))
    together = sum(g == label for g in gold) + sum(f == label for f in found)
    return 2 * hits / together if together else 0.0


def macro_f1(gold: Sequence[Hashable], found: Sequence[Hashable]) -> float:
    """Return the mean F1 over all labels that occur in either sequence."""
    labels = {*gold, *found}
    return math.fsum(f1(gold, found, label) for label in labels) / max(1, len(labels))


def matthews(gold: Sequence[Hashable], found: Sequence[Hashable]) -> float:
    """Return Matthews' correlation for any number of labels (Gorodkin, 2004), -1 to 1; 0 is chance.

    With s examples, c of them correct, and t_k and p_k the number of times label k is true and is predicted:
    (c s - sum t_k p_k) / sqrt((s^2 - sum p_k^2) (s^2 - sum t_k^2)).
    """
    s, c = len(gold), sum(g == f for g, f in zip(gold, found, strict=True))
    t, p = Counter(gold), Counter(found)
    above = c * s - sum(t[label] * p[label] for label in t)
    below = (s * s - sum(n * n for n in p.values())) * (s * s - sum(n * n for n in t.values()))
    return above / math.sqrt(below) if below else 0.0


def pearson(gold: Sequence[float], found: Sequence[float]) -> float:
    """Return Pearson's correlation, -1 to 1; 0 if either side is constant."""
    a, b = np.asarray(gold, np.float64), np.asarray(found, np.float64)
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    below = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / below if below else 0.0


def spearman(gold: Sequence[float], found: Sequence[float]) -> float:
    """Return Spearman's correlation: Pearson's of the ranks, equal values with their mean rank."""
    return pearson(list(_ranks(gold)), list(_ranks(found)))


def _ranks(values: Sequence[float]) -> Floats:
    """Return ranks from 1, ``float64[n]``; equal values get their mean rank.

    >>> _ranks([10, 30, 20, 30]).tolist()
    [1.0, 3.5, 2.0, 3.5]
    """
    _, place, counts = np.unique(np.asarray(values, np.float64), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return ((last - counts + 1 + last) / 2)[place]


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the sample standard deviation (0 for a single value).

    >>> mean_and_deviation([1.0, 3.0])
    (2.0, 1.4142135623730951)
    """
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, 0.0
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def words_of(answer: str) -> list[str]:
    """Return the words of an answer as in SQuAD's evaluation: lower case, without punctuation and articles.

    Each character of Han, kana and Hangul is a word, because these scripts do not separate words by spaces or
    attach particles to them: Korean, Chinese and Japanese answers are compared by character.

    >>> words_of("The Sioux Falls, S.D."), words_of("서울에 2번")
    (['sioux', 'falls', 'sd'], ['서', '울', '에', '2', '번'])
    """
    plain = answer.lower().translate(_PUNCTUATION)
    apart = "".join(f" {char} " if _stands_alone(char) else char for char in plain)
    return [word for word in apart.split() if word not in ("a", "an", "the")]


def _stands_alone(char: str) -> bool:
    return "\u3040" <= char <= "\u9fff" or "\uac00" <= char <= "\ud7a3" or "\U00020000" <= char <= "\U0003ffff"


def exact_match(found: str, accepted: Sequence[str]) -> float:
    """Return 1 if an answer equals an accepted one except for case, punctuation and articles, else 0.

    Without accepted answers, the empty string is accepted.

    >>> exact_match("the Falls", ["Falls!", "Sioux Falls"])
    1.0
    """
    return float(any(words_of(found) == words_of(answer) for answer in accepted or [""]))


def span_f1(found: str, accepted: Sequence[str]) -> float:
    """Return the best F1 of the words shared with an accepted answer, 0 to 1.

    If either side has no words, the result is 1 if both have none, else 0.

    >>> span_f1("in Sioux Falls", ["Sioux Falls"])  # 2 shared: precision 2/3, recall 2/2
    0.8
    """
    return max(_shared(words_of(found), words_of(answer)) for answer in accepted or [""])


def _shared(found: list[str], gold: list[str]) -> float:
    if not found or not gold:
        return float(found == gold)
    same = (Counter(found) & Counter(gold)).total()
    return 2 * same / (len(found) + len(gold))
