"""A gateway in trouble for an hour: reported once, tried less and less often; then everybody gets one text."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa
import structlog
from sqlmodel import col

from scheduler.loop import Clockwork
from scheduler.rush import Rush
from scheduler.ticks.replies import RepliesTick
from scheduler.ticks.sending.missed import late
from scheduler.ticks.table import Tick
from tests.protocol.world.harness import Installation, exactly_once
from tests.protocol.world.scripted_gateway import Answers, ScriptedGateway, Send, Stores
from tests.prove.world.stage import wait_until
from worker.servers.troubles import SETTLED_SECONDS, Troubles
from worker.store.models import Notice

pytestmark = pytest.mark.long

HOUR = 3_600.0


def refusing(answers: Answers) -> Callable[[ScriptedGateway], None]:
    def begin(gateway: ScriptedGateway) -> None:
        gateway.usual = Send(answers, Stores.NONE)

    return begin


def down(gateway: ScriptedGateway) -> None:
    gateway.is_down = True


def new_key(gateway: ScriptedGateway) -> None:
    gateway.key_works = False


@pytest.mark.parametrize(
    "begin",
    [
        pytest.param(refusing(Answers.SLOWER), id="429-to-every-text"),
        pytest.param(refusing(Answers.NO_CREDITS), id="credits-that-the-balance-still-shows"),
        pytest.param(refusing(Answers.NO_CONNECTION), id="no-connection-or-an-expired-certificate"),
        pytest.param(down, id="502"),
        pytest.param(new_key, id="a-new-key"),
    ],
)
def test_an_hour_of_trouble_is_told_once_and_tried_ever_less_often(
    bench: Installation, begin: Callable[[ScriptedGateway], None]
) -> None:
    # given a campaign under way, and the trouble
    run_id = bench.campaign(4, per_request=1, more="  rate: 6/minute\n")
    bench.tick()
    sends = len(bench.gateway.sends)
    begin(bench.gateway)
    bench.gateway.asked.clear()

    with structlog.testing.capture_logs() as log:
        bench.pass_time(HOUR, step=60)

        # then it is reported once, outside and in the log, and the gateway is asked little
        assert told(bench)["account.paused"] == 1
        assert Counter(line["event"] for line in log)["account.paused"] == 1
        assert bench.gateway.balances <= 100  # the client asks several times before it calls that a failure
        assert len(bench.gateway.sends) - sends <= 80  # several connections make one try
        assert (
            len(bench.gateway.asked) <= 1_500
        )  # likewise, twice a minute for each request in doubt: `settle` is short here

        # and when it ends, everything continues by itself, and that is reported once
        bench.gateway.usual, bench.gateway.is_down, bench.gateway.key_works = Send(), False, True
        bench.finish(run_id)
        bench.tick()

    assert exactly_once(bench, run_id)
    assert Counter(line["event"] for line in log)["account.works_again"] == 1
    assert told(bench)["account.paused"] == 1


def test_an_account_is_paused_for_the_reason_of_the_last_try(bench: Installation) -> None:
    # given a gateway that puts every text off until the account is paused
    bench.campaign(8, per_request=1, more="  rate: 60/minute\n")
    refusing(Answers.SLOWER)(bench.gateway)
    bench.until(lambda: bool(bench.paused_because()))
    before = bench.paused_because()

    # when it refuses the key instead
    bench.gateway.key_works = False
    bench.pass_time(120, step=60)

    # then that is the reason, told no second time
    assert "slower" in before
    assert "API key" in bench.paused_because()
    assert told(bench)["account.paused"] == 1


def test_a_gateway_that_cannot_be_read_is_over_once_a_read_worked_and_not_once_nothing_was_read(
    bench: Installation,
) -> None:
    # given somebody to hear from, and a gateway that is unavailable
    bench.campaign(1)
    bench.send()
    bench.gateway.is_down = True
    runtime = replace(bench.runtime, troubles=Troubles(bench.clock))
    with structlog.testing.capture_logs() as log:
        replies = RepliesTick()
        ticks = Tick("replies", 0.02, replies, is_first=True), Tick("late", 0.02, late)
        clockwork = Clockwork(runtime, ticks, Rush())
        clockwork.start()
        try:
            assert wait_until(lambda: bool(runtime.troubles.current()), 10)

            # then ticks that have nothing to read at the moment do not end it
            replies.look.rest(bench.clock.elapsed_seconds(), 60)
            bench.clock.advance(SETTLED_SECONDS)
            assert not wait_until(lambda: not runtime.troubles.current(), 0.3)

            # but a read does
            bench.gateway.is_down = False
            bench.clock.advance(60)
            assert wait_until(lambda: not runtime.troubles.current(), 10)
        finally:
            clockwork.stop()
    assert [line["event"] for line in log if line["event"].startswith("trouble.")] == ["trouble.began", "trouble.ended"]


def told(bench: Installation) -> Counter[str]:
    """The number of reports of each kind."""
    with bench.store.read() as session:
        return Counter(session.scalars(sa.select(col(Notice.event)).where(col(Notice.channel) == "news")))
