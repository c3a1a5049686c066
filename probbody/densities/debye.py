r"""Debye's polynomials: what is left of a Bessel function of high order once its exponential is taken out.

With :math:`p = \nu / \sqrt{\nu^2 + \kappa^2}`,

.. math:: I_\nu(\kappa) = \frac{e^{\sqrt{\nu^2 + \kappa^2}}}{\sqrt{2 \pi}\,(\nu^2 + \kappa^2)^{1/4}}
    \Bigl(\frac{\kappa}{\nu + \sqrt{\nu^2 + \kappa^2}}\Bigr)^\nu \sum_k \frac{U_k(p)}{\nu^k}

for every argument alike. The coefficients are worked out in fractions from the recurrence of the U_k.

References: Olver, NIST Digital Library of Mathematical Functions, section 10.41(ii).
"""

from fractions import Fraction
from functools import lru_cache
from itertools import zip_longest

Series = list[Fraction]
"""A polynomial: the coefficient of each power, the constant first."""

_TERMS = 7  # at an order of 16 the next one is below 1e-10


@lru_cache
def log_series(order: float) -> tuple[list[float], list[float]]:
    r"""For S(p), the log of the Debye sum in this order: (S(p) - S(1)) / (p - 1), and S'(p), as polynomials in p."""
    whole: list[float] = []
    for power, series in enumerate(_log_debye(), start=1):
        whole = [a + float(b) / order**power for a, b in zip_longest(whole, series, fillvalue=0.0)]
    quotient: list[float] = []
    for coefficient in reversed(whole):
        quotient.append(coefficient + (quotient[-1] if quotient else 0.0))
    return quotient[-2::-1], [power * coefficient for power, coefficient in enumerate(whole)][1:]


@lru_cache
def _log_debye() -> list[Series]:
    """The coefficients D_1, D_2, ... of log(sum of U_k(p) / order^k), each a polynomial in p."""
    debye = [[Fraction(1)]]
    for _ in range(_TERMS):
        debye.append(_next_debye(debye[-1]))
    logs: list[Series] = []
    for k in range(1, _TERMS + 1):
        term = debye[k]
        for j in range(1, k):
            term = _plus(term, _times(logs[j - 1], debye[k - j]), Fraction(-j, k))
        logs.append(term)
    return logs


def _next_debye(series: Series) -> Series:
    """U_(k+1) = p^2 (1 - p^2) U_k' / 2 + (integral from 0 to p of (1 - 5 t^2) U_k) / 8."""
    slope = [power * coefficient for power, coefficient in enumerate(series)][1:]
    inner = _times([Fraction(1), Fraction(0), Fraction(-5)], series)
    integral = [Fraction(0)] + [coefficient / (power + 1) / 8 for power, coefficient in enumerate(inner)]
    return _plus(
        integral, _times([Fraction(0), Fraction(0), Fraction(1), Fraction(0), Fraction(-1)], slope), Fraction(1, 2)
    )


def _plus(one: Series, other: Series, factor: Fraction) -> Series:
    return [a + factor * b for a, b in zip_longest(one, other, fillvalue=Fraction(0))]


def _times(one: Series, other: Series) -> Series:
    product = [Fraction(0)] * max(0, len(one) + len(other) - 1)
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            product[i + j] += a * b
    return product
