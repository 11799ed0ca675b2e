"""What trains the same network, one peer a file.

In: a ``Job`` and its data. Out: ``Training``: a function that goes on training for one turn. A peer that is
not installed, or that does not do a job, is left out, and that is said.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jobs import Job

PEERS = {  # name: file, function
    "deltarule": ("ours", "training"),
    "sklearn": ("scikit_learn", "training"),
    "torch": ("pytorch", "eager"),
    "torch-fused": ("pytorch", "fused"),
    "torch-compile": ("pytorch", "compiled"),
    "jax-jit": ("jax_loops", "jit"),
    "jax-scan": ("jax_loops", "scan"),
    "numpy": ("by_hand", "training"),
    "fann": ("fann", "training"),
}
USUAL = tuple(name for name in PEERS if name != "torch-compile")  # which takes long to start


@dataclass(frozen=True)
class Training:
    """A training that goes on for ``steps`` steps at each call of ``run``, until ``stop`` is called."""

    run: Callable[[], Any]
    steps: int
    stop: Callable[[], Any] = lambda: None


class NotForThisJob(Exception):
    """The peer does not do this job; the message says why."""


def start(names: Sequence[str], job: Job, X: Any, y: Any) -> tuple[dict[str, Training], list[str]]:
    """The trainings of the peers that can, and a sentence on each that cannot."""
    found, missing = {}, []
    for name in names:
        try:
            found[name] = begin(name, job, X, y)
        except (ImportError, NotForThisJob) as error:
            missing.append(f"{name}: {error}")
    return found, missing


def begin(name: str, job: Job, X: Any, y: Any) -> Training:
    """The training of one peer, whose package is imported here and not before."""
    file, function = PEERS[name]
    training: Training = getattr(importlib.import_module(f"peers.{file}"), function)(job, X, y)
    return training
