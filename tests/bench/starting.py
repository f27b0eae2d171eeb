"""What a command costs before it has done anything, and what a service costs that has nothing to do.

Processor time of the whole process, the least of several: a busy machine only adds to it. A ratio to what Python needs
for `import sqlalchemy` in the same rounds stays comparable between machines.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from scheduler.cli.completing import COMPLETE
from tests.bench.installation import Installation, Servers, cpu_seconds
from tests.bench.reporting.results import BenchError, Idled, Started
from tests.bench.reporting.samples import FIRST_NUMBER, write_campaign

PEOPLE: Final = 10
SETTLE_SECONDS: Final = 8.0
"""From the start of a service until it only waits."""

NOTHING_TO_DO_SHARE: Final = 0.02
"""Of a core, that `up` may use."""

BARE: Final = "import sqlalchemy"
NOTHING: Final = "pass"

COMMANDS: Final[Mapping[str, tuple[Sequence[str], float | None]]] = {
    "--version": (["--version"], None),
    "--help": (["--help"], None),
    "status": (["status"], 0.6),
    "status CAMPAIGN": (["status", "bench"], 0.6),
    "why NUMBER": (["why", f"+39{FIRST_NUMBER}"], None),
    "export CAMPAIGN": (["export", "bench"], None),
    "pause CAMPAIGN": (["pause", "bench"], None),
    "check FILE": (["check", "bench.yaml"], None),
    "plan FILE": (["plan", "bench.yaml", "--sandbox"], 0.9),
}
"""A command, its arguments and the target in seconds."""

COMPLETING: Final = {
    COMPLETE: "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args", "_TYPER_COMPLETE_ARGS": "campaigns status be",
}  # fmt: skip


def measure_starts(rounds: int) -> list[Started]:
    """Run each command this many times, one after the other; return the least that each took."""
    product = [sys.executable, "-c", "from scheduler.cli import main; main()"]
    bare = {name: [sys.executable, "-c", name] for name in (NOTHING, BARE)}
    commands = bare | {name: [*product, *words] for name, (words, _) in COMMANDS.items()}
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("CAMPAIGNS_")},
            "PYTHONPATH": str(Path.cwd()), "CAMPAIGNS_TIMEZONE": "Europe/Rome",
        }  # fmt: skip
        write_campaign(folder, recipients=PEOPLE)
        spent([*product, "run", "--sandbox", "bench.yaml"], folder, environment)
        least: dict[str, float] = {}
        for _ in range(rounds):
            for what, command in commands.items():
                least[what] = min(least.get(what, 1e9), spent(command, folder, environment)[1])
            _, used = spent(product, folder, environment | COMPLETING)
            least["Tab after `status be`"] = min(least.get("Tab after `status be`", 1e9), used)
    targets = {what: target for what, (_, target) in COMMANDS.items()}
    return [Started(what, seconds, seconds / least[BARE], targets.get(what)) for what, seconds in least.items()]


def measure_idle(where: Servers | None, idle_seconds: float, rounds: int = 1, *, http: str = "") -> list[Idled]:
    """Let `up` on SQLite, or with servers a scheduler and a worker, do nothing: database and inbox are empty.

    Return the least that each process used in one of the rounds.
    """
    roles = ("up",) if where is None else ("scheduler", "worker")
    beside = "SQLite" if where is None else "PostgreSQL and Redis"
    most = NOTHING_TO_DO_SHARE if where is None else None
    what = [f"`{role}`, {beside}{', HTTP' if http else ''}" for role in roles]
    with Installation(where, {"http": http}, has_ledger=False) as world:
        services = world.start(*roles)
        time.sleep(SETTLE_SECONDS)
        least: dict[str, Idled] = {}
        for _ in range(rounds):
            before, began = [cpu_seconds(service) for service in services], time.monotonic()
            time.sleep(idle_seconds)
            seconds = time.monotonic() - began
            for name, service, used in zip(what, services, before, strict=True):
                idled = Idled(name, seconds, cpu_seconds(service) - used, most)
                least[name] = min(least.get(name, idled), idled, key=lambda each: each.share)
        return list(least.values())


def spent(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[float, float]:
    """Return the seconds of a process by the clock, and its processor time. Raises `BenchError` if it fails."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=said, stdin=subprocess.DEVNULL
        )  # fmt: skip
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in {0, 2}:  # `pause` of a campaign that is over is refused, after all its loading
            said.seek(0)
            raise BenchError(f"{' '.join(command[3:])} failed: {said.read().decode(errors='replace')}")
    return seconds, used.ru_utime + used.ru_stime
