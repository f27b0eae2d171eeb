"""`python -m tests.bench`: what planning and sending cost on this machine, in one run."""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.bench.planning import measure_planning
from tests.bench.results import MEBIBYTE, BenchError, Planned, Sent
from tests.bench.samples import write_campaign
from tests.bench.sending import measure_sending
from tests.support.servers import PostgresServer
from worker.logs import configure_logs

PLAN_RECIPIENTS: Final = 100_000
PLAN_PER_SECOND: Final = 20_000  # the targets
PLAN_PEAK_MIB: Final = 250
RATIO_AT_100: Final = 0.25

SENDS: Final = {1: 1_000, 10: 5_000, 100: 40_000, 500: 40_000}
"""Batch size -> recipients: some seconds each."""

REPETITIONS: Final = 3
QUICK_PARTS: Final = 10


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and give the exit code: 0 measured, 1 something went wrong. A missed target is only shown."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measures planning and sending.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the size, once: to see whether it works")
    parser.add_argument("--only", choices=["plan", "send"], help="one of the two parts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    parts = QUICK_PARTS if options.quick else 1
    console = Console()
    planned: list[Planned] = []
    sent: list[Sent] = []
    # The log is written in full, as a service does, and read by nobody.
    with tempfile.TemporaryFile("w") as log:
        configure_logs("json", stream=log)
        try:
            if options.only != "send":
                planned = list(_planning(PLAN_RECIPIENTS // parts))
                console.print(planning_table(planned))
            if options.only != "plan":
                for batch_size, recipients in SENDS.items():
                    repetitions = 1 if options.quick else REPETITIONS
                    sent.append(measure_sending(batch_size, recipients // parts, repetitions=repetitions))
                console.print(sending_table(sent))
        except BenchError as error:
            Console(stderr=True).print(str(error), markup=False)
            return 1
    if options.json is not None:
        options.json.write_text(json.dumps(_figures(planned, sent), indent=2) + "\n", encoding="utf-8")
    return 0


def _planning(recipients: int) -> Iterator[Planned]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name, closing(PostgresServer()) as postgres:
        folder = Path(name)
        path = write_campaign(folder, recipients=recipients)
        yield measure_planning("SQLite", f"sqlite:///{folder / 'bench.db'}", path)
        postgres.start()
        yield measure_planning("PostgreSQL", postgres.url(postgres.create_database()), path)


def planning_table(planned: Sequence[Planned]) -> Table:
    """Speed and memory of planning, beside the targets."""
    table = Table(
        "database", "seconds", "of CPU", "per second", "target", "peak MiB", "target",
        title=f"Planning {planned[0].recipients:,} recipients: a CSV file, checked, planned and stored",
        caption="one process each; PostgreSQL runs with fsync off",
    )  # fmt: skip
    for row in planned:
        peak_mib = row.peak_bytes / MEBIBYTE
        table.add_row(
            row.database, f"{row.seconds:.2f}", f"{row.cpu_seconds:.2f}",
            f"{row.per_second:,.0f}", _verdict(f"> {PLAN_PER_SECOND:,}", row.per_second > PLAN_PER_SECOND),
            f"{peak_mib:.0f}", _verdict(f"< {PLAN_PEAK_MIB}", peak_mib < PLAN_PEAK_MIB),
        )  # fmt: skip
    return table


def sending_table(sent: Sequence[Sent]) -> Table:
    """Speed of sending as a share of the bare loop's."""
    table = Table(
        "batch", "recipients", "product", "bare loop", "ratio", "each time", "target",
        title="Sending: from the start until the last recipient is recorded as accepted",
        caption="recipients per second, medians; one process, SQLite, sandbox without ledger file",
    )  # fmt: skip
    for row in sent:
        has_target = row.batch_size == 100
        table.add_row(
            str(row.batch_size), f"{row.recipients:,}", f"{row.product_per_second:,.0f}", f"{row.bare_per_second:,.0f}",
            f"{row.ratio:.2f}", " ".join(f"{ratio:.2f}" for ratio in row.ratios),
            _verdict(f">= {RATIO_AT_100}", row.ratio >= RATIO_AT_100) if has_target else "",
        )  # fmt: skip
    return table


def _verdict(target: str, is_met: bool) -> str:
    return f"[green]{target}[/]" if is_met else f"[red]missed {target}[/]"


def _figures(planned: Sequence[Planned], sent: Sequence[Sent]) -> dict[str, object]:
    machine = {"python": platform.python_version(), "system": platform.system(), "cores": os.cpu_count()}
    return {"machine": machine, "plan": [row.to_json() for row in planned], "send": [row.to_json() for row in sent]}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
