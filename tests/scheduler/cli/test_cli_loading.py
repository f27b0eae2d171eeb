"""A command loads the libraries that it needs, and no others: loading is most of a short command's time.

Seconds differ from machine to machine; what was loaded does not. `python -m tests.bench --only start` has the seconds.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from scheduler.cli.completing import COMPLETE
from worker.store.engine import Store

Planned = Callable[[str], tuple[Store, int]]

WEB: Final = frozenset({"fastapi", "starlette", "uvicorn", "httptools", "multipart"})
SENDING: Final = frozenset({"httpx", "dramatiq", "tenacity", "apscheduler", "prometheus_client"}) | WEB
SERVERS: Final = frozenset({"redis", "psycopg", "alembic"})  # the databases here are SQLite, and up to date
READING: Final = frozenset({"yaml", "jinja2", "openpyxl", "holidays"})
NUMBERS: Final = frozenset({"phonenumbers", "regex"})
LOGS: Final = frozenset({"structlog", "opentelemetry"})
DATABASE: Final = frozenset({"sqlalchemy", "sqlmodel"})
SHOWN: Final = frozenset({"rich"})

NEVER: Final = SENDING | SERVERS | LOGS

WITHOUT: Final = (
    (("--version",), NEVER | READING | NUMBERS | DATABASE | SHOWN | {"pydantic"}),
    (("--help",), NEVER | READING | NUMBERS | DATABASE | SHOWN | {"pydantic"}),
    (("status",), NEVER | READING | NUMBERS),
    (("status", "spring-sale", "--json"), NEVER | READING | NUMBERS | SHOWN),
    (("alerts",), NEVER | READING | NUMBERS | SHOWN),
    (("export", "spring-sale"), NEVER | READING | NUMBERS | SHOWN),
    (("why", "+393331000001"), NEVER | READING | SHOWN | {"regex"}),
    (("check", "spring.yaml"), NEVER | DATABASE | SHOWN | {"holidays", "openpyxl"}),
    (("plan", "spring.yaml", "--json"), NEVER | SHOWN | {"holidays", "openpyxl"}),
    (("pause", "spring-sale"), (NEVER | READING | {"phonenumbers"}) - LOGS),
    (("worker",), READING | WEB - {"httptools"} | {"phonenumbers", "apscheduler"}),
    (("scheduler",), {"fastapi", "openpyxl", "holidays"}),
    (("up",), SERVERS | {"fastapi", "openpyxl", "holidays"}),
)  # fmt: skip
"""A command, and what it does not load."""

RUN: Final = """
import sys
from scheduler.cli import main
try:
    main()
finally:
    print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


def loaded(*arguments: str, **environment: str) -> frozenset[str]:
    """Return the packages that a process of this command has loaded when it ends."""
    ended = subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        capture_output=True, text=True, timeout=600, env={**os.environ, **environment},
    )  # fmt: skip
    return frozenset(ended.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(("arguments", "without"), WITHOUT)
def test_a_command_loads_nothing_that_it_does_not_need(
    planned: Planned, folder: Path, arguments: tuple[str, ...], without: frozenset[str]
) -> None:
    planned("spring-sale")
    assert loaded(*arguments) & without == frozenset()


def test_a_name_that_a_shell_completes_waits_for_the_database_alone(planned: Planned) -> None:
    planned("spring-sale")
    asks = {COMPLETE: "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    found = loaded(**asks, _TYPER_COMPLETE_ARGS="campaigns status spr")
    assert found & (NEVER | READING | NUMBERS | SHOWN) == frozenset()
    assert "sqlalchemy" in found
