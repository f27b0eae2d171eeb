"""Daily budgets: never exceeded, and the rest is sent the next day."""

from datetime import timedelta

import pytest

from campaigns.codes import WaitsFor
from campaigns.problems import CampaignFileError
from tests.protocol.world.harness import Installation, exactly_once
from tests.protocol.world.scripted_gateway import LOST, Answers, Send, Stores
from worker.sending.dispatch import Dispatched


@pytest.mark.long
def test_a_daily_budget_spreads_a_campaign_over_days(bench: Installation) -> None:
    # given 8 texts, one in each request, and 3 a day (the clock is at 09:00)
    run_id = bench.campaign(8, per_request=1, more="  daily: 3\n")

    def is_over() -> bool:
        bench.gateway.set_all("Delivered")
        return bench.run(run_id).finished_at is not None

    bench.until(is_over, within=timedelta(days=3), step=3600)

    assert exactly_once(bench, run_id)
    days = [attempt.started_at.date().day for attempt in bench.attempts(run_id)]
    assert days == [1, 1, 1, 2, 2, 2, 3, 3]
    assert {batch.attempt for batch in bench.batches(run_id)} == {1}


def test_a_spent_budget_puts_all_batches_of_the_run_off_at_once(bench: Installation) -> None:
    run_id = bench.campaign(8, per_request=1, more="  daily: 1\n")

    assert bench.send().count(Dispatched.ACCEPTED) == 1

    waiting = [batch for batch in bench.batches(run_id) if batch.attempt == 0]
    assert {(batch.not_before.isoformat(), batch.waits_for) for batch in waiting} == {
        ("2026-12-02T00:00:00+00:00", WaitsFor.BUDGET)
    }


def test_a_request_is_never_larger_than_the_budget(bench: Installation) -> None:
    run_id = bench.campaign(8, per_request=500, more="  daily: 3\n")

    assert [batch.segments for batch in bench.batches(run_id)] == [3, 3, 2]


def test_a_text_dearer_than_the_budget_of_a_day_is_refused_in_the_plan(bench: Installation) -> None:
    with pytest.raises(CampaignFileError, match="costs 2 segments, but at most 1 a day"):
        bench.drop(
            f"campaign: long\nmessage: {'word ' * 40}\naudience:\n  - recipients: [{{number: '+393331234567'}}]\n"
            "throughput: {daily: 1}\n",
            "long",
        )


def test_the_throttle_s_moment_is_stored_with_the_intent(bench: Installation) -> None:
    run_id = bench.campaign(1)
    bench.send()
    assert [attempt.granted_at for attempt in bench.attempts(run_id)] == [bench.clock.now()]


def test_people_in_doubt_elsewhere_cost_no_budget(known: Installation) -> None:
    # given somebody whose text is in doubt, who is in another campaign with a budget of exactly its people
    known.gateway.script.append(LOST)
    known.campaign(1, name="doubt")
    known.send()
    run_id = known.campaign(2, per_request=1, name="second", more="  daily: 2\n")
    # when that one tries again and again before the other is looked up
    known.until(lambda: known.run(run_id).sent_at is not None)
    # then it has lost none of its budget by that, and is done on the same day
    assert known.outcomes(run_id) == ["accepted", "accepted"]


def test_a_request_that_never_left_costs_no_budget(known: Installation) -> None:
    known.gateway.script.extend([Send(Answers.NO_CONNECTION, Stores.NONE)] * 3)  # one for each try
    run_id = known.campaign(2, per_request=1, more="  daily: 2\n")
    known.until(lambda: known.run(run_id).sent_at is not None)
    assert sorted(known.outcomes(run_id)) == ["accepted", "accepted", "not_sent"]
