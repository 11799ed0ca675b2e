"""Learning rates that a figure of the training moves, between epochs.

In: a rule, the figures of an epoch. Out: the carry with the rates of the next one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.derive.tree import tree_map
from deltarule.optim import OnPlateau, kept_at, plateaus, replaced
from deltarule.train.epoch import Carry
from deltarule.train.figures import check_recorded, direction


class Plateaus:
    """Those of one rule.

    Parameters
    ----------
    rule : rule
        With others inside it, perhaps.
    """

    def __init__(self, rule: Any) -> None:
        self.places = tuple(plateaus(rule))

    def check(self, figures: tuple[str, ...]) -> None:
        """Raise before the first epoch where a figure is not recorded."""
        for plateau, _ in self.places:
            check_recorded("OnPlateau watches", plateau.monitor, figures)
            more_is_better(plateau)

    def rate(self, carry: Carry) -> dict[str, float]:
        """The learning rate, for the history: the outermost of several."""
        if not self.places:
            return {}
        return {
            "learning_rate": float(kept_at(carry.opt_state, self.places[0][1])["plateau"]["rate"])
        }

    def moved(self, carry: Carry, logs: dict[str, float]) -> Carry:
        """The carry after an epoch with these figures."""
        state = carry.opt_state
        for plateau, path in self.places:
            value = logs[plateau.monitor]
            new = plateau.seen(kept_at(state, path), value, more_is_better(plateau))
            state = replaced(state, path, tree_map(np.asarray, new))
        return Carry(carry.params, carry.state, state, carry.count)


def more_is_better(plateau: OnPlateau) -> bool:
    """Whether the figure should grow."""
    return direction("OnPlateau", plateau.monitor, plateau.mode) == "max"
