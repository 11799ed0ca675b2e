"""How long it takes until the first epoch is trained, in a fresh process, and the most memory it took.

In: names of jobs; `tiny` and `mnist` by default. Out: seconds from after the import of a peer to the end of
its first epoch, with an empty and with a filled cache of machine code, written to `results/first_call.json`.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobs import JOBS
from measure import RESULTS, cores, keep_rows, once
from peers import PEERS, NotForThisJob, begin
from process import alone
from show import console, table_of, tell_left_out

MODULES = {"sklearn": "sklearn.neural_network", "numpy": "numpy", "fann": "ctypes"}
USUAL = ("deltarule", "sklearn", "torch", "jax-jit", "jax-scan")
PACKAGES = ("scikit-learn", "torch", "jax", "jaxlib")
FIGURES = {
    "cold": "s, first epoch with nothing cached",
    "warm": "s, first epoch with machine code cached",
    "import": "s, import",
    "memory": "MiB, most memory of the process after one epoch",
}


def once_here(name: str, peer: str) -> dict[str, Any]:
    """Import a peer and train one epoch in this process; or say why it cannot."""
    try:
        return first_epoch(name, peer)
    except (ImportError, NotForThisJob) as error:
        return {"left_out": f"{peer}: {error}"}


def first_epoch(name: str, peer: str) -> dict[str, float]:
    """Seconds of the import and of the first epoch, and the most memory."""
    from jobs import data_of

    job = replace(JOBS[name], drawn=0)
    X, y = data_of(job)
    imported = once(lambda: __import__(MODULES.get(peer, peer.partition("-")[0])))
    start = time.perf_counter()
    begin(peer, job, X, y).run()
    seconds = time.perf_counter() - start
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"import": imported, "first": seconds, "memory": kib / 1024}


def measure(name: str, peer: str, threads: int, repeats: int) -> dict[str, Any]:
    """Medians over pairs of fresh processes, of which the first fills a cache and the second finds it."""
    double = JOBS[name].dtype == "float64"
    found: dict[str, list[float]] = {figure: [] for figure in FIGURES}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as cache:
            variables = {
                "DELTARULE_CACHE": cache,
                "JAX_COMPILATION_CACHE_DIR": cache,
                "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
                "TORCHINDUCTOR_CACHE_DIR": cache,
            }
            process = {"threads": threads, "double": double, "variables": variables}
            cold, warm = (alone("first_call.py", "--once", peer, name, **process) for _ in "ab")
        if "left_out" in cold:
            return cold
        for figure, value in {
            "cold": cold["first"],
            "warm": warm["first"],
            "import": cold["import"],
            "memory": cold["memory"],
        }.items():
            found[figure].append(value)
    return {figure: statistics.median(values) for figure, values in found.items()}


def rows_of(name: str, peers: list[str], threads: int, repeats: int) -> dict[str, Any]:
    """A row a figure, a column a peer."""
    found = {peer: measure(name, peer, threads, repeats) for peer in peers}
    left_out = [found.pop(peer)["left_out"] for peer in peers if "left_out" in found[peer]]
    rows = {}
    for figure, unit in FIGURES.items():
        median = {peer: values[figure] for peer, values in found.items()}
        ours = median.get("deltarule")
        ratios = {peer: value / ours for peer, value in median.items()} if ours else {}
        words = {"job": unit, "threads": threads, "unit": unit, "left_out": left_out}
        rows[f"{name}, {figure}"] = {**words, "median": median, "times_deltarule": ratios}
    return rows


def main() -> None:
    """All peers that are installed, one fresh process after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", nargs="*", default=["tiny", "mnist"])
    parser.add_argument("--peers", default=",".join(USUAL), help=f"of {', '.join(PEERS)}")
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--repeats", type=int, default=3, help="fresh caches of each")
    parser.add_argument("--out", type=Path, default=RESULTS / "first_call.json")
    parser.add_argument("--once", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.once:
        print(json.dumps(once_here(chosen.jobs[0], chosen.once)))
        return
    rows = {}
    for name in chosen.jobs:
        rows |= rows_of(name, chosen.peers.split(","), chosen.threads, chosen.repeats)
    console().print(table_of(rows, "the first epoch in a fresh process"))
    tell_left_out(rows)
    keep_rows(chosen.out, rows, *PACKAGES)


if __name__ == "__main__":
    main()
