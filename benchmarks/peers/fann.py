"""FANN, a library in C, through a driver that the machine's compiler makes when it is first wanted.

Its rows stay in place: there is no shuffle and no gather in its time. It takes jobs of tanh whose data repeat
one batch.
"""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from . import NotForThisJob, Training
from jobs import Job


def training(job: Job, X: Any, y: Any) -> Training:
    """Steps on the first batch."""
    if job.targets != "xor":
        raise NotForThisJob("it is asked for exclusive or only")
    library = driver()
    x, t = (np.ascontiguousarray(part[: job.batch], np.float32) for part in (X, y))
    sizes = (ctypes.c_uint * len(job.sizes))(*job.sizes)
    rate = ctypes.c_float(job.rate)
    if library.start(len(sizes), sizes, job.batch, address(x), address(t), rate):
        raise NotForThisJob("fann_create_standard_array failed")
    steps = job.steps * job.epochs
    errors = np.empty(steps, np.float32)
    return Training(lambda: library.run(steps, address(errors)), steps)


def address(array: Any) -> ctypes.c_void_p:
    """Where an array lies."""
    return ctypes.c_void_p(array.ctypes.data)


@cache
def driver() -> ctypes.CDLL:
    """The compiled driver."""
    folder = tempfile.mkdtemp(prefix="fann-")
    path = Path(folder) / "driver.so"
    source = Path(__file__).with_name("fann.c")
    command = ["cc", "-O3", "-march=native", "-shared", "-fPIC", str(source), "-o", str(path)]
    try:
        made = subprocess.run(
            [*command, "-lfloatfann", "-lm"], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise NotForThisJob(f"no C compiler ({error})") from error
    if made.returncode:
        raise NotForThisJob("not installed (on Debian or Ubuntu: apt install libfann-dev)")
    return ctypes.CDLL(str(path))
