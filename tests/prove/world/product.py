"""The product as users run it: its command line in its own processes, a folder, an environment, a campaign."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Final

from tests.prove.world.evidence import Told, read_export
from tests.support import nursery

ROOT: Final = Path(__file__).parents[3]

QUICK: Final[Mapping[str, str]] = {
    "CAMPAIGNS_SEND_BY_SECONDS": "2",
    "CAMPAIGNS_SETTLE_SECONDS": "3",
    "CAMPAIGNS_FIRST_POLL_SECONDS": "0.3",
    "CAMPAIGNS_MAX_POLL_SECONDS": "1",
    "CAMPAIGNS_DEVICE_RATE": "none",
    "CAMPAIGNS_LOG_FORMAT": "json",
    "CAMPAIGNS_START_WAIT_SECONDS": "1",
}
"""The protocol's times, a hundredth of the defaults: what takes minutes in service takes seconds here."""

FIRST_NUMBER: Final = 3_330_000_000
"""Italian mobile numbers, of which the next million are all valid."""


@dataclass(frozen=True, slots=True)
class Audience:
    """A campaign file, and what the checker has to know about its audience."""

    path: Path
    campaign: str
    rows: int
    eligible: frozenset[str]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended. A negative `code` is the signal that ended it."""

    code: int
    stdout: str
    stderr: str


class Product:
    """An installation in a folder: every command works there, and its output is kept in `outputs`.

    `victim`: the options of `tests.prove.world.victim` that every process gets.
    """

    def __init__(self, folder: Path, *, gateway_url: str, key: str, **settings: str) -> None:
        self.folder = folder
        self.outputs: list[Path] = []
        self.victim: tuple[str, ...] = ()
        self._names = count(1)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CAMPAIGNS_")}
        self.environment = {
            **clean,
            **QUICK,
            "CAMPAIGNS_GATEWAY_URL": gateway_url,
            "CAMPAIGNS_API_KEY": key,
            "CAMPAIGNS_TIMEZONE": "Europe/Rome",
            "PYTHONPATH": str(ROOT),
            **{f"CAMPAIGNS_{name.upper()}": value for name, value in settings.items()},
        }

    def start(self, *command: str, victim: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        """Start `campaigns COMMAND`; `victim` are more options of `tests.prove.world.victim`.

        Its output goes to two files.
        """
        out, err = self._files(command[0])
        with out.open("wb") as stdout, err.open("wb") as stderr:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.prove.world.victim", *self.victim, *victim, "--", *command],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )

    def fork(self, *command: str, victim: Sequence[str] = ()) -> ForkServerProcess:
        """Start it as `run` does, without waiting for its end."""
        stdout, stderr = self._files(command[0])
        return nursery.start(
            [*self.victim, *victim, "--", *command],
            folder=self.folder,
            env=self.environment,
            stdout=stdout,
            stderr=stderr,
        )

    def run(self, *command: str, victim: Sequence[str] = (), timeout_seconds: float = 150) -> Ended:
        """Run a command to its end. After the timeout, kill it and raise `TimeoutError`.

        It is forked from a process that has imported the product: a `--patch` then comes after the imports; with
        `start` it comes before them.
        """
        process = self.fork(*command, victim=victim)
        stdout, stderr = self.outputs[-2:]
        code = nursery.exit_code(process, timeout_seconds)
        if code is None:
            process.kill()
            process.join()
            raise TimeoutError(f"{command[0]} did not end within {timeout_seconds:g} s")
        return Ended(code, _text(stdout), _text(stderr))

    def _files(self, command: str) -> tuple[Path, Path]:
        """Two new files for a process's output."""
        name = f"{next(self._names):03}-{command}"
        files = self.folder / f"{name}.stdout", self.folder / f"{name}.stderr"
        self.outputs += files
        return files

    def export(self, campaign: str) -> tuple[Told, ...]:
        """What the product says became of everybody. Not among the outputs: numbers and texts belong in it."""
        ended = self.run("export", campaign, "--raw")
        del self.outputs[-2:]
        if ended.code != 0:
            raise RuntimeError(f"the export of {campaign} ended with {ended.code}: {ended.stderr[-300:]}")
        return read_export(ended.stdout)

    def said(self) -> dict[str, str]:
        """Everything that the processes wrote to standard output and standard error, by file."""
        return {path.name: _text(path) for path in self.outputs}


def summary_of(stdout: str) -> dict[str, Any] | None:
    """The last object of a campaign, not of its steps, in `run --json` and `status --json`; None if there is none."""
    found: list[dict[str, Any]] = [json.loads(line) for line in stdout.splitlines() if line.startswith("{")]
    return next((each for each in reversed(found) if "step" not in each), None)


def write_campaign(
    folder: Path, campaign: str, *, recipients: int, first: int = 0, batch_size: int = 5, more: str = ""
) -> Audience:
    """A campaign file and its CSV: this many people, one of them twice, and a row without a valid number.

    `first` is where their numbers begin; `more` is further lines of YAML.
    """
    numbers = [f"+39{FIRST_NUMBER + first + n}" for n in range(recipients)]
    rows = [*numbers, numbers[0], "+39 12"]
    people = "".join(f"{number},Anna{n}\n" for n, number in enumerate(rows))
    (folder / f"{campaign}.csv").write_text(f"phone,first_name\n{people}", encoding="utf-8")
    path = folder / f"{campaign}.yaml"
    path.write_text(
        f"campaign: {campaign}\n"
        f"message: Ciao {{{{ first_name }}}}, this is {campaign}. Reply STOP to opt out.\n"
        f"audience:\n  - file: {campaign}.csv\n    number: phone\n"
        f"throughput:\n  batch_size: {batch_size}\n{more}",
        encoding="utf-8",
    )
    return Audience(path, campaign, len(rows), frozenset(numbers))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
