"""Arrays as views of memory: a shape, strides and an offset over a buffer, as NumPy has them.

In: a buffer's number and a type. Out: ``View``. Transposes, slices, broadcasts and most reshapes are
views, and cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.program import ArrayType

Ints = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class View:
    """An array in a buffer: element i lies at ``offset + sum(i * strides)``, counted in elements."""

    buffer: int
    dtype: np.dtype[Any]
    shape: Ints
    strides: Ints
    offset: int = 0

    @staticmethod
    def whole(buffer: int, kind: ArrayType) -> View:
        """All of a buffer, in row-major order."""
        return View(buffer, kind.dtype, kind.shape, row_major(kind.shape))

    @property
    def size(self) -> int:
        """Number of elements."""
        return ArrayType(self.shape, self.dtype).size

    @property
    def contiguous(self) -> bool:
        """Whether the elements lie side by side in row-major order."""
        ordered = zip(self.shape, self.strides, row_major(self.shape), strict=True)
        return self.size == 0 or all(n == 1 or have == want for n, have, want in ordered)

    def transpose(self, order: Ints) -> View:
        """Axes in another order."""
        shape = tuple(self.shape[i] for i in order)
        return replace(self, shape=shape, strides=tuple(self.strides[i] for i in order))

    def broadcast(self, shape: Ints) -> View:
        """Repeated along new leading axes and along axes of size 1."""
        if shape == self.shape:
            return self
        lead = len(shape) - len(self.shape)
        ends = zip(self.shape, self.strides, shape[lead:], strict=True)
        kept = [stride if n == m else 0 for n, stride, m in ends]
        return View(self.buffer, self.dtype, tuple(shape), (0,) * lead + tuple(kept), self.offset)

    def slice(
        self,
        start: Ints,
        size: Ints,
        step: Ints,
    ) -> View:
        """Every ``step``-th element from ``start``."""
        moved = self.offset + sum(a * s for a, s in zip(start, self.strides, strict=True))
        strides = tuple(a * s for a, s in zip(step, self.strides, strict=True))
        offset = 0 if 0 in size else moved
        return replace(self, shape=tuple(size), strides=strides, offset=offset)

    def part_of_complex(self, which: int, dtype: np.dtype[Any]) -> View:
        """The real (0) or imaginary (1) parts of complex numbers, as real ones of half their size."""
        strides = tuple(2 * s for s in self.strides)
        return replace(self, dtype=dtype, strides=strides, offset=2 * self.offset + which)

    def part(self, axis: int) -> View:
        """The first of the arrays that lie behind the leading ``axis`` axes."""
        return replace(self, shape=self.shape[axis:], strides=self.strides[axis:])

    def reshape(self, shape: Ints) -> View | None:
        """Another shape over the same elements, or None where that is no view."""
        if self.contiguous:
            return replace(self, shape=tuple(shape), strides=row_major(shape))
        runs = iter(merge_axes(self.shape, [self.strides]))
        strides: list[int] = []
        room, stride = 1, 0
        for n in shape:
            if n != 1 and room == 1:
                room, step = next(runs)
                stride = room * step
            if room % n:
                return None
            room //= n
            stride //= n
            strides.append(stride if n != 1 else 0)
        return replace(self, shape=tuple(shape), strides=tuple(strides))

    def __str__(self) -> str:
        shape = ",".join(map(str, self.shape))
        plain = self.contiguous and not self.offset
        where = "" if plain else f" @{self.offset}{list(self.strides)}"
        return f"b{self.buffer}[{shape}]{where}"


def row_major(shape: Sequence[int]) -> Ints:
    """Strides of an array whose elements lie side by side; 0 along axes of size 1."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step if n != 1 else 0)
        step *= n
    return tuple(reversed(strides))


def merge_axes(shape: Sequence[int], strides: Sequence[Ints]) -> list[tuple[int, ...]]:
    """The same walk over fewer axes: ``(size, stride of each view)``."""
    merged: list[tuple[int, ...]] = []
    for axis, n in enumerate(shape):
        if n == 1:
            continue
        steps = tuple(s[axis] for s in strides)
        if merged and all(a == b * n for a, b in zip(merged[-1][1:], steps, strict=True)):
            merged[-1] = (merged[-1][0] * n, *steps)
        else:
            merged.append((n, *steps))
    return merged
