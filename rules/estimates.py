"""Shares with their uncertainty: what a count of cases does and does not prove."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Share:
    """`part` of `whole` cases, and the interval in which the true share lies."""

    part: int
    whole: int
    low: float
    high: float

    @property
    def value(self) -> float | None:
        """The share seen, 0 to 1; None where there is no case."""
        return self.part / self.whole if self.whole else None

    def as_json(self) -> dict[str, object]:
        """The share for JSON."""
        return {
            "part": self.part,
            "whole": self.whole,
            "value": self.value,
            "low": self.low,
            "high": self.high,
        }


def share(part: int, whole: int, confidence: float = CONFIDENCE) -> Share:
    """Wilson's score interval, which stays sensible for few cases and for shares near 0 and 1.

    With no case at all everything is possible: 0 to 1. Raises ValueError unless
    0 ≤ part ≤ whole. Source: E. B. Wilson, Journal of the American Statistical Association
    22 (1927), 209–212.
    """
    if not 0 <= part <= whole:
        raise ValueError(f"{part} of {whole} is not a share")
    if whole == 0:
        return Share(0, 0, 0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    seen = part / whole
    centre = seen + z * z / (2 * whole)
    spread = z * sqrt(seen * (1 - seen) / whole + z * z / (4 * whole * whole))
    scale = 1 + z * z / whole
    low, high = (centre - spread) / scale, (centre + spread) / scale
    return Share(
        part,
        whole,
        0.0 if part == 0 else max(0.0, low),
        1.0 if part == whole else min(1.0, high),
    )
