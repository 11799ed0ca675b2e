"""Simulated students: right calculations raise no alarm, a planted slip is found in its line and called by
its kind.

In: seeds of `verify_students`, which computes in plain floats and knows nothing of the library's
formulas. Out: rates; a single false alarm is a failure.
"""

from __future__ import annotations

import pytest

from deltarule.explain.verify import verify
from verify_students import example_of, student

# words for one and the same thing: all weights of another neuron are its whole value
ALIKE = {
    "wrong weight used": {"wrong neuron's value used", "another quantity's value"},
    "wrong neuron's value used": {"wrong weight used"},
    "wrong target used": {"number copied wrongly"},
}


@pytest.mark.parametrize("seed", range(1000, 1030))
def test_a_right_calculation_raises_no_alarm(seed):
    made, toml = student(seed, slip=False)
    verdict = verify(example_of(made, toml))
    assert not verdict.wrong, [(f.line.text, f.kind, f.here) for f in verdict.wrong]
    assert verdict.code == 0
    assert len(verdict.findings) == len(made.lines)
    assert all(finding.status in ("right", "rounded") for finding in verdict.findings)


def test_planted_slips_are_found_and_named():
    lines, kinds, misses = 0, 0, []
    seeds = range(2000, 2060)
    for seed in seeds:
        made, toml = student(seed, slip=True)
        number, kind = made.slip
        first = verify(example_of(made, toml)).first_wrong
        found = first is not None and first.line.number == number + 1
        named = found and any(word in first.kind for word in {kind, *ALIKE.get(kind, ())})
        lines, kinds = lines + found, kinds + bool(named)
        if not named:
            misses.append((seed, kind, made.lines[number], first and first.kind))
    assert lines >= 0.95 * len(seeds), misses
    assert kinds >= 0.85 * len(seeds), misses
