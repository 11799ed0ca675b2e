"""What the benchmarks share: alternating runs, medians, a description of the machine, a JSON file.

In: named functions of no arguments. Out: seconds for each run of each, and a file in `benchmarks/results/`.
"""

from __future__ import annotations

import gc
import importlib.metadata
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def alternate(
    runs: Mapping[str, Callable[[], Any]], repeats: int, warmup: int = 1
) -> dict[str, list[float]]:
    """Time each function `repeats` times, by turns, so that a slow minute meets all of them.

    The order turns round every time, and garbage is collected between runs, never inside one.
    """
    for run in [*runs.values()] * warmup:
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    names = list(runs)
    for _ in range(repeats):
        for name in names:
            seconds[name].append(once(runs[name]))
        names.reverse()
    return seconds


def once(run: Callable[[], Any]) -> float:
    """The seconds of one run, with the garbage collector at rest."""
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        run()
        return time.perf_counter() - start
    finally:
        gc.enable()


def paired_ratio(ours: list[float], peer: list[float]) -> float:
    """The median over turns of ours / peer, each pair taken within one turn."""
    return statistics.median(a / b for a, b in zip(ours, peer, strict=True))


def machine(*packages: str) -> dict[str, Any]:
    """Python, processor, cores and the versions of the packages that were measured."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "backend": os.environ.get("DELTARULE_BACKEND", "llvm"),
        "versions": {name: importlib.metadata.version(name) for name in ("numpy", *packages)},
    }


def processor() -> str:
    """The processor's own name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def write(name: str, result: Mapping[str, Any], *packages: str) -> None:
    """Write `result` and the machine to `benchmarks/results/NAME.json`."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"machine": machine("deltarule", *packages), **result}, indent=2)
    path = RESULTS / f"{name}.json"
    path.write_text(text + "\n", encoding="utf-8")
    print(f"written to {os.path.relpath(path)}")
