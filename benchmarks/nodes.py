"""The cost of a node: `dr.grad` on a chain of 1,000 scalar operations, beside HIPS/autograd.

In: one function, in plain NumPy for us, in `autograd.numpy` for the peer. Out: microseconds a node of the
whole call (trace, backward, result), its ratio to the peer's, and what NumPy alone takes for the values.
"""

from __future__ import annotations

import statistics
from types import ModuleType
from typing import Any

import autograd
import autograd.numpy
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


def main(repeats: int = 41) -> None:
    """Check that both gradients agree, then measure by turns."""
    ours, peer, values = dr.grad(chain(np)), autograd.grad(chain(autograd.numpy)), chain(np)
    start = np.float64(START)
    gradients = float(ours(start)), float(peer(start))
    assert np.isclose(*gradients, rtol=1e-12), gradients
    runs = {
        "deltarule": lambda: ours(start),
        "autograd": lambda: peer(start),
        "numpy values only": lambda: values(start),
    }
    seconds = alternate(runs, repeats, warmup=3)
    micros = {name: statistics.median(times) / NODES * 1e6 for name, times in seconds.items()}
    ratio = paired_ratio(seconds["deltarule"], seconds["autograd"])
    print(f"{NODES} scalar operations, gradient {gradients[0]:.15g}, median of {repeats} turns")
    for name, cost in micros.items():
        print(f"{name:<20}{cost:>8.2f} us a node")
    print(f"deltarule / autograd{ratio:>8.2f}")
    result = {
        "nodes": NODES,
        "repeats": repeats,
        "gradient": gradients[0],
        "microseconds_per_node": micros,
        "ratio_to_autograd": ratio,
    }
    write("nodes", result, "autograd")


if __name__ == "__main__":
    main()
