"""The webhook: single calls to `campaigns up`, and a real `campaigns dashboard` under 500 calls at once.

    python -m tests.prove.webhook --rounds 5 --calls 500 --single 200

First come genuine calls one after the other, each made when the last one was answered; then round after round of load.
Of ten calls five are genuine, two replayed, one signed with another key, one malformed and one too long. For each round
it prints how many answers were wrong, how many replies are stored, the seconds of answers and the memory of the
process.
"""

import argparse
import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final
from urllib.parse import urlencode

from tests.prove.record.lines import Recording, recording
from tests.scheduler.web.caller import FORM, KEY, message, post, push, signed
from tests.support.tcp_server import unused_port

ROOT: Final = Path(__file__).parents[2]
COMMAND: Final = (sys.executable, "-c", "from scheduler.cli import main; main()")
TOO_LONG: Final = b"messages=" + b"a" * 1_200_000


@dataclass(frozen=True)
class Round:
    """The results of one round."""

    wrong: int
    stored: int
    expected: int
    median_seconds: float
    slowest_seconds: float
    memory_mib: float


@contextmanager
def front_door(folder: Path, command: str = "dashboard") -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """(address, process) of a front door with its own SQLite file; killed unless the block has ended it.

    `command`: `dashboard`, or `up`, which has one, too.
    """
    url = f"http://127.0.0.1:{unused_port()}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CAMPAIGNS_")}
    environment = kept | {
        "PYTHONPATH": str(ROOT),
        "CAMPAIGNS_GATEWAY_URL": "http://127.0.0.1:9",
        "CAMPAIGNS_API_KEY": KEY,
        "CAMPAIGNS_DATABASE_URL": f"sqlite:///{folder}/campaigns.db",
        "CAMPAIGNS_HTTP": url.removeprefix("http://"),
        "CAMPAIGNS_LOG_FORMAT": "json",
    }
    with (folder / f"{command}.log").open("ab") as log:
        process = subprocess.Popen([*COMMAND, command], env=environment, cwd=folder, stderr=log)
    try:
        end = time.monotonic() + 60
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((folder / f"{command}.log").read_text(encoding="utf-8"))
            time.sleep(0.1)
        yield url, process
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return post(url, b"", {}) == 400
    except OSError:
        return False


def one_by_one(url: str, ids: range) -> list[float]:
    """Make genuine calls with messages of these IDs, one after the other; return their seconds, the shortest first."""
    seconds = []
    for id_ in ids:
        genuine = [message(id_, "STOP", number=f"+39334{id_:07}")]
        began = time.perf_counter()
        if push(url, genuine) != 200:
            raise RuntimeError(f"message {id_} was not taken")
        seconds.append(time.perf_counter() - began)
    return sorted(seconds)


def one_round(url: str, process: subprocess.Popen[bytes], folder: Path, calls: int, *, number: int) -> Round:
    """Make this many calls, all at the same time."""
    first = number * calls

    def call(place: int) -> tuple[bool, float]:
        began = time.monotonic()
        status, expected = _call(url, first + place)
        return status == expected, time.monotonic() - began

    with ThreadPoolExecutor(calls) as pool:
        answers = list(pool.map(call, range(calls)))
    with closing(sqlite3.connect(folder / "campaigns.db")) as database:
        [stored] = database.execute("SELECT count(*) FROM inbound").fetchone()
    seconds = [took for _, took in answers]
    return Round(
        sum(not right for right, _ in answers),
        stored,
        sum(place % 10 < 5 for place in range(first + calls)),
        median(seconds),
        max(seconds),
        memory_mib(process.pid),
    )


def _call(url: str, place: int) -> tuple[int, int]:
    """Return (status, expected status)."""
    genuine = [message(place + 1, "STOP", number=f"+39333{place:07}")]
    match place % 10:
        case 5 | 6:  # what was called two calls before
            return push(url, [message(place - 1, "STOP", number=f"+39333{place - 2:07}")]), 200
        case 7:
            return push(url, genuine, key="another"), 401
        case 8:
            field = json.dumps(genuine)[:-1]
            body = urlencode({"messages": field}).encode()
            return post(url, body, {"Content-Type": FORM, "X-SG-SIGNATURE": signed(field)}), 400
        case 9:
            return _too_long(url), 413
        case _:
            return push(url, genuine), 200


def _too_long(url: str) -> int:
    try:
        return post(url, TOO_LONG, {"Content-Type": FORM, "X-SG-SIGNATURE": "a"})
    except (BrokenPipeError, ConnectionResetError):
        return 413  # it hung up before everything was written


def memory_mib(pid: int) -> float:
    """The memory that the process holds now, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no such process")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; return 1 if an answer was wrong or a reply was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--single", type=int, default=200)
    options = parser.parse_args(arguments)
    with recording("webhook") as record:
        broken = _rounds(options, record)
    return int(broken > 0)


def _rounds(options: argparse.Namespace, record: Recording) -> int:
    """Make the calls; return how many answers were wrong, and replies lost."""
    with tempfile.TemporaryDirectory() as name, front_door(Path(name), "up") as (url, _):
        one_by_one(url, range(1, 11))  # warm up what the first call loads
        milliseconds = [1_000 * seconds for seconds in one_by_one(url, range(11, 11 + options.single))]
        within = milliseconds[math.ceil(0.99 * options.single) - 1]
        say(
            f"one by one: {options.single} calls, median {median(milliseconds):.1f} ms, "
            f"99 % within {within:.1f} ms, slowest {milliseconds[-1]:.1f} ms "
            f"(load average {os.getloadavg()[0]:.1f})"
        )
    with tempfile.TemporaryDirectory() as name, front_door(Path(name)) as (url, process):
        say(f"before: {memory_mib(process.pid):.1f} MiB")
        for number in range(options.rounds):
            done = one_round(url, process, Path(name), options.calls, number=number)
            record.add({"rounds": 1, "calls": options.calls}, broken=done.wrong + abs(done.stored - done.expected))
            say(
                f"round {number + 1}: {options.calls} calls, {done.wrong} wrong answers, {done.stored} of "
                f"{done.expected} replies stored, median {done.median_seconds:.2f} s, "
                f"slowest {done.slowest_seconds:.2f} s, {done.memory_mib:.1f} MiB"
            )
        process.send_signal(signal.SIGTERM)
        record.add({}, broken=int(process.wait(30) != 0))
    return record.broken


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
