"""What of NumPy and SciPy is differentiated: coverage.md, from the table of rules and the tested forms.

Run it after a change of either: ``python docs/coverage.py``. A test compares what it writes with the page.
"""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

import deltarule as dr  # noqa: E402
import forms  # noqa: E402
import forms_complex  # noqa: E402
from deltarule.derive.library import EXCHANGED  # noqa: E402
from deltarule.derive.table import FUNCTIONS, UFUNCS  # noqa: E402
from deltarule.derive.trace import stage, tracing  # noqa: E402
from deltarule.program import TABLE, Primitive, lookup, type_of  # noqa: E402
from deltarule.program.lowering import Expand, Lapack, Lowering, Opaque  # noqa: E402

HEAD = """# What is differentiated

Every function below is traced as NumPy or SciPy has it, and gives what they give: value, shape and dtype.
The forms that the tests run stand in `tests/forms.py` and, of complex numbers, in
`tests/forms_complex.py`; each is compared with NumPy, traced with values and
on types alone, and, where it is smooth, its derivatives in both modes with central differences. Second
order, `vmap` and compiled code are proven on the samples of the primitives that the functions are written
in. This page is written by `python docs/coverage.py`.

Of `numpy.polynomial` and of the distributions of `scipy.stats` what is traced is their own Python code,
with the rules listed here where it asks for numbers.

- **arguments**: those that are understood; any other is an error that says so.
- **forms**: how many expressions with it are tested.
- **derivative**: *yes*; *zero*, of steps; *none*, where the result is no float.
- **compiled**: *yes*, as machine code; *LAPACK*, which machine code calls by itself; otherwise the library
  that a compiled program calls through Python.
"""
SECTIONS = {
    "np": "NumPy",
    "np.linalg": "numpy.linalg",
    "np.fft": "numpy.fft",
    "np.lib.stride_tricks": "numpy.lib.stride_tricks",
    "special": "scipy.special",
    "linalg": "scipy.linalg",
    "signal": "scipy.signal",
    "integrate": "scipy.integrate",
    "spatial": "scipy.spatial",
    "spatial.distance": "scipy.spatial.distance",
    "fft": "scipy.fft",
    "stats.rv_continuous": "scipy.stats, continuous distributions",
    "stats.rv_discrete": "scipy.stats, discrete distributions",
    "stats.multivariate_normal_gen": "scipy.stats.multivariate_normal",
    "stats.multivariate_normal_frozen": "scipy.stats.multivariate_normal with its parameters",
    "stats.multivariate_t_gen": "scipy.stats.multivariate_t",
    "stats.dirichlet_gen": "scipy.stats.dirichlet",
    "poly": "numpy.polynomial.polynomial",
    "cheb": "numpy.polynomial.chebyshev",
    "leg": "numpy.polynomial.legendre",
    "herm": "numpy.polynomial.hermite",
    "herme": "numpy.polynomial.hermite_e",
    "lag": "numpy.polynomial.laguerre",
}
PLAIN = frozenset(forms.CASES)
COLUMNS = [
    "| function | arguments | forms | derivative | kinks | compiled |",
    "|---|---|---|---|---|---|",
]


@dataclass
class Row:
    """What is known of one function."""

    name: str
    rule: object
    forms: list[str] = field(default_factory=list)
    primitives: set[str] = field(default_factory=set)
    derivative: str = "none"


def rows() -> list[Row]:
    """One row for each function that has a rule, aliases left out."""
    dr.grad(np.sum)(np.ones(1))  # loads SciPy's rules
    found = {}
    for function, rule in (*FUNCTIONS.items(), *UFUNCS.items()):
        found.setdefault(forms.name_of(function), Row(forms.name_of(function), rule))
    for name, key in forms.exchanged(EXCHANGED).items():
        found[name] = Row(name, EXCHANGED[key][0])
    return sorted(found.values(), key=lambda row: (row.name.count("."), row.name))


def used_of_distribution(kind: str, method: str, form: str) -> bool:
    """Whether a form calls a method of a distribution, or of one with its parameters."""
    found = re.search(rf"\bstats\.(\w+)(\(.*?\))?\.{method}\(", form)
    if found is None:
        return False
    kinds = [c.__name__ for c in type(getattr(forms.stats, found[1])).__mro__]
    if found[2] and kind.endswith("_frozen"):
        return kind.removesuffix("_frozen") == found[1]
    return kind in kinds and not (found[2] and kind.endswith("_gen"))


def used_in(name: str, form: str) -> bool:
    """Whether a form calls a function, by its name or as a method."""
    last = name.rpartition(".")[2]
    named = re.search(rf"(?<![\w.]){re.escape(name)}[(.]", form)
    if name.startswith("stats."):
        return used_of_distribution(name.split(".")[1], last, form)
    method = name == f"np.{last}" and re.search(rf"\b[A-Z](\.T)?\.{last}\(", form)
    return bool(named or method)


def study(form: str) -> tuple[set[str], str]:
    """The primitives that a form becomes, and what its derivative is."""
    f, given = (forms if form in PLAIN else forms_complex).traced(form)
    with tracing(known=True) as trace, np.errstate(all="ignore"):
        xs = [trace.input(type_of(x), x, active=True, scalar=not x.shape) for x in given]
        results = leaves(f(*xs))
        nodes = [y.node for y in results if hasattr(y, "within")]
    kinds = {node.type.dtype.kind for node in nodes}
    active = any(node in trace.active for node in nodes)
    names, stack = set(), list(nodes)
    seen = set(stack)
    while stack:
        node = stack.pop()
        names.add(node.primitive.name)
        fresh = [arg for arg in node.args if arg not in seen]
        seen.update(fresh)
        stack += fresh
    return names, "yes" if active else "zero" if kinds & set("fc") else "none"


def leaves(y: object) -> list:
    """Arrays in nested tuples and lists."""
    return [leaf for item in y for leaf in leaves(item)] if isinstance(y, (list, tuple)) else [y]


def table() -> list[Row]:
    """All rows, filled from the forms."""
    found = rows()
    order = ["none", "zero", "yes"]
    cases = [*forms.CASES, *(form for form in forms_complex.CASES if form not in PLAIN)]
    known = {form: study(form) for form in cases}
    for row in found:
        row.forms = [form for form in cases if used_in(row.name, form)]
        alone = [form for form in row.forms if form.startswith((f"{row.name}(", f"{row.name}."))]
        for form in alone or row.forms:
            names, derivative = known[form]
            row.primitives |= names
            row.derivative = max(row.derivative, derivative, key=order.index)
    return found


def arguments(row: Row) -> str:
    """The arguments that a rule understands."""
    function = getattr(np, row.name.removeprefix("np."), None)
    if isinstance(function, np.ufunc):
        return f"{function.nin}, out, where, dtype"
    if row.name.startswith("special.") and not inspect.isfunction(row.rule):
        return ""
    names = [
        ("*" if p.kind is p.VAR_POSITIONAL else "**" if p.kind is p.VAR_KEYWORD else "") + p.name
        for p in inspect.signature(row.rule).parameters.values()
    ]
    unnamed = (
        ["*args"],
        ["*args", "**kwargs"],
        *([["x"]] if row.name.startswith("special.") else []),
    )
    return "" if names in unnamed else ", ".join(names)


def kinks(row: Row) -> str:
    """Kinks of the primitives that come up in its forms and not everywhere."""
    shown = [TABLE[name] for name in sorted(row.primitives) if TABLE[name].kinks]
    plain = {"div", "power", "sqrt", "scatter", "zmul", "abs", "log"}
    own = row.name.rpartition(".")[2]
    chosen = [p for p in shown if p.name not in plain or own.startswith(p.name[:3])]
    texts = [f"{k.where}: {k.value}".replace("|", r"\|") for p in chosen for k in p.kinks]
    return "; ".join(dict.fromkeys(texts)) if row.derivative != "none" else ""


def compiled(row: Row) -> str:
    """Whether all of it becomes machine code."""
    lowerings = [lowering for name in row.primitives for lowering in steps(lookup(name))]
    reasons = [lowering.reason for lowering in lowerings if isinstance(lowering, Opaque)]
    libraries = {reason.split()[-1] for reason in reasons}
    if any(isinstance(lowering, Lapack) for lowering in lowerings):
        libraries.add("LAPACK")
    return ", ".join(sorted(libraries)) or "yes"


def steps(primitive: Primitive) -> list[Lowering]:
    """The lowering of a primitive, or those of the steps that it is written in."""
    lowering = primitive.lowering
    if not isinstance(lowering, Expand):
        return [lowering]
    sample = primitive.samples(np.random.default_rng(0))[0]
    types = [type_of(x) for x in sample.args]
    graph = stage(lambda *args: [lowering.rule(*args, **sample.attrs)], types).graph
    return [node.primitive.lowering for node in graph.nodes]


def page() -> str:
    """The whole of coverage.md."""
    lines = [HEAD]
    found = table()
    for prefix, title in SECTIONS.items():
        lines += [f"\n## {title}\n", *COLUMNS]
        for row in found:
            if row.name.rpartition(".")[0] == prefix and row.forms:
                number = str(len(row.forms))
                cells = (f"`{row.name}`", arguments(row), number, row.derivative, kinks(row))
                lines.append("| " + " | ".join((*cells, compiled(row))) + " |")
    lines += ["\n## Checks that are switched off\n"]
    lines += [f"{i}. {what}: {why}." for i, (what, why) in enumerate(forms.SWITCHED_OFF.items(), 1)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (HERE / "coverage.md").write_text(page())
