"""Metrics of real processes: every metric is there, the texts are those of the books, and no person is in any label."""

import re
from collections import Counter
from pathlib import Path

from tests.prove.world.product import Product
from tests.scheduler.services.test_services import make_product, running, said, states_by_number, wait_until
from tests.support.nursery import Sandbox
from tests.support.receiver import Receiver
from tests.support.scraping import Scrape, scrape
from worker.metrics import METRICS
from worker.sandbox.running.options import SandboxOptions

PEOPLE = 200
TEXT = "Marked-text"
NAME = "Markedname"
SECRET = "marked-secret"
NUMBER = "3331000"
"""The first digits of every number, without its country."""

ALL = {each.full_name: each.type.value for each in METRICS}

CAMPAIGN = f"""\
campaign: spring-sale
message: {TEXT} {{{{ first_name }}}}
audience:
  - file: people.csv
    number: phone
default_region: IT
throughput:
  batch_size: 10
"""


def drop(inbox: Path) -> None:
    rows = [f"333 {1_000_000 + index},{NAME}{index}" for index in range(PEOPLE)]
    (inbox / "people.csv").write_text("phone,first_name\n" + "\n".join(rows) + "\n", encoding="utf-8")
    (inbox / "spring.yaml").write_text(CAMPAIGN, encoding="utf-8")


def opened(log: Path) -> str:
    """Where a process listens, as its log says."""
    found: list[str] = []

    def is_open() -> bool:
        text = log.read_text(encoding="utf-8") if log.exists() else ""
        found.extend(re.findall(r'"at": ?"(http://[^"]+)", ?"event": ?"front_door.opened"', text))
        found.extend(re.findall(r'"event": ?"front_door.opened"[^}]*"at": ?"(http://[^"]+)"', text))
        return bool(found)

    wait_until(is_open)
    return found[-1]


def states(report: Path) -> Counter[str]:
    return Counter(state for _, state in states_by_number(report).elements())


def check(found: Scrape, books: Counter[str]) -> None:
    """Compare with the books: what the gateway accepted, and what the phones said about it."""
    accepted = sum(count for state, count in books.items() if state not in {"invalid", "duplicate"})
    assert found.total("texts_total", result="accepted") == found.total("segments_total") == accepted == PEOPLE
    assert found.total("texts_total", result="delivered") == books["delivered"] > 0
    assert found.total("texts_total", result="failed") == books["failed"]
    assert found.total("gateway_request_duration_seconds_count", call="send", outcome="ok") == PEOPLE / 10


def nobody_is_in(found: Scrape, *secrets: str) -> None:
    planted = (NUMBER, "333 1000", TEXT, NAME, SECRET, *secrets)
    assert [word for word in planted if word in found.text] == []


def together(*found: Scrape) -> Scrape:
    """The sum of several processes."""
    total: Counter[tuple[str, frozenset[tuple[str, str]]]] = Counter()
    for each in found:
        total.update(each.samples)
    return Scrape("".join(each.text for each in found), found[0].types, total)


def test_up_in_a_sandbox_serves_every_metric(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    with Receiver() as receiver:
        product = Product(
            tmp_path,
            gateway_url="",
            key="",
            database_url=f"sqlite:///{tmp_path}/campaigns.db",
            inbox=str(inbox),
            report_webhook=f"{receiver.url}/{SECRET}?token={SECRET}",
        )
        with running(product, "up", "--sandbox", "--json") as service:
            url = opened(product.outputs[-1])
            drop(inbox)
            wait_until((inbox / "spring.report.csv").exists, seconds=120)
            wait_until(lambda: scrape(url).total("calls_out_total", outcome="delivered") > 0)
            found = scrape(url)
            service.terminate()
            service.join()

    assert service.exitcode == 0
    assert found.types == ALL
    check(found, states(inbox / "spring.report.csv"))
    nobody_is_in(found)
    assert found.labels("calls_out_total", "target") == {f"127.0.0.1:{receiver.port}"}
    assert found.total("scheduler_tick_delay_seconds_count") > 50
    assert found.total("lease_age_seconds") == 0
    assert "traceback" not in said(product).casefold()


def test_scheduler_and_worker_serve_what_each_does(tmp_path: Path, postgres_url: str, redis_url: str) -> None:
    options = SandboxOptions(key=SECRET, ledger=tmp_path / "ledger.jsonl", pace_per_second=2_000, failed=0.1)
    with Sandbox.start(options) as gateway:
        fleet = make_product(
            tmp_path, gateway, database_url=postgres_url, redis_url=redis_url, metrics_http="127.0.0.1:0"
        )
        inbox = tmp_path / "inbox"
        with running(fleet, "scheduler", "--json"):
            leads = opened(fleet.outputs[-1])
            with running(fleet, "worker", "--json"):
                works = opened(fleet.outputs[-1])
                drop(inbox)
                wait_until((inbox / "spring.report.csv").exists, seconds=120)
                found = scrape(leads), scrape(works)

    leader, worker = found
    assert leader.types == worker.types == ALL
    check(together(*found), states(inbox / "spring.report.csv"))
    assert worker.total("texts_total", result="accepted") == PEOPLE
    assert leader.total("texts_total", result="accepted") == 0
    age = "campaigns_lease_age_seconds", frozenset[tuple[str, str]]()
    assert leader.samples[age] < 10
    assert age not in worker.samples
    for each in found:
        nobody_is_in(each)
