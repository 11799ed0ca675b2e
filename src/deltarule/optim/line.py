"""A line search for the strong Wolfe conditions, as a loop that is compiled.

In: a function of the length along a direction, with its gradient. Out: a point that is lower and
flatter than the start, or the best that was found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.derive.control import while_loop
from deltarule.derive.tree import tree_map

DECREASE, FLATNESS = 1e-4, 0.9  # the constants of the two conditions
SHORTEST = 1e-9  # of a bracket, as the largest change of a weight in it
FARTHER = 0.01, 10.0  # how much longer than the last length the next may be, at least and at most
EDGE = 0.1  # of a bracket: lengths so close to its ends are drawn in


@dataclass(frozen=True, slots=True)
class Point:
    """A point along the line.

    Attributes
    ----------
    t, value, slope : number
        Length, the function there, and its derivative along the line.
    gradient : array
        Of the function.
    aux : tree
        What else it gave.
    """

    t: Any
    value: Any
    slope: Any
    gradient: Any
    aux: Any


@dataclass(frozen=True, slots=True)
class Search:
    """Where a search stands.

    As long as no bracket is found ``low`` is the point before, then the better end of it and ``high`` the
    other; ``t`` is tried next. ``drawn`` says that a length near an end was let pass once.
    """

    count: Any
    bracketed: Any
    drawn: Any
    done: Any
    t: Any
    low: Point
    high: Point


def line_search(
    evaluate: Callable[[Any], tuple[Any, Any, Any]],
    start: Point,
    direction: Any,
    first: Any,
    most: int,
) -> Point:
    """Look for a length t with value(t) <= value + 1e-4 t slope and abs(slope(t)) <= 0.9 abs(slope).

    First ever longer t until a bracket holds such a point, then ever shorter brackets (Nocedal and Wright
    2006, algorithms 3.5 and 3.6). A value that is not finite counts as too high.

    Parameters
    ----------
    evaluate : callable
        t -> value, gradient, more.
    start : Point
        At t = 0. Where its slope is not negative nothing is evaluated.
    direction : array
        Of the line.
    first : number
        The first t.
    most : int
        After so many evaluations the best of the ends is taken.
    """
    widest = np.max(np.abs(direction))

    def at(t: Any) -> Point:
        value, gradient, aux = evaluate(t)
        return Point(t, value, np.sum(gradient * direction), gradient, aux)

    def step(now: Search) -> Search:
        new = at(now.t)
        high = ~(new.value <= start.value + DECREASE * new.t * start.slope)
        flat = np.abs(new.slope) <= -FLATNESS * start.slope
        last = now.count >= most
        found = choose(
            now.bracketed,
            narrowed(now, new, high, flat),
            widened(now, new, high, flat, last, start),
        )
        width = np.abs(found.high.t - found.low.t) * widest
        over = found.bracketed & (last | (width < SHORTEST))
        return next_length(found, over)

    zero = np.zeros((), direction.dtype)[()]
    begin = Search(
        np.int64(0), np.False_, np.False_, ~(start.slope < 0), zero + first, start, start
    )
    with np.errstate(all="ignore"):
        found: Search = while_loop(lambda now: ~now.done, step, begin)
    return found.low


def widened(now: Search, new: Point, high: Any, flat: Any, last: Any, start: Point) -> Search:
    """The search after a point while no bracket is known."""
    before = now.low
    high = high | ((now.count > 1) & (new.value >= before.value))
    done = ~high & flat
    bracket = ~done & (high | (new.slope >= 0))
    kept = choose(last & ~done & ~bracket, start, before)  # nothing found: start or here
    better = choose(new.value < kept.value, new, kept)
    worse = choose(new.value < kept.value, kept, new)
    farther = cubic(before, new, new.t + FARTHER[0] * (new.t - before.t), FARTHER[1] * new.t)
    ends = bracket | last
    return Search(
        now.count,
        ends,
        now.drawn,
        done | (last & ~bracket),
        farther,
        choose(done | ~ends, new, better),
        choose(ends, worse, new),
    )


def narrowed(now: Search, new: Point, high: Any, flat: Any) -> Search:
    """The search after a point inside a bracket."""
    low = now.low
    up = high | ~(new.value < low.value)
    beyond = new.slope * (now.high.t - low.t) >= 0
    swapped = up & (new.value < low.value)  # not low enough, and yet the lower end
    return Search(
        now.count,
        now.bracketed,
        now.drawn,
        ~up & flat,
        now.t,
        choose(~up | swapped, new, low),
        choose(up, choose(swapped, low, new), choose(beyond & ~flat, low, now.high)),
    )


def next_length(now: Search, over: Any) -> Search:
    """The length to try next, where the search goes on; not too close to the ends of a bracket."""
    a, b = now.low, now.high
    left, right = np.minimum(a.t, b.t), np.maximum(a.t, b.t)
    inner = cubic(a, b, left, right)
    edge = EDGE * (right - left)
    close = np.minimum(right - inner, inner - left) < edge
    draw = close & (now.drawn | (inner >= right) | (inner <= left))
    nearer = np.where(np.abs(inner - right) < np.abs(inner - left), right - edge, left + edge)
    inside = np.where(draw, nearer, inner)
    return Search(
        now.count + 1,
        now.bracketed,
        np.where(now.bracketed, close & ~draw, now.drawn),
        now.done | over,
        np.where(now.bracketed, inside, now.t),
        now.low,
        now.high,
    )


def cubic(a: Point, b: Point, least: Any, most: Any) -> Any:
    """Where the cubic through two points with their slopes is lowest; halfway where there is none."""
    right_is_b = a.t <= b.t
    left, right = choose(right_is_b, (a, b), (b, a))
    width = right.t - left.t
    d1 = left.slope + right.slope - 3 * (left.value - right.value) / (left.t - right.t)
    square = d1 * d1 - left.slope * right.slope
    d2 = np.sqrt(np.maximum(square, 0.0))
    lowest = right.t - width * (right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2)
    known = (square >= 0) & (np.abs(lowest) < np.inf)
    return np.where(known, np.minimum(np.maximum(lowest, least), most), (least + most) / 2)


def choose(test: Any, a: Any, b: Any) -> Any:
    """One of two trees, leaf by leaf."""
    return tree_map(lambda x, y: np.where(test, x, y), a, b)
