"""A worked calculation as a page of its own: drawing, steps, formulas, and a slider for the learning rate.

In: ``Worked``. Out: HTML that needs nothing else. Every number on it, at every rate of the slider,
is computed here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.explain.document import Document, Line, Section, document, figure
from deltarule.explain.drawing import draw, drawable, marks
from deltarule.explain.notation import Figure, Math, cut
from deltarule.explain.record import Worked
from deltarule.explain.write import mathml, text

if TYPE_CHECKING:
    from markupsafe import Markup

RATES = 41
SPAN = 2.0  # powers of ten on either side of the given rate
HEIGHT = 720  # of the frame in a notebook
LONG = 46  # characters of a formula that may have to be cut


def page(worked: Worked, digits: int) -> str:
    """The whole page."""
    from markupsafe import Markup

    runs = _at_rates(worked)
    documents = [document(run, digits) for run in runs]
    shown = documents[RATES // 2] if documents else document(worked, digits)
    data = {
        "moments": list(_moments(worked, shown)),
        "small": _small(runs or [worked], digits),
        "lines": _changing(documents),
        "middle": RATES // 2,
    }
    return str(
        _template().render(
            title=shown.title or "A worked training step",
            facts=shown.facts,
            remarks=shown.remarks,
            sections=[_section(section, start) for section, start in _starts(shown)],
            drawing=Markup(_drawing(worked, digits)) if drawable(worked.layout) else "",
            rates=_rates(runs, digits),
            data=Markup(_json(data)),
        )
    )


def notebook(worked: Worked, digits: int) -> str:
    """The page in a frame, for notebooks."""
    return (
        f'<iframe srcdoc="{escape(page(worked, digits))}" title="{escape(worked.title)}" '
        f'style="width:100%;height:{HEIGHT}px;border:0"></iframe>'
    )


@cache
def _template() -> Any:
    from jinja2 import Environment

    source = Path(__file__).with_name("page.html.jinja").read_text(encoding="utf-8")
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)


def _json(data: Any) -> str:
    """JSON that may stand in a script element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("&", "\\u0026")


# --- formulas ---


def _starts(shown: Document) -> Iterator[tuple[Section, int]]:
    """Sections with the number of their first line."""
    start = 0
    for section in shown.sections:
        yield section, start
        start += len(section.lines)


def _section(section: Section, start: int) -> dict[str, Any]:
    lines = [
        {"id": start + i, "name": _math(line.parts[0]), "rest": _rest(line)}
        for i, line in enumerate(section.lines)
    ]
    phase = section.phase.replace(" ", "-")
    return {
        "title": section.title,
        "intro": section.intro,
        "phase": phase,
        "compact": section.compact,
        "lines": lines,
    }


def _math(part: Math, sign: str = "") -> Markup:
    from markupsafe import Markup

    before = f"<mo>{sign}</mo>" if sign else ""
    return Markup(f'<math displaystyle="true">{before}{mathml(part)}</math>')


def _rest(line: Line) -> Markup:
    """What a name equals, in pieces that may go to the next line; and the words after it."""
    from markupsafe import Markup

    out = ""
    for i, part in enumerate(line.parts[1:], 1):
        last = i == len(line.parts) - 1
        kind = "part result" if last and isinstance(part, Figure) else "part"
        first, *others = cut(part) if len(text(part)) > LONG else [part]
        out += f'<span class="{kind}">{_math(first, line.relation(i))}</span> '
        out += "".join(f'<span class="part">{_math(piece)}</span> ' for piece in others)
    if line.note:
        out += f'<span class="note">{escape(line.note)}</span>'
    return Markup(out)


# --- the slider ---


def _factors() -> list[float]:
    """From 0.01 to 100 times the given rate, the rate itself in the middle."""
    return [float(10 ** (SPAN * (2 * k / (RATES - 1) - 1))) for k in range(RATES)]


def _at_rates(worked: Worked) -> list[Worked]:
    """The same calculation at every rate of the slider."""
    if worked.at_rate is None or worked.rate is None:
        return []
    middle = RATES // 2
    rates = [worked.rate * factor for factor in _factors()]
    return [worked if k == middle else worked.at_rate(rate) for k, rate in enumerate(rates)]


def _rates(runs: list[Worked], digits: int) -> dict[str, Any] | None:
    """Rates and the errors after the update, for the slider and its curve."""
    if not runs:
        return None
    errors = [_last_error(run) for run in runs]
    rates = [figure(run.rate or 0.0, 3) for run in runs]
    before = next(q.value for q in runs[0].steps[0] if q.role == "loss" and q.phase == "error")
    return {
        "rates": rates,
        "errors": [figure(e, digits) for e in errors],
        "curve": _curve(errors, before),
        "before": figure(before, digits),
        "middle": RATES // 2,
    }


def _last_error(worked: Worked) -> float:
    last = (q for q in worked.steps[-1] if q.role == "loss" and q.phase == "error after")
    return float(next(last).value)


def _curve(errors: list[float], before: float) -> dict[str, Any]:
    """Points of the error after the update over the rate, in a box of 100 by 40.

    Cut off above twice the error before; an error below 0 has no floor, and is cut off below.
    """
    finite = [e for e in errors if np.isfinite(e)]
    reach = abs(before)
    low = max(min([0.0, before, *finite]), before - 3 * reach)
    span = 1.1 * (min(max([*finite, before]), before + reach) - low) or 1.0

    def height(error: float) -> float:
        share = (min(max(error, low), low + span) - low) / span if np.isfinite(error) else 1.0
        return round(40 - 36 * share, 2)

    return {
        "points": [(round(100 * k / (RATES - 1), 2), height(e)) for k, e in enumerate(errors)],
        "before": height(before),
    }


# --- the steps ---


def _moments(worked: Worked, shown: Document) -> Iterator[dict[str, Any]]:
    """What each line is about."""
    for section in shown.sections:
        found = {q.name: q for q in worked.steps[section.step - 1]} if worked.steps else {}
        for line in section.lines:
            q = found.get(line.name)
            marked = marks(worked.layout, q) if q and worked.layout else []
            yield {"step": section.step, "phase": section.phase, "name": line.name, "marks": marked}


def _drawing(worked: Worked, digits: int) -> str:
    first = {q.name: q for q in worked.steps[0]}
    shown = {name: figure(q.value, min(digits, 4)) for name, q in first.items()}
    assert worked.layout is not None
    return draw(worked.layout, first, shown)


def _small(runs: list[Worked], digits: int) -> dict[str, Any]:
    """The numbers in the drawing, short, at each rate; those of step k end in @k."""
    found: dict[str, Any] = {}
    for name, q in runs[0].quantities.items():
        if np.ndim(q.value):
            continue
        texts = [figure(run.quantities[name].value, min(digits, 4)) for run in runs]
        found[name] = texts[0] if len(set(texts)) == 1 else texts
    return found


NUMBER = re.compile(r"(?<=>)([^<>]*)(?=</mn>)|(?<=<mo>)([=≈])(?=</mo>)")


def _changing(documents: list[Document]) -> dict[int, dict[str, Any]]:
    """The right-hand sides of the lines that depend on the rate: what stays, and the texts between.

    A line may read otherwise at some rates, where a number is negative say: these are its ``forms``.
    """
    runs = [[line for section in one.sections for line in section.lines] for one in documents]
    found = {}
    for i in range(len(runs[0]) if runs else 0):
        rests = [str(_rest(run[i])) for run in runs]
        if len(set(rests)) > 1:
            found[i] = _forms(rests)
    return found


def _forms(rests: list[str]) -> dict[str, Any]:
    """Texts of equal build share a form; numbers that are the same in all of these are part of it."""
    builds: dict[str, list[int]] = {}
    for k, rest in enumerate(rests):
        builds.setdefault(NUMBER.sub("\0", rest), []).append(k)
    forms, which, texts = [], [0] * len(rests), [[""]] * len(rests)
    for number, (build, members) in enumerate(builds.items()):
        columns = list(
            zip(*([m[0] for m in NUMBER.finditer(rests[k])] for k in members), strict=True)
        )
        first, *pieces = build.split("\0")
        form = [first]
        for column, piece in zip(columns, pieces, strict=True):
            if len(set(column)) == 1:
                form[-1] += column[0] + piece
            else:
                form.append(piece)
        changing = [column for column in columns if len(set(column)) > 1]
        for at, k in enumerate(members):
            which[k], texts[k] = number, [column[at] for column in changing]
        forms.append(form)
    return {"forms": forms, "which": which, "texts": texts}


__all__ = ["notebook", "page"]
