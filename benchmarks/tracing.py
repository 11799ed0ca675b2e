"""Value and gradient of plain NumPy functions traced at every call, beside HIPS/autograd.

In: nothing. Out: how many times autograd's our time is, in three families, written to
`results/tracing.json`: the programs of examples/science as they stand ("in place") and in autograd's form
("functional"), and some sixty functions of one operation or two on 5 and on 1,000 numbers ("single"). One
thread, float64. Before anything is timed, both are checked to agree.
"""

from __future__ import annotations

import gc
import importlib
import json
import statistics
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from science import EXAMPLES, NAMES, flat, loop, peer_function

from measure import RESULTS, calls_by_turns, machine, paired_ratio, save
from process import alone

SIZES = (5, 1000)
FAMILIES = ("in place", "functional", "single")
Calls = dict[str, Callable[[], Any]]


def programs(family: str) -> dict[str, Calls]:
    """The programs of examples/science: ours in one of two forms, autograd's in its own."""
    import autograd
    import autograd.numpy as anp

    import deltarule as dr

    sys.path.insert(0, str(EXAMPLES))
    rows = {}
    for name in NAMES:
        ours, theirs = fresh(name), fresh(name)
        f = ours.loss if family == "in place" else peer_function(ours, name, np, loop(np))
        peer = peer_function(theirs, name, anp, loop(anp))
        rows[name] = pair(dr.value_and_grad(f), autograd.value_and_grad(peer), ours.arguments())
    return rows


def fresh(name: str) -> Any:
    """An example with names of its own."""
    sys.modules.pop(name, None)
    return importlib.import_module(name)


def singles() -> dict[str, Calls]:
    """Every single function at every size."""
    import autograd
    import autograd.numpy as anp
    import autograd.scipy.special
    import scipy.special

    import deltarule as dr

    from peers.single import argument, functions

    theirs = functions(anp, autograd.scipy.special)
    return {
        f"{name}, {size}": pair(
            dr.value_and_grad(f), autograd.value_and_grad(theirs[name]), (argument(name, size),)
        )
        for size in SIZES
        for name, f in functions(np, scipy.special).items()
        if name in theirs
    }


def pair(ours: Callable[..., Any], theirs: Callable[..., Any], given: tuple[Any, ...]) -> Calls:
    """The calls of a row."""
    return {"deltarule": lambda: ours(*given), "autograd": lambda: theirs(*given)}


def measured(name: str, calls: Calls, seconds: float, turns: int) -> dict[str, Any]:
    """Check that both agree, then measure by turns: microseconds a call, and the ratio."""
    found = [flat(call()) for call in calls.values()]
    np.testing.assert_allclose(*found, rtol=1e-7, atol=1e-9, err_msg=name)
    micros = calls_by_turns(calls, seconds, turns, 1e6)
    medians = {peer: statistics.median(times) for peer, times in micros.items()}
    return {"us": medians, "ratio": paired_ratio(micros["deltarule"], micros["autograd"])}


def family_rows(family: str) -> dict[str, Any]:
    """All rows of a family."""
    single = family == "single"
    chosen = singles() if single else programs(family)
    effort = (0.004, 9) if single else (0.1, 5)
    gc.freeze()  # collected between turns is only what the calls leave
    return {name: measured(name, calls, *effort) for name, calls in chosen.items()}


def show(family: str, rows: dict[str, Any]) -> float:
    """Print the ratios of a family, the worst first; its median."""
    worst = sorted(rows.items(), key=lambda row: -row[1]["ratio"])
    median = statistics.median(row["ratio"] for row in rows.values())
    print(f"{family}: median {median:.2f} of {len(rows)}")
    for name, row in worst[:10]:
        us = row["us"]
        print(f"  {name:<22}{us['deltarule']:>10.1f}{us['autograd']:>10.1f}{row['ratio']:>7.2f}")
    return median


def main() -> None:
    """Each family in a process of its own."""
    if sys.argv[1:2] == ["--rows"]:
        print(json.dumps(family_rows(sys.argv[2])))
        return
    found = {
        family: alone("tracing.py", "--rows", family, threads=1, double=True)
        for family in (sys.argv[1:] or FAMILIES)
    }
    medians = {family: show(family, rows) for family, rows in found.items()}
    if set(found) == set(FAMILIES):
        whole = {"machine": machine("autograd"), "median_ratio": medians, "families": found}
        save(RESULTS / "tracing.json", whole)


if __name__ == "__main__":
    main()
