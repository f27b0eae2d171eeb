"""Campaigns that were really sent through a sandbox and are over, with everything that a reckoning looks at."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from pydantic import SecretStr

from campaigns.access import Actor, ActorKind
from campaigns.lifecycle import RecipientState
from campaigns.protocol.declarations import Declared
from scheduler.actions import approving, control, resending, resolving, throttling
from scheduler.actions.suppressing import opt_outs
from scheduler.actions.upkeep.gateway_reads import PacedReads
from scheduler.actions.upkeep.verifying import rules_of
from scheduler.verify.checks import Breach
from scheduler.verify.facts import runs_of
from scheduler.verify.verifying import Verified, verify
from tests.protocol.world.harness import Installation
from tests.protocol.world.sandbox_gateway import EVERYTHING, KEY, SandboxGateway
from tests.support.clocks import FakeClock
from worker.gateway import GatewayClient
from worker.sandbox.running.options import Profile
from worker.settings.settings import Settings
from worker.store.engine import Store
from worker.store.tables import runs

ANNA: Final = Actor(ActorKind.CLI, "anna")
P = RecipientState

SALE: Final = """\
campaign: sale
message: "Ciao {{ name }}, offers"
audience:
  - {file: sale.csv, number: number, where: "city != 'Roma'"}
exclude:
  - {file: bought.csv, number: number}
schedule:
  timezone: Europe/Rome
  window: {days: mon-sat, from: "09:00", to: "20:00", except: [2026-12-08]}
  local_time: recipient
  if_late: {within: 10h}
throughput: {rate: 60/minute, daily: 500, batch_size: 5, budget: {total: 5 EUR, daily: 4 EUR}}
frequency_cap: {messages: 2, per: 7d}
devices: {use: [1, 2]}
approval: true
"""

NOTICE: Final = """\
campaign: {name}
message: "{text}"
audience: [{{file: {name}.csv, number: number}}]
throughput: {{batch_size: 5}}
"""

STEPS: Final = "steps: [{name: nudge, after: 1h, unless: replied, message: See you soon}]\n"

SENT: Final = [f"+39333100{place:04}" for place in range(20)]
NUDGED: Final = [f"+39333200{place:04}" for place in range(3)]
FAILS: Final = "+393339991004"
OPTED_OUT: Final = "+393331000900"
EXCLUDED: Final = "+393331000901"
ELSEWHERE: Final = "+393331000902"
CAPPED: Final = SENT[0]


@dataclass
class World:
    """What is left of the campaigns: a database, the gateway's ledger, and the settings."""

    store: Store
    gateway: SandboxGateway
    settings: Settings
    clock: FakeClock
    ledger: Path

    def run(self, campaign: str, place: int = 0) -> int:
        with self.store.read() as session:
            ids = session.scalars(
                sa.text("SELECT run.id FROM run JOIN campaign ON campaign.id = campaign_id WHERE slug = :slug"),
                {"slug": campaign},
            ).all()
        return int(sorted(ids)[place])

    def sql(self, statement: str, **values: Any) -> None:
        """Change something behind the program's back."""
        with self.store.write() as session:
            done = session.execute(sa.text(statement), values)
            assert done.rowcount, statement  # type: ignore[attr-defined]  # a CursorResult, which the stubs hide

    def at_gateway(self, change: Callable[[list[dict[str, Any]]], object]) -> None:
        """Change the gateway's own record of its messages, which has a line for each."""
        self.gateway.close()
        lines = [json.loads(line) for line in self.ledger.read_text().splitlines()]
        change(lines)
        self.ledger.write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.gateway = sandbox(self.clock, self.ledger)

    def one(self, query: str, **values: Any) -> Any:
        with self.store.read() as session:
            return session.execute(sa.text(query), values).scalar_one()

    def verify(self, campaign: str = "sale", *, offline: bool = False, **settings: Any) -> Verified:
        with self.store.read() as session:
            campaign_id = session.scalars(sa.select(runs.c.campaign_id).where(runs.c.id == self.run(campaign))).one()
            ids = runs_of(session, campaign_id)
        rules = rules_of(self.settings.model_copy(update=settings))
        if offline:
            return verify(self.store, ids, rules, None, now=self.clock.now(), is_offline="offline")
        client = GatewayClient("https://sms.example/", SecretStr(KEY), clock=self.clock, transport=self.gateway)
        with client:
            return verify(self.store, ids, rules, PacedReads(client, self.clock), now=self.clock.now())

    def breaches(self, campaign: str = "sale", *, offline: bool = False, **settings: Any) -> set[Breach]:
        found = self.verify(campaign, offline=offline, **settings)
        return {each.breach for result in found.checks for each in result.findings}


def sandbox(clock: FakeClock, ledger: Path) -> SandboxGateway:
    return SandboxGateway(
        clock,
        ledger=ledger,
        profile=Profile.INTS,
        pace_per_second=1_000.0,
        delivery_min_seconds=60.0,
        delivery_max_seconds=60.0,
    )


def live(folder: Path, store: Store, clock: FakeClock) -> Settings:
    """Send all campaigns to their end; return the settings of the installation."""
    (folder / "prices.csv").write_text("prefix,price,currency\n+39,0.05,EUR\n")
    gateway = sandbox(clock, folder / "ledger.jsonl")
    bench = Installation(
        folder,
        store,
        clock,
        sandbox=gateway,
        prices=folder / "prices.csv",
        device_rate="30/minute",
        device_people_monthly=100,
        rate="600/minute",
        hours="mon-sat 08:00-21:00",
        frequency_cap="3/7d",
        budget_daily="20 EUR",
    )
    try:
        _live(bench, gateway)
    finally:
        bench.close()
        gateway.close()
    return bench.settings


def _live(bench: Installation, gateway: SandboxGateway) -> None:
    store, clock = bench.store, bench.clock
    bench.hear()

    # two campaigns before, so that somebody is over the cap
    for name in ("first", "second"):
        over(bench, notice(bench, name, f"News {name}", [CAPPED]))

    opt_outs.suppress(store, ANNA, [OPTED_OUT], now=clock.now())
    clock.advance(60)
    people = "".join(f"{number},N{place},Milano\n" for place, number in enumerate([*SENT, FAILS, OPTED_OUT, EXCLUDED]))
    (bench.folder / "sale.csv").write_text(
        f"number,name,city\n{people}{SENT[3]},Again,Milano\ncall me,Dario,Milano\n{ELSEWHERE},Rosa,Roma\n"
    )
    (bench.folder / "bought.csv").write_text(f"number\n{EXCLUDED}\n")
    run_id = bench.drop(SALE).run_id
    plan = bench.run(run_id).plan_hash
    approving.approve(store, ANNA, "sale", plan, inbox=bench.folder, four_eyes=False, now=clock.now())
    place = throttling.LimitPlace(bench.runtime.account_id, "campaign:sale")
    throttling.change_limits(store, ANNA, place, throttling.new_limits("90/minute", None, None), now=clock.now())
    over(bench, run_id)
    states = bench.states(run_id)
    assert states[P.DELIVERED] == len(SENT) - 1, states
    assert {P.CAPPED, P.FAILED, P.SUPPRESSED, P.EXCLUDED, P.DUPLICATE, P.INVALID} <= states.keys(), states
    again = resending.resend_failed(bench.runtime, ANNA, bench.run(run_id))
    assert again is not None
    over(bench, again)

    # somebody opts out by a reply, after they had their text
    gateway.receive(SENT[5], "STOP")
    bench.pass_time(60)

    # a campaign with a step, which somebody answers before it goes
    nudged = notice(bench, "nudged", "See you?", NUDGED, STEPS)
    bench.until(lambda: bench.states(nudged) == {P.DELIVERED: len(NUDGED)})
    gateway.receive(NUDGED[0], "Thank you!")
    bench.until(lambda: all(bench.run(id_).finished_at for id_ in (nudged, nudged + 1)), within=timedelta(hours=3))
    assert bench.states(nudged + 1) == {P.DELIVERED: len(NUDGED) - 1, P.EXCLUDED: 1}

    # a campaign whose replies were lost, and about which somebody decided; and one that was cancelled
    gateway.fail("drop_before", EVERYTHING[0])
    lost = notice(bench, "lost", "Hold on", [SENT[7], SENT[8]], "follow: {on_unknown: hold}\n")
    bench.send()
    gateway.work()
    bench.until(lambda: bench.states(lost) == {P.HELD: 2})
    for number, declared in ((SENT[7], Declared.SENT), (SENT[8], Declared.NOT_SENT)):
        about = resolving.to_decide(store, "lost", number=number)
        resolving.resolve(store, ANNA, about, declared, now=clock.now())
    over(bench, lost)
    later = notice(bench, "later", "Much later", [SENT[9]], "schedule: {start: 2026-12-20 09:00}\n")
    control.cancel(store, ANNA, "later", now=clock.now())
    bench.pass_time(30)
    assert bench.states(later) == {P.CANCELLED: 1}

    # a campaign that sends failed texts again, which costs again
    again = notice(bench, "again", "Once more", [SENT[10], FAILS], "follow: {retry_failed: {times: 1, after: 1m}}\n")
    over(bench, again)
    assert bench.states(again) == {P.DELIVERED: 1, P.FAILED: 1}


def notice(bench: Installation, name: str, text: str, numbers: list[str], more: str = "") -> int:
    (bench.folder / f"{name}.csv").write_text("number\n" + "".join(f"{number}\n" for number in numbers))
    return bench.drop(NOTICE.format(name=name, text=text) + more, name).run_id


def over(bench: Installation, run_id: int) -> None:
    """Let time pass until a run is over."""
    bench.until(lambda: bench.run(run_id).finished_at is not None, within=timedelta(hours=2))


@contextmanager
def copied(folder: Path, target: Path, settings: Settings, now: FakeClock) -> Iterator[World]:
    """A copy of a world that was lived in on SQLite."""
    target.mkdir()
    for path in folder.iterdir():
        if path.is_file():
            shutil.copy(path, target)
    store = Store(f"sqlite:///{target / 'campaigns.db'}")
    gateway = sandbox(now, target / "ledger.jsonl")
    made = World(store, gateway, settings, now, target / "ledger.jsonl")
    try:
        yield made
    finally:
        made.gateway.close()
        store.close()
