"""From events to who is notified: the product on a bench, real servers that accept calls, fail, or hang."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from pydantic import SecretStr
from sqlmodel import col, select

from campaigns.codes import PausedBy
from scheduler.notifications.delivery import CLAIM
from scheduler.ticks.notices import TRY_AGAIN
from tests.protocol.world.harness import Installation
from tests.support.receiver import Receiver
from worker.store.models import Notice
from worker.store.notifications.outbox import GATHERING, announce_held, claim, tell
from worker.store.sending import accounts


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


def set_up(bench: Installation, **settings: Any) -> None:
    """Settings in addition to those of the bench."""
    given = bench.settings.model_copy(update={"allow_private_webhooks": True, **settings})
    bench.runtime = replace(bench.runtime, settings=given)


def told(bench: Installation) -> Mapping[str, int]:
    return bench.call("notices")


def kept(bench: Installation) -> list[Notice]:
    with bench.store.read() as session:
        return list(session.exec(select(Notice).where(Notice.channel != "news").order_by(col(Notice.id))))


def reply(bench: Installation, url: str, key: str) -> None:
    with bench.store.write() as session:
        now = bench.clock.now()
        body = {"text": "ciao"}
        tell(session, key=key, channel="reply_webhook", target=url, event="reply", body=body, run_id=None, now=now)


def report_to(receiver: Receiver) -> str:
    return f"report:\n  webhook: {receiver.url}\n"


def test_a_campaign_tells_its_webhook_how_it_goes(bench: Installation, receiver: Receiver) -> None:
    set_up(bench)
    run_id = bench.campaign(4, more=report_to(receiver))
    # when
    bench.tick()
    bench.pause(run_id)
    bench.tick()
    bench.resume(run_id)
    bench.finish(run_id)
    bench.tick()
    # then
    assert receiver.events() == ["run.started", "run.paused", "run.completed"]
    started, paused, completed = (call.json for call in receiver.calls)
    assert len({body["id"] for body in (started, paused, completed)}) == 3
    assert (started["campaign"], started["run"], started["rehearsal"]) == ("sale", run_id, False)
    assert paused["reason"] == "by hand"
    assert completed["state"] == "completed"
    assert completed["recipients"] == {"audience": 4, "delivered": 4}
    assert "+39" not in str([call.body for call in receiver.calls])


def test_where_the_file_names_nobody_the_settings_do(bench: Installation, receiver: Receiver) -> None:
    with Receiver() as everybody:
        set_up(bench, report_webhook=SecretStr(everybody.url))
        bench.finish(bench.campaign(1, name="own", more=report_to(receiver)), bench.campaign(1, name="none", first=50))
        bench.tick()
    assert {call.json["campaign"] for call in receiver.calls} == {"own"}
    assert {call.json["campaign"] for call in everybody.calls} == {"none"}


def test_nobody_to_be_told_is_done_with(bench: Installation) -> None:
    bench.finish(bench.campaign(1))
    bench.tick()
    assert kept(bench) == []
    assert told(bench) == {"spread": 0, "told": 0, "failed": 0}


def test_a_paused_account_is_told_to_the_campaigns_that_wait_for_it(bench: Installation, receiver: Receiver) -> None:
    set_up(bench)
    bench.campaign(1, more=report_to(receiver))
    bench.enqueue()
    told(bench)
    # when
    with bench.store.write() as session:
        reason = "no credits; called for +393331234567"
        accounts.pause_account(
            session, bench.runtime.account_id, PausedBy.ALARM, reason, now=bench.clock.now(), probe_at=None
        )
    told(bench)
    # then
    assert receiver.events() == ["run.started", "account.paused"]
    assert receiver.calls[-1].json["reason"] == "no credits; called for [number]"


def test_a_stop_of_nobody_known_is_told_without_its_number(bench: Installation) -> None:
    with Receiver() as everybody:
        set_up(bench, report_webhook=SecretStr(everybody.url))
        bench.finish(bench.campaign(1))
        for text in ("STOP", "stop please"):
            bench.gateway.receive("3471234911", text)
        bench.pass_time(60)
    told_of = [call.json for call in everybody.calls if call.json["event"] == "reply.unmatched"]
    assert [body["rehearsal"] for body in told_of] == [False]
    assert "campaigns suppress review" in told_of[0]["reason"]
    assert "3471234911" not in str([call.body for call in everybody.calls])


def test_a_call_is_repeated_until_it_is_taken_and_is_the_same_each_time(
    bench: Installation, receiver: Receiver
) -> None:
    set_up(bench)
    receiver.answers += [500, 503]
    bench.campaign(1, more=report_to(receiver))
    bench.tick()
    # when
    for _ in range(12):
        told(bench)
        bench.clock.advance(10)
    # then
    assert receiver.events() == ["run.started"] * 3
    assert len({call.body for call in receiver.calls}) == 1
    assert [(notice.tries, notice.problem) for notice in kept(bench)] == [(3, "")]


def test_after_three_days_it_is_given_up(bench: Installation) -> None:
    set_up(bench)
    with Receiver(*[500] * 200) as receiver:
        bench.campaign(1, more=report_to(receiver))
        bench.tick()
        for _ in range(200):
            told(bench)
            bench.clock.advance(timedelta(hours=1, minutes=10))
    # then
    assert 60 <= len(receiver.calls) <= 75
    [notice] = kept(bench)
    assert (notice.problem, notice.ended_at is not None) == ("HTTP 500", True)
    assert "notice.given_up" in bench.events()


@pytest.mark.parametrize("hours", [0, 1, -1], ids=["", "clock put forward", "clock put back"])
def test_a_target_that_is_away_is_asked_once_and_not_for_every_notice(
    bench: Installation, receiver: Receiver, hours: int
) -> None:
    set_up(bench)
    bench.call("rescue")
    receiver.answers += [503]
    for number in range(50):
        reply(bench, receiver.url, f"r{number}")
    # when
    told(bench)
    bench.clock.jump(timedelta(hours=hours))
    bench.call("rescue")
    reply(bench, receiver.url, "later")
    told(bench)
    # then
    assert len(receiver.calls) == 1
    bench.clock.advance(12)
    assert told(bench)["told"] == 51


def test_one_call_that_is_refused_keeps_no_other_waiting(bench: Installation, receiver: Receiver) -> None:
    set_up(bench)
    receiver.answers += [400]
    for number in range(3):
        reply(bench, receiver.url, f"r{number}")
    assert told(bench) == {"spread": 0, "told": 2, "failed": 1}


def test_a_slow_target_keeps_no_other_waiting(bench: Installation, receiver: Receiver) -> None:
    set_up(bench)
    taken, came_first = threading.Semaphore(0), list[bool]()

    def slow(handler: BaseHTTPRequestHandler) -> None:
        came_first.extend(taken.acquire(timeout=3) for _ in range(2))
        handler.wfile.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    def quick(handler: BaseHTTPRequestHandler) -> None:
        taken.release()
        handler.wfile.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    receiver.answers += [quick, quick]
    with Receiver(slow) as sleepy:
        reply(bench, sleepy.url, "s")
        reply(bench, receiver.url, "q1")
        reply(bench, receiver.url, "q2")
        assert told(bench)["told"] == 3
    assert came_first == [True, True]


def test_who_was_killed_after_the_call_tells_it_again(bench: Installation, receiver: Receiver) -> None:
    set_up(bench)
    reply(bench, receiver.url, "r")
    # given a process that called and died before it recorded that: its claim is all that is left
    now = bench.clock.now()
    with bench.store.write() as session:
        claim(session, [kept(bench)[0].id], now=now, until=now + CLAIM)
    # when
    assert told(bench)["told"] == 0
    bench.clock.advance(CLAIM)
    assert told(bench)["told"] == 1


def test_a_run_of_its_own_tells_of_nobody_else(bench: Installation, receiver: Receiver) -> None:
    set_up(bench)
    mine = bench.campaign(1, name="mine", more=report_to(receiver))
    bench.campaign(1, name="other", first=50, more=report_to(receiver))
    bench.enqueue()
    # when
    bench.work_only_on({mine})
    bench.call("notices")
    # then
    assert [call.json["campaign"] for call in receiver.calls] == ["mine"]


def test_who_ends_does_not_wait_for_what_gathers(bench: Installation, receiver: Receiver) -> None:
    set_up(bench)
    run_id = bench.campaign(1, more=report_to(receiver))
    with bench.store.write() as session:
        announce_held(session, run_id, now=bench.clock.now())
    assert told(bench)["told"] == 0
    # when
    bench.ticks.notices(bench.runtime, bench.clock.now(), ahead=GATHERING)
    # then
    assert receiver.events() == ["run.held"]


def test_a_setting_that_is_broken_keeps_news_until_it_is_mended(bench: Installation, receiver: Receiver) -> None:
    secret = bench.folder / "smtp"
    set_up(bench, smtp_url_file=secret)
    bench.campaign(1, more=report_to(receiver))
    bench.enqueue()
    # given
    assert told(bench)["told"] == 0
    # when
    secret.write_text("smtps://127.0.0.1:9")
    bench.clock.advance(TRY_AGAIN)
    # then
    assert told(bench)["told"] == 1
    assert receiver.events() == ["run.started"]
