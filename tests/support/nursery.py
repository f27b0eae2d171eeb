"""Processes forked from one that has already imported the product: a start costs 20 ms of CPU instead of 1.7 s.

This is the standard library's fork server: a clean process without threads that ends with this one. It does not show
what a process does before its first line of work (the interpreter, the imports):
`tests/scheduler/cli/upkeep/test_cli_process.py`, `tests/deploy/test_deploy_heartbeat.py` and
`tests/worker/test_logs.py` start commands and services as programs.
"""

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Final, Self

from worker.sandbox.running.command import OPTIONS_FROM_STDIN, options_to_json
from worker.sandbox.running.options import SandboxOptions

ROOT: Final = Path(__file__).parents[2]

PRELOADED: Final = "tests.support.preloading"

_ONE_AT_A_TIME: Final = Lock()
"""A start asks each child whether it has ended; if two threads ask one, its exit code becomes 255."""

STOP_SECONDS: Final = 10.0


def start(
    arguments: Sequence[str], *, folder: Path, env: Mapping[str, str], stdout: Path, stderr: Path
) -> ForkServerProcess:
    """Start `python -m tests.prove.world.victim ARGUMENTS` in a folder, with this environment and these output
    files.
    """
    process = fork_server().Process(
        target=_live, args=(tuple(arguments), str(folder), dict(env), str(stdout), str(stderr))
    )
    with _ONE_AT_A_TIME:
        process.start()
    return process


def exit_code(process: ForkServerProcess, within_seconds: float) -> int | None:
    """How it ended, or None if it has not within that time. For threads that start others meanwhile."""
    wait([process.sentinel], within_seconds)
    with _ONE_AT_A_TIME:
        return process.exitcode


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A gateway to send to, like a `PrivateSandbox`: it ends with this process, however this one ends."""

    url: str
    key: str
    process: ForkServerProcess
    _held: Connection

    @classmethod
    def start(cls, options: SandboxOptions) -> "Sandbox":
        """Start `python -m worker.sandbox` and wait until it accepts connections."""
        options = options.with_key()
        reads, held = fork_server().Pipe(duplex=False)
        hears, tells = fork_server().Pipe(duplex=False)
        process = fork_server().Process(target=_serve, args=(str(Path.cwd()), reads, tells), daemon=True)
        with _ONE_AT_A_TIME:
            process.start()
        reads.close()
        tells.close()
        os.write(held.fileno(), options_to_json(options).encode() + b"\n")
        with hears, open(hears.fileno(), closefd=False, encoding="utf-8") as lines:
            url = lines.readline().strip()
        sandbox = cls(url, options.key or "", process, held)
        if not url:
            sandbox.stop()
            raise RuntimeError("the sandbox ended before it accepted connections: start it by hand to see why")
        return sandbox

    def stop(self) -> None:
        """End it and wait for its end; harmless if it has ended already."""
        self._held.close()
        if exit_code(self.process, STOP_SECONDS) is None:
            self.process.kill()
            exit_code(self.process, STOP_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def fork_server() -> ForkServerContext:
    """A context that makes processes; each is a fork of one that has imported the product."""
    with _ONE_AT_A_TIME:
        return _warm()


@cache
def _warm() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", PRELOADED])
    first = context.Process(target=_end)
    with chdir(ROOT):  # where it finds `tests`; a test may work in another folder
        first.start()
    first.join()  # a test that waits for what it starts does not wait for the imports
    return context


def _end() -> None:
    pass


def _live(arguments: Sequence[str], folder: str, env: Mapping[str, str], stdout: str, stderr: str) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    for path, stream in ((stdout, sys.stdout), (stderr, sys.stderr)):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
    from tests.prove.world.victim import main  # preloaded; not by the process that only starts others

    main(list(arguments))


def _serve(folder: str, reads: Connection, tells: Connection) -> None:
    os.chdir(folder)
    os.setsid()  # like a private sandbox: Ctrl-C in the terminal does not reach it
    nothing = os.open(os.devnull, os.O_WRONLY)
    for descriptor, standard in ((reads.fileno(), 0), (tells.fileno(), 1), (nothing, 2)):
        os.dup2(descriptor, standard)
    reads.close()
    tells.close()
    os.close(nothing)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    from worker.sandbox.running.command import main

    sys.exit(main([OPTIONS_FROM_STDIN]))
