"""What a rule that searches remembers of the loss, where a run goes on: true for these rows, or forgotten.

In: the carry of the run before, and the data of this one. Out: the carry to start from.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.nn import Loss, Module
from deltarule.nn.tuning import Tunings
from deltarule.train.epoch import Carry
from deltarule.train.prepare import Data

ROUNDING = 1e3  # machine epsilons by which the same loss may differ


def recalled(net: Module, loss: Loss, rule: Any, data: Data, carry: Carry, key: Any) -> Carry:
    """The carry; without the loss of the last weights where that is another on these rows."""
    tuned, (inputs, targets) = Tunings.of(net), data.trained()
    given = {"key": key, "step": carry.count}
    with np.errstate(all="ignore"):
        penalties = tuned.penalties(tuned.trained(carry.params))
        outputs, _ = net.apply(
            carry.params, carry.state, inputs, train=True, penalties=penalties, **given
        )
        value = float(sum(penalties, loss(outputs, targets, data.trained_weight)))
    known = float(carry.opt_state["value"])
    if abs(value - known) <= ROUNDING * np.finfo(net.dtype).eps * max(abs(known), abs(value)):
        return carry
    return Carry(carry.params, carry.state, rule.forgetting(carry.opt_state), carry.count)
