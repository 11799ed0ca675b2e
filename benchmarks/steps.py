"""What a training step takes, beside scikit-learn, PyTorch, JAX and the limit of this machine.

In: names of jobs, or none for all. Out: a table of microseconds a step, and rows in `results/steps.json`.
Shuffle, gather and the record of the loss are part of every time. Each job runs in a process of its own, its
peers by turns.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from jobs import JOBS
from measure import RESULTS, cores, keep_rows
from peers import PEERS, USUAL
from process import alone
from show import console, table_of, tell_left_out

PACKAGES = ("scikit-learn", "scipy", "torch", "jax", "jaxlib", "threadpoolctl")


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=", ".join(JOBS))
    parser.add_argument("--threads", type=int, default=cores(), help="of every peer; all cores")
    parser.add_argument("--peers", default=",".join(USUAL), help=f"of {', '.join(PEERS)}")
    parser.add_argument(
        "--turns", type=int, default=0, help="measurements of each; as the job says"
    )
    parser.add_argument("--out", type=Path, default=RESULTS / "steps.json", help="JSON to add to")
    chosen = parser.parse_args()
    check(parser, "job", chosen.jobs, JOBS)
    check(parser, "peer", chosen.peers.split(","), PEERS)
    return chosen


def check(parser: argparse.ArgumentParser, kind: str, given: list[str], known: Any) -> None:
    """End with a message where a name is not known."""
    for name in given:
        if name not in known:
            parser.error(f"there is no {kind} {name!r}; there are {', '.join(known)}")


def main() -> None:
    """Measure the jobs one after the other."""
    chosen = arguments()
    peers = list(dict.fromkeys(["deltarule", *chosen.peers.split(",")]))
    rows = {}
    for name in chosen.jobs or JOBS:
        job = JOBS[name]
        threads = min(job.threads or chosen.threads, chosen.threads)
        double = job.dtype == "float64"
        row = alone("row.py", name, ",".join(peers), chosen.turns, threads=threads, double=double)
        rows[f"{name}, {threads} threads" if threads != cores() and not job.threads else name] = row
        console().print(table_of({name: row}, "microseconds a step"))
    tell_left_out(rows)
    keep_rows(chosen.out, rows, *PACKAGES)


if __name__ == "__main__":
    main()
