# ruff: noqa: RUF001, RUF002 (ambiguous characters are intended)
"""Simple TeX formulas as plain text.

    \\alpha \\le 10^{-6}   ->   α ≤ 10⁻⁶

This module does not convert nested fractions, sums or matrices; such formulas are removed.
"""

from __future__ import annotations

import re

from wpprep.corpus.readers.mediawiki.templates import superscript

_TEX_NAMES = (
    "alpha beta gamma delta epsilon varepsilon theta lambda mu pi rho sigma tau phi varphi omega "
    "Delta Omega Gamma Sigma le leq ge geq ne neq times cdot pm approx sim infty in to rightarrow "
    "degree circ ldots dots"
)
_TEX_SIGNS = "αβγδεεθλμπρστφφωΔΩΓΣ≤≤≥≥≠≠×·±≈∼∞∈→→°°……"
_TEX = (
    dict(zip(_TEX_NAMES.split(), _TEX_SIGNS, strict=True))
    | dict.fromkeys(["quad", ",", ";", ":", " "], " ")
    | dict.fromkeys(["left", "right", "displaystyle", "!"], "")
    | {"%": "%", "$": "$"}
)


def formula(tex: str) -> str:
    """Return a TeX formula as text; an empty string if it is not simple.

    >>> formula(r"E = mc^2"), formula(r"\\alpha \\le 10^{-6}"), formula(r"\\sum_{i=0}^n i")
    ('E = mc²', 'α ≤ 10⁻⁶', '')
    """
    text = re.sub(r"\^\{?([-+]?[\dn]+)\}?", lambda power: superscript(power[1]), tex)
    text = re.sub(r"_\{?([A-Za-z0-9]+)\}?", r"\1", text)
    text = re.sub(r"\\(?:mathrm|text|mathbf|mathit|operatorname|rm)\s*\{([^{}\\]*)\}", r"\1", text)
    text = re.sub(r"\\frac\{([^{}\\]*)\}\{([^{}\\]*)\}", r"\1/\2", text)
    text = re.sub(r"\\([A-Za-z]+|[,;!: %$&])", lambda word: _TEX.get(word[1], word[0]), text)
    return "" if re.search(r"[\\{}^_&]", text) else " ".join(text.split())
