"""How weights are updated from gradients.

In: weights, gradients, state. Out: new weights, new state: ``init`` and ``step`` of each rule, by hand or inside the compiled epoch.
"""

from deltarule.optim.rules import SGD, Adam, Optimizer, optimizer_of, settings

__all__ = ["SGD", "Adam", "Optimizer", "optimizer_of", "settings"]
