"""Two networks trained on the same split, by turns: quality and seconds of both.

In: two functions of (data, seed) that train and return a score. Out: a printed table and a JSON file.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from measure import once, paired_ratio, write

Trainer = Callable[[Any, int], float]


def report(
    name: str,
    measure: str,
    data: Any,
    ours: Trainer,
    theirs: Trainer,
    baseline: float,
    settings: dict[str, Any],
    seeds: int = 5,
) -> None:
    """Train both for each seed, print medians beside the baseline, write `results/NAME.json`.

    The very first run of ours is kept apart: it includes what compiling costs.
    """
    trainers = {"deltarule": ours, "scikit-learn": theirs}
    first = {peer: timed(train, data, seed=0)[1] for peer, train in trainers.items()}
    scores: dict[str, list[float]] = {peer: [] for peer in trainers}
    seconds: dict[str, list[float]] = {peer: [] for peer in trainers}
    order = list(trainers)
    for seed in range(seeds):
        for peer in order:
            score, taken = timed(trainers[peer], data, seed)
            scores[peer].append(score)
            seconds[peer].append(taken)
        order.reverse()
    score_medians = {peer: statistics.median(values) for peer, values in scores.items()}
    second_medians = {peer: statistics.median(values) for peer, values in seconds.items()}
    ratio = paired_ratio(seconds["deltarule"], seconds["scikit-learn"])
    print(f"{name}: {settings}, median of {seeds} seeds")
    print(f"{'':<14}{measure:>14}{'seconds':>10}{'first run':>12}")
    print(f"{'baseline':<14}{baseline:>14.6g}")
    for peer in trainers:
        print(
            f"{peer:<14}{score_medians[peer]:>14.6g}{second_medians[peer]:>10.3f}{first[peer]:>12.3f}"
        )
    print(f"seconds, deltarule / scikit-learn: {ratio:.2f}")
    result = {
        "settings": settings,
        "seeds": seeds,
        "baseline": baseline,
        measure: {"median": score_medians, "each": scores},
        "seconds": {"median": second_medians, "first_run": first},
        "ratio_of_seconds": ratio,
    }
    write(name, result, "scikit-learn")


def timed(train: Trainer, data: Any, seed: int) -> tuple[float, float]:
    """The score of one training and its seconds."""
    scores: list[float] = []
    taken = once(lambda: scores.append(train(data, seed)))
    return scores[0], taken
