"""A gateway that was set up anew: its IDs start over, in the middle of a run and between two campaigns."""

from datetime import timedelta

import pytest

from campaigns.codes import PAUSED, PausedBy
from campaigns.lifecycle import RecipientState
from tests.protocol.world.harness import SETTLED, Installation
from tests.protocol.world.scripted_gateway import LOST, Send
from worker.store.people import suppressions
from worker.store.relocation.new_gateway import HELD, take_new_gateway

ANNA = "+393330000000"


def set_up_anew(bench: Installation) -> None:
    """Delete the messages, and start the IDs over."""
    bench.gateway.gone += bench.gateway.stored
    bench.gateway.stored = []


def tell(bench: Installation) -> int:
    """Do what `campaigns resume CAMPAIGN --new-gateway` does."""
    with bench.store.write() as session:
        return take_new_gateway(session, bench.runtime.account_id, now=bench.clock.now())


def ids(bench: Installation, run_id: int) -> list[int | None]:
    return [row.gateway_id for row in bench.recipients(run_id)]


@pytest.mark.parametrize("between", [False, True], ids=["in-mid-run", "between-campaigns"])
def test_it_is_noticed_and_goes_on_when_it_is_told(bench: Installation, *, between: bool) -> None:
    # given texts sent by the gateway that is gone, not delivered yet
    old = bench.campaign(6, per_request=1, more="  rate: 6/minute\nfollow:\n  until: 10m\n")
    bench.until(lambda: len(bench.gateway.stored) == (6 if between else 3))
    set_up_anew(bench)
    new = bench.campaign(3, name="next", first=10, per_request=1) if between else old

    # when the next text is sent
    bench.pass_time(timedelta(minutes=2))

    # then it is accepted, and nothing more is sent, and nothing that the new one shows is believed
    assert bench.paused_because() == PAUSED[PausedBy.NEW_GATEWAY]
    assert len(bench.gateway.stored) == 1
    bench.gateway.set_all("Delivered")
    bench.pass_time(60)
    assert RecipientState.DELIVERED not in bench.states(old)

    # and once the command was run, the rest is sent, and each receipt is for its own message
    assert tell(bench) == 0
    bench.pass_time(timedelta(minutes=2))
    bench.finish(old, new, within=timedelta(minutes=30))
    assert max(bench.gateway.copies_in_all().values()) == 1
    ends = bench.states(old)
    if between:
        assert ends == {RecipientState.EXPIRED: 6}
        assert bench.states(new) == {RecipientState.DELIVERED: 3}
    else:
        assert ends == {RecipientState.EXPIRED: 3, RecipientState.DELIVERED: 3}
    assert all(
        id_ < 0 if row.state is RecipientState.EXPIRED else id_ > 0
        for row in bench.recipients(old)
        if (id_ := row.gateway_id)
    )


def test_what_was_in_doubt_is_held_and_never_believed_absent(bench: Installation) -> None:
    run_id = bench.campaign(4, per_request=1, more="  rate: 6/minute\n")
    bench.until(lambda: len(bench.gateway.stored) == 2)
    bench.gateway.script += [LOST, Send()]
    bench.until(lambda: len(bench.gateway.sends) == 3)
    set_up_anew(bench)

    bench.pass_time(2 * SETTLED)
    assert tell(bench) == 1
    bench.pass_time(2 * SETTLED)

    assert bench.states(run_id)[RecipientState.HELD] == 1
    assert [row.reason for row in bench.recipients(run_id) if row.state is RecipientState.HELD] == [HELD]
    assert max(bench.gateway.copies_in_all().values()) == 1


def test_a_stop_with_an_id_seen_before_counts_and_a_gateway_may_be_new_twice(bench: Installation) -> None:
    # given a person who wrote STOP, and START after it, to the gateway that is gone
    first = bench.campaign(1, more="follow:\n  until: 1m\n")
    bench.tick()
    bench.pass_time(60)
    for word in ("STOP", "START"):
        bench.gateway.receive(ANNA, word)
        bench.pass_time(60)
    bench.finish(first)

    # when the new one gives the same ID to the same word
    set_up_anew(bench)
    bench.gateway.receive(ANNA, "STOP").id = next(m.id for m in bench.gateway.gone if m.text == "STOP")
    bench.pass_time(60)

    # then it counts
    with bench.store.read() as session:
        assert suppressions.suppressed_among(session, [ANNA], "marketing") == {ANNA}
    for turn in range(2):
        set_up_anew(bench)
        run_id = bench.campaign(1, name=f"next{turn}", first=10 + turn)
        bench.pass_time(60)
        assert bench.paused_because() == PAUSED[PausedBy.NEW_GATEWAY]
        tell(bench)
        bench.finish(run_id)
    assert [id_ < 0 for id_ in ids(bench, first) if id_] == [True]
