"""One row of `steps.py`, in this process: `row.py JOB PEERS TURNS` prints it as JSON.

In: the name of a job, peers with commas between, turns. Out: microseconds a step of each, and the limit.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from deltarule.compile.peak import measured_peak

from jobs import JOBS, Job, data_of
from measure import alternate, once, summary
from peers import start
from process import kernels


def row(job: Job, peers: Sequence[str], turns: int) -> dict[str, Any]:
    """Train by turns; the first turn of each, which compiles, is kept apart."""
    threads = int(os.environ["DELTARULE_THREADS"])
    peak = measured_peak(job.dtype, threads)
    trainings, left_out = start(peers, job, *data_of(job))
    first = {name: once(training.run) for name, training in trainings.items()}
    runs = {name: training.run for name, training in trainings.items()}
    seconds = alternate(runs, turns, warmup=0)
    for training in trainings.values():
        training.stop()
    micros = {
        name: [1e6 * taken / trainings[name].steps for taken in each]
        for name, each in seconds.items()
    }
    return {
        "job": job.words,
        "threads": threads,
        **summary(micros, "us a step"),
        "limit": job.flops / peak * 1e6,
        "flops": job.flops,
        "peak": peak,
        "first_turn_seconds": first,
        "left_out": left_out,
        "kernels": kernels(),
    }


def main() -> None:
    """Measure the job that the command names."""
    name, peers, turns = sys.argv[1:]
    job = JOBS[name]
    print(json.dumps(row(job, peers.split(","), int(turns) or job.turns)))


if __name__ == "__main__":
    main()
