"""What commands print with ``--json``: the same results as data, under keys that stay.

In: what a command found out. Out: one JSON object on standard output. Numbers are numbers; what is not
finite, or does not apply, is null.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltarule.train.record import strict

if TYPE_CHECKING:
    from deltarule.compile.profile import Profile
    from deltarule.explain.record import Worked
    from deltarule.explain.verify import Verdict
    from deltarule.train.table import Evaluation, Predictions, TrainedTable


def print_json(data: Mapping[str, Any]) -> None:
    """Print one JSON object."""
    print(json.dumps(strict(data), indent=2, ensure_ascii=False, allow_nan=False))


def of_training(found: TrainedTable, saved: Path, plot: Path | None) -> dict[str, Any]:
    """``deltarule train``."""
    scores, run = found.scores, found.run
    return {
        "model": str(saved),
        "plot": None if plot is None else str(plot),
        "target": found.preprocessor.target.name,
        "task": found.preprocessor.task,
        "inputs": len(found.preprocessor.feature_names),
        "rows": dict(zip(("train", "validation", "test"), found.rows, strict=True)),
        "seed": run.seed,
        "epochs": run.epochs,
        "best_epoch": run.best["epoch"] if run.epochs else None,
        "stopped": run.stopped,
        "seconds": run.seconds,
        "metric": found.metric.lower(),
        "scores": scores and scores.network,
        "baseline": scores and scores.baseline,
        "before": found.before and found.before.network,
        "notes": found.notes,
    }


def of_evaluation(found: Evaluation) -> dict[str, Any]:
    """``deltarule evaluate``."""
    return {
        "target": found.target,
        "rows": found.rows,
        "metric": found.metric.lower(),
        "scores": found.scores.network,
        "baseline": found.scores.baseline,
        "notes": found.notes,
    }


def of_predictions(found: Predictions, saved: Path | None) -> dict[str, Any]:
    """``deltarule predict``."""
    sure = found.probabilities
    return {
        "target": found.target,
        "rows": len(found.values),
        "predictions": found.values.tolist(),
        "probabilities": None if sure is None else sure.tolist(),
        "out": None if saved is None else str(saved),
        "notes": found.notes,
    }


def of_profile(found: Profile, top: int) -> dict[str, Any]:
    """``deltarule profile``."""
    return {
        "seconds": found.seconds,
        "threads": found.threads,
        "peak_flops_a_second": found.peak,
        "kernels": [
            {
                "kind": row.kind,
                "operations": row.operations,
                "places": row.places,
                "calls": row.calls,
                "seconds": row.seconds,
                "flops": row.flops,
                "bytes": row.nbytes,
                "share_of_peak": row.peak,
            }
            for row in found.rows[:top]
        ],
    }


def of_worked(found: Worked) -> dict[str, Any]:
    """``deltarule explain``: the exact value of each quantity; ``name@2`` is that of the second step."""
    values = {name: getattr(x, "tolist", lambda x=x: x)() for name, x in found.values.items()}
    return {
        "title": found.title,
        "steps": len(found.steps),
        "learning_rate": found.rate,
        "values": values,
        "remarks": found.remarks,
    }


def of_verdict(found: Verdict) -> dict[str, Any]:
    """``deltarule verify``."""
    first = found.first_wrong
    return {
        "title": found.title,
        "code": found.code,
        "first_wrong": first and first.line.number,
        "lines": [
            {
                "line": finding.line.number,
                "text": finding.line.text,
                "name": finding.name,
                "status": finding.status,
                "claimed": finding.claimed,
                "exact": finding.exact,
                "should_be": finding.here,
                "mistake": finding.kind or None,
                "reasons": [reason.words for reason in finding.reasons],
                "follows_from": sorted(finding.origins),
            }
            for finding in found.findings
        ],
        "problems": [{"what": problem.what, "cure": problem.cure} for problem in found.problems],
        "notes": found.notes,
    }
