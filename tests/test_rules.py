"""Rules of the house that no linter knows."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = sorted(path for package in ("campaigns", "worker", "scheduler") for path in (ROOT / package).rglob("*.py"))


def nodes() -> Iterator[tuple[str, ast.AST]]:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield str(path.relative_to(ROOT)), node


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


def test_only_the_loop_knows_apscheduler() -> None:
    assert imports_of("apscheduler") == {"scheduler/loop.py"}


def test_only_the_jobs_know_dramatiq() -> None:
    assert imports_of("dramatiq") == {"worker/jobs.py"}


def test_nothing_prints_past_the_command_line() -> None:
    printing = {
        path
        for path, node in nodes()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }

    assert printing <= {path for path in printing if path.startswith(("scheduler/cli/", "worker/sandbox/"))}
