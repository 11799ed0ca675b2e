"""The cost of a node: `dr.grad` on a chain of 1,000 scalar operations, beside HIPS/autograd.

In: one function, in plain NumPy for us, in `autograd.numpy` for the peer. Out: microseconds a node of the
whole call (trace, backward, result), its ratio to the peer's, and what NumPy alone takes for the values.
"""

from __future__ import annotations

import statistics
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

import deltarule as dr

from measure import alternate, paired_ratio, write

ROUNDS = 200
NODES = 5 * ROUNDS
START = 0.5


def chain(numpy: ModuleType) -> Any:
    """Five operations a round; each value is used again, so that gradients add up on the way back."""

    def function(x: Any) -> Any:
        for _ in range(ROUNDS):
            bent = numpy.tanh(numpy.sin(x))
            x = x + 0.01 * numpy.exp(bent)
        return x

    return function


def peers() -> dict[str, Any]:
    """The gradient of the peer, where it is installed."""
    try:
        import autograd
        import autograd.numpy
    except ImportError as error:
        print(f"left out: autograd ({error})")
        return {}
    return {"autograd": autograd.grad(chain(autograd.numpy))}


def main(repeats: int = 41) -> None:
    """Check that the gradients agree, then measure by turns."""
    start = np.float64(START)
    gradients = {"deltarule": dr.grad(chain(np)), **peers()}
    found = {name: float(gradient(start)) for name, gradient in gradients.items()}
    np.testing.assert_allclose([*found.values()], found["deltarule"], rtol=1e-12)
    functions = {**gradients, "numpy values only": chain(np)}
    runs = {name: partial(function, start) for name, function in functions.items()}
    seconds = alternate(runs, repeats, warmup=3)
    micros = {name: statistics.median(times) / NODES * 1e6 for name, times in seconds.items()}
    print(
        f"{NODES} scalar operations, gradient {found['deltarule']:.15g}, median of {repeats} turns"
    )
    for name, cost in micros.items():
        print(f"{name:<20}{cost:>8.2f} us a node")
    result = {
        "nodes": NODES,
        "repeats": repeats,
        "gradient": found["deltarule"],
        "microseconds_per_node": micros,
    }
    if "autograd" in seconds:
        ratio = result["ratio_to_autograd"] = paired_ratio(
            seconds["deltarule"], seconds["autograd"]
        )
        print(f"deltarule / autograd{ratio:>8.2f}")
    write("nodes", result, "autograd")


if __name__ == "__main__":
    main()
