"""Value and gradient of the functions in examples/science, beside HIPS/autograd and JAX.

In: nothing. Out: milliseconds a call in float64 on one thread, written to `results/science.json`. We run the
examples as they stand, traced anew at each call ("traced") and as machine code ("deltarule"); the peers
run them without in-place writing, JAX with its scan for loops. Before anything is timed, all are checked
to agree.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from measure import RESULTS, calls_by_turns, keep_rows, summary
from process import alone
from show import console, table_of, tell_left_out

PACKAGES = ("jax", "jaxlib", "autograd")
EXAMPLES = Path(__file__).parents[1] / "examples" / "science"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))
SECONDS = 0.1  # of calls in one turn
TURNS = 7


def traced(example: Any, name: str) -> Callable[..., Any]:
    """Ours, traced at every call."""
    import deltarule as dr

    return dr.value_and_grad(example.loss)


def compiled(example: Any, name: str) -> Callable[..., Any]:
    """Ours, as machine code."""
    import deltarule as dr

    return dr.compile(dr.value_and_grad(example.loss))


def loop(np: Any) -> Callable[..., Any]:
    """A Python loop in the form of a scan."""

    def scan(step: Any, state: Any, rows: Any) -> Any:
        found = []
        for row in rows:
            state, y = step(state, row)
            found.append(y)
        return state, np.stack(found) if np.ndim(found[0]) else np.array(found)

    return scan


def autograd(example: Any, name: str) -> Callable[..., Any]:
    """HIPS/autograd."""
    import autograd.numpy as anp
    from autograd import value_and_grad

    return value_and_grad(peer_function(example, name, anp, loop(anp)))  # type: ignore[no-any-return]


def jax(example: Any, name: str) -> Callable[..., Any]:
    """JAX, compiled."""
    import jax

    f = peer_function(example, name, jax.numpy, jax.lax.scan)
    run = jax.jit(jax.value_and_grad(f))
    return lambda *given: jax.block_until_ready(run(*given))


def peer_function(example: Any, name: str, library: Any, scan: Any) -> Any:
    """The function with a library's names; the example itself where nothing is written in place."""
    from peers.science import FUNCTIONS

    if name in FUNCTIONS:
        return FUNCTIONS[name](library, scan)
    example.np = library
    return example.loss


MAKERS = {"deltarule": compiled, "jax-scan": jax, "traced": traced, "autograd": autograd}


def row(name: str) -> dict[str, Any]:
    """Check, then measure by turns."""
    sys.path.insert(0, str(EXAMPLES))
    calls: dict[str, Callable[[], Any]] = {}
    left_out, first = [], {}
    for peer, make in MAKERS.items():
        sys.modules.pop(name, None)
        example = importlib.import_module(name)  # each with names of its own
        given = example.arguments()
        try:
            f = make(example, name)
        except ImportError as error:
            left_out.append(f"{peer}: {error}")
            continue
        calls[peer] = lambda f=f, given=given: f(*given)
        start = time.perf_counter()
        calls[peer]()
        first[peer] = time.perf_counter() - start
    wanted = flat(calls["traced"]())
    for peer, call in calls.items():
        np.testing.assert_allclose(flat(call()), wanted, rtol=1e-7, atol=1e-9, err_msg=peer)
    millis = calls_by_turns(calls, SECONDS, TURNS, 1e3)
    result = summary(millis, "ms a call")
    words = (sys.modules[name].__doc__ or "").split(":")[0].strip()
    return {"job": words, "threads": 1, **result, "first_call_s": first, "left_out": left_out}


def flat(found: Any) -> Any:
    """All numbers of a value and its gradient, by name."""
    value, gradient = found
    parts = (
        [gradient[key] for key in sorted(gradient)] if isinstance(gradient, dict) else [gradient]
    )
    return np.concatenate([np.ravel(np.asarray(part)) for part in (value, *parts)])


def main() -> None:
    """All functions, each in a process of its own."""
    if len(sys.argv) > 1:
        print(json.dumps(row(sys.argv[1])))
        return
    rows = {name: alone("science.py", name, threads=1, double=True) for name in NAMES}
    console().print(table_of(rows, "milliseconds for value and gradient, float64"))
    tell_left_out(rows)
    keep_rows(RESULTS / "science.json", rows, *PACKAGES)


if __name__ == "__main__":
    main()
