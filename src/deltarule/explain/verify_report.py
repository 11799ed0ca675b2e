"""A verdict in words: the first wrong line, then every line with its mark, then what is missing and how to
mend it.

In: ``Verdict``. Out: plain text.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from deltarule.explain.verify import Verdict
from deltarule.explain.verify_claims import claim_of, number
from deltarule.explain.verify_judge import Finding

MARKS = {"right": "+", "rounded": "~", "follows": ">", "wrong": "x", "unknown": "?"}
LEGEND = {
    "right": "+ right",
    "rounded": "~ right but for rounding on the way",
    "follows": "> follows from an earlier mistake",
    "wrong": "x wrong",
    "unknown": "? not recognized; only its own arithmetic is checked",
}


def report(verdict: Verdict) -> str:
    """Return what is to be said about a calculation."""
    blocks = [list(_summary(verdict))]
    if verdict.first_wrong:
        blocks.append(list(_first(verdict, verdict.first_wrong)))
    if verdict.findings:
        blocks.append(list(_lines(verdict)))
    if verdict.notes:
        blocks.append(["How it was read:", *(f"  {note}" for note in verdict.notes)])
    if verdict.problems:
        blocks.append(
            ["What is missing or contradicts itself:", *(f"  {p}" for p in verdict.problems)]
        )
    if verdict.repairs:
        blocks.append(list(_repairs(verdict)))
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _summary(verdict: Verdict) -> Iterator[str]:
    title = f"{verdict.title}: " if verdict.title else ""
    n, wrong = len(verdict.findings), len(verdict.wrong)
    if wrong:
        yield f"{title}{wrong} of {n} {'line is' if n == 1 else 'lines are'} wrong"
    elif verdict.code == 2:
        yield f"{title}cannot be checked"
    else:
        checked = len(verdict.checked)
        said = "the line is" if checked == 1 else f"all {checked} lines are"
        unknown = n - checked
        more = (
            f"; {unknown} more {'is' if unknown == 1 else 'are'} not recognized" if unknown else ""
        )
        yield f"{title}{said} right{more}"


def _first(verdict: Verdict, finding: Finding) -> Iterator[str]:
    yield f"The first wrong line is line {finding.line.number}:"
    yield f"    {finding.line.text}"
    yield from (f"  {said}" for said in explained(finding))
    again = [f for f in verdict.wrong[1:] if f.kind == finding.kind]
    if again:
        yield f"  A mistake of the same kind is in {_numbers(again)}."
    following = verdict.following(finding)
    if following:
        yield f"  Consistent with this mistake: {_numbers(following)}."


def explained(finding: Finding) -> list[str]:
    """The kind of a mistake, what exactly it is, and what should stand there."""
    out = []
    about = f" ({finding.name})" if finding.name else ""
    for i, reason in enumerate(finding.reasons):
        out.append(f"{reason.kind}{about if i == 0 else ''}: {reason.words}.")
    if finding.also:
        out.append(f"It may also be: {', '.join(finding.also)}.")
    out.append(should_be(finding))
    return out


def should_be(finding: Finding) -> str:
    """The right number: with the numbers printed so far, and in a calculation without mistakes."""
    claim = claim_of(finding.line)
    claimed = claim.text if claim is not None else f"{finding.claimed:.6g}"
    if claim is not None and not claim.bare:
        claimed = number(finding.claimed, claim)
    if len(finding.reasons) == 1 and finding.reasons[0].should == finding.claimed:
        return f"The result {claimed.rstrip(' .')} is right; the terms before it are not."
    here, exact = number(finding.here, claim), number(finding.exact, claim)
    words = f"It should be {here}, not {claimed.rstrip(' .')}"
    if finding.name and not math.isclose(finding.here, finding.exact, rel_tol=1e-9, abs_tol=1e-12):
        if here != exact:
            words += f" (with the numbers printed before it; without any mistake {exact})"
    return words + "."


def _numbers(findings: Sequence[Finding]) -> str:
    lines = list(dict.fromkeys(str(f.line.number) for f in findings))
    return f"line {lines[0]}" if len(lines) == 1 else f"lines {', '.join(lines)}"


def _lines(verdict: Verdict) -> Iterator[str]:
    used = [status for status in LEGEND if any(f.status == status for f in verdict.findings)]
    yield f"Line by line ({'; '.join(LEGEND[status] for status in used)}):"
    width = max(len(str(f.line.number)) for f in verdict.findings)
    last = 0
    for finding in verdict.findings:
        line = finding.line
        text = line.text if line.number != last else f"  ... {line.label}"
        last = line.number
        yield f"  {MARKS[finding.status]} {line.number:>{width}}  {text}"
        indent = " " * (width + 6)
        if finding.status == "wrong":
            yield from (f"{indent}{said}" for said in explained(finding))
        elif finding.status == "follows":
            origins = ", ".join(map(str, sorted(finding.origins)))
            exact = number(finding.exact, claim_of(line))
            yield f"{indent}follows from line {origins}; without that mistake {exact}"


def _repairs(verdict: Verdict) -> Iterator[str]:
    yield "Honest repairs, each worked out:"
    for letter, repair in zip("ABCDEFGH", verdict.repairs, strict=False):
        yield f"  {letter}: {repair.words}"
        yield "     " + ", ".join(f"{name} = {value:.9g}" for name, value in repair.numbers)
