"""`make demo`: a campaign of 1,000 people from file to report, through a sandbox gateway over real HTTP."""

import csv
import logging
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Final

from rich.console import Console

from scheduler.cli.rendering.live import LiveProgress
from scheduler.cli.rendering.output import print_run
from scheduler.cli.user import this_user
from scheduler.processes.rehearsal import PROFILE, private_sandbox, rehearsal_settings
from scheduler.processes.running import run_files
from scheduler.report.rows import write_csv
from scheduler.report.summary import run_summary
from worker.logs import configure_logs
from worker.sandbox.running.options import SandboxOptions
from worker.settings.settings import load_settings
from worker.store.engine import Store

FOLDER: Final = Path("demo-output")
PEOPLE: Final = 1_000
NAMES: Final = ("Anna", "Luca", "Giulia", "Marco", "Sofia", "Zoë", "José", "Chloé", "Łukasz", "")

CAMPAIGN: Final = """\
campaign: spring-sale
description: Spring sale, all shops
message: >-
  Hi {{ first_name | default("there") }}, our spring sale starts today. Reply STOP to opt out.
audience:
  - file: customers.csv
    number: phone
default_region: IT
throughput:
  rate: 60/second
follow:
  until: 60s
"""


def main() -> int:
    """Run the demo in `demo-output`; the exit code is 0 when the books add up."""
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
    FOLDER.mkdir()
    write_customers(FOLDER / "customers.csv")
    campaign = FOLDER / "spring-sale.yaml"
    campaign.write_text(CAMPAIGN, encoding="utf-8")
    configure_logs(level=logging.ERROR)
    # Nothing in the user's own environment may affect a demo: no real gateway, no other database.
    settings = rehearsal_settings(
        load_settings(
            _env_file=None,
            database_url=f"sqlite:///{FOLDER}/campaigns.db",
            redis_url="",
            gateway_url="",
            rate=None,
            timezone="Europe/Rome",
            region=None,
            max_poll_seconds=2.0,
        )
    )
    console = Console(soft_wrap=True)
    console.print(f"A campaign file, [bold]{campaign}[/bold], with an audience of {PEOPLE:,} rows:\n")
    console.print(CAMPAIGN, highlight=False)
    console.print(
        "Sending it through a sandbox gateway on this machine: real HTTP, two devices with two SIMs each ...\n"
    )
    sandbox = SandboxOptions(failed=0.02, pace_per_second=100, profile=PROFILE)
    with private_sandbox(settings, sandbox) as gateway, LiveProgress(console, enabled=console.is_terminal) as live:
        outcome = run_files([campaign], settings, this_user(), sandbox=gateway, told=console.print, shown=live.show)
    progress = outcome.progress[0]
    print_run(run_summary(progress.run, progress.books))
    report = FOLDER / "spring-sale.report.csv"
    store = Store(settings.database_url)
    with report.open("w", encoding="utf-8", newline="") as stream:
        write_csv(store, progress.run.id, stream)
    store.close()
    with report.open(encoding="utf-8", newline="") as rows:
        states = Counter(row["state"] for row in csv.DictReader(rows))
    total = sum(states.values())
    sums = " + ".join(f"{count:,} {state}" for state, count in sorted(states.items(), key=lambda item: -item[1]))
    console.print(f"\nEvery row, with its state and reason: [bold]{report}[/bold]")
    console.print(
        f"{sums} = {total:,} of {PEOPLE:,} rows: {'the books add up' if total == PEOPLE else 'the books are WRONG'}."
    )
    return 0 if total == PEOPLE else 1


def write_customers(path: Path) -> None:
    """Write an audience as a shop would export it: some numbers twice, some invalid, some names missing."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["phone", "first_name"])
        for index in range(PEOPLE):
            number = f"333 {1_000_000 + index * 7:07d}"
            if index % 50 == 49:
                number = f"333 {1_000_000 + (index - 9) * 7:07d}"  # a person who is already in the table
            elif index % 66 == 65:
                number = ("", "12", "call me", "+39 02")[index % 4]
            writer.writerow([number, NAMES[index % len(NAMES)]])


if __name__ == "__main__":
    sys.exit(main())
