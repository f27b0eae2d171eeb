"""Metrics of real processes: every metric is there, the texts are those of the books, and no person is in any label."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from urllib.request import urlopen

from sqlalchemy import make_url

from tests.deploy.test_deploy_monitoring import RECORDED, expressions, grouped, matchers
from tests.prove.world.product import Product
from tests.scheduler.services.test_services import make_product, running, said, states_by_number, wait_until
from tests.support.nursery import Sandbox
from tests.support.receiver import Receiver
from tests.support.scraping import Scrape, scrape
from tests.support.servers import PostgresServer, RedisServer, StandbyServer
from worker import metrics
from worker.metrics import METRICS
from worker.sandbox.exchange import RequestKind
from worker.sandbox.faults.plan import FaultPlan, FaultRule
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


def drop(inbox: Path, text: str = CAMPAIGN) -> None:
    rows = [f"333 {1_000_000 + index},{NAME}{index}" for index in range(PEOPLE)]
    (inbox / "people.csv").write_text("phone,first_name\n" + "\n".join(rows) + "\n", encoding="utf-8")
    (inbox / "spring.yaml").write_text(text, encoding="utf-8")


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


LIMITED = (
    CAMPAIGN
    + """\
  rate: 10/second
  daily: 1000
"""
)
CODE = CAMPAIGN.replace("spring-sale", "code").replace("people.csv", "few.csv") + "kind: transactional\n"
LOST = FaultPlan(rules=(FaultRule((RequestKind.SEND,), 1.0, {"server_error_before": 1.0}),))


def asked_for() -> Iterator[tuple[str, tuple[tuple[str, str, str], ...], frozenset[str]]]:
    """Of each expression in rules and dashboards: the metric, what it selects by, and the labels it groups by."""
    for expression in expressions():
        used = [(name, by) for name, by in matchers(expression) if name not in RECORDED and name != "ALERTS"]
        groups = frozenset(grouped(expression)) if len(used) == 1 else frozenset[str]()
        for name, by in used:
            yield name, tuple(by), groups


def fits(labels: Mapping[str, str], by: Iterable[tuple[str, str, str]]) -> bool:
    """Return whether Prometheus would select a series with these labels; a label that it lacks matches nothing here."""
    same: dict[str, Callable[[str, str], bool]] = {
        "=": lambda found, value: found == value,
        "!=": lambda found, value: found != value,
        "=~": lambda found, value: bool(re.fullmatch(value, found)),
        "!~": lambda found, value: not re.fullmatch(value, found),
    }
    return all(label in labels and same[how](labels[label], value) for label, how, value in by)


def test_rules_and_dashboards_find_what_they_ask_for_in_what_is_served(
    tmp_path: Path, postgres_server: PostgresServer, postgres_url: str, redis_server: RedisServer, redis_url: str
) -> None:
    options = SandboxOptions(key=SECRET, pace_per_second=20, failed=0.1, credits=10_000)
    inbox = tmp_path / "inbox"
    series: set[tuple[str, frozenset[tuple[str, str]]]] = set()

    prices = tmp_path / "prices.csv"
    prices.write_text("prefix,price,currency\n+39,0.045,EUR\n", encoding="utf-8")
    standby = StandbyServer(postgres_server)
    standby.start()
    with closing(standby), Receiver(500) as receiver, Sandbox.start(options) as gateway:

        def put(plan: FaultPlan) -> None:
            body = json.dumps({**asdict(plan), "key": SECRET}).encode()
            with urlopen(f"{gateway.url}/sandbox/faults", body, 10):
                pass

        fleet = make_product(
            tmp_path, gateway, database_url=postgres_url, redis_url=redis_url, metrics_http="127.0.0.1:0",
            report_webhook=receiver.url, reply_poll_seconds="0.3", settle_seconds="8",
            stuck_after_seconds="60", prices=str(prices), budget_daily="1000 EUR", device_people_monthly="1000",
            read_database_url=standby.url(str(make_url(postgres_url).database)),
        )  # fmt: skip
        with running(fleet, "scheduler", "--json"):
            addresses = [opened(fleet.outputs[-1])]
            with running(fleet, "worker", "--json"):
                addresses.append(opened(fleet.outputs[-1]))

                def has(name: str, **labels: str) -> bool:
                    for address in addresses:
                        series.update(scrape(address).samples)
                    return any(
                        found == metrics.PREFIX + name and labels.items() <= dict(by).items() for found, by in series
                    )

                def await_(is_served: Callable[[], bool]) -> None:
                    # A look takes 50 ms of CPU: two answers of 60 KB are written and read.
                    wait_until(is_served, seconds=120, look_seconds=0.5)

                drop(inbox, LIMITED)
                (inbox / "few.csv").write_text(f"phone,first_name\n333 1999999,{NAME}\n", encoding="utf-8")
                (inbox / "code.yaml").write_text(CODE, encoding="utf-8")
                await_(lambda: has("texts_total", result="delivered") and has("device_waiting"))
                await_(lambda: has("budget_left_ratio") and has("money_left_ratio") and has("device_people_ratio"))
                await_(lambda: has("replica_lag_seconds"))
                wait_until((inbox / "spring.report.csv").exists, seconds=120)
                put(LOST)
                lost = CODE.replace("campaign: code", "campaign: lost").replace("few.csv", "lost.csv")
                lost += "follow:\n  on_unknown: hold\n"
                (inbox / "lost.csv").write_text(f"phone,first_name\n333 1888888,{NAME}\n", encoding="utf-8")
                (inbox / "lost.yaml").write_text(lost, encoding="utf-8")
                await_(lambda: has("oldest_seconds", state="in_doubt"))
                await_(lambda: has("oldest_seconds", state="held"))
                redis_server.stop()
                await_(lambda: has("troubles", trouble="redis_away"))
                postgres_server.stop()
                await_(lambda: has("troubles", trouble="database_away"))

    served = [(name, dict(labels)) for name, labels in series]
    missing = {
        (name, by, groups)
        for name, by, groups in asked_for()
        if not any(found == name and fits(labels, by) and groups <= labels.keys() for found, labels in served)
    }
    assert missing == set()


def test_scheduler_and_worker_serve_what_each_does(tmp_path: Path, postgres_url: str, redis_url: str) -> None:
    options = SandboxOptions(key=SECRET, ledger=tmp_path / "ledger.jsonl", pace_per_second=2_000, failed=0.1)
    age = "campaigns_lease_age_seconds", frozenset[tuple[str, str]]()
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
                # A campaign this small is over before the leader has looked at the facts for the first time.
                wait_until(lambda: age in scrape(leads).samples)
                found = scrape(leads), scrape(works)

    leader, worker = found
    assert leader.types == worker.types == ALL
    check(together(*found), states(inbox / "spring.report.csv"))
    assert worker.total("texts_total", result="accepted") == PEOPLE
    assert leader.total("texts_total", result="accepted") == 0
    assert leader.samples[age] < 10
    assert age not in worker.samples
    for each in found:
        nobody_is_in(each)
