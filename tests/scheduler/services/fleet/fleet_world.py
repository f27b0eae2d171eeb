"""A fleet on real servers, watched from outside: the gateway's ledger, and who wrote what to the database."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.prove.checker import Findings, check
from tests.prove.world import victim
from tests.prove.world.product import Audience, write_campaign
from tests.prove.world.stage import Process, Stage, wait_until

WATCHED: Final = ("run", "batch", "attempt", "recipient", "message_group", "inbox_file", "event")

WATCH: Final = """
CREATE TABLE written (process text, at timestamptz, what text);
CREATE FUNCTION note_writer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO written VALUES (current_setting('fleet.process', true), clock_timestamp(), TG_TABLE_NAME);
  RETURN NULL;
END $$;
CREATE FUNCTION note_take_over() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO written VALUES ('take-over', clock_timestamp(), NEW.token::text);
  RETURN NULL;
END $$;
CREATE TRIGGER take_over AFTER UPDATE ON lease FOR EACH ROW WHEN (OLD.token <> NEW.token)
  EXECUTE FUNCTION note_take_over();
"""


def named_first() -> None:
    """A patch for `victim`: the database knows this process's transactions as those of `first`."""
    os.environ["PGOPTIONS"] = "-c fleet.process=first"


def stop_instead() -> None:
    """A patch for `victim`: stop it at its point, like a debugger or a suspended machine, instead of killing it."""

    def stop() -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

    victim._kill = stop


FIRST: Final = ("--patch", f"{__name__}:named_first")
STOPPED: Final = (*FIRST, "--patch", f"{__name__}:stop_instead")


@dataclass
class Fleet:
    """Processes on one stage with one PostgreSQL database."""

    stage: Stage

    def start(self, role: str, *, victim: tuple[str, ...] = ()) -> Process:
        """Start a process and wait until it is at work, or stands by."""
        process = self.stage.start(role, "--json", victim=victim)
        log = self.stage.product.outputs[-1]
        self.await_(lambda: "service.started" in log.read_text(errors="replace"))
        return process

    def send(
        self, campaign: str = "spring-sale", *, recipients: int, rate: int, batch_size: int = 5, more: str = ""
    ) -> Audience:
        """Drop a campaign into the inbox, sent at `rate` segments a second; return after the first texts."""
        more = f"  rate: {rate}/second\n{more}follow:\n  until: 30s\n"
        first = sum(1 for _ in self.stage.inbox.glob("*.yaml")) * 10_000
        audience = write_campaign(
            self.stage.inbox, campaign, recipients=recipients, first=first, batch_size=batch_size, more=more
        )
        self.await_(lambda: self.stage.stored() > 0)
        return audience

    def await_(self, is_so: Callable[[], bool], seconds: float = 60) -> float:
        """Wait for it; return after how many seconds it was so. Fails if it is not within `seconds`."""
        began = time.monotonic()
        assert wait_until(is_so, seconds), f"not so within {seconds} s"
        return time.monotonic() - began

    def await_sent(self, recipients: int, seconds: float = 60) -> float:
        """Wait until the gateway has this many texts; return after how many seconds it had."""
        return self.await_(lambda: self.stage.stored() >= recipients, seconds)

    def await_end(self, *audiences: Audience, seconds: float = 150) -> None:
        """Wait for the reports: up to 40 s on a quiet machine, several times that on a busy one, without a promise."""
        reports = [self.stage.inbox / f"{audience.campaign}.report.csv" for audience in audiences]
        self.await_(lambda: all(report.exists() for report in reports), seconds)

    def judge(self, *audiences: Audience) -> Findings:
        """The findings after everything has ended."""
        return check(self.stage.evidence(audiences))

    def said(self, event: str) -> int:
        """How often the processes logged an event."""
        return sum(text.count(event) for text in self.stage.product.said().values())

    def watch_writers(self) -> None:
        """From now on, the database records who writes. Needs the schema, which the first process creates."""
        triggers = "".join(
            f"CREATE TRIGGER writer AFTER INSERT OR UPDATE OR DELETE ON {table} EXECUTE FUNCTION note_writer();"
            for table in WATCHED
        )
        self._ask(WATCH + triggers)

    def lease(self) -> tuple[str, int]:
        """Who holds the lease, and the token; empty and 0 before anybody does."""
        rows = self._ask("SELECT holder, token FROM lease WHERE name = 'clock' AND expires_at > clock_timestamp()")
        return (str(rows[0][0]), int(rows[0][1])) if rows else ("", 0)

    def is_led_by(self, process: Process) -> bool:
        """Return whether the process runs the clock."""
        return self.lease()[0].startswith(f"process {process.pid} on ")

    def written_by_first(self) -> list[datetime]:
        """When the process that was started as `FIRST` changed something for good."""
        return [at for (at,) in self._ask("SELECT at FROM written WHERE process = 'first' ORDER BY at")]

    def take_overs(self) -> list[datetime]:
        """When the lease passed to another process."""
        return [at for (at,) in self._ask("SELECT at FROM written WHERE process = 'take-over' ORDER BY at")]

    def outcomes(self) -> dict[str, int]:
        """How the requests ended, by kind."""
        return {str(kind): int(n) for kind, n in self._ask("SELECT outcome, count(*) FROM attempt GROUP BY outcome")}

    def _ask(self, query: str) -> list[Any]:
        url = self.stage.database_url.replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def fleet(folder: Path, postgres_url: str, redis_url: str) -> Iterator[Fleet]:
    """A stage for a fleet; everything started ends with the block."""
    with Stage(folder, database_url=postgres_url, redis_url=redis_url) as stage:
        yield Fleet(stage)


def kill_9(process: Process) -> None:
    """Kill with SIGKILL, even a process that is stopped."""
    process.kill()
    process.join()


def wake(process: Process) -> None:
    """Let a stopped process continue."""
    assert process.pid is not None
    os.kill(process.pid, signal.SIGCONT)


def is_stopped(process: Process) -> bool:
    """Return whether it is stopped (Linux)."""
    stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii", errors="replace")
    return stat.rpartition(")")[2].split()[0] == "T"
