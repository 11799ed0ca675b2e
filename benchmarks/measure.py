"""What the benchmarks share: alternating runs, medians, a description of the machine, a JSON file.

In: named functions of no arguments. Out: seconds for each run of each, and a file in `benchmarks/results/`.
"""

from __future__ import annotations

import datetime
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
ALWAYS = ("deltarule", "numpy", "llvmlite")


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


def calls_by_turns(
    calls: Mapping[str, Callable[[], Any]], seconds: float, turns: int, scale: float
) -> dict[str, list[float]]:
    """Time of a call of each, in 1/`scale` s, in turns of about so many seconds of calls."""
    counts = {
        name: max(1, int(seconds / min(once(call) for _ in range(5))))
        for name, call in calls.items()
    }
    runs = {name: repeated(call, counts[name]) for name, call in calls.items()}
    return {
        name: [scale * taken / counts[name] for taken in each]
        for name, each in alternate(runs, turns).items()
    }


def repeated(call: Callable[[], Any], count: int) -> Callable[[], None]:
    """Many calls as one run."""

    def run() -> None:
        for _ in range(count):
            call()

    return run


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


def summary(times: Mapping[str, list[float]], unit: str) -> dict[str, Any]:
    """Medians, ratios to deltarule taken within turns, and every turn, in a unit such as `us a step`."""
    ours = times.get("deltarule")
    ratios = {name: paired_ratio(each, ours) for name, each in times.items()} if ours else {}
    return {
        "unit": unit,
        "median": {name: statistics.median(each) for name, each in times.items()},
        "times_deltarule": ratios,
        "turns": {name: [float(f"{x:.5g}") for x in each] for name, each in times.items()},
    }


def machine(*packages: str) -> dict[str, Any]:
    """Python, processor, cores and the versions of the packages that were measured and are there."""
    words = processor_words()
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": words.get("model name", platform.processor()),
        "flags": words.get("flags", words.get("Features", "")),
        "cores": cores(),
        "backend": os.environ.get("DELTARULE_BACKEND", "llvm"),
        "versions": {
            name: found
            for name in dict.fromkeys((*ALWAYS, *packages))
            if (found := version(name)) is not None
        },
    }


def version(package: str) -> str | None:
    """The version of a package, where it is installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_words() -> dict[str, str]:
    """What the system tells of the first processor, where it does."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def write(name: str, result: Mapping[str, Any], *packages: str) -> None:
    """Write `result` and the machine to `benchmarks/results/NAME.json`."""
    RESULTS.mkdir(exist_ok=True)
    save(RESULTS / f"{name}.json", {"machine": machine(*packages), **result})


def save(path: Path, result: Mapping[str, Any]) -> None:
    """Write a JSON file, and say where."""
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"written to {os.path.relpath(path)}")


def keep_rows(path: Path, rows: Mapping[str, Any], *packages: str) -> None:
    """Write rows to a file; rows of other names that the same machine measured stay there."""
    here = machine(*packages)
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    stay = before.get("rows", {}) if same(before.get("machine", {}), here) else {}
    save(path, {"machine": here, "rows": {**stay, **rows}})


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two descriptions differ in nothing but the date."""
    return {**one, "date": ""} == {**other, "date": ""}
