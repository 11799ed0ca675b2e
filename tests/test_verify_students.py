"""Simulated students: right calculations raise no alarm, a planted slip is found in its line and called by
its kind.

In: seeds of `verify_students`, which computes in plain floats and knows nothing of the library's
formulas. Out: rates; a single false alarm is a failure.
"""

from __future__ import annotations

import pytest

from deltarule.explain.verify import verify
from deltarule.explain.verify_text import verify_text
from verify_students import example_of, student, text_of

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


@pytest.mark.parametrize("slip", [False, True], ids=["right", "slip"])
def test_whole_texts_are_recognized(slip):
    """The same calculations below a statement in words; half of them leave open where weights lead."""
    found, misses = 0, []
    seeds = range(3000, 3015)
    for seed in seeds:
        made, _ = student(seed, slip=slip)
        text, above = text_of(made, seed)
        verdict = verify_text(text, "a student's")
        if slip:
            first = verdict.first_wrong
            good = first is not None and first.line.number == above + made.slip[0] + 1
        else:
            good = verdict.code == 0 and len(verdict.findings) == len(made.lines)
        found += good
        if not good:
            misses.append((seed, made.slip, [str(p) for p in verdict.problems]))
    assert found >= (0.9 if slip else 1) * len(seeds), misses
