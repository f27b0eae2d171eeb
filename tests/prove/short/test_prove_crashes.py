"""The crash proof, in short, and that it covers every place where the product can be killed."""

import ast
import signal
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

from tests.prove.crashes import SHORT, line_of, try_all
from tests.prove.world import product as prove
from tests.prove.world.crash_points import (
    NOT_BY_RUN,
    ONCE,
    REQUESTS,
    TRANSACTIONS,
    Database,
    matrix,
    points,
    sample,
)
from tests.prove.world.product import Product, summary_of, write_campaign
from tests.prove.world.victim import Fate, parse_crash
from tests.support.nursery import Sandbox
from worker.sandbox.running.options import SandboxOptions

SEED = 4
IN_CI = 4
"""This many cases of the short form are tried in each run; the others with `make prove-quick`."""


@cache
def every_call() -> list[tuple[str, str, bool, ast.Call]]:
    """Every call in the product: its place, the name of what is called, and whether it is made as `with ...`."""
    found = []
    for path in chain.from_iterable(
        sorted((prove.ROOT / package).rglob("*.py")) for package in ("worker", "scheduler")
    ):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            items = [item.context_expr for item in node.items] if isinstance(node, ast.With) else []
            for call, of_with in [(node, False), *((item, True) for item in items)]:
                if isinstance(call, ast.Call):
                    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
                    found.append((f"{path.relative_to(prove.ROOT)}:{call.lineno}", name, of_with, call))
    return found


def calls(name: str, *, of_with: bool) -> Iterator[tuple[str, ast.Call]]:
    """Every call of a function or method of this name in the product, with its place; `of_with`: as `with ...`."""
    return ((place, call) for place, called, is_with, call in every_call() if (called, is_with) == (name, of_with))


def literal(call: ast.Call) -> str | None:
    """The keyword `transaction`, the call's only argument, or the one after store and actor, if it is a literal."""
    named = [keyword.value for keyword in call.keywords if keyword.arg == "transaction"]
    match named or call.args:
        case [ast.Constant(value=str(name))] | [_, _, ast.Constant(value=str(name))]:
            return name
    return None


def transactions() -> Iterator[tuple[str, str | None]]:
    """Every `with store.write("name")` and `with acting(store, actor, "name")`: its place and its name."""
    acting = "scheduler/actions/acting.py:"  # the only place that gets the name as an argument
    for place, call in chain(calls("write", of_with=True), calls("acting", of_with=True)):
        if not place.startswith(acting):
            yield place, literal(call)


def test_every_transaction_has_a_name_of_its_own() -> None:
    # given
    names = dict(transactions())
    # when
    unnamed = [place for place, name in names.items() if name is None]
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    # then
    assert (unnamed, twice) == ([], [])


def test_the_matrix_names_every_transaction_or_says_who_reaches_it() -> None:
    # given
    named = {name for _, name in transactions()}
    # when / then
    assert named == {*TRANSACTIONS, *NOT_BY_RUN}
    assert not TRANSACTIONS.keys() & NOT_BY_RUN.keys()
    assert TRANSACTIONS.keys() >= ONCE


def test_the_matrix_names_every_point_around_a_request() -> None:
    # given
    written = {name for _, call in calls("reached", of_with=False) if (name := literal(call)) is not None}
    # when / then
    assert written == REQUESTS.keys()


def test_the_matrix_has_every_way_of_every_point() -> None:
    # given
    cases = matrix(SEED)
    # when / then
    databases = [1 if world.only else 2 for _, world in points()]
    assert len(set(cases)) == len(cases) == sum(databases) * 3 * 2


def test_a_sample_is_spread_over_transactions_and_is_the_same_for_the_same_seed() -> None:
    # given
    places = len(TRANSACTIONS) + len(REQUESTS)
    # when
    cases = sample(SEED, places)
    # then
    assert len({case.place for case in cases}) == places
    assert cases == sample(SEED, places)
    assert cases != sample(SEED + 1, places)


@pytest.mark.parametrize(
    ("text", "crash"),
    [
        ("post:replied:2", ("post:replied", 2)),
        ("reply:committed", ("reply:committed", 1)),
        ("", ("", 0)),
    ],
)
def test_a_crash_is_a_point_and_a_count(text: str, crash: tuple[str, int]) -> None:
    assert parse_crash(text) == crash


def test_a_process_ends_the_nth_time_it_reaches_the_point_and_only_then(tmp_path: Path) -> None:
    # given
    log = tmp_path / "points"
    killed_after: list[list[str]] = []
    fate = Fate("intent:committed", 2, lambda: killed_after.append(log.read_text("ascii").split()), log)
    # when
    for name in ("intent:committed", "reply:committed", "intent:committed", "intent:committed"):
        fate.reached(name)
    # then
    assert killed_after == [["intent:committed", "reply:committed", "intent:committed"]]


def test_a_victim_is_killed_where_it_should_and_goes_on_when_it_is_started_again(tmp_path: Path) -> None:
    # given
    audience = write_campaign(tmp_path, "spring", recipients=10)
    with Sandbox.start(SandboxOptions()) as sandbox:
        product = Product(tmp_path, gateway_url=sandbox.url, key=sandbox.key)
        # when
        killed = product.run("run", audience.path.name, "--json", victim=["--crash", "reply:before_commit:1"])
        again = product.run("run", audience.path.name, "--json", victim=["--list-points", "points"])
    # then
    reached = set((tmp_path / "points").read_text(encoding="ascii").split())
    assert (killed.code, killed.stdout) == (-signal.SIGKILL, "")
    assert again.code == 0
    assert (summary_of(again.stdout) or {})["recipients"]["delivered"] == 10
    assert {"rescue:committed", "verdict:committed", "finish:committed"} <= reached


def test_a_victim_is_a_program(tmp_path: Path) -> None:
    # given
    product = Product(tmp_path, gateway_url="http://127.0.0.1:1", key="none")
    # when
    with product.start("status", victim=["--clock-offset", "3600"]) as process:
        code = process.wait(60)
    # then
    assert code == 0
    assert "no campaigns yet" in "".join(product.said().values())


@pytest.mark.timeout(400)  # campaigns of some 8 s each, four at a time; other tests run beside them
@pytest.mark.parametrize(
    "part",
    [
        pytest.param(slice(IN_CI), id="in short"),
        pytest.param(slice(IN_CI, None), id="the others", marks=pytest.mark.proof),
    ],
)
def test_crashes_break_no_promise(part: slice) -> None:
    # given
    cases = sample(SEED, SHORT)[part]
    # when
    results = try_all(cases, at_once=4, shown=lambda _: None)
    # then
    assert [line_of(tried) for tried in results if tried.findings.violations or not tried.is_reached] == []


@pytest.mark.parametrize("seed", range(10))
def test_the_short_part_has_every_kind_of_point_and_both_databases(seed: int) -> None:
    # given / when
    cases = sample(seed, SHORT)[:IN_CI]
    # then
    assert {case.side for case in cases} == {"request", "before_commit", "committed"}
    assert {case.database for case in cases} == set(Database)
