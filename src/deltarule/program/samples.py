"""Builders of the samples that a declaration carries: random values in shapes that find mistakes.

In: bounds and shapes. Out: functions of a random generator that give ``Sample``s; float64 unless said
otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.program.primitive import Sample

Samples = Callable[["np.random.Generator"], list[Sample]]  # a name: numpy.random loads late

UNARY = (((),), ((3,),), ((2, 3),), ((0, 3),), ((1, 1),))
BINARY = (
    ((), ()),
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (2, 3)),
    ((2, 1), (1, 3)),
    ((), (2, 3)),
    ((2, 3), ()),
    ((0, 3), (3,)),
    ((4, 1, 2), (3, 1)),
)
TERNARY = (
    ((), (), ()),
    ((3,), (3,), (3,)),
    ((2, 3), (3,), ()),
    ((3,), (2, 1), (1, 3)),
    ((1,), (0, 3), (3,)),
)
SHAPES = (UNARY, BINARY, TERNARY)


def span(low: float, high: float, *more: tuple[float, float], arity: int = 1) -> Samples:
    """Uniform values in [low, high), or in one interval per argument, over the shapes of that arity."""
    intervals = ((low, high), *more)

    def samples(rng: np.random.Generator) -> list[Sample]:
        n = max(arity, len(intervals))
        bounds = intervals if len(intervals) == n else intervals * n
        return [
            Sample(tuple(rng.uniform(*b, size=s) for b, s in zip(bounds, shapes, strict=True)))
            for shapes in SHAPES[n - 1]
        ]

    return samples


def distinct(
    *shapes: tuple[int, ...], attrs: dict[str, Any] | None = None
) -> Callable[[np.random.Generator], Sample]:
    """Values that are pairwise at least 0.1 apart, so that no maximum is tied."""

    def sample(rng: np.random.Generator) -> Sample:
        args = [
            rng.permutation(int(np.prod(s))).reshape(s) * 0.1 - 0.3 + rng.uniform(0, 0.01)
            for s in shapes
        ]
        return Sample(tuple(args), attrs or {})

    return sample


def normal(*shapes: tuple[int, ...], **attrs: Any) -> Callable[[np.random.Generator], Sample]:
    """Standard normal arguments of the given shapes, with attrs."""
    return lambda rng: Sample(tuple(rng.normal(size=s) for s in shapes), attrs)


def each(*makers: Callable[[np.random.Generator], Sample]) -> Samples:
    """One sample from each maker."""
    return lambda rng: [maker(rng) for maker in makers]


def array(*values: Any) -> tuple[np.ndarray[Any, Any], ...]:
    """Float64 arrays of the given values."""
    return tuple(np.array(value, dtype=float) for value in values)
