"""An upgrade in the middle of everything: what the first schema version holds continues, and nobody is doubled."""

import urllib.request
from collections import Counter
from contextlib import AbstractContextManager, closing
from pathlib import Path
from urllib.parse import urlencode

import pytest
import redis
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import worker.store
from tests.prove.world.evidence import read_ledger
from tests.prove.world.product import write_campaign
from tests.prove.world.stage import KEY, Stage, kill, wait_until
from worker import marker, redis_marker
from worker.sandbox.exchange import RequestKind
from worker.sandbox.faults.plan import FaultPlan, FaultRule
from worker.store.engine import Store
from worker.store.migrate import schema_change

SECONDS = 60.0
LOST_REPLIES = {"drop_after": 1.0, "reset_after_request": 1.0, "server_error_after": 1.0, "late_drop": 1.0}


def back_to_the_first_version(stage: Stage) -> None:
    """The database, its mark and the files next to the campaigns as the first version left them."""
    config = Config()
    config.set_main_option("script_location", str(Path(worker.store.__file__).parent / "migrations"))
    with opened(stage) as store, schema_change(store) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
    if stage.redis_url:
        with redis.Redis.from_url(stage.redis_url) as client:
            client.delete(f"{redis_marker.REDIS_KEY}:installation", f"{redis_marker.REDIS_KEY}:moved_at")
    else:
        mark = marker.beside(stage.database)
        mark.write_text(f"{mark.read_text().split()[0]:<20}\n")
    for path in stage.inbox.glob("*.status.txt"):
        path.write_text(path.read_text("utf-8").partition("Installation:")[0], "utf-8")


def opened(stage: Stage) -> AbstractContextManager[Store]:
    return closing(Store(stage.product.environment["CAMPAIGNS_DATABASE_URL"]))


def writes(stage: Stage, number: str, text: str) -> None:
    form = urlencode({"number": number, "message": text, "key": KEY}).encode()
    with urllib.request.urlopen(f"{stage.sandbox.url}/sandbox/inbound", form, 10):
        pass


def replies(stage: Stage) -> Counter[str]:
    """How often each reply is stored."""
    with opened(stage) as store, store.read() as session:
        return Counter(session.execute(sa.text("SELECT text FROM inbound")).scalars())


def texts(stage: Stage) -> Counter[tuple[str, str]]:
    """How often each number got which text, by the gateway's own ledger."""
    return Counter((message.number, message.text) for message in read_ledger(stage.ledger))


def status(stage: Stage, campaign: str) -> str:
    path = stage.inbox / f"{campaign}.status.txt"
    return path.read_text("utf-8") if path.exists() else ""


@pytest.mark.parametrize("on_servers", [False, True], ids=["sqlite", "postgresql"])
def test_campaigns_go_on_after_an_upgrade(tmp_path: Path, on_servers: bool, request: pytest.FixtureRequest) -> None:
    fixtures = ("postgres_url", "redis_url") if on_servers else ()
    database_url, redis_url = [request.getfixturevalue(name) for name in fixtures] or ("", "")
    settings = {"reply_poll_seconds": "0.3"}
    with Stage(tmp_path / "stage", database_url, redis_url, settings) as stage:
        # given a service that is killed: campaigns that are sent, in doubt, paused, not approved and over; replies
        stage.put_faults(FaultPlan(rules=(FaultRule((RequestKind.SEND,), 0.4, LOST_REPLIES),)))
        over = write_campaign(stage.inbox, "over", recipients=4, first=900)
        first = stage.start("up")
        assert wait_until(lambda: "completed" in status(stage, "over"), SECONDS), stage.errors_of_last()
        gone, *_ = sorted(over.eligible)
        calm = write_campaign(stage.inbox, "calm", recipients=20, first=200, more="  rate: 2/second\n")
        write_campaign(stage.inbox, "asks", recipients=10, first=300, more="approval: true\n")
        assert wait_until(lambda: "sending" in status(stage, "calm"), SECONDS), stage.errors_of_last()
        assert stage.product.run("pause", "calm").code == 0
        before = stage.stored()
        spring = write_campaign(stage.inbox, "spring", recipients=80, batch_size=4, more="  rate: 8/second\n")
        assert wait_until(lambda: stage.stored() > before, SECONDS), stage.errors_of_last()
        stopped = max(spring.eligible)
        for number, text in ((gone, "Thanks"), (gone, "STOP"), (gone, "START"), (stopped, "STOP")):
            writes(stage, number, text)
        assert wait_until(lambda: replies(stage)["STOP"] == 2 and replies(stage)["START"] == 1, SECONDS)
        kill(first)
        heard = replies(stage)
        out = {stopped} - {number for number, _ in texts(stage)}
        back_to_the_first_version(stage)

        # when the new version is started
        stage.put_faults(FaultPlan())
        stage.start("up")
        assert wait_until(lambda: "completed" in status(stage, "spring"), SECONDS), (
            status(stage, "spring") + stage.errors_of_last()
        )

        # then what was held back still is
        assert "paused" in status(stage, "calm")
        assert "approve asks --plan" in status(stage, "asks")
        sent = texts(stage)
        assert not any("this is asks" in text for _, text in sent)

        # and the rest continues: nobody is doubled, nobody forgotten, each reply is there once
        assert stage.product.run("resume", "calm").code == 0
        assert wait_until(lambda: "completed" in status(stage, "calm"), SECONDS), stage.errors_of_last()
        sent = texts(stage)
        assert set(sent.values()) == {1}
        assert {number for number, _ in sent} == (spring.eligible | calm.eligible | over.eligible) - out
        assert replies(stage) == heard
        assert "Traceback" not in stage.errors_of_last()
