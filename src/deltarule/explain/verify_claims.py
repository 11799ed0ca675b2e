"""A claim as a printed number: how far it may be off, and how digits slip.

In: the last segment of a line. Out: half a unit of its last place; whether it is the right number but
for a digit.
"""

from __future__ import annotations

import math

from deltarule.explain.handwork import Line, Segment
from deltarule.explain.handwork_terms import literals, value


def claim_of(line: Line) -> Segment | None:
    """The segment that carries the claim: the last that can be computed."""
    return line.numeric[-1] if line.numeric else None


def few_digits(segment: Segment) -> bool:
    """Whether a claim has fewer than three digits."""
    return segment.tree is not None and all(n.digits < 3 for n in literals(segment.tree))


def half_of(segment: Segment) -> float:
    """Half a unit of the last place of a claim; of 0 and 1 less, for they are not rounded fractions."""
    if not segment.bare or segment.tree is None:
        return 0.0
    (found,) = literals(segment.tree)
    return 0.05 if found.whole and found.value <= 1 else found.half


def last_place(segment: Segment) -> float:
    """What rounding on the way may add: one unit of the last place, where there are digits enough."""
    if not segment.bare or segment.tree is None:
        return 0.0
    (found,) = literals(segment.tree)
    return found.unit * (0.5 if found.digits < 3 else 1.0) * (not found.whole)


def number(x: float, claim: Segment | None) -> str:
    """A number with two digits more than the claim has, so that the difference is seen."""
    if claim is None or claim.tree is None or not claim.bare:
        return f"{x:.6g}"
    (found,) = literals(claim.tree)
    places = min(max(found.decimals + 2, 2), 12)
    short = f"{x:.{places}f}"
    return short.rstrip("0").rstrip(".") if "." in short else short


def slip_of_digits(claim: Segment, right: float) -> str:
    """Whether a claim is the right number with one digit wrong or missing, or the point moved."""
    if not claim.bare or claim.tree is None or not math.isfinite(right) or not right:
        return ""
    (found,) = literals(claim.tree)
    claimed = value(claim.tree)
    if claimed == -right or not claimed:
        return ""
    for power in (1, 2, 3, -1, -2, -3):
        shifted = right * 10.0**power
        if found.digits >= 3 and abs(claimed - shifted) <= found.half + 1e-12:
            return "the decimal point is misplaced"
    if found.digits < 4 or (claimed < 0) != (right < 0):
        return ""
    text = "".join(c for c in found.text if c.isdigit())
    for places in (found.decimals - 1, found.decimals, found.decimals + 1):
        exact = "".join(c for c in f"{abs(right):.{max(places, 0)}f}" if c.isdigit())
        same = text.startswith(exact) or exact.startswith(text)
        if not same and one_slip(text, exact):
            return f"{found.text} for {abs(right):.{max(places, 0)}f}: one digit is wrong"
    return ""


def one_slip(a: str, b: str) -> bool:
    """Whether two strings differ by one character changed, missing, added, or two neighbours exchanged."""
    if len(a) == len(b):
        off = [i for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y]
        if len(off) == 1:
            return True
        return (
            len(off) == 2
            and off[1] == off[0] + 1
            and a[off[0]] == b[off[1]]
            and a[off[1]] == b[off[0]]
        )
    short, long = sorted((a, b), key=len)
    return len(long) == len(short) + 1 and any(
        long[:i] + long[i + 1 :] == short for i in range(len(long))
    )
