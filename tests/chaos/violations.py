"""A broken invariant in words, with the evidence for it; pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos.histories import Delivery

MOST_EVIDENCE = 4


@dataclass(frozen=True, slots=True)
class Violation:
    """What was seen that must not be, and lines that show it."""

    words: str
    evidence: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n    ".join([self.words, *self.evidence])


def violation(words: str, *evidence: object) -> Violation:
    """A violation with at most MOST_EVIDENCE lines of evidence, and how many more there are."""
    lines = [told(one) for one in evidence[:MOST_EVIDENCE]]
    if len(evidence) > MOST_EVIDENCE:
        lines.append(f"… and {len(evidence) - MOST_EVIDENCE} more")
    return Violation(words, tuple(lines))


def told(one: object) -> str:
    """A piece of evidence as one line."""
    if isinstance(one, Delivery):
        answer = one.status if one.status is not None else "no answer"
        return (
            f"{one.endpoint} request {one.request}: {one.subject} v{one.version} seq {one.seq} "
            f"id {one.id[:13]} from {one.began:.3f} to {one.ended:.3f}: {answer}"
        )
    return str(one)


def spans_of(deliveries: Sequence[Delivery]) -> tuple[float, float]:
    """From the first beginning to the last end."""
    return min(one.began for one in deliveries), max(one.ended for one in deliveries)
