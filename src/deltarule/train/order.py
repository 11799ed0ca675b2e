"""The order of the rows in each epoch.

In: a seed, the number of an epoch. Out: a permutation, the same on every run and every machine.
"""

from __future__ import annotations

import numpy as np

from deltarule.program import ops, random
from deltarule.train.prepare import Array

BLOCK_ROWS = 1 << 16  # of orders drawn at once


class Orders:
    """The order of the rows in each epoch: a function of (seed, epoch), as ``random.permutation``.

    Several epochs are drawn at once, which costs little more than one.
    """

    def __init__(self, seed: int, rows: int, shuffle: bool) -> None:
        self.seed, self.rows, self.shuffle = seed, rows, shuffle
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
        key, site = random.key(self.seed), random.site("shuffle")
        bits = ops.random_bits(key, epochs, site=site, shape=(self.rows,))
        drawn: Array = np.argsort(bits, axis=-1, kind="stable")
        return drawn
