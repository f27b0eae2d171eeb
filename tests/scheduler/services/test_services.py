"""The services as operators start them: real processes, real signals, a real gateway over HTTP."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.support.json_lines import whole_lines
from worker.sandbox.options import SandboxOptions
from worker.sandbox.process import PrivateSandbox

COMMAND = (sys.executable, "-c", "from scheduler.cli import main; main()")
ROOT = Path(__file__).parents[3]
PEOPLE = 300

CAMPAIGN = """\
campaign: spring-sale
message: Hi {{ first_name | default("there") }}
audience:
  - file: people.csv
    number: phone
default_region: IT
throughput:
  batch_size: 10
"""


def write_campaign(folder: Path, *, more: str = "", name: str = "spring.yaml") -> Path:
    """A campaign to 300 people, of whom one stands there twice and one has no number."""
    numbers = [f"333 {1_000_000 + index}" for index in range(PEOPLE - 2)]
    rows = [f"{number},N{index}" for index, number in enumerate([*numbers, numbers[0], "call me"])]
    (folder / "people.csv").write_text("phone,first_name\n" + "\n".join(rows) + "\n", encoding="utf-8")
    path = folder / name
    path.write_text(CAMPAIGN + more, encoding="utf-8")
    return path


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[PrivateSandbox]:
    """A sandbox gateway with a ledger, fast phones and some failures."""
    options = SandboxOptions(
        key="sandbox-test",
        ledger=tmp_path / "ledger.jsonl",
        pace_per_second=2_000,
        delivery_max_seconds=0.4,
        failed=0.05,
    )
    with PrivateSandbox.start(options) as sandbox:
        yield sandbox


@pytest.fixture
def environment(tmp_path: Path, gateway: PrivateSandbox) -> dict[str, str]:
    """Settings for that gateway, an SQLite file and an inbox; times small."""
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CAMPAIGNS_")}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "CAMPAIGNS_GATEWAY_URL": gateway.url,
        "CAMPAIGNS_API_KEY": gateway.key,
        "CAMPAIGNS_DATABASE_URL": f"sqlite:///{tmp_path}/campaigns.db",
        "CAMPAIGNS_INBOX": str(inbox),
        "CAMPAIGNS_TIMEZONE": "Europe/Rome",
        "CAMPAIGNS_DEVICE_RATE": "none",
        "CAMPAIGNS_SEND_BY_SECONDS": "2",
        "CAMPAIGNS_SETTLE_SECONDS": "2",
        "CAMPAIGNS_FIRST_POLL_SECONDS": "0.3",
        "CAMPAIGNS_MAX_POLL_SECONDS": "1",
    }


@contextmanager
def running(*arguments: str, environment: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A command in the background, ended with SIGKILL if the block has not ended it."""
    with (folder / f"{arguments[0]}.log").open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            [*COMMAND, *arguments], env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def done(*arguments: str, environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """A command, run to its end."""
    return subprocess.run(
        [*COMMAND, *arguments], env=environment, cwd=folder, capture_output=True, text=True, timeout=90, check=False
    )


def wait_until(what: Callable[[], object], *, seconds: float = 60) -> None:
    """Look until it is so. Raises AssertionError when it never is."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def ledger_counts(folder: Path) -> Counter[str]:
    """How often each number was accepted by the gateway."""
    return Counter(line["number"] for line in whole_lines(folder / "ledger.jsonl"))


def states_by_number(report: Path) -> Counter[tuple[str, str]]:
    """What an export says, without times and ids."""
    with report.open(encoding="utf-8", newline="") as stream:
        return Counter((row["number"], row["state"]) for row in csv.DictReader(stream))


def test_a_dropped_file_is_picked_up_sent_followed_and_reported(environment: dict[str, str], tmp_path: Path) -> None:
    inbox = Path(environment["CAMPAIGNS_INBOX"])
    status = inbox / "spring.status.txt"
    with running("up", "--json", environment=environment, folder=tmp_path) as service:
        wait_until(lambda: "service.started" in (tmp_path / "up.log").read_text())

        # when a file is dropped while the service runs
        write_campaign(inbox)
        dropped = time.monotonic()
        wait_until(status.exists)
        picked_up = time.monotonic() - dropped
        wait_until((inbox / "spring.report.csv").exists)
        wait_until(lambda: "completed" in status.read_text(encoding="utf-8"))
        service.send_signal(signal.SIGTERM)
        service.communicate()

    # then everybody has exactly one text, and the report adds up
    assert picked_up < 5  # 2 s on an idle machine; the bound here only tells it from "never"
    assert service.returncode == 0
    assert set(ledger_counts(tmp_path).values()) == {1}
    states = Counter(state for _, state in states_by_number(inbox / "spring.report.csv").elements())
    assert states.total() == PEOPLE
    assert (states["invalid"], states["duplicate"]) == (1, 1)
    assert states["failed"] > 0
    assert "333100" not in (tmp_path / "up.log").read_text()
    assert environment["CAMPAIGNS_API_KEY"] not in (tmp_path / "up.log").read_text()


def test_a_fleet_gives_the_same_report_as_one_process(
    environment: dict[str, str], tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    # given the report of one process
    alone = tmp_path / "alone.csv"
    write_campaign(tmp_path)
    assert done("run", "spring.yaml", environment=environment, folder=tmp_path).returncode == 3  # some failed
    assert (
        done("export", "spring-sale", "--output", str(alone), environment=environment, folder=tmp_path).returncode == 0
    )

    # when one scheduler and two workers do the same on Redis and PostgreSQL
    fleet = environment | {"CAMPAIGNS_DATABASE_URL": postgres_url, "CAMPAIGNS_REDIS_URL": redis_url}
    inbox = Path(environment["CAMPAIGNS_INBOX"])
    report = inbox / "spring.report.csv"
    with (
        running("scheduler", environment=fleet, folder=tmp_path),
        running("worker", environment=fleet, folder=tmp_path) as first,
        running("worker", environment=fleet, folder=tmp_path) as second,
    ):
        write_campaign(inbox)
        wait_until(report.exists, seconds=90)
        for worker in (first, second):
            worker.send_signal(signal.SIGTERM)
            worker.communicate()

    # then the reports say the same of everybody
    assert (first.returncode, second.returncode) == (0, 0)
    assert states_by_number(report) == states_by_number(alone)
    assert set(ledger_counts(tmp_path).values()) == {2}


def _stored(folder: Path, sent: int) -> bool:
    return ledger_counts(folder).total() >= sent


def test_a_killed_run_continues_and_a_completed_one_sends_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    # given a run that was killed twice in the middle
    write_campaign(tmp_path, more="  rate: 100/second\n")
    for sent in (60, 160):
        with running("run", "spring.yaml", environment=environment, folder=tmp_path):
            wait_until(partial(_stored, tmp_path, sent))

    # when it is run again, and once more after it is over
    continued = done("run", "spring.yaml", "--json", environment=environment, folder=tmp_path)
    again = done("run", "spring.yaml", "--json", environment=environment, folder=tmp_path)

    # then nobody was sent twice or left out
    summary = json.loads(continued.stdout)
    assert "goes on where it was" in continued.stderr
    assert (continued.returncode, summary["state"]) == (3, "completed")
    assert summary["recipients"]["audience"] == PEOPLE
    assert set(ledger_counts(tmp_path).values()) == {1}
    assert ledger_counts(tmp_path).total() == PEOPLE - 2
    assert "nothing is sent" in again.stderr
    assert json.loads(again.stdout)["recipients"] == summary["recipients"]


def test_ctrl_c_ends_a_run_with_130_and_nothing_in_doubt(environment: dict[str, str], tmp_path: Path) -> None:
    write_campaign(tmp_path, more="  rate: 50/second\n")
    with running("run", "spring.yaml", "--json", environment=environment, folder=tmp_path) as run:
        wait_until(lambda: ledger_counts(tmp_path).total() >= 40)
        run.send_signal(signal.SIGINT)
        output, _ = run.communicate(timeout=30)

    recipients = json.loads(output)["recipients"]
    assert run.returncode == 130
    assert "run it again, and it goes on where it was" in (tmp_path / "run.log").read_text()
    assert "in_doubt" not in recipients
    assert recipients["pending"] > 0
    assert recipients["audience"] == PEOPLE


def test_two_processes_do_not_send_from_one_database_file(environment: dict[str, str], tmp_path: Path) -> None:
    write_campaign(tmp_path, more="  rate: 4/second\n")  # it lasts longer than any machine takes to start the second
    with running("run", "spring.yaml", environment=environment, folder=tmp_path):
        wait_until(lambda: ledger_counts(tmp_path).total() > 0)
        second = done("run", "spring.yaml", environment=environment, folder=tmp_path)

    assert second.returncode == 2
    assert "another process" in second.stderr


def test_a_bad_key_stops_a_run_with_4_and_a_good_one_lets_it_go_on(environment: dict[str, str], tmp_path: Path) -> None:
    write_campaign(tmp_path)
    refused = done("run", "spring.yaml", environment=environment | {"CAMPAIGNS_API_KEY": "wrong"}, folder=tmp_path)
    went_on = done("run", "spring.yaml", environment=environment, folder=tmp_path)

    assert refused.returncode == 4
    assert "API key" in refused.stderr
    assert went_on.returncode == 3
    assert set(ledger_counts(tmp_path).values()) == {1}
