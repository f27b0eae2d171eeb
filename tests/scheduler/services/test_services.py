"""The services as operators start them: real processes, real signals, a real gateway over HTTP."""

import csv
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from tests.prove.world.product import Product
from tests.support.json_lines import whole_lines
from tests.support.nursery import Sandbox
from worker.sandbox.running.options import SandboxOptions

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
    """A campaign to 300 people, one of whom is listed twice and one of whom has no number."""
    numbers = [f"333 {1_000_000 + index}" for index in range(PEOPLE - 2)]
    rows = [f"{number},N{index}" for index, number in enumerate([*numbers, numbers[0], "call me"])]
    (folder / "people.csv").write_text("phone,first_name\n" + "\n".join(rows) + "\n", encoding="utf-8")
    path = folder / name
    path.write_text(CAMPAIGN + more, encoding="utf-8")
    return path


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox gateway with a ledger, fast phones and some failures."""
    options = SandboxOptions(
        key="sandbox-test",
        ledger=tmp_path / "ledger.jsonl",
        pace_per_second=2_000,
        delivery_max_seconds=0.4,
        failed=0.05,
    )
    with Sandbox.start(options) as sandbox:
        yield sandbox


@pytest.fixture
def product(tmp_path: Path, gateway: Sandbox) -> Product:
    """The product on that gateway, an SQLite file and an inbox; with short times."""
    return make_product(tmp_path, gateway)


def make_product(folder: Path, gateway: Sandbox, **settings: str) -> Product:
    """The product with an inbox in the folder; without a `database_url`, on an SQLite file next to it."""
    inbox = folder / "inbox"
    inbox.mkdir(exist_ok=True)
    given = {"database_url": f"sqlite:///{folder}/campaigns.db", "settle_seconds": "2", "inbox": str(inbox)} | settings
    return Product(folder, gateway_url=gateway.url, key=gateway.key, **given)


@contextmanager
def running(product: Product, *command: str) -> Iterator[ForkServerProcess]:
    """A command in the background, ended with SIGKILL unless the block has ended it."""
    process = product.fork(*command)
    try:
        yield process
    finally:
        process.kill()
        process.join()


def said(product: Product) -> str:
    """What the command that was started last has logged so far."""
    log = product.outputs[-1]
    return log.read_text(encoding="utf-8") if log.exists() else ""


def wait_until(what: Callable[[], object], *, seconds: float = 60, look_seconds: float = 0.05) -> None:
    """Wait until it is so. Raises AssertionError if it never is."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(look_seconds)


def seconds_without_processor(*pids: int | None) -> float:
    """For how long threads of these processes, and of this one, could have run while others had the processor."""
    nanoseconds = 0
    for task in [task for pid in (*pids, "self") for task in Path(f"/proc/{pid}/task").iterdir()]:
        with suppress(OSError):  # a thread that has ended, or a kernel that does not count it
            nanoseconds += int((task / "schedstat").read_text(encoding="ascii").split()[1])
    return nanoseconds / 1e9


def ledger_counts(folder: Path) -> Counter[str]:
    """How often the gateway accepted each number."""
    return Counter(line["number"] for line in whole_lines(folder / "ledger.jsonl"))


def states_by_number(report: Path) -> Counter[tuple[str, str]]:
    """What an export says, without times and IDs."""
    with report.open(encoding="utf-8", newline="") as stream:
        return Counter((row["number"], row["state"]) for row in csv.DictReader(stream))


def test_a_dropped_file_is_picked_up_sent_followed_and_reported(product: Product, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    status = inbox / "spring.status.txt"
    with running(product, "up", "--json") as service:
        wait_until(lambda: "service.started" in said(product))

        # when a file is dropped while the service runs
        write_campaign(inbox)
        began, lost_before = time.monotonic(), seconds_without_processor(service.pid)
        wait_until(status.exists)
        picked_up = time.monotonic() - began
        lost = seconds_without_processor(service.pid) - lost_before
        wait_until((inbox / "spring.report.csv").exists)
        wait_until(lambda: "completed" in status.read_text(encoding="utf-8"))
        service.terminate()
        service.join()

    # then everybody has exactly one text, and the report adds up
    assert picked_up - lost < 5  # 2 s where nothing else runs
    assert service.exitcode == 0
    assert set(ledger_counts(tmp_path).values()) == {1}
    states = Counter(state for _, state in states_by_number(inbox / "spring.report.csv").elements())
    assert states.total() == PEOPLE
    assert (states["invalid"], states["duplicate"]) == (1, 1)
    assert states["failed"] > 0
    assert "333100" not in said(product)
    assert product.environment["CAMPAIGNS_API_KEY"] not in said(product)


def test_a_fleet_gives_the_same_report_as_one_process(
    product: Product, gateway: Sandbox, tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    # given the report of one process
    alone = tmp_path / "alone.csv"
    write_campaign(tmp_path)
    assert product.run("run", "spring.yaml", timeout_seconds=90).code == 3  # some failed
    assert product.run("export", "spring-sale", "--output", str(alone), timeout_seconds=90).code == 0

    # when one scheduler and two workers do the same on Redis and PostgreSQL
    fleet = make_product(tmp_path, gateway, database_url=postgres_url, redis_url=redis_url)
    inbox = tmp_path / "inbox"
    report = inbox / "spring.report.csv"
    with (
        running(fleet, "scheduler"),
        running(fleet, "worker") as first,
        running(fleet, "worker") as second,
    ):
        write_campaign(inbox)
        wait_until(report.exists, seconds=90)
        for worker in (first, second):
            worker.terminate()
            worker.join()

    # then the reports say the same about everybody
    assert (first.exitcode, second.exitcode) == (0, 0)
    assert states_by_number(report) == states_by_number(alone)
    assert set(ledger_counts(tmp_path).values()) == {2}


def _stored(folder: Path, sent: int) -> bool:
    return ledger_counts(folder).total() >= sent


def test_a_killed_run_continues_and_a_completed_one_sends_nothing(product: Product, tmp_path: Path) -> None:
    # given a run that was killed twice in the middle
    write_campaign(tmp_path, more="  rate: 100/second\n")
    for sent in (60, 160):
        with running(product, "run", "spring.yaml"):
            wait_until(partial(_stored, tmp_path, sent))

    # when it is run again, and once more after it is over
    continued = product.run("run", "spring.yaml", "--json", timeout_seconds=90)
    again = product.run("run", "spring.yaml", "--json", timeout_seconds=90)

    # then nobody was sent twice or left out
    summary = json.loads(continued.stdout)
    assert "picks up where it left off" in continued.stderr
    assert (continued.code, summary["state"]) == (3, "completed")
    assert summary["recipients"]["audience"] == PEOPLE
    assert set(ledger_counts(tmp_path).values()) == {1}
    assert ledger_counts(tmp_path).total() == PEOPLE - 2
    assert "nothing is sent" in again.stderr
    assert json.loads(again.stdout)["recipients"] == summary["recipients"]


def test_ctrl_c_ends_a_run_with_130_and_nothing_in_doubt(product: Product, tmp_path: Path) -> None:
    write_campaign(tmp_path, more="  rate: 50/second\n")
    with running(product, "run", "spring.yaml", "--json") as run:
        wait_until(lambda: ledger_counts(tmp_path).total() >= 40)
        assert run.pid is not None
        os.kill(run.pid, signal.SIGINT)
        run.join(30)
        code = run.exitcode

    recipients = json.loads(product.outputs[-2].read_text())["recipients"]
    assert code == 130
    assert "run it again, and it picks up where it left off" in said(product)
    assert "in_doubt" not in recipients
    assert recipients["pending"] > 0
    assert recipients["audience"] == PEOPLE


def test_two_processes_do_not_send_from_one_database_file(product: Product, tmp_path: Path) -> None:
    write_campaign(tmp_path, more="  rate: 4/second\n")  # it lasts longer than any machine takes to start the second
    with running(product, "run", "spring.yaml"):
        wait_until(lambda: ledger_counts(tmp_path).total() > 0)
        second = product.run("run", "spring.yaml", timeout_seconds=90)

    assert second.code == 2
    assert "another process" in second.stderr


def test_a_bad_key_stops_a_run_with_4_and_a_good_one_lets_it_go_on(
    product: Product, gateway: Sandbox, tmp_path: Path
) -> None:
    write_campaign(tmp_path)
    refused = make_product(tmp_path, gateway, api_key="wrong").run("run", "spring.yaml", timeout_seconds=90)
    went_on = product.run("run", "spring.yaml", timeout_seconds=90)

    assert refused.code == 4
    assert "API key" in refused.stderr
    assert went_on.code == 3
    assert set(ledger_counts(tmp_path).values()) == {1}
