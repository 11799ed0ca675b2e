"""The front door, ``dr.explain``: what it takes is told apart, and the work is imported when it is called.

In: a network and rows, or a function and its arguments. Out: ``Worked``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deltarule.explain.record import Worked


def explain(
    net: Any,
    *args: Any,
    loss: Any = "half_squared_error",
    optimizer: Any = None,
    steps: int = 1,
    seed: int = 0,
) -> Worked:
    """Every number of a training step, with its formula."""
    from deltarule.explain.working import work_network
    from deltarule.optim import SGD

    x, y = args
    return work_network(net, x, y, loss, SGD(0.1) if optimizer is None else optimizer, steps, seed)
