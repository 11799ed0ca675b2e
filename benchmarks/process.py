"""A measurement in a process of its own, with as many threads and cores for every peer.

In: a script, its arguments, a number of threads. Out: what the script printed as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
THREADS = ("DELTARULE_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # would pin the peers to another kernel
NOTHING: Mapping[str, str] = {}


def environment(threads: int, double: bool = False) -> dict[str, str]:
    """The variables of a fair process: threads for all, no kernel pinned, JAX on the CPU."""
    kept = {name: value for name, value in os.environ.items() if name not in UNSET}
    kept.update(dict.fromkeys(THREADS, str(threads)))
    return {**kept, "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": str(int(double))}


def pin(threads: int) -> Callable[[], None] | None:
    """What keeps a process to the first so many cores: JAX asks for no number of threads."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    chosen = sorted(os.sched_getaffinity(0))[:threads]
    return lambda: os.sched_setaffinity(0, chosen)


def alone(
    script: str,
    *arguments: Any,
    threads: int,
    double: bool = False,
    variables: Mapping[str, str] = NOTHING,
) -> Any:
    """Run a script of this folder; the value of the last line that it prints."""
    done = subprocess.run(
        [sys.executable, HERE / script, *map(str, arguments)],
        env={**environment(threads, double), **variables},
        preexec_fn=pin(threads),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{script} {' '.join(map(str, arguments))} ended with {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def kernels() -> list[str]:
    """The BLAS that NumPy and SciPy run in this process, where threadpoolctl is there to tell."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return []
    pools = (pool for pool in threadpool_info() if pool["user_api"] == "blas")
    words = ("internal_api", "version", "architecture", "num_threads")
    return sorted({" ".join(str(pool[word]) for word in words if word in pool) for pool in pools})
