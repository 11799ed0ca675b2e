"""Plain NumPy functions through `dr.compile`, beside `jax.jit` and NumPy by hand; and what a call costs.

In: nothing. Out: microseconds a call, in float64 on one thread, written to `results/functions.json`. Before
anything is timed, all gradients of a function are checked to agree.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from measure import RESULTS, calls_by_turns, keep_rows, summary
from process import alone
from show import console, table_of, tell_left_out

PACKAGES = ("jax", "jaxlib")
SECONDS = 0.1  # of calls of a function in one turn
TURNS = 9


@dataclass(frozen=True)
class Case:
    """One function: in NumPy's names for us and for JAX, its derivative by hand, its arguments.

    Attributes
    ----------
    function : callable
        (numpy or jax.numpy) -> the function.
    by_hand : callable
        The same results as the compiled one, in NumPy.
    derive : str
        ``value_and_grad``, ``grad``, or nothing for the function itself.
    """

    words: str
    function: Callable[[Any], Callable[..., Any]]
    by_hand: Callable[..., Any]
    derive: str
    arguments: tuple[Any, ...]


def rosenbrock(np: Any) -> Callable[..., Any]:
    """sum 100 (x[i+1] - x[i]^2)^2 + (1 - x[i])^2."""
    return lambda x: np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rosenbrock_by_hand(x: Any) -> tuple[Any, Any]:
    """Value and gradient."""
    head, bend, rest = x[:-1], x[1:] - x[:-1] ** 2, 1 - x[:-1]
    gradient = np.zeros_like(x)
    gradient[:-1] = -400 * head * bend - 2 * rest
    gradient[1:] += 200 * bend
    return np.sum(100 * bend**2 + rest**2), gradient


def logistic(np: Any) -> Callable[..., Any]:
    """Mean over rows of log(1 + exp(-t x w))."""
    return lambda w, x, t: np.mean(np.logaddexp(0, -t * (x @ w)))


def logistic_by_hand(w: Any, x: Any, t: Any) -> Any:
    """The gradient in w."""
    return -(t / (1 + np.exp(t * (x @ w)))) @ x / len(t)


def cases() -> dict[str, Case]:
    """The functions and their arguments."""
    rng = np.random.default_rng(0)
    x, w, rows = rng.normal(size=1000), rng.normal(size=50), rng.normal(size=(10_000, 50))
    signs = rng.choice([-1.0, 1.0], size=10_000)
    small = rng.normal(size=4), rng.normal(size=4)
    return {
        "rosenbrock": Case(
            "value and gradient, 1,000 dimensions",
            rosenbrock,
            rosenbrock_by_hand,
            "value_and_grad",
            (x,),
        ),
        "logistic": Case(
            "regression gradient, 10,000 x 50",
            logistic,
            logistic_by_hand,
            "grad",
            (w, rows, signs),
        ),
        "call": Case(
            "a + b of 4 numbers: the overhead",
            lambda np: lambda a, b: a + b,
            lambda a, b: a + b,
            "",
            small,
        ),
    }


def ours(case: Case) -> Callable[[], Any]:
    """A call through machine code."""
    import deltarule as dr

    f = case.function(np)
    compiled = dr.compile(getattr(dr, case.derive)(f) if case.derive else f)
    return lambda: compiled(*case.arguments)


def peer(case: Case) -> Callable[[], Any]:
    """A call through JAX, whose arguments are on its device already."""
    import jax

    f = case.function(jax.numpy)
    compiled = jax.jit(getattr(jax, case.derive)(f) if case.derive else f)
    arguments = [jax.numpy.asarray(x) for x in case.arguments]
    return lambda: jax.block_until_ready(compiled(*arguments))


def by_hand(case: Case) -> Callable[[], Any]:
    """A call of NumPy alone."""
    return lambda: case.by_hand(*case.arguments)


def row(case: Case) -> dict[str, Any]:
    """Check, then measure by turns."""
    makers = {"deltarule": ours, "jax-jit": peer, "numpy": by_hand}
    calls, left_out = {}, []
    for name, make in makers.items():
        try:
            calls[name] = make(case)
        except ImportError as error:
            left_out.append(f"{name}: {error}")
    wanted = flat(calls["numpy"]())
    for name, call in calls.items():
        np.testing.assert_allclose(flat(call()), wanted, rtol=1e-9, atol=1e-12, err_msg=name)
    micros = calls_by_turns(calls, SECONDS, TURNS, 1e6)
    result = summary(micros, "us a call")
    return {"job": case.words, "threads": 1, **result, "left_out": left_out}


def flat(found: Any) -> Any:
    """All numbers of a result."""
    parts = found if isinstance(found, tuple) else (found,)
    return np.concatenate([np.ravel(np.asarray(part)) for part in parts])


def main() -> None:
    """All functions, each in a process of its own."""
    if len(sys.argv) > 1:
        print(json.dumps(row(cases()[sys.argv[1]])))
        return
    rows = {name: alone("functions.py", name, threads=1, double=True) for name in cases()}
    console().print(table_of(rows, "microseconds a call, float64"))
    tell_left_out(rows)
    keep_rows(RESULTS / "functions.json", rows, *PACKAGES)


if __name__ == "__main__":
    main()
