"""Processes that are forked from one which has imported the product already: a start costs 20 ms instead of 1.5 s.

The standard library's fork server: a clean process without threads that ends with this one.
"""

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from threading import Lock
from typing import Final

PRELOADED: Final = (
    "tests.prove.victim",
    "scheduler.cli",
    "scheduler.cli.live",
    "scheduler.cli.output",
    "scheduler.cli.reading",
    "scheduler.processes.rehearsal",
    "scheduler.report.rows",
    "scheduler.report.summary",
    "scheduler.processes.running",
    "worker.store.migrate",
    "alembic.command",
    "psycopg",
)
"""What `run` and `export` import when they begin, and what the programs that start them import."""

_ONE_AT_A_TIME: Final = Lock()
"""A start asks each child that is there whether it has ended; two threads that ask one make its exit code 255."""


def start(
    arguments: Sequence[str], *, folder: Path, env: Mapping[str, str], stdout: Path, stderr: Path
) -> ForkServerProcess:
    """Start `python -m tests.prove.victim ARGUMENTS` in a folder, with this environment and these output files."""
    process = _fork_server().Process(
        target=_live, args=(tuple(arguments), str(folder), dict(env), str(stdout), str(stderr))
    )
    with _ONE_AT_A_TIME:
        process.start()
    return process


def exit_code(process: ForkServerProcess, within_seconds: float) -> int | None:
    """How it ended, or None when it has not within that time. For threads that start others meanwhile."""
    wait([process.sentinel], within_seconds)
    with _ONE_AT_A_TIME:
        return process.exitcode


@cache
def _fork_server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", *PRELOADED])
    return context


def _live(arguments: Sequence[str], folder: str, env: Mapping[str, str], stdout: str, stderr: str) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    for path, stream in ((stdout, sys.stdout), (stderr, sys.stderr)):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
    from tests.prove.victim import main  # preloaded; not by the process that only starts others

    main(list(arguments))
