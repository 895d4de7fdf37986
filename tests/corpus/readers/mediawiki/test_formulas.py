"""TeX formulas: simple ones become text, all others nothing."""

from __future__ import annotations

import pytest

from wpprep.corpus.readers.mediawiki.formulas import formula


@pytest.mark.parametrize(
    ("tex", "text"),
    [
        ("x", "x"),
        ("E = mc^2", "E = mc²"),
        ("x_{10} + y_i", "x10 + yi"),
        ("10^{-6}", "10⁻⁶"),
        (r"\frac{a}{b}", "a/b"),
        (r"\mathrm{d} x \le 5\,\text{km}", "d x ≤ 5 km"),
        (r"50\%", "50%"),
        (r"\left( a \right)", "( a )"),
        ("", ""),
    ],
)
def test_simple_formulas_become_text(tex: str, text: str) -> None:
    """Powers, indices, plain fractions, Greek letters and operators have characters of their own."""
    assert formula(tex) == text


@pytest.mark.parametrize(
    "tex", [r"\sum_{i=0}^n i", r"\frac{\frac{a}{b}}{c}", "x^{a+b}", r"\begin{matrix} a & b \end{matrix}"]
)
def test_other_formulas_become_nothing(tex: str) -> None:
    """A formula with any TeX left is removed as a whole."""
    assert formula(tex) == ""
