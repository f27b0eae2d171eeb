"""Erase a campaign's people, by name or by age, and look for them in everything that the product keeps.

`python -m tests.prove.traces.erasing [--people N] [--fleet] [--by-age] [--rebuild]`. The product runs in its own
processes, on SQLite, or with `--fleet` on Redis and PostgreSQL. Some people opt out and some write
before. Afterwards the same people are in a second campaign: nobody who opted out may get it. The exit code is 1 if
somebody was found or texted.
"""

import argparse
import json
import re
import shutil
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import sqlalchemy as sa

from tests.prove.leaks import dump_redis
from tests.prove.record.lines import recording
from tests.prove.world.evidence import miscounted, read_ledger
from tests.prove.world.product import FIRST_NUMBER
from tests.prove.world.stage import KEY, Backing, Stage, backed, kill, wait_until
from worker.store.engine import Store
from worker.store.errors import Loss
from worker.store.forgetting.wiping import has_traces
from worker.store.tables import recipients, replies, runs

SECONDS_OF_A_DAY: Final = 86_400
LATER: Final = 12 * SECONDS_OF_A_DAY
"""The people of a run are kept for seven days, and followed for three."""

NUMBERS: Final = re.compile(rb"%d\d{4}" % (FIRST_NUMBER // 10_000))
NAMES: Final = re.compile(rb"Zyx\d{4}q")
"""No name of anybody else."""

LOST: Final = re.compile("|".join(loss.value for loss in Loss))

LEFT_ALONE: Final = frozenset({"ledger.jsonl", "people.csv", "privacy.key"})
"""What is not the product's: the gateway's own ledger, the table, and the key."""


@dataclass(frozen=True, slots=True)
class Trial:
    """How many people, of whom every tenth opts out and every seventh writes; how they are erased."""

    people: int
    by_age: bool = False
    rebuild: bool = False


@dataclass
class Outcome:
    """Where somebody was found: how many numbers and names. `texted`: who got the second text though they opted out."""

    before: Counter[str] = field(default_factory=Counter)
    found: dict[str, tuple[int, int]] = field(default_factory=dict)
    searched: dict[str, int] = field(default_factory=dict)
    said: str = ""
    states: tuple[dict[str, int], ...] = ()
    miscounted: tuple[str, ...] = ()
    opted_out: int = 0
    second: int = 0
    texted: int = 0

    def lines(self) -> Iterator[str]:
        yield f"kept before: {self.before['numbers']:,} numbers and {self.before['names']:,} names in the database"
        yield self.said
        for place, size in self.searched.items():
            numbers, names = self.found.get(place, (0, 0))
            yield f"{place}: {size:,} bytes, {numbers:,} numbers, {names:,} names"
        same = len(set(map(str, self.states))) == 1
        yield f"states of the first campaign before and after: {'the same' if same else self.states}"
        yield f"kept counts that differ from the rows: {len(self.miscounted)} {self.miscounted[:3]}"
        yield f"second campaign: {self.second:,} texts; {self.texted} of {self.opted_out} who opted out got one"

    @property
    def is_kept(self) -> bool:
        own = {place: seen for place, seen in self.found.items() if not place.startswith("PostgreSQL's own")}
        return not (
            any(map(any, own.values())) or self.texted or self.miscounted or len(set(map(str, self.states))) > 1
        )


def number_of(n: int) -> str:
    return f"+39{FIRST_NUMBER + n}"


def drop(stage: Stage, name: str, trial: Trial, text: str) -> None:
    """Put a campaign to everybody into the inbox."""
    rows = "".join(f"{number_of(n)},Zyx{n:04}q\n" for n in range(trial.people))
    (stage.inbox / "people.csv").write_text(f"phone,first_name\n{rows}", encoding="utf-8")
    (stage.inbox / f"{name}.yaml").write_text(
        f"campaign: {name}\nmessage: {text}\naudience:\n  - file: people.csv\n    number: phone\n"
        "throughput:\n  batch_size: 50\n",
        encoding="utf-8",
    )


def say(stage: Stage, n: int, text: str) -> None:
    form = urlencode({"number": number_of(n), "message": text, "key": KEY}).encode()
    with urllib.request.urlopen(f"{stage.sandbox.url}/sandbox/inbound", form, 10) as reply:
        reply.read()


def prove(trial: Trial, folder: Path, backing: Backing, *, crash: str = "") -> Outcome:
    """Send, erase, search, send again. `crash`: where the process that erases is killed the first time."""
    settings = {"privacy_key_file": str(folder / "privacy.key"), "reply_poll_seconds": "0.3"}
    with Stage(folder, backing.database_url, backing.redis_url, settings=settings) as stage:
        outcome = Outcome()
        store = Store(backing.database_of(folder))
        _done(stage, "erase", "--make-key")
        with closing(store):
            _first(stage, trial, backing, store, outcome)
            # Whoever erases by name does so beside the service, which must not take the database for another one.
            beside = [] if trial.by_age or crash else _service(stage, backing, trial)
            outcome.said = _erase(stage, trial, backing, store, crash)
            time.sleep(3 if beside else 0)
            for process in beside:
                kill(process)
            if lost := LOST.search("".join(stage.product.said().values())):
                raise RuntimeError(f"the service lost its database: {lost[0]}")
            _written_again(stage, trial, backing)
            outcome.states += (_states(stage, "first"),)
            outcome.miscounted = miscounted(backing.database_of(folder))
            _search(stage, backing, store, outcome)
            _second(stage, trial, backing, store, outcome)
        return outcome


def _service(stage: Stage, backing: Backing, trial: Trial) -> list[Any]:
    later = ["--clock-offset", str(LATER)] if trial.by_age else []
    return [stage.start(command, victim=later) for command in backing.commands]


def _first(stage: Stage, trial: Trial, backing: Backing, store: Store, outcome: Outcome) -> None:
    drop(stage, "first", trial, "Ciao {{ first_name }}, the sale begins. Reply STOP to opt out.")
    service = [stage.start(command) for command in backing.commands]
    if not wait_until(lambda: stage.ledger.exists() and len(read_ledger(stage.ledger)) >= trial.people, 120):
        raise TimeoutError(f"the first campaign was not sent: {stage.errors_of_last()[-500:]}")
    said = {n: f"Basta, Zyx{n:04}q says so" for n in range(0, trial.people, 7)}
    said |= dict.fromkeys(range(0, trial.people, 10), "STOP")
    for n, text in said.items():
        say(stage, n, text)
    with_reply = sa.select(sa.func.count()).select_from(replies)
    over = sa.select(sa.func.count()).select_from(runs).where(runs.c.finished_at.is_not(None))

    def is_over() -> bool:
        with store.read() as session:
            return session.scalar(with_reply) == len(said) and session.scalar(over) == 1

    if not wait_until(is_over, 120) or not wait_until((stage.inbox / "first.report.csv").exists, 30):
        raise TimeoutError(f"the first campaign did not end: {stage.errors_of_last()[-500:]}")
    for process in service:
        kill(process)
    outcome.opted_out = len(range(0, trial.people, 10))
    outcome.states += (_states(stage, "first"),)
    dumped = _dump(store)
    outcome.before = Counter(numbers=len(NUMBERS.findall(dumped)), names=len(NAMES.findall(dumped)))


def _erase(stage: Stage, trial: Trial, backing: Backing, store: Store, crash: str) -> str:
    victim = ["--crash", crash] if crash else []
    if trial.by_age:
        stage.product.environment |= {"CAMPAIGNS_KEEP_TEXTS_DAYS": "2", "CAMPAIGNS_KEEP_PEOPLE_DAYS": "7"}
        if crash:
            command = next(command for command in backing.commands if command in {"up", "scheduler"})
            process = stage.start(command, victim=["--clock-offset", str(LATER), *victim])
            process.join(60)
            if process.exitcode is None:
                raise TimeoutError(f"it was not killed at {crash}")
        service = _service(stage, backing, trial)
        with_number = sa.select(sa.func.count()).select_from(recipients).where(recipients.c.number.startswith("+"))
        forgotten = runs.c.people_erased_at.is_not(None)

        def is_gone() -> bool:
            with store.read() as session:
                return not session.scalar(with_number) and bool(
                    session.scalars(sa.select(runs.c.id).where(forgotten)).all()
                )

        if not wait_until(is_gone, 90):
            raise TimeoutError(f"the people were not forgotten: {stage.errors_of_last()[-500:]}")
        wait_until(lambda: not has_traces(store), 30)
        for process in service:
            kill(process)
        return "forgotten by age"
    shutil.copy(stage.inbox / "people.csv", stage.folder / "people.csv")
    erase = ("erase", "--file", "people.csv", "--number", "phone", "--json", *(["--rebuild"] if trial.rebuild else []))
    if crash:
        killed = stage.product.run(*erase, victim=victim)
        if killed.code >= 0:
            raise RuntimeError(f"it was not killed at {crash}: {killed.stderr[-300:]}")
    done = _done(stage, *erase)
    return f"erase said: {done.strip()}"


def _written_again(stage: Stage, trial: Trial, backing: Backing) -> None:
    """The service writes the report beside the campaign file once more."""
    service = _service(stage, backing, trial)
    report = stage.inbox / "first.report.csv"
    wait_until(lambda: not NUMBERS.search(report.read_bytes()), 30)
    for process in service:
        kill(process)


def _done(stage: Stage, *command: str) -> str:
    ended = stage.product.run(*command)
    if ended.code != 0:
        raise RuntimeError(f"{command[0]} ended with {ended.code}: {ended.stderr[-500:]}")
    return ended.stdout


def _states(stage: Stage, campaign: str) -> dict[str, int]:
    seen: dict[str, int] = json.loads(_done(stage, "status", campaign, "--json"))["recipients"]
    del stage.product.outputs[-2:]
    return seen


def _dump(store: Store) -> bytes:
    """Every value of every table, as text."""
    parts = []
    with store.read() as session:
        for table in sa.inspect(session.connection()).get_table_names():
            rows = session.execute(sa.text(f'SELECT * FROM "{table}"'))
            parts += [repr(tuple(row)) for row in rows]
    return "\n".join(parts).encode()


def _search(stage: Stage, backing: Backing, store: Store, outcome: Outcome) -> None:
    for name, command in (
        ("a new export", ("export", "first", "--raw")),
        ("a new list of opt-outs", ("suppress", "export")),
        ("the audit", ("audit", "--json")),
    ):
        _look(outcome, name, _done(stage, *command).encode())
    _look(outcome, "every value of every table", _dump(store))
    if backing.redis_url:
        _look(outcome, "Redis, every key and value", dump_redis(backing.redis_url).encode())
    else:
        for ending in ("", "-wal", "-shm"):
            path = stage.database.with_name(stage.database.name + ending)
            _look(outcome, f"the file {path.name}", path.read_bytes() if path.exists() else b"")
    outputs = b"".join(path.read_bytes() for path in stage.product.outputs if path.exists())
    _look(outcome, "everything that the processes wrote, logs included", outputs)
    beside = [path for path in stage.inbox.rglob("*") if path.is_file() and path.name not in LEFT_ALONE]
    _look(outcome, f"{len(beside)} files beside the table in the inbox", b"".join(map(Path.read_bytes, beside)))
    if not store.is_sqlite:
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("CHECKPOINT"))
            data = Path(connection.execute(sa.text("SHOW data_directory")).scalar_one())
        tables = [path for path in (data / "base").rglob("*") if path.is_file()]
        _look(outcome, "PostgreSQL's own files of tables", b"".join(map(Path.read_bytes, tables)))
        logs = [path for path in (data / "pg_wal").rglob("*") if path.is_file()]
        _look(outcome, "PostgreSQL's own log (pg_wal)", b"".join(map(Path.read_bytes, logs)))


def _look(outcome: Outcome, place: str, content: bytes) -> None:
    outcome.searched[place] = len(content)
    found = len(set(NUMBERS.findall(content))), len(set(NAMES.findall(content)))
    if any(found):
        outcome.found[place] = found


def _second(stage: Stage, trial: Trial, backing: Backing, store: Store, outcome: Outcome) -> None:
    first = len(read_ledger(stage.ledger))
    drop(stage, "second", trial, "Ciao {{ first_name }}, something new.")
    service = _service(stage, backing, trial)
    over = sa.select(sa.func.count()).select_from(runs).where(runs.c.sent_at.is_not(None))

    def is_sent() -> bool:
        with store.read() as session:
            return session.scalar(over) == 2

    if not wait_until(is_sent, 120):
        raise TimeoutError(f"the second campaign did not end: {stage.errors_of_last()[-800:]}")
    for process in service:
        kill(process)
    numbers = [f"+{message.number.lstrip('+')}" for message in read_ledger(stage.ledger)[first:]]
    outcome.second = len(numbers)
    outcome.texted = len({number_of(n) for n in range(0, trial.people, 10)}.intersection(numbers))


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove it, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000)
    parser.add_argument("--fleet", action="store_true", help="on Redis and PostgreSQL")
    parser.add_argument("--by-age", action="store_true", help="by the settings, instead of `erase`")
    parser.add_argument("--rebuild", action="store_true", help="`erase --rebuild`")
    asked = parser.parse_args(arguments)
    with (
        recording(f"erasing{' fleet' * asked.fleet}{' by age' * asked.by_age}") as record,
        backed(as_fleet=asked.fleet) as backing,
        tempfile.TemporaryDirectory(prefix="erasing-") as folder,
    ):
        outcome = prove(Trial(asked.people, asked.by_age, asked.rebuild), Path(folder), backing)
        record.add({"trials": 1, "people": asked.people}, broken=int(not outcome.is_kept))
    sys.stdout.write("\n".join(outcome.lines()) + "\n")
    return 0 if outcome.is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
