"""Machine code kept on disk: found again, told apart, repaired, bounded, and shared by processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from compiling import apply, assert_same, given, number, reference, results
from deltarule.compile import cache, program
from deltarule.compile.binary import equations
from deltarule.compile.program import Executable, build
from deltarule.errors import CompileError
from deltarule.program import Graph, Origin
from deltarule.program.types import ArrayType
from test_compile_graphs import program_of

F64, I64 = np.dtype("f8"), np.dtype("i8")


@pytest.fixture
def kept(tmp_path, monkeypatch) -> Path:
    """The folder of an empty cache."""
    folder = tmp_path / "code"
    monkeypatch.setenv("DELTARULE_CACHE", str(folder))
    return folder


@pytest.fixture
def compilations(monkeypatch) -> list[Graph]:
    """The graphs that were planned and compiled since."""
    made = []
    whole = program.schedule

    def schedule(graph, form):
        made.append(graph)
        return whole(graph, form)

    monkeypatch.setattr(program, "schedule", schedule)
    return made


def of(shape, dtype=F64):
    return given(ArrayType(shape, np.dtype(dtype)))


def scaled(factor: float) -> Graph:
    x = of((3,))
    return Graph((x,), (apply("mul", apply("sqrt", x), number(factor, F64)),))


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("*" + cache.ENDING)) if folder.exists() else []


# Found again.


@pytest.mark.native
def test_a_program_on_disk_is_neither_rewritten_nor_planned(kept, compilations):
    fresh, again = Executable(scaled(2.0)), Executable(scaled(2.0))
    assert len(compilations) == 1 and "rewritten" not in vars(again)
    args = (np.arange(3.0),)
    assert_same(again(*args), fresh(*args))
    assert "sqrt" in again.show("rewrite") and again.plan.native == 1
    assert again.show("llvm") == fresh.show("llvm") and again.show("asm") == fresh.show("asm")


@pytest.mark.native
def test_generated_programs_give_the_same_bits_from_disk(kept, compilations):
    for seed in range(30):
        graph, args = program_of(seed)
        fresh, again = Executable(graph), Executable(Graph.from_text(graph.to_text()))
        assert len(compilations) == seed + 1
        for x, y in zip(again(*args), fresh(*args), strict=True):
            assert x.tobytes() == y.tobytes()
    assert len(entries(kept)) == 30


@pytest.mark.native
def test_what_numpy_computes_is_called_back_from_cached_code(kept, compilations):
    n, m = of((3,), I64), of((3,), I64)
    graph = Graph((n, m), (apply("add", apply("power", n, m), n),))
    args = np.array([2, 3, -4]), np.array([3, 0, 2])
    for run in (Executable(graph), Executable(graph)):
        assert_same(run(*args), reference(graph, args))
        with pytest.raises(ValueError, match="negative integer powers"):
            run(args[0], np.array([-1, 0, 0]))
    assert len(compilations) == 1


@pytest.mark.native
def test_donated_arrays_are_written_over_by_cached_code_too(kept):
    for _ in range(2):
        program.BUILT.clear()
        step = dr.compile(lambda w: w - 0.5, donate=(0,))
        w = np.arange(4.0)
        assert np.shares_memory(step(w), w)


@pytest.mark.native
def test_training_from_disk_gives_the_same_bits(kept, compilations, monkeypatch):
    monkeypatch.setattr(dr.train.epoch, "COMPILE_SECONDS", 0.0)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(70, 3)), rng.integers(0, 3, 70)

    def trained():
        program.BUILT.clear()
        net = dr.Sequential(dr.Dense(5, "tanh"), dr.Dropout(0.2), dr.Dense(3))
        return dr.fit(net, X, y, loss="cross_entropy", epochs=3, batch_size=16, seed=1).history

    first = trained()
    made = len(compilations)
    assert made > 0 and trained()["loss"] == first["loss"]
    assert len(compilations) == made


# The same name in every process, another for every difference.


@pytest.mark.native
def test_the_name_follows_from_the_program_and_not_from_the_process():
    script = (
        "from test_compile_graphs import program_of\n"
        "from deltarule.compile.program import name_of\n"
        "print(*(name_of(program_of(seed)[0]) for seed in range(8)))"
    )
    here = [program.name_of(program_of(seed)[0]) for seed in range(8)]
    assert len(set(here)) == 8
    there = python(script, PYTHONHASHSEED="77")
    assert there.stdout.split() == here, there.stderr


@pytest.mark.native
def test_lines_layers_and_memory_are_no_part_of_the_name():
    def code():
        return None

    graph = scaled(2.0)
    old = graph.outputs[0]
    moved = type(old)(old.primitive, old.args, old.attrs, old.type, Origin(code.__code__, 0, "net"))
    assert program.name_of(Graph(graph.inputs, (moved,))) == program.name_of(graph)
    assert program.name_of(scaled(3.0)) != program.name_of(graph)


@pytest.mark.native
@pytest.mark.parametrize("part", ["sources", "processor", "llvm"])
def test_another_compiler_processor_or_llvm_has_other_entries(
    part, kept, compilations, monkeypatch
):
    from deltarule.compile.llvm import load

    Executable(scaled(2.0))
    match part:
        case "sources":
            monkeypatch.setattr(cache, "own_sources", lambda: "changed")
        case "processor":
            other = load.Processor("x", "y", "+z", 16, 16)
            name = program.name_of(scaled(2.0))
            monkeypatch.setattr(load, "this_processor", lambda: other)
            assert program.name_of(scaled(2.0)) != name
            return
        case "llvm":
            monkeypatch.setattr(load, "version", lambda: "LLVM 99")
    Executable(scaled(2.0))
    assert len(compilations) == 2 and len(entries(kept)) == 2


def test_the_sources_of_the_compiler_are_part_of_every_name(monkeypatch, tmp_path):
    for folder in cache.SOURCES:
        (tmp_path / folder / "ops").mkdir(parents=True)
    rule = tmp_path / "program" / "ops" / "rule.py"
    monkeypatch.setattr(cache, "__file__", str(tmp_path / "compile" / "cache.py"))

    def written(text):
        rule.write_text(text)
        cache.own_sources.cache_clear()
        return cache.own_sources()

    try:
        assert written("a = 1") != written("a = 2")
        assert written("a = 1") == written("a = 1")
    finally:
        cache.own_sources.cache_clear()


# Errors name the present graph.


def gathering(line: int) -> Graph:
    """A loop that gathers; the origin of the gather is a line of this file."""
    code = compile("def look(): pass", f"file{line}.py", "exec").replace(co_firstlineno=line)
    origin = Origin(code, 0, f"net{line}")
    x, i, c = of((4,)), of((), I64), of(())
    row = apply("gather", x, i)
    row = type(row)(row.primitive, row.args, row.attrs, row.type, origin)
    body = Graph((x, c, i), (apply("add", c, apply("mul", row, number(1.0, F64))),))
    table, start, indices = of((4,)), of(()), of((3,), I64)
    loop = apply(
        "scan", table, start, indices, body=body, consts=1, carries=1, length=3, reverse=False
    )
    return Graph((table, start, indices), results(loop))


WRONG = np.arange(4.0), np.array(0.0), np.array([1, 4, 3])


@pytest.mark.native
def test_errors_of_cached_code_name_the_line_of_the_present_graph(kept, compilations):
    for line in (1, 2):
        with pytest.raises(
            IndexError, match=rf"index 4 .*in gather at file{line}.py:\d+ in net{line}"
        ):
            Executable(gathering(line))(*WRONG)
    assert len(compilations) == 1
    text = gathering(3).to_text()
    with pytest.raises(IndexError, match=r"index 4 is out of bounds .*, in gather$"):
        Executable(Graph.from_text(text))(*WRONG)


@pytest.mark.native
def test_errors_of_code_in_memory_name_the_line_of_the_present_graph(compilations):
    one, two = build(gathering(4)), build(gathering(5))
    assert len(compilations) == 1 and build(gathering(5)) is two
    for run, line in ((one, 4), (two, 5)):
        with pytest.raises(IndexError, match=rf"in gather at file{line}.py"):
            run(*WRONG)


def test_equations_are_counted_as_they_are_printed():
    graph = gathering(1)
    lines = [
        line for line in graph.to_text().splitlines() if " = " in line and "graph(" not in line
    ]
    inputs = sum(node.primitive.name == "input" for node in equations(graph))
    assert len(list(equations(graph))) - inputs == len(lines)


# Damage.


@pytest.mark.native
@pytest.mark.parametrize(
    "damage", ["empty", "cut", "flipped", "head", "longer", "version", "moved"]
)
def test_a_damaged_or_foreign_entry_is_made_again(damage, kept, compilations):
    Executable(scaled(2.0))
    (path,) = entries(kept)
    raw = path.read_bytes()
    if damage == "moved":  # an entry of another program under this name
        Executable(scaled(3.0))
        (other,) = set(entries(kept)) - {path}
        compilations.clear()
        path.write_bytes(other.read_bytes())
    else:
        path.write_bytes(
            {
                "empty": b"",
                "cut": raw[:-1],
                "flipped": raw[:-100] + bytes([raw[-100] ^ 1]) + raw[-99:],
                "head": raw[:5],
                "longer": raw + b"\0",
                "version": raw.replace(cache.MAGIC, b"deltarule code 0\n"),
            }[damage]
        )
        compilations.clear()
    args = (np.arange(3.0),)
    assert_same(Executable(scaled(2.0))(*args), reference(scaled(2.0), args))
    assert len(compilations) == 1
    assert path.read_bytes() == raw


@pytest.mark.native
@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have owners as on Unix")
def test_code_that_others_could_have_written_is_not_run(kept, compilations):
    Executable(scaled(2.0))
    (path,) = entries(kept)
    path.chmod(0o666)
    Executable(scaled(2.0))
    assert len(compilations) == 2


# Places.


@pytest.mark.native
@pytest.mark.parametrize("word", ["off", "OFF"])
def test_switched_off_nothing_is_written(word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DELTARULE_CACHE", word)
    Executable(scaled(2.0))
    assert list(tmp_path.iterdir()) == []


def test_the_tests_leave_the_cache_of_the_user_alone():
    assert cache.folder() is None


@pytest.mark.native
def test_a_folder_that_cannot_be_made_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    args = (np.arange(3.0),)
    for place in ("file", "file/below"):
        monkeypatch.setenv("DELTARULE_CACHE", str(tmp_path / place))
        assert_same(Executable(scaled(2.0))(*args), reference(scaled(2.0), args))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_entry_that_cannot_be_moved_to_its_place_leaves_nothing_behind(kept, monkeypatch):
    def replace(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", replace)
    cache.put("a", {}, b"code")
    assert list(kept.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of Linux")
def test_the_folder_by_default_is_that_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for word in ("", "relative"):  # which the standard says to ignore
        monkeypatch.setenv("XDG_CACHE_HOME", word)
        monkeypatch.setenv("DELTARULE_CACHE", "")
        assert cache.folder() == tmp_path / ".cache" / "deltarule"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    monkeypatch.delenv("DELTARULE_CACHE")
    assert cache.folder() == tmp_path / "x" / "deltarule"
    monkeypatch.setenv("DELTARULE_CACHE", "~/mine")
    assert cache.folder() == tmp_path / "mine"
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delenv("DELTARULE_CACHE")
    assert cache.folder() == tmp_path / "Library" / "Caches" / "deltarule"


# Size.


def test_the_entries_used_longest_ago_make_room(kept, monkeypatch):
    monkeypatch.setenv("DELTARULE_CACHE_SIZE", "0.01")  # 10,485 bytes: three entries of 3,000
    for i, name in enumerate("abc"):
        cache.put(name, {"place": name}, bytes(3000))
        os.utime(kept / (name + cache.ENDING), (i, i))
    (kept / "notes.txt").write_text("of somebody else" * 1000)
    assert cache.get("a") == ({"place": "a"}, bytes(3000))
    cache.put("d", {}, bytes(3000))
    assert [path.stem for path in entries(kept)] == ["a", "c", "d"]
    cache.put("large", {}, bytes(20_000))
    assert cache.get("large") is None and len(entries(kept)) == 3
    assert (kept / "notes.txt").exists()
    monkeypatch.setenv("DELTARULE_CACHE_SIZE", "0")
    cache.put("e", {}, b"")
    assert cache.get("e") is None


@pytest.mark.parametrize("word", ["much", "-1", "nan", "inf"])
def test_a_size_that_is_no_size_is_an_error(word, kept, monkeypatch):
    monkeypatch.setenv("DELTARULE_CACHE_SIZE", word)
    with pytest.raises(CompileError, match=rf"DELTARULE_CACHE_SIZE is '{word}'"):
        cache.put("a", {}, b"")


# Processes.

WRITER = """
import sys
import numpy as np
from deltarule.compile import cache
from deltarule.compile.program import Executable
from test_compile_cache import scaled
for again in range(40):
    for n in range(3):
        for path in cache.folder().glob("*") if again % 4 == int(sys.argv[1]) else ():
            path.unlink(missing_ok=True)
        y, = Executable(scaled(n + 1.0))(np.full(3, 4.0))
        assert (y == 2 * (n + 1)).all()
"""


def python(script: str, *args: str, **environment: str):
    command = [sys.executable, "-c", script, *args]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.native
def test_processes_write_read_and_remove_at_once(kept):
    kept.mkdir()
    command = [sys.executable, "-c", WRITER]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    jobs = [
        subprocess.Popen([*command, str(i)], env=environment, stderr=subprocess.PIPE, text=True)
        for i in range(3)
    ]
    for job in jobs:
        _, errors = job.communicate()
        assert job.returncode == 0, errors
    for path in entries(kept):
        assert cache.unpacked(path.read_bytes(), path.stem) is not None
