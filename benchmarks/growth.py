"""How the time of a step grows with batch, width and depth, on one thread and on all.

In: nothing, or `--draw` to draw the last results again. Out: `results/growth.json`, and its curves in
`docs/pictures/growth.png`. Each curve is a process of its own, the peers by turns at each of its points.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobs import Job
from measure import RESULTS, cores, keep_rows
from process import alone
from row import row
from show import counted, number

PEERS = ("deltarule", "jax-scan", "torch-fused")
PACKAGES = ("torch", "jax", "jaxlib")
BATCHES = (8, 32, 128, 512, 2048, 4096)
WIDTHS = (16, 64, 256, 1024, 2048, 4096)
DEPTHS = (2, 4, 8, 16, 32, 64)
TURN = 2e9  # flops of a turn, about
TURNS = 5
PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "growth.png"


def curves() -> dict[str, dict[int, Job]]:
    """The jobs of each curve, by the number that grows."""
    base = Job((784, 256, 128, 10), 64, 1, rate=1e-4, turns=TURNS)
    found = {
        "batch": {n: replace(base, batch=n) for n in BATCHES},
        "width": {n: replace(base, sizes=(64, n, n, 10)) for n in WIDTHS},
        "depth": {n: replace(base, sizes=(64, *[128] * n, 10)) for n in DEPTHS},
    }
    return {axis: {n: sized(job) for n, job in curve.items()} for axis, curve in found.items()}


def sized(job: Job) -> Job:
    """With as many steps as make a turn, and at least two, so that batches are shuffled."""
    return replace(job, steps=max(2, min(1024, int(TURN / job.flops))))


def curve(axis: str) -> dict[str, Any]:
    """All points of a curve, in this process."""
    rows = {}
    for n, job in curves()[axis].items():
        point = row(job, PEERS, job.turns)
        name = f"{axis} {n}, {counted(point['threads'])}"
        rows[name] = {**point, "axis": axis, "at": n}
        medians = (f"{peer} {number(median)}" for peer, median in point["median"].items())
        print(f"{name}: {', '.join(medians)} us a step", file=sys.stderr)
    return rows


def main() -> None:
    """Measure all curves, then draw them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("axes", nargs="*", help="of batch, width, depth; all")
    parser.add_argument(
        "--draw", action="store_true", help="draw what was measured, measure nothing"
    )
    parser.add_argument("--threads", default=f"1,{cores()}" if cores() > 1 else "1")
    parser.add_argument("--out", type=Path, default=RESULTS / "growth.json")
    parser.add_argument("--picture", type=Path, default=PICTURE)
    parser.add_argument("--curve", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.curve:
        print(json.dumps(curve(chosen.curve)))
        return
    if not chosen.draw:
        rows: dict[str, Any] = {}
        for threads in map(int, chosen.threads.split(",")):
            for axis in chosen.axes or curves():
                rows |= alone("growth.py", "--curve", axis, threads=threads)
        keep_rows(chosen.out, rows, *PACKAGES)
    from growth_picture import draw

    draw(json.loads(chosen.out.read_text(encoding="utf-8"))["rows"], chosen.picture)


if __name__ == "__main__":
    main()
