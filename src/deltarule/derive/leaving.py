"""What is said where a number would leave a trace: the cure for the call that asks for it.

In: the user's line that is running. Out: the name of the function that is called there, and what to write in
its place.
"""

from __future__ import annotations

import dis
import math
import sys
from types import FrameType

import numpy as np

from deltarule.derive.creation import INTERNAL, callee

MADE_INSIDE = (
    "Make the array that you write to inside the function (np.zeros, np.array or np.copy), make a list that "
    "you hand over an array"
)
OTHERWISE = f"{MADE_INSIDE}, use np functions instead of math ones"
MASKED = "Leave it a plain array, np.where(mask, 0, x): a masked one has no gradient"
PLAIN = "Leave it a plain array, for which @ is the product of matrices"
INSTEAD = {
    "float": "Leave float() out: operators and np functions take x itself",
    "int": "Write int(np.floor(x)), whose derivative is 0 as that of any step",
    "float64": "Write x.astype(np.float64)",
    "float32": "Write x.astype(np.float32)",
    "array": MASKED,
    "masked_array": MASKED,
    "masked_where": MASKED,
    "matrix": PLAIN,
    "asmatrix": PLAIN,
    "fsum": "Write np.sum",
    "dist": "Write np.linalg.norm",
    "pow": "Write x ** y",
    "gamma": "Write scipy.special.gamma",
    "lgamma": "Write scipy.special.gammaln",
    "erf": "Write scipy.special.erf",
    "erfc": "Write scipy.special.erfc",
    "fromiter": "Write np.array(list(...))",
} | {
    name: "Write x[rng.permutation(len(x))]"
    for name in ("permutation", "permuted", "shuffle", "choice")
}
RANDOM = "Draw without parameters, then shift and scale: loc + scale * rng.standard_normal(size)"


def called() -> str | None:
    """The function that the user's innermost line calls; None where it does not call one."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and INTERNAL[frame.f_code.co_filename]:
        frame = frame.f_back
    if frame is None:
        return None
    code, at = frame.f_code, frame.f_lasti
    running = dis.opname[code.co_code[at]]
    return callee(code, at) if running.startswith("CALL") or running == "CACHE" else None


def cure(name: str | None, use: str) -> str:
    """What to write where a number is asked for by a function of that name, or by an assignment."""
    if name is None:
        return MADE_INSIDE
    if name in INSTEAD:
        return INSTEAD[name]
    if use == "np.asarray" and (name in ("reduce", "accumulate") or hasattr(np, name)):
        return f"Make a list that you hand over an array, {name}(np.array([...]))"
    other = name.replace("a", "arc", 1) if hasattr(np, name.replace("a", "arc", 1)) else name
    if hasattr(math, name) and hasattr(np, other):
        return f"Write np.{other}"
    return RANDOM if hasattr(np.random.Generator, name) else OTHERWISE
