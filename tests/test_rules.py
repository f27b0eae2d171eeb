"""House rules that no linter knows."""

import ast
import gc
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import get_type_hints

import pytest

from tests.dealing import ALONE, SHARING, module_of
from worker import definitions, gateway, jobs, marker
from worker.limits import limits_in_force
from worker.runtime import Runtime
from worker.settings import settings
from worker.store import engine

ROOT = Path(__file__).parents[1]
TESTS = sorted(path for path in (ROOT / "tests").rglob("*.py") if "__pycache__" not in path.parts)
MODULES = sorted(path for package in ("campaigns", "worker", "scheduler") for path in (ROOT / package).rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes() -> list[tuple[str, ast.AST]]:
    gc.disable()  # it would take as long again: half a million objects that stay
    try:
        return [(str(path.relative_to(ROOT)), node) for path in MODULES for node in ast.walk(tree(path))]
    finally:
        gc.enable()


def imports_of(name: str) -> set[str]:
    """The modules that import a package."""
    found = set()
    for path, node in nodes():
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        if any(imported.split(".")[0] == name for imported in names):
            found.add(path)
    return found


def test_a_state_changes_by_a_guarded_update_and_never_by_assignment() -> None:
    assigned = [
        (path, target.lineno)
        for path, node in nodes()
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Attribute) and target.attr == "state"
    ]

    assert assigned == []


def test_the_loop_knows_no_tick_by_name() -> None:
    imports = (node for path, node in nodes() if path == "scheduler/loop.py" and isinstance(node, ast.ImportFrom))
    known = {node.module for node in imports if node.module and node.module.startswith("scheduler")}
    assert known == {"scheduler.rush", "scheduler.ticks.pulse", "scheduler.ticks.table"}  # pulse: ticks by any name


def test_nobody_remembers_anything_in_the_runtime() -> None:
    """A tick's memory is its own: what several ticks share is created in `scheduler/ticks/table.py`."""
    modules = (definitions, gateway, jobs, limits_in_force, marker, settings, engine)
    kinds = get_type_hints(Runtime, localns={name: it for module in modules for name, it in vars(module).items()})
    of_data = {f.name for f in fields(Runtime) if kinds[f.name].__module__ in {"builtins", "types", "collections"}}
    assert of_data == {"account_id", "rehearsal", "installation", "only_runs"}
    assert kinds["only_runs"] == frozenset[int] | None


def test_only_what_is_shown_is_read_from_the_replica() -> None:
    """Nothing that decides reads it: no tick, no action, nothing that sends."""
    asking = {
        path
        for path, node in nodes()
        if isinstance(node, ast.Attribute | ast.keyword)
        and (getattr(node, "attr", "") == "from_replica" or getattr(node, "arg", "") == "replica_url")
    }

    assert asking == {
        "worker/runtime.py",
        "scheduler/actions/opening.py",  # `report_store`
        "scheduler/cli/commands/reading/status.py",
        "scheduler/doctor/database.py",
        "scheduler/web/api/parameters.py",  # GET alone
        "scheduler/web/desk/live.py",  # views
    }
    reporting = {path for path, node in nodes() if isinstance(node, ast.Name) and node.id == "report_store"}
    assert {Path(path).stem for path in reporting} == {"audit", "export", "status", "suppress", "why"}


def test_only_the_loop_knows_apscheduler() -> None:
    assert imports_of("apscheduler") == {"scheduler/loop.py"}


def test_only_the_jobs_know_dramatiq() -> None:
    assert imports_of("dramatiq") == {"worker/jobs.py", "worker/redis_jobs.py"}


def test_nothing_prints_past_the_command_line() -> None:
    printing = {
        path
        for path, node in nodes()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }

    assert printing <= {path for path in printing if path.startswith(("scheduler/cli/", "worker/sandbox/"))}


def test_statements_are_built_from_tables_and_not_from_models() -> None:
    """One dialect of SQL in the store: `recipients.c.state`, never `col(Recipient.state)` next to it."""
    imported = {
        alias.name
        for path, node in nodes()
        if path.startswith("worker/store/") and isinstance(node, ast.ImportFrom) and node.module == "sqlmodel"
        for alias in node.names
    }

    assert imported == {"Session", "SQLModel", "Field"}


PREDICATES = frozenset({
    "startswith", "endswith", "like", "not_like", "ilike", "contains", "in_", "not_in", "is_", "is_not",
    "is_distinct_from", "is_not_distinct_from", "match", "regexp_match", "find", "index", "__eq__", "__ne__",
})  # fmt: skip
MOMENTS = frozenset({"moment", "run_moment"})
NAMED_BY_SHAPE = MOMENTS | {"slug", "campaign"}
IN_SQL = re.compile(r"\b(paused_|run_|account_|batch_)?reason\b\s*(=|<>|!=|IN \(|LIKE )|\bmoment\b\s+LIKE", re.I)


def name_of(node: ast.expr) -> str:
    """The last name of `x`, `a.x`, `a["x"]`, `a.get("x")`, `col(a.x)` or `str(a.x)`; empty for anything else."""
    match node:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(str(name))):
            return name
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(str(name)), *_]):
            return name
        case ast.Call(func=ast.Name(), args=[inner]):
            return name_of(inner)
    return ""


def is_sentence(node: ast.expr) -> bool:
    name = name_of(node)
    return name == "reason" or name.endswith("_reason")


def is_class_name(node: ast.expr) -> bool:
    if isinstance(node, ast.Set | ast.List | ast.Tuple):
        return any(map(is_class_name, node.elts))
    return (isinstance(node, ast.Attribute) and node.attr in {"__name__", "__qualname__"}) or (
        isinstance(node, ast.Subscript | ast.Call) and name_of(node) == "class"
    )


def is_fixed_text(node: ast.expr) -> bool:
    return (isinstance(node, ast.Constant) and isinstance(node.value, str)) or name_of(node).isupper()


def decided_by_words(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Comparisons with a sentence for people, a class name, or the shape of a name."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left, ops, others):
                sides = [left, *others]
                is_there = all(isinstance(op, ast.Is | ast.IsNot) for op in ops)  # `is None`: no row was found
                if any(map(is_sentence, sides)) and not is_there:
                    yield node.lineno, "a sentence"
                if any(map(is_class_name, sides)):
                    yield node.lineno, "a class name"
                is_same = all(isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for op in ops)
                if is_same and any(name_of(side) in MOMENTS for side in sides) and any(map(is_fixed_text, sides)):
                    yield node.lineno, "a moment"
            case ast.Call(func=ast.Attribute(value=value, attr=method)) if method in PREDICATES:
                if is_sentence(value):
                    yield node.lineno, "a sentence"
                if name_of(value) in NAMED_BY_SHAPE and method not in {"in_", "not_in", "is_", "is_not"}:
                    yield node.lineno, "the shape of a name"
            case ast.Call(func=ast.Name("len"), args=[value]) if name_of(value) in MOMENTS:
                yield node.lineno, "the shape of a name"
            case ast.Subscript(value=value, slice=ast.Slice()) if name_of(value) in MOMENTS:
                yield node.lineno, "the shape of a name"
            case ast.MatchClass(kwd_attrs=names) if any(name == "reason" or name.endswith("_reason") for name in names):
                yield node.lineno, "a sentence"
            case ast.Constant(str(text)) if IN_SQL.search(text):
                yield node.lineno, "a sentence"


def test_what_is_decided_by_is_a_code() -> None:
    """Migrations quote what was stored before there were codes."""
    found = [
        (str(path.relative_to(ROOT)), *place)
        for path in MODULES
        if "versions" not in path.parts
        for place in decided_by_words(tree(path))
    ]

    assert found == []


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('accounts.c.paused_reason == ""', "a sentence"),
        ("known = col(Account.paused_reason) == QUARANTINE", "a sentence"),
        ("col(Account.paused_reason).startswith(words)", "a sentence"),
        ("col(Account.paused_reason).in_([NEW_GATEWAY, QUARANTINE])", "a sentence"),
        ("if p.run.state is PAUSED and p.run.reason != PAUSED_BY_HAND: pass", "a sentence"),
        ("if reason == QUARANTINE: pass", "a sentence"),
        ('kept["paused_reason"] == ""', "a sentence"),
        ("sa.text(\"reason = 'waiting for the throttle'\")", "a sentence"),
        ('doubt.evidence.get("class") == DeviceRefused.__name__', "a class name"),
        ('evidence["class"] in classes', "a class name"),
        ("type(error).__name__ in KNOWN", "a class name"),
        ("kind in {FailureUnknown.__name__, ServerFailed.__name__}", "a class name"),
        ("date.fromisoformat(moment) if len(moment) == DAY_LENGTH else None", "the shape of a name"),
        ('col(Run.moment).like("____-__-__")', "the shape of a name"),
        ("col(Run.moment).startswith(MOMENT_PREFIX)", "the shape of a name"),
        ("run.moment[:10]", "the shape of a name"),
        ("sa.text(\"moment LIKE '____'\")", "a sentence"),
        ("found.moment == runs.ONCE", "a moment"),
        ("run.campaign.startswith(TEST_PREFIX)", "the shape of a name"),
    ],
)
def test_the_rule_about_codes_finds_what_there_was(line: str, what: str) -> None:
    assert what in {found for _, found in decided_by_words(ast.parse(line))}


@pytest.mark.parametrize(
    "line",
    [
        "lines.append(run.reason) if run.reason else None",
        "firing.moment < now",
        "Run.moment == day.isoformat()",
        'run.reason.removesuffix(".")',
        "found.type is RunType.ONCE",
    ],
)
def test_the_rule_about_codes_lets_people_be_told(line: str) -> None:
    assert not list(decided_by_words(ast.parse(line)))


def proofs(*nodes: ast.AST) -> Counter[int]:
    """How often `pytest.mark.proof` stands in each line of them."""
    inner = (inner for node in nodes for inner in ast.walk(node))
    return Counter(node.lineno for node in inner if isinstance(node, ast.Attribute) and node.attr == "proof")


def test_a_proof_is_one_more_case_of_a_test_that_has_others() -> None:
    """`make test` leaves out what is marked `proof`: it may lose breadth and never a kind."""
    outside, alone = [], []
    for path in TESTS:
        if "proof" not in path.read_text(encoding="utf-8"):
            continue
        marks = proofs(tree(path))
        for node in ast.walk(tree(path)) if marks else ():
            match node:
                case ast.Call(ast.Attribute(attr="parametrize"), [_, ast.List(cases)]) if proofs(*cases):
                    marks -= proofs(*cases)
                    alone += [(path.name, node.lineno)] if all(map(proofs, cases)) else []
        outside += [(path.name, line) for line in marks]

    assert (outside, alone) == ([], [])


def test_modules_whose_tests_share_a_fixture_are_dealt_as_one(request: pytest.FixtureRequest) -> None:
    """Else six processes would each make it. Of the modules that are collected: all of them with `make test`."""
    tests = [item for item in request.session.items if isinstance(item, pytest.Function)]
    shared = {
        module_of(test.nodeid)
        for test in tests
        if any(found[-1].scope == "module" for found in test._fixtureinfo.name2fixturedefs.values())
    }

    assert shared - SHARING - ALONE == set()
    assert {path for path in SHARING | ALONE if not (ROOT / path).exists()} == set()


FILES_AT_MOST = 15
HISTORY = "worker/store/migrations/versions"
"""It only grows, and is read by number."""
LINES_AT_MOST = 300
LONGER = {"worker/store/models.py"}
"""The schema is one table of tables; migrations quote the past."""


def test_no_public_class_name_stands_twice() -> None:
    """A newcomer who searches for a word finds one thing. The sandbox is another program, with the gateway's words."""
    places: dict[str, list[str]] = {}
    for path in MODULES:
        if "sandbox" not in path.parts:
            for node in tree(path).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))

    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_modules_are_short() -> None:
    lines = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n") for path in MODULES}
    long = {path for path, count in lines.items() if count > LINES_AT_MOST and "/versions/" not in path}

    assert long == LONGER


def test_no_folder_is_a_heap() -> None:
    """With more files than this beside its subfolders, a folder can only be read by searching."""
    files = Counter(str(path.parent.relative_to(ROOT)) for path in [*MODULES, *TESTS] if path.name != "__init__.py")

    assert {folder: count for folder, count in files.items() if count > FILES_AT_MOST and folder != HISTORY} == {}
