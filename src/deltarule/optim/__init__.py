"""How weights are updated from gradients.

In: weights, gradients and the rule's own state, as trees. Out: new weights and new state. A rule is
a frozen dataclass with ``init(params)`` and ``step(params, grads, state)`` in plain NumPy: used by
hand, or traced into the compiled epoch.
"""

from deltarule.optim.rules import SGD, Adam, Optimizer, optimizer_of, settings

__all__ = ["SGD", "Adam", "Optimizer", "optimizer_of", "settings"]
