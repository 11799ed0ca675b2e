"""How much native code does before Python looks again: about a fifth of a second's work.

In: how long pieces of work took. Out: how many steps the next one has. The cuts change no bit: a piece of
any length is a call of the same program.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deltarule.train.prepare import Array

PIECE_SECONDS = 0.2
FIRST_SECONDS = 0.02  # of the first piece, by an estimate that is far too high for machine code
GROWTH = 16


class Pace:
    """The length of the next piece.

    Parameters
    ----------
    seconds : float
        Estimate of one step.
    every : sequence of int
        Python looks after steps whose number is a multiple of one of these.
    """

    def __init__(self, seconds: float, every: Sequence[int] = ()) -> None:
        self.steps = max(1, int(FIRST_SECONDS / seconds))
        self.every = every
        self.done, self.spent = 0, 0.0

    def pieces(self, batches: Array, done: int) -> Iterator[Array]:
        """The batches in pieces, each as long as the speed seen until then says.

        ``done`` is the number of steps before.
        """
        start = 0
        while start < len(batches):
            left = (n - (done + start) % n for n in self.every)
            stop = start + min([self.steps, *left])
            yield batches[start:stop]
            start = stop

    def saw(self, steps: int, seconds: float) -> None:
        """So many steps took so long. Short calls are heard together: each has its fixed cost."""
        self.done += steps
        self.spent += seconds
        if 2 * self.done >= self.steps or self.spent >= PIECE_SECONDS:
            wanted = PIECE_SECONDS * self.done / max(self.spent, 1e-9)
            self.steps = max(1, int(min(wanted, GROWTH * self.steps)))
            self.done, self.spent = 0, 0.0
