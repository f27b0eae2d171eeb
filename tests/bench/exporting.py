"""How fast a run is exported, and with how much memory, in a process of its own for each measurement.

`python -m tests.bench.exporting DATABASE_URL FOLDER` is that process; it writes one line of JSON. The baseline over the
same rows is a loop that only reads them with the database's own driver and passes them to `csv.writer`.
"""

import csv
import json
import re
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final

import sqlalchemy as sa

from campaigns.definition import Definition
from scheduler.report.rows import write_csv
from tests.bench.reporting.results import BenchError, Exported
from worker.store.bulk import insert_rows
from worker.store.engine import Store
from worker.store.following.groups import add_groups
from worker.store.migrate import migrate
from worker.store.people import audience_sources
from worker.store.runs import plans, runs, versions
from worker.store.sending import accounts

NOW: Final = datetime(2026, 12, 1, 9, tzinfo=UTC)
ROWS_AT_ONCE: Final = 20_000
MOST_PER_REQUEST: Final = 100

COLUMNS: Final = (
    "run_id", "number", "occurrence", "slot", "source_id", "line", "state", "reason", "variant", "text", "segments",
    "gateway_id", "message_group_id", "device", "sim", "attempts", "gateway_retries", "resent_count", "result_code",
    "accepted_at", "sent_at", "delivered_at",
)  # fmt: skip


def measure_exporting(name: str, database_url: str, folder: Path, *, recipients: int) -> Exported:
    """Export a delivered run of that many people from an empty database. Raises `BenchError` if that fails."""
    with closing(Store(database_url)) as store:
        migrate(store)
        fill(store, recipients)
    command = [sys.executable, "-m", "tests.bench.exporting", database_url, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"exporting from {name} failed:\n{done.stderr[-2000:]}")
    figures = json.loads(done.stdout)
    if figures["recipients"] != recipients:
        raise BenchError(f"{figures['recipients']:,} of {recipients:,} rows were exported from {name}")
    return Exported(name, **figures)


def fill(store: Store, recipients: int) -> None:
    """Store a run in which everybody has the text."""
    with store.write() as session:
        account_id = accounts.ensure_account(session, "bench")
        definition = Definition.model_validate(
            {"campaign": "bench", "message": "Hi", "audience": [{"recipients": [{"number": "1"}]}]}
        )
        version = versions.register(session, definition, rehearsal=False, source="bench.yaml", now=NOW)
        run_id = runs.create_run(
            session, campaign_id=version.campaign_id, account_id=account_id, definition_id=version.definition_id,
            starts_at=NOW, follow_seconds=60, kind="marketing", now=NOW,
        )  # fmt: skip
        plans.finish_plan(session, run_id, plan_hash="", summary={}, now=NOW)
        source_id = audience_sources.ids_of(session, ["bench.csv"])["bench.csv"]
    for first in range(0, recipients, ROWS_AT_ONCE):
        with store.write() as session:
            last = min(first + ROWS_AT_ONCE, recipients)
            names = [f")V5LxqyBMEbQrl9*J$5bb4c03e8a07b7.{n // MOST_PER_REQUEST}" for n in range(first, last)]
            groups = add_groups(session, run_id, 1, names, now=NOW, first_poll_at=NOW)
            as_stored = datetime.timestamp if store.is_sqlite else datetime.isoformat
            rows = _rows(run_id, source_id, range(first, last), [groups[name] for name in names], as_stored)
            insert_rows(session, "recipient", COLUMNS, rows)


def _rows(
    run_id: int, source_id: int, people: Sequence[int], groups: Sequence[int], as_stored: Any
) -> Iterator[tuple[object, ...]]:
    for n, group in zip(people, groups, strict=True):
        at = [as_stored(NOW + timedelta(seconds=n // 100 + delay, microseconds=250_000)) for delay in (0, 5, 9)]
        text = f"Hi Anna{n % 10_000}, our spring sale in Roma starts today. Reply STOP to opt out."
        yield (
            run_id, f"+39{3_330_000_000 + n}", 0, "", source_id, n + 2, "delivered", "", "", text, 1, n + 1,
            group, 1, 0, 1, 0, 0, -1, *at,
        )  # fmt: skip


def export_here(database_url: str, folder: Path) -> dict[str, float]:
    """Export in this process; return the fields of `Exported`, except the name."""
    with closing(Store(database_url)) as store:
        started, cpu_started = perf_counter(), process_time()
        with (folder / "product.csv").open("w", encoding="utf-8", newline="") as stream:
            count = write_csv(store, 1, stream)
        seconds, cpu_seconds = perf_counter() - started, process_time() - cpu_started
        peak = _peak_bytes()
        bare_seconds, bare_cpu_seconds = _bare(store, folder)
    return {
        "recipients": count, "seconds": seconds, "cpu_seconds": cpu_seconds, "bare_seconds": bare_seconds,
        "bare_cpu_seconds": bare_cpu_seconds, "peak_bytes": peak,
    }  # fmt: skip


def _peak_bytes() -> int:
    status = Path("/proc/self/status")
    if status.exists():  # there `ru_maxrss` starts at the peak of the parent, which has filled a database
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _bare(store: Store, folder: Path) -> tuple[float, float]:
    started, cpu_started = perf_counter(), process_time()
    with (
        (folder / "bare.csv").open("w", encoding="utf-8", newline="") as stream,
        store.read() as session,
    ):
        found = session.connection(execution_options={"stream_results": True}).execute(
            sa.text(f"SELECT {', '.join(COLUMNS[1:])} FROM recipient ORDER BY id")
        )
        writer = csv.writer(stream)
        cursor = found.cursor
        while rows := cursor.fetchmany(2_000):
            writer.writerows(rows)
    return perf_counter() - started, process_time() - cpu_started


if __name__ == "__main__":
    json.dump(export_here(sys.argv[1], Path(sys.argv[2])), sys.stdout)
