"""What a database reads for what people see.

A statement counts rows if it has an aggregate, and the database reads more than `MOST_COUNTED` rows of a large table
for it: as `EXPLAIN ANALYZE` says on PostgreSQL, and as the steps of its virtual machine say on SQLite.
"""

import re
from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa

from tests.bench.stored.pages import LARGE, statements
from worker.store.engine import Store

MOST_COUNTED: Final = 2_000
STEPS_A_ROW: Final = 8
"""Of SQLite's virtual machine, to look at one row of an index and count it."""

COUNTS: Final = re.compile(r"\b(count|sum|avg|min|max|total)\s*\(|GROUP BY|SELECT DISTINCT", re.IGNORECASE)

OF_LARGE: Final = re.compile(rf"(FROM|JOIN) ({'|'.join(LARGE)})\b")


def what_is_read(store: Store, read: Callable[[], object], *, asked: int = 0) -> tuple[int, int, list[str]]:
    """Read something in this process, and have the database say what each of its statements reads.

    `asked`: so many rows are what it is asked for.

    Return how many statements there were, the most rows (steps of SQLite) that one read, and those that counted rows.
    """
    with statements() as seen:
        read()
    most, counted = 0, []
    for statement, values in seen:
        with store.look() as connection:
            rows = (_steps if store.is_sqlite else _rows)(connection, statement, values)
        most = max(most, rows)
        bound = (MOST_COUNTED + asked) * (STEPS_A_ROW if store.is_sqlite else 1)
        if COUNTS.search(statement) and OF_LARGE.search(statement) and rows > bound:
            counted.append(" ".join(statement.split()))
    return len(seen), most, counted


def _rows(connection: sa.Connection, statement: str, values: Any) -> int:
    plan = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values).scalar_one()
    nodes, rows = [plan[0]["Plan"]], 0.0
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", ())
        if node.get("Relation Name") in LARGE:
            removed = (value for name, value in node.items() if name.startswith("Rows Removed"))
            rows += node["Actual Loops"] * (node["Actual Rows"] + sum(removed))
    return int(rows)


def _steps(connection: sa.Connection, statement: str, values: Any) -> int:
    every, steps = 100, 0

    def step() -> int:
        nonlocal steps
        steps += every
        return 0

    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(step, every)
    try:
        connection.exec_driver_sql(statement, values).all()
    finally:
        driver.set_progress_handler(None, 0)
    return steps
