"""How weights are updated from gradients.

In: weights, gradients and the rule's own state, as trees. Out: new weights and new state. A rule is
a frozen dataclass with ``init(params)`` and ``step(params, grads, state)`` in plain NumPy: used by
hand, or traced into the compiled epoch. Its learning rate may be a schedule.
"""

from deltarule.optim.descent import SGD, Lion, Rprop
from deltarule.optim.groups import grouped
from deltarule.optim.matrices import Muon
from deltarule.optim.moments import LAMB, Adam, AdamW, NAdam, RAdam
from deltarule.optim.plateau import OnPlateau, kept_at, plateaus, replaced
from deltarule.optim.quasi_newton import LBFGS
from deltarule.optim.rules import check_batches, optimizer_of, searches, settings
from deltarule.optim.scaled import Adadelta, Adagrad, RMSprop
from deltarule.optim.schedules import (
    CosineDecay,
    ExponentialDecay,
    InverseTimeDecay,
    OneCycle,
    PolynomialDecay,
    StepDecay,
    Warmup,
)
from deltarule.optim.wrappers import Accumulate, Averaged, Clip

__all__ = [
    "LAMB",
    "LBFGS",
    "SGD",
    "Accumulate",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Averaged",
    "Clip",
    "CosineDecay",
    "ExponentialDecay",
    "InverseTimeDecay",
    "Lion",
    "Muon",
    "NAdam",
    "OnPlateau",
    "OneCycle",
    "PolynomialDecay",
    "RAdam",
    "RMSprop",
    "Rprop",
    "StepDecay",
    "Warmup",
    "check_batches",
    "grouped",
    "kept_at",
    "optimizer_of",
    "plateaus",
    "replaced",
    "searches",
    "settings",
]
