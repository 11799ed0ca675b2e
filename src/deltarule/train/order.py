"""The order of the rows in each epoch.

In: a seed, the number of an epoch. Out: a permutation, the same on every run and every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.compile import Form, build
from deltarule.derive import stage
from deltarule.program import ops, random, type_of
from deltarule.program.types import INT, ArrayType
from deltarule.train.prepare import Array

BLOCK_ROWS = 1 << 16  # of orders drawn at once
MANY = 1 << 21  # numbers of all epochs, from which on compiling what draws them pays


class Orders:
    """The order of the rows in each epoch: a function of (seed, epoch), as ``random.permutation``.

    Several epochs are drawn at once, which costs little more than one. Where many numbers will be
    drawn in a training that is compiled, machine code makes them: the same bits, 40 times as fast.
    """

    def __init__(self, seed: int, rows: int, shuffle: bool, native: bool = False) -> None:
        self.seed, self.rows, self.shuffle, self.native = seed, rows, shuffle, native
        self.bits: Callable[..., Any] | None = None
        self.first, self.drawn = 0, np.empty((0, rows), np.int64)

    def __call__(self, epoch: int, count: int) -> Array:
        """The orders of ``count`` epochs, from ``epoch`` on."""
        if not self.shuffle:
            return np.broadcast_to(np.arange(self.rows), (count, self.rows))
        start = epoch - self.first
        if start < 0 or start + count > len(self.drawn):
            ahead = max(count, min(BLOCK_ROWS // self.rows, 64))
            self.first, start = epoch, 0
            self.drawn = self._draw(np.arange(epoch, epoch + ahead))
        return self.drawn[start : start + count]

    def _draw(self, epochs: Array) -> Array:
        key = random.key(self.seed)
        if not self.native:
            return random.order_of(self._bits(key, epochs))
        if self.bits is None:
            one = stage(lambda *given: [self._bits(*given)], [type_of(key), ArrayType((), INT)])
            self.bits = build(one.graph, Form(0, 1))
        (bits,) = self.bits(key, epochs)
        return random.order_of(bits)

    def _bits(self, key: Any, epochs: Any) -> Any:
        return ops.random_bits(key, epochs, site=random.site("shuffle"), shape=(self.rows,))
