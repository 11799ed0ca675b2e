"""From a Python function to its derivatives: trace it, then walk its nodes back, forth, or in batches.

In: functions in plain NumPy over nested parameters. Out: functions that give gradients, Jacobians, products
with them, and closed graphs for the compiler.
"""

from deltarule.derive import functions
from deltarule.derive.batch import vmap
from deltarule.derive.check import check_grads
from deltarule.derive.control import cond, scan, while_loop
from deltarule.derive.custom import custom_vjp, stop_gradient, value
from deltarule.derive.differentiate import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from deltarule.derive.trace import Staged, stage

__all__ = [
    "Staged",
    "check_grads",
    "cond",
    "custom_vjp",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "scan",
    "stage",
    "stop_gradient",
    "value",
    "value_and_grad",
    "vjp",
    "vmap",
    "while_loop",
]
