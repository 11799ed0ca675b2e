"""How explanations look: text, Markdown, LaTeX, the page. What is printed must be true by itself."""

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter

import numpy as np
import pytest
from hypothesis import given, settings

import deltarule as dr
from deltarule.explain import read, work
from deltarule.explain.document import document, figure
from deltarule.explain.notation import Name, Notation, parsed
from deltarule.explain.term import Call, Number, Symbol, Term, add, multiply, negative
from deltarule.explain.write import latex, mathml, text
from deltarule.program.primitive import primitives
from test_explain import NETS, circuit, large, networks
from worked import HAN, MAZUR, arithmetic

GOLDEN = Path(__file__).parent / "golden" / "a_2_2_2_network.md"


@pytest.fixture(scope="module")
def mazur(tmp_path_factory):
    path = tmp_path_factory.mktemp("explain") / "mazur.toml"
    path.write_text(MAZUR, encoding="utf-8")
    return work(read(path))


# --- numbers ---


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [
        (0.15, 6, "0.15"),
        (0.593269992107, 6, "0.593270"),
        (0.593269992107, 9, "0.593269992"),
        (0.1 + 0.2, 6, "0.3"),
        (300_000.0, 3, "300000"),
        (1.25e12, 6, "1.25e12"),
        (-8.771354689e-5, 4, "-8.771e-5"),
        (0.0, 6, "0"),
        (float("inf"), 6, "∞"),
        (2.53e-310, 2, "2.5e-310"),
    ],
)
def test_numbers_are_rounded_to_digits_and_say_so(value, digits, shown):
    assert figure(value, digits) == shown


def printed(worked, digits):
    """The parts of each printed equation that are numbers only, with the result and the sign between."""
    for section in document(worked, digits).sections:
        for line in section.lines:
            parts = [text(part) for part in line.parts]
            if len(parts) > 2 and not line.note and "…" not in parts[-2]:
                yield parts[-2], line.relation(len(parts) - 1), parts[-1]


def check_printed(worked, digits):
    """An equation that is printed with = holds by ordinary arithmetic at the digits shown."""
    checked = 0
    for numbers, sign, result in printed(worked, digits):
        if re.search(r"(?<![a-z])(?!max|min|tanh|ln|e\b|clip)[a-df-z][a-z]*_?\w*", numbers):
            continue  # names, where the result follows at once
        found = arithmetic(numbers)
        if sign == "=":
            assert figure(found, digits) == result, (numbers, result)
        else:
            largest = max(
                1.0, *(abs(float(n)) for n in re.findall(r"\d[\d.]*(?:e-?\d+)?", numbers))
            )
            assert abs(found - float(result)) < largest**2 * 10 ** (2 - digits), (numbers, result)
        checked += 1
    return checked


@pytest.mark.parametrize("digits", [3, 6, 9])
def test_printed_arithmetic_holds(mazur, digits):
    assert check_printed(mazur, digits) == 50


@settings(max_examples=25, deadline=None)
@given(networks())
def test_printed_arithmetic_holds_for_any_small_network(case):
    net, x, y, loss, rule = case
    check_printed(dr.explain(net, x, y, loss=loss, optimizer=rule), 6)


def test_the_golden_page_in_markdown(mazur):
    written = mazur.markdown(digits=9)
    assert written == GOLDEN.read_text(encoding="utf-8")


# --- notation ---


def test_every_primitive_can_be_written():
    names = [Symbol(f"a{i}") for i in range(4)]
    for primitive in primitives():
        tree, _ = parsed(primitive.notation)
        fields = [field for _, field, _, _ in Formatter().parse(primitive.notation) if field]
        count = 1 + max(map(int, fields), default=-1)
        if not count:
            continue
        args = tuple(add(name, Number(2.5)) for name in names[:count])
        shown = Notation(str, Name)(Call(primitive, args))
        assert tree and text(shown) and latex(shown)
        ET.fromstring(f"<math>{mathml(shown)}</math>")
        assert latex(shown).count("{") == latex(shown).count("}")
        assert all(f"a{i}" in text(shown) for i in range(count)), (primitive, text(shown))


x, y = Symbol("x"), Symbol("y")


@pytest.mark.parametrize(
    ("term", "shown"),
    [
        (multiply(add(x, y), Number(2.0)), "2*(x + y)"),
        (add(x, negative(add(y, Number(1.0)))), "x - (y + 1)"),
        (multiply(x, x), "x^2"),
        (multiply(add(x, Number(-1.0)), add(x, Number(-1.0))), "(x - 1)^2"),
        (negative(multiply(x, y)), "-x*y"),
        (add(Number(1.0), negative(x)), "1 - x"),
        (multiply(Number(0.5), x), "1/2*x"),
        (multiply(Number(2 / 3), x), "2/3*x"),
        (add(x, x), "2*x"),
        (multiply(Number(1.0), x), "x"),
        (multiply(Number(0.0), x), "0"),
    ],
)
def test_terms_are_tidy(term, shown):
    assert isinstance(term, Term)
    assert text(Notation(lambda v: f"{v:g}", Name)(term)) == shown


def test_negative_numbers_stand_in_parentheses():
    term = add(multiply(x, y), multiply(y, x), negative(y))
    numbers = Notation(
        lambda v: f"{v:g}", lambda name: parsed("-0.5")[0] if name == "y" else Name("x")
    )
    assert "- -" not in text(numbers(term)) and "+ -" not in text(numbers(term))


# --- formats ---


def test_text_wraps_at_equals_signs(mazur):
    narrow = mazur.text(width=60)
    assert "\n         = 0.15*0.05 + 0.2*0.1 + 0.35 = 0.3775\n" in narrow
    assert max(map(len, mazur.text(width=100).splitlines())) <= 100


def test_latex_is_balanced(mazur):
    source = mazur.latex()
    assert source.count("{") == source.count("}")
    begun, ended = re.findall(r"\\begin\{(.*?)\}", source), re.findall(r"\\end\{(.*?)\}", source)
    assert sorted(begun) == sorted(ended)
    assert source.count(r"\left") == source.count(r"\right")
    assert source.isascii()
    assert r"\frac{\partial E}{\partial w_{5}}" in source


def test_latex_of_odd_words(tmp_path):
    path = tmp_path / "odd.toml"
    path.write_text(
        MAZUR.replace("A 2-2-2 network", r"50 % & more_of {this} \\ ^~ #"), encoding="utf-8"
    )
    source = work(read(path)).latex()
    assert r"50 \% \& more\_of \{this\}" in source


def elements(page):
    """Tags of a page, checked to be closed in order."""
    stack, seen = [], []
    void = {"meta", "input", "br", "link", "img"}

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            seen.append((tag, dict(attrs)))
            if tag not in void:
                stack.append(tag)

        def handle_startendtag(self, tag, attrs):
            seen.append((tag, dict(attrs)))

        def handle_endtag(self, tag):
            assert stack and stack[-1] == tag, (tag, stack[-3:], self.getpos())
            stack.pop()

    Reader().feed(page)
    assert not stack
    return seen


def embedded(page, name):
    return json.loads(
        re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page)[1]
    )


def test_the_page_is_well_formed_and_needs_no_network(mazur):
    page = mazur.html()
    seen = elements(page)
    assert not re.search(r"""(src|href)=["']|url\(|@import|https?://""", page)
    ids = [attrs["id"] for _, attrs in seen if "id" in attrs]
    assert len(ids) == len(set(ids))
    for svg in re.findall(r"<svg.*?</svg>", page, re.S):
        ET.fromstring(svg)
    for formula in re.findall(r"<math.*?</math>", page, re.S):
        ET.fromstring(formula)


def test_the_slider_shows_41_rates_computed_beforehand(mazur):
    page = mazur.html(digits=6)
    rates, data = embedded(page, "rates-data"), embedded(page, "data")
    assert len(rates["rates"]) == len(rates["errors"]) == len(rates["curve"]["points"]) == 41
    assert rates["rates"][20] == "0.5" and (rates["rates"][0], rates["rates"][40]) == (
        "0.005",
        "50",
    )
    other = mazur.at_rate(50.0)
    assert rates["errors"][40] == figure(other.values["E_total_new"], 6)
    assert data["small"]["w5_new"][40] == figure(other.values["w5_new"], 4)
    changing = {data["moments"][int(i)]["name"] for i in data["lines"]}
    assert "w5_new" in changing and "E_total_new" in changing and "dE/dw5" not in changing
    line = data["lines"][
        next(i for i in data["lines"] if data["moments"][int(i)]["name"] == "w5_new")
    ]
    form, texts = line["forms"][line["which"][40]], line["texts"][40]
    whole = "".join(a + b for a, b in zip(form, [*texts, ""], strict=True))
    assert figure(other.values["w5_new"], 6).replace("-", "−") in whole
    for piece in form:
        assert "<script" not in piece


def test_the_page_calculates_nothing(mazur):
    """No second set of formulas: the script has no function of numbers, and multiplies nothing."""
    script = mazur.html().rsplit("<script>", 1)[1]
    assert "Math." not in script.replace("Math.min(to,", "") and " * " not in script


def test_each_moment_marks_its_part_of_the_drawing(mazur):
    page = mazur.html()
    ids = {attrs["id"] for _, attrs in elements(page) if "id" in attrs}
    moments = {m["name"]: m for m in embedded(page, "data")["moments"]}
    assert moments["dE/dw5"]["marks"] == ["e-2-1-1-1"]
    assert set(moments["net_h1"]["marks"]) == {"n-1-1", "e-1-1-0-1", "e-1-1-0-2"}
    assert {mark for m in moments.values() for mark in m["marks"]} <= ids


@pytest.mark.parametrize("name", NETS)
def test_pages_of_other_networks(name):
    make, rows = NETS[name]
    net = make().init((rows, 2), dtype="float64")
    rng = np.random.default_rng(0)
    steps = 2 if rows == 1 else 1
    worked = dr.explain(net, rng.normal(size=(rows, 2)), rng.normal(size=(rows, 1)), steps=steps)
    elements(worked.html())
    assert worked.latex().isascii()


def test_pages_without_a_drawing():
    net, inputs, labels = large()
    for worked in (
        dr.explain(net, inputs, labels, loss="cross_entropy"),
        dr.explain(net, inputs, labels, loss="cross_entropy", weight="dense2.weight[0, 0]"),
        dr.explain(circuit, -2.0, 5.0, -4.0, argnums=(0, 1, 2)),
    ):
        page = worked.html()
        elements(page)
        assert "<svg" not in page
        assert worked.latex().isascii() and worked.markdown()


def test_a_diverging_rate_is_no_error(tmp_path):
    path = tmp_path / "line.toml"
    path.write_text(
        "inputs = [2000, 3]\ntargets = [350000]\nlearning_rate = 1e150\nsteps = 3\n"
        "[[layers]]\nweights = [[150, 0]]\nbias = 0\n",
        encoding="utf-8",
    )
    worked = work(read(path))
    elements(worked.html())
    assert "∞" in worked.text() or "NaN" in worked.text()


def test_notebooks_show_the_page_in_a_frame(mazur):
    frame = mazur._repr_html_()
    ((tag, attrs),) = elements(frame)
    assert tag == "iframe" and attrs["srcdoc"].startswith("<!doctype html>")


def test_names_cannot_break_out_of_the_page(tmp_path):
    path = tmp_path / "evil.toml"
    path.write_text(HAN.replace("A 3-2-1 network", "</script><b>&amp;"), encoding="utf-8")
    page = work(read(path)).html()
    elements(page)
    assert "<b>&amp;" not in page


def test_importing_the_package_imports_none_of_this():
    script = "import sys, deltarule; print(*[m for m in sys.modules if m.startswith('deltarule.explain')])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert sorted(done.stdout.split()) == ["deltarule.explain", "deltarule.explain.front"]
