"""`resend` with several phones: what one of them could not send goes by another, on both databases."""

from campaigns.lifecycle import RecipientState
from tests.protocol.world.harness import Installation

P = RecipientState
NO_SERVICE = 4


def failed_on_phone_2(bench: Installation, devices: str) -> int:
    """A campaign to six people that is over; everything that went by phone 2 has failed."""
    run_id = bench.campaign(6, per_request=1, more=f"devices: {{use: {devices}}}\n")
    bench.send()
    for message in bench.gateway.stored:
        failed = message.device == "2"
        message.status, message.result_code = ("Failed", NO_SERVICE) if failed else ("Delivered", None)
    bench.until(lambda: bench.run(run_id).finished_at is not None)
    return run_id


def test_what_failed_on_one_phone_goes_by_the_others(bench_on_both: Installation) -> None:
    bench = bench_on_both
    run_id = failed_on_phone_2(bench, "[1, 2, 3]")
    assert bench.states(run_id) == {P.FAILED: 2, P.DELIVERED: 4}

    again = bench.resend(run_id)
    bench.pass_time(10)

    assert bench.states(again) == {P.ACCEPTED: 2}
    assert [message.device for message in bench.gateway.stored[6:]] in (["1", "1"], ["3", "3"])


def test_where_there_is_no_other_phone_it_goes_by_the_same(bench: Installation) -> None:
    run_id = failed_on_phone_2(bench, "[2]")

    bench.resend(run_id)
    bench.pass_time(10)

    assert [message.device for message in bench.gateway.stored[6:]] == ["2"] * 6
