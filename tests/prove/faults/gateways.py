"""A gateway that loses all its data, and whose IDs start from 1 again."""

import time
from contextlib import closing
from dataclasses import replace
from typing import Final

import sqlalchemy as sa

from campaigns.codes import PAUSED, PausedBy
from tests.prove.faults.trial import CAMPAIGN, Fault, World
from tests.prove.world.evidence import Ceiling, Evidence, read_ledger
from tests.prove.world.product import Audience
from tests.support.nursery import Sandbox
from worker.sandbox.exchange import RequestKind
from worker.sandbox.faults.plan import FaultPlan, FaultRule
from worker.store.engine import Store
from worker.store.events import EventName
from worker.store.tables import events

LOST_REPLIES: Final = FaultPlan(1, (FaultRule((RequestKind.SEND,), 1.0, {"drop_after": 1.0}, until_request=2),))
"""The replies to the last two requests to the old gateway are lost: nobody can ever ask what became of them."""


class GatewayReinstalled(Fault):
    """The gateway is set up anew in the middle: empty, at the same address. Somebody tells it with `--new-gateway`."""

    name = "gateway loses its data"
    told = ("account.paused",)
    follow = "20s"
    waits_seconds = 20.0
    because = "texts of the old gateway get no receipts: they are followed until `follow.until`"

    def happen(self, world: World) -> None:
        stage = world.stage
        before = world.stored()
        stage.put_faults(LOST_REPLIES)
        world.await_sent(before + 2 * self.batch)
        stage.sandbox.stop()
        self._old = stage.ledger
        world.earlier = stage.stored()
        stage.ledger = stage.folder / "ledger-of-the-new-gateway.jsonl"
        stage.ledger.touch()
        stage.sandbox = Sandbox.start(stage.gateway())
        words = PAUSED[PausedBy.NEW_GATEWAY]
        world.await_said(words)
        world.until(lambda: words in world.status_text(), "the status does not say why nothing is sent")
        world.nothing_is_sent(5)
        time.sleep(1)
        ended = stage.product.run("resume", CAMPAIGN, "--new-gateway")
        if ended.code != 0:
            world.broken.append(f"resume --new-gateway ended with {ended.code}: {ended.stderr[-300:]}")
        self._said = ended.stdout.strip().replace("\n", "; ")

    def evidence(self, world: World, audience: Audience, ceiling: Ceiling) -> Evidence:
        """Both ledgers: what the product knows of the old one has IDs below zero."""
        found = world.stage.evidence([audience], ceiling=ceiling)
        by = moved_by(world.ground.backing.database_of(world.stage.folder))
        before = tuple(replace(row, id=row.id - by, request=-row.request) for row in read_ledger(self._old))
        return replace(found, stored=(*before, *found.stored))

    def figures(self) -> str:
        return getattr(self, "_said", "")


def moved_by(database_url: str) -> int:
    """By how much the IDs of the old gateway were moved."""
    with closing(Store(database_url)) as store, store.read() as session:
        query = sa.select(events.c.detail).where(events.c.name == EventName.ACCOUNT_NEW_GATEWAY)
        [detail] = session.execute(query).scalars().all()
    return int(detail["moved_by"])
